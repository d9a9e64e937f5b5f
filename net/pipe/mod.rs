//! Pipes: bytes in one direction, to a child process, from one, or from task to task.
//!
//! ```text
//!   PipeWriter --write--> | 64 KiB in the system | --read--> PipeReader
//! ```
//!
//! Its one rule: **the end comes when the last writer is gone.** A process that reads to the end
//! waits for as long as anybody holds the other end, be it by mistake.

mod reader;
mod writer;

use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;

use rustix::fs::{FileType, OFlags, fcntl_getfl, fstat};
use rustix::io::ioctl_fionbio;

use crate::reactor::{Reactor, Source};

pub use self::reader::PipeReader;
pub use self::writer::PipeWriter;

/// A pipe, as of [pipe(2)](https://man7.org/linux/man-pages/man2/pipe.2.html): what is written into
/// the writer comes out of the reader, in order.
///
/// Neither end is handed on to child processes. To give one to a child as its standard input or
/// output, make it a blocking one of std first: [`PipeReader::into_std`], [`PipeWriter::into_std`].
///
/// # Errors
///
/// There is no file descriptor left.
///
/// # Panics
///
/// Outside of a runtime.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// selio::run(async {
///     let (reader, writer) = selio::net::pipe()?;
///     writer.write_all(b"ping").await?;
///     drop(writer);
///
///     let mut buffer = [0; 16];
///     assert_eq!(reader.read(&mut buffer).await?, 4);
///     assert_eq!(reader.read(&mut buffer).await?, 0); // the end
///     Ok(())
/// })
/// # }
/// ```
#[track_caller]
pub fn pipe() -> io::Result<(PipeReader, PipeWriter)> {
    let reactor = Reactor::expect_current("pipe");
    let (reader, writer) = io::pipe()?;
    let (reader, writer) = (OwnedFd::from(reader), OwnedFd::from(writer));
    ioctl_fionbio(&reader, true)?;
    ioctl_fionbio(&writer, true)?;
    let reader = Source::register(Rc::clone(&reactor), reader);
    let writer = Source::register(reactor, writer);
    Ok((PipeReader::of(reader), PipeWriter::of(writer)))
}

/// Makes an end of a pipe non-blocking. `other` is how the other end would be open.
fn take_over(call: &str, fd: OwnedFd, other: OFlags) -> io::Result<OwnedFd> {
    let invalid = |problem| {
        let problem = format!("{call}: fd {} {problem}", fd.as_raw_fd());
        io::Error::new(io::ErrorKind::InvalidInput, problem)
    };
    if FileType::from_raw_mode(fstat(&fd)?.st_mode) != FileType::Fifo {
        return Err(invalid(
            "is no pipe; a `Source` takes whatever else can be awaited",
        ));
    }
    if fcntl_getfl(&fd)? & OFlags::RWMODE == other {
        return Err(invalid("is the other end of a pipe; give this one"));
    }
    ioctl_fionbio(&fd, true)?;
    Ok(fd)
}
