//! Standard input, output and error, next to sockets, in the same loop.
//!
//! Two things make them different from all other descriptors. They are not ours alone: the shell and
//! other processes share their open file, and with it the flag `O_NONBLOCK`. A program that sets it
//! breaks those who come after it, so it is left alone here: poll(2) is asked first, and then
//! follows one call that does not block. And they may be anything: a terminal, a pipe, a regular
//! file, `/dev/null`.
//!
//! No thread reads ahead. Nothing keeps the process alive, and what nobody has read is still there
//! for the next process.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};
use rustix::event::{PollFd, PollFlags, Timespec};

use super::bytes::{self, retry};
use crate::reactor::{Direction, Reactor, Source};

/// How much is written at once. When poll(2) says that there is room in a pipe, there is room for
/// as much: 4,096 bytes on Linux, 512 elsewhere.
const CHUNK: usize = rustix::pipe::PIPE_BUF;

/// Standard input, awaited.
///
/// For lines, give it to a buffered reader, and read from that one only.
///
/// # Errors
///
/// Standard input is closed, or there is no file descriptor left.
///
/// # Panics
///
/// Outside of a runtime.
///
/// # Examples
///
/// ```no_run
/// use futures_lite::{AsyncBufReadExt, StreamExt, io::BufReader};
///
/// # fn main() -> std::io::Result<()> {
/// selio::run(async {
///     let mut lines = BufReader::new(selio::net::stdin()?).lines();
///     while let Some(line) = lines.next().await {
///         println!("you said: {}", line?);
///     }
///     Ok(())
/// })
/// # }
/// ```
#[track_caller]
pub fn stdin() -> io::Result<Stdin> {
    let reactor = Reactor::expect_current("stdin");
    Ok(Stdin {
        source: Source::register(reactor, duplicate(io::stdin())?),
    })
}

/// Standard output, awaited: for a program whose reader may be slow.
///
/// # Errors
///
/// Standard output is closed, or there is no file descriptor left.
///
/// # Panics
///
/// Outside of a runtime.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// selio::run(async { selio::net::stdout()?.write_all(b"hello\n").await })
/// # }
/// ```
#[track_caller]
pub fn stdout() -> io::Result<Stdout> {
    let reactor = Reactor::expect_current("stdout");
    Ok(Stdout {
        source: Source::register(reactor, duplicate(io::stdout())?),
    })
}

/// Standard error, awaited.
///
/// # Errors
///
/// Standard error is closed, or there is no file descriptor left.
///
/// # Panics
///
/// Outside of a runtime.
#[track_caller]
pub fn stderr() -> io::Result<Stderr> {
    let reactor = Reactor::expect_current("stderr");
    Ok(Stdout {
        source: Source::register(reactor, duplicate(io::stderr())?),
    })
}

/// A descriptor of our own for the same open file: it may be closed, and there may be several.
fn duplicate(stdio: impl AsFd) -> io::Result<OwnedFd> {
    stdio.as_fd().try_clone_to_owned()
}

/// Standard input, from [`stdin`]: [`std::io::Stdin`], awaited.
///
/// It holds nothing back, so do not mix it with [`std::io::stdin`], which does.
///
/// If another process reads from the same terminal or pipe, and takes the bytes in the moment
/// between asking whether there are some and reading them, the thread blocks until there are more.
pub struct Stdin {
    pub(super) source: Source<OwnedFd>,
}

