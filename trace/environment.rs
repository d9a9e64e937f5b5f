//! `SELIO_TRACE`: the trace of programs that do not ask for one.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Kind, Trace, is_ours, open, to_stderr};

const VARIABLE: &str = "SELIO_TRACE";

/// How many names for files this process has tried.
static NAMES: AtomicUsize = AtomicUsize::new(0);

/// The trace that the environment asks for.
pub(crate) fn from_environment() -> io::Result<Option<Trace>> {
    let Some(value) = env::var_os(VARIABLE).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    let trace = if value == "stderr" {
        Ok(to_stderr())
    } else {
        to_file_of_its_own(Path::new(&value))
    };
    trace.map(Some).map_err(|error| {
        let problem = format!("{VARIABLE}: {error}, or write `stderr`");
        io::Error::new(error.kind(), problem)
    })
}

/// A trace in a file that no other runtime of this process has had, and into which none of another
/// process writes: `life.json`, then `life-2.json`, and so on.
fn to_file_of_its_own(path: &Path) -> io::Result<Trace> {
    let kind = Kind::of(path)?;
    loop {
        let number = NAMES.fetch_add(1, Ordering::Relaxed) + 1;
        let path = numbered(path, number);
        let file = open(&path)?;
        if is_ours(&file) {
            return kind.begin(file, &path);
        }
    }
}

fn numbered(path: &Path, number: usize) -> PathBuf {
    if number == 1 {
        return path.into();
    }
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!("-{number}."));
    name.push(path.extension().unwrap_or(OsStr::new("")));
    path.with_file_name(name)
}
