//! The end of a pipe that is read.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd, OwnedFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::AsyncRead;
use rustix::fs::OFlags;
use rustix::io::ioctl_fionbio;

use super::take_over;
use crate::net::bytes::{self, read, retry};
use crate::reactor::{Direction, Reactor, Source};

/// The end of a pipe that is read: [`std::io::PipeReader`], awaited. From [`pipe`](super::pipe()), from std, or
/// from anything that owns a pipe, as [`std::process::ChildStdout`] does.
///
/// Reading takes `&self`. It also implements futures-io's `AsyncRead`.
pub struct PipeReader {
    pub(in crate::net) source: Source<OwnedFd>,
}

impl PipeReader {
    /// Takes over the reading end of a pipe or of a named pipe (a FIFO), which becomes
    /// non-blocking, for all who share it. A named pipe that nobody has opened for writing yet looks
    /// as if it had come to its end.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if it is no pipe, or the other end of one: [`Source`] takes whatever else can be
    /// awaited.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    #[doc(alias = "connect_read_pipe")]
    pub fn from_fd(fd: impl Into<OwnedFd>) -> io::Result<Self> {
        let reactor = Reactor::expect_current("PipeReader::from_fd");
        let pipe = take_over("PipeReader::from_fd", fd.into(), OFlags::WRONLY)?;
        Ok(Self::of(Source::register(reactor, pipe)))
    }

    pub(super) fn of(source: Source<OwnedFd>) -> Self {
        Self { source }
    }

    /// Gives the end back to std, blocking as std's are.
    ///
    /// # Errors
    ///
    /// It cannot be made blocking.
    pub fn into_std(self) -> io::Result<io::PipeReader> {
        let fd = OwnedFd::from(self);
        ioctl_fionbio(&fd, false)?;
        Ok(fd.into())
    }

    /// Waits until there are bytes, and reads them, at most as many as the buffer holds. 0: all
    /// writers are gone (or the buffer is empty).
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
        let mut waiter = self.source.waiter(Direction::Read);
        poll_fn(move |cx| match buffer {
            [] => Poll::Ready(Ok(0)),
            _ => {
                let source = waiter.source();
                waiter.poll_io(cx, |_| read(source, buffer))
            }
        })
    }

    /// Reads into several buffers, one after the other, with one system call. See
    /// [`read`](Self::read).
    ///
    /// # Errors
    ///
    /// Those of [`read`](Self::read).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    #[track_caller]
    pub fn read_vectored(
        &self,
        buffers: &mut [IoSliceMut<'_>],
    ) -> impl Future<Output = io::Result<usize>> {
        let waiter = self.source.waiter(Direction::Read);
        let is_empty = bytes::are_empty(buffers);
        bytes::transfer(waiter, is_empty, move |it| bytes::readv(it, buffers))
    }

    /// Fills the buffer.
    ///
    /// # Errors
    ///
    /// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) if all writers are gone before it is full,
    /// and those of [`read`](Self::read).
    ///
    /// # Cancel safety
    ///
    /// None: bytes that it has read are in the buffer, but nobody knows how many. Where that
    /// matters, call [`read`](Self::read) in a loop.
    #[track_caller]
    pub fn read_exact(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<()>> {
        let waiter = self.source.waiter(Direction::Read);
        bytes::read_exact("PipeReader::read_exact", waiter, buffer, read)
    }

    /// Waits until [`try_read`](Self::try_read) is worth a try. See [`Source::readable`].
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

impl From<PipeReader> for OwnedFd {
    /// Non-blocking, as it is; see [`PipeReader::into_std`].
    fn from(reader: PipeReader) -> Self {
        reader.source.into_inner()
    }
}

impl AsyncRead for PipeReader {
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

impl fmt::Debug for PipeReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fd = self.source.get_ref().as_raw_fd();
        f.debug_struct("PipeReader").field("fd", &fd).finish()
    }
}
