//! Who the peer of a Unix socket is, if that is a process which has no number here.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;

use std::env;
use std::os::unix::net::UnixListener;
use std::process::{self, Command};
use std::time::Duration;

use common::deadline;
use selio::net::UnixStream;

const SOCKET: &str = "SELIO_TEST_SOCKET";

#[test]
fn who_has_no_process_id_here_is_said_to_have_none() {
    if let Some(path) = env::var_os(SOCKET) {
        return deadline(Duration::from_secs(30), || {
            selio::run(async {
                let stream = UnixStream::connect(path).await.unwrap();
                let error = stream.peer_cred().unwrap_err().to_string();
                assert!(error.contains("no process id"), "{error}");
            });
        });
    }
    let path = env::temp_dir().join(format!("selio-peer-{}", process::id()));
    let _listener = UnixListener::bind(&path).unwrap();
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--pid", "--fork"])
        .arg(env::current_exe().unwrap())
        .args(["--exact", "who_has_no_process_id_here_is_said_to_have_none"])
        .env(SOCKET, &path)
        .output();
    std::fs::remove_file(&path).unwrap();
    let Ok(output) = output else {
        return eprintln!("unshare(1) is not there: nothing was tested");
    };
    let said = String::from_utf8_lossy(&output.stderr);
    if said.starts_with("unshare: ") {
        return eprintln!("nothing was tested: {said}");
    }
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(told.contains("1 passed"), "{told}{said}");
}
