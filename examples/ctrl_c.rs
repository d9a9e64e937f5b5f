//! Ctrl-C in good order: the first one drops what runs, and a second one kills.
//!
//! ```text
//! cargo run --release --features signal --example ctrl_c            then press Ctrl-C
//! echo $?                                                           130: ended by SIGINT
//! ```
//!
//! It works under a lock file, which has to go when the program does. With `selio::run` Ctrl-C
//! would leave it behind.

use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;
use std::{env, fs, io};

/// A file that exists as long as this does.
struct LockFile(PathBuf);

impl LockFile {
    fn new(path: PathBuf) -> io::Result<Self> {
        match File::create_new(&path) {
            Ok(_) => Ok(Self(path)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(io::Error::other(
                "it is there already: another one is at work, or was killed; then remove it",
            )),
            Err(error) => Err(error),
        }
    }
}

impl Drop for LockFile {
    fn drop(&mut self) {
        match fs::remove_file(&self.0) {
            Ok(()) => println!("cleaned up: {} is gone", self.0.display()),
            Err(error) => eprintln!("{}: {error}", self.0.display()),
        }
    }
}

async fn work() -> io::Result<()> {
    let path = match env::args_os().nth(1) {
        Some(option) if option.as_encoded_bytes().starts_with(b"-") => {
            return Err(io::Error::other("usage: ctrl_c [FILE]"));
        }
        Some(path) => PathBuf::from(path),
        None => env::temp_dir().join("selio.lock"),
    };
    let named = |error| io::Error::other(format!("{}: {error}", path.display()));
    let _lock = LockFile::new(path.clone()).map_err(named)?;
    println!("{} is locked: press Ctrl-C", path.display());
    for seconds in 1.. {
        selio::sleep(Duration::from_secs(1)).await;
        println!("worked for {seconds} s");
    }
    Ok(())
}

fn main() -> ExitCode {
    match selio::signal::run_until_ctrl_c(work()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("ctrl_c: {error}");
            ExitCode::FAILURE
        }
    }
}