impl Stdin {
    /// Waits until there are bytes, and reads them, at most as many as the buffer holds; from a
    /// terminal, at most a line. 0: the end, which is Ctrl-D on a terminal (or the buffer is empty).
    ///
    /// # Errors
    ///
    /// Those of [read(2)](https://man7.org/linux/man-pages/man2/read.2.html).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: bytes that were not returned are there for the next read.
    #[track_caller]
    pub fn read(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<usize>> {
        let waiter = self.source.waiter(Direction::Read);
        bytes::transfer(waiter, buffer.is_empty(), |_| read(&self.source, buffer))
    }

    /// Fills the buffer.
    ///
    /// # Errors
    ///
    /// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) if the end comes before it is full, and those
    /// of [`read`](Self::read).
    ///
    /// # Cancel safety
    ///
    /// None: bytes that it has read are in the buffer, but nobody knows how many. Where that
    /// matters, call [`read`](Self::read) in a loop.
    #[track_caller]
    pub fn read_exact(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<()>> {
        let waiter = self.source.waiter(Direction::Read);
        bytes::read_exact("Stdin::read_exact", waiter, buffer, read)
    }

    /// Waits until there are bytes, or the end.
    ///
    /// # Errors
    ///
    /// Those of [`Source::readable`].
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    #[track_caller]
    pub fn readable(&self) -> impl Future<Output = io::Result<()>> {
        self.source.readable()
    }

    /// Reads what is there, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is nothing, and those of [`read`](Self::read).
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        retry(|| read(&self.source, buffer))
    }
}

/// Standard output, from [`stdout`]: [`std::io::Stdout`], awaited.
///
/// It holds nothing back, as opposed to [`std::io::stdout`], which keeps the beginning of a line.
/// Many small writes go better through a buffered writer.
///
/// A terminal, or a pipe that other processes write to, may have less room than it has said: then
/// the thread blocks until there is.
pub struct Stdout {
    pub(super) source: Source<OwnedFd>,
}

/// Standard error, from [`stderr`]: [`std::io::Stderr`], awaited.
pub type Stderr = Stdout;

impl Stdout {
    /// Waits until there is room, and writes as much as surely fits into it: at most 512 bytes
    /// (`PIPE_BUF`; 4,096 on Linux).
    ///
    /// # Errors
    ///
    /// Those of [write(2)](https://man7.org/linux/man-pages/man2/write.2.html): `BrokenPipe` when
    /// nobody reads any more.
    ///
    /// # Cancel safety
    ///
    /// If it does not return, nothing was written.
    #[track_caller]
    pub fn write(&self, bytes: &[u8]) -> impl Future<Output = io::Result<usize>> {
        let waiter = self.source.waiter(Direction::Write);
        bytes::transfer(waiter, bytes.is_empty(), |output| write(output, bytes))
    }

    /// Writes all of it.
    ///
    /// # Errors
    ///
    /// Those of [`write`](Self::write).
    ///
    /// # Cancel safety
    ///
    /// None: a part may have been written, and nobody knows how much. Where that matters, call
    /// [`write`](Self::write) in a loop.
    #[track_caller]
    pub fn write_all(&self, mut bytes: &[u8]) -> impl Future<Output = io::Result<()>> {
        let mut waiter = self.source.waiter(Direction::Write);
        poll_fn(move |cx| bytes::poll_write_all(&mut waiter, cx, &mut bytes, write))
    }

    /// Waits until there is room.
    ///
    /// # Errors
    ///
    /// Those of [`Source::writable`].
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    #[track_caller]
    pub fn writable(&self) -> impl Future<Output = io::Result<()>> {
        self.source.writable()
    }

    /// Writes what there is room for, without waiting. See [`write`](Self::write).
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no room, and those of [`write`](Self::write).
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        retry(|| write(&self.source, bytes))
    }
}

/// One read(2), if it does not block.
fn read(source: &Source<OwnedFd>, buffer: &mut [u8]) -> io::Result<usize> {
    expect_ready(source, PollFlags::IN)?;
    bytes::read(source, buffer)
}

/// One write(2), if it does not block.
fn write(output: &impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    expect_ready(output, PollFlags::OUT)?;
    bytes::write(output, &bytes[..bytes.len().min(CHUNK)])
}

/// Fails with `WouldBlock` if it would.
///
/// What the selector has said does not suffice: another task, or another process, may have been
/// faster.
fn expect_ready(stdio: &impl AsFd, flags: PollFlags) -> io::Result<()> {
    let now = Timespec::default();
    match rustix::event::poll(&mut [PollFd::new(stdio, flags)], Some(&now))? {
        0 => Err(io::ErrorKind::WouldBlock.into()),
        _ => Ok(()),
    }
}

impl AsyncRead for Stdin {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match buffer {
            [] => Poll::Ready(Ok(0)),
            _ => self
                .source
                .poll_io_at(None, cx, Direction::Read, |_| read(&self.source, buffer)),
        }
    }
}

impl AsyncWrite for Stdout {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match bytes {
            [] => Poll::Ready(Ok(0)),
            _ => self
                .source
                .poll_io_at(None, cx, Direction::Write, |output| write(output, bytes)),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(())) // Nothing is held back here.
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(())) // The process has others of it.
    }
}

impl fmt::Debug for Stdin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fd = self.source.get_ref().as_raw_fd();
        f.debug_struct("Stdin").field("fd", &fd).finish()
    }
}

impl fmt::Debug for Stdout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fd = self.source.get_ref().as_raw_fd();
        f.debug_struct("Stdout").field("fd", &fd).finish()
    }
}
