//! Python: asyncio, with a protocol and with streams, and uvloop, where there is a `python3` with them.
//!
//! These servers are no part of this program: its process becomes Python, and hands the listener
//! over. They serve, and that is all; what they cost is read from the outside, like everybody's.

use super::{NO_PROGRAMS, Peer};
use rustix::io::{FdFlags, fcntl_setfd};
use std::io;
use std::net::TcpListener;
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// asyncio's first, because they need no package.
pub const SERVERS: &[Peer] = &[
    peer("asyncio", |listener| {
        become_python(&listener, "asyncio", "protocol")
    }),
    peer("asyncio streams", |listener| {
        become_python(&listener, "asyncio", "streams")
    }),
    peer("uvloop", |listener| {
        become_python(&listener, "uvloop", "protocol")
    }),
];

const fn peer(name: &'static str, serve: fn(TcpListener) -> io::Result<()>) -> Peer {
    Peer {
        name,
        programs: NO_PROGRAMS,
        serve: Some(serve),
        buffer: 0,
    }
}

/// The servers that `python3` can be, and a word about them: the versions, or what is missing.
pub fn found() -> (&'static [Peer], String) {
    let asyncio = tell("import asyncio, platform; print(platform.python_version())");
    let uvloop = tell("import uvloop; print(uvloop.__version__)");
    match (asyncio, uvloop) {
        (Some(python), Some(uvloop)) => {
            let word = format!("asyncio of Python {python}, uvloop {uvloop}");
            (SERVERS, word)
        }
        (Some(python), None) => {
            let word =
                format!("asyncio of Python {python}; no uvloop, which python3 does not have");
            (&SERVERS[..2], word)
        }
        (None, _) => {
            let word = "no asyncio: there is no python3 with it on the PATH";
            (&[], word.to_string())
        }
    }
}

/// What a line of Python prints; `None` when it fails, or when there is no Python.
fn tell(line: &str) -> Option<String> {
    let output = Command::new("python3").args(["-c", line]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_string())
}

/// Replaces this process, so that whoever started it measures and ends Python; returns only to fail.
fn become_python(listener: &TcpListener, event_loop: &str, style: &str) -> io::Result<()> {
    fcntl_setfd(listener, FdFlags::empty())?;
    let fd = listener.as_raw_fd().to_string();
    let error = Command::new("python3")
        .args(["-c", include_str!("echo.py"), &fd, event_loop, style])
        .exec();
    let what = format!("cannot become python3, which must be on the PATH: {error}");
    Err(io::Error::new(error.kind(), what))
}
