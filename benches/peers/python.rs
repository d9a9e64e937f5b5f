//! Python: asyncio, with a protocol and with streams, and uvloop, where a `python3` has them.
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

/// What `python3` can be.
#[derive(Debug)]
pub struct Python {
    pub servers: &'static [Peer],
    /// For a caption; empty where there is no Python.
    pub versions: String,
    /// What is not there, and how it would be; empty where all is.
    pub missing: &'static str,
}

impl Python {
    /// Asks `python3` which servers it can be.
    pub fn find() -> Self {
        let asyncio = tell("import asyncio, platform; print(platform.python_version())");
        let uvloop = tell("import uvloop; print(uvloop.__version__)");
        match (asyncio, uvloop) {
            (Some(python), Some(uvloop)) => Self {
                servers: SERVERS,
                versions: format!(
                    ", asyncio of Python {python} with a protocol and with streams, uvloop {uvloop}"
                ),
                missing: "",
            },
            (Some(python), None) => Self {
                servers: &SERVERS[..2],
                versions: format!(", asyncio of Python {python} with a protocol and with streams"),
                missing: "python3 cannot import uvloop, which is left out; `pip install uvloop` adds it",
            },
            (None, _) => Self {
                servers: &[],
                versions: String::new(),
                missing: "no python3 on the PATH can import asyncio: it and uvloop are left out",
            },
        }
    }
}

/// What a line of Python prints; `None` when it fails, or when there is no Python.
fn tell(line: &str) -> Option<String> {
    let output = Command::new("python3").args(["-c", line]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_string())
}

/// Replaces this process by Python, which is then measured and ended like it; returns only to fail.
fn become_python(listener: &TcpListener, event_loop: &str, style: &str) -> io::Result<()> {
    fcntl_setfd(listener, FdFlags::empty())?;
    let fd = listener.as_raw_fd().to_string();
    let error = Command::new("python3")
        .args(["-c", include_str!("echo.py"), &fd, event_loop, style])
        .exec();
    let what = format!("cannot start python3: {error}; put it on the PATH, or name another peer");
    Err(io::Error::new(error.kind(), what))
}
