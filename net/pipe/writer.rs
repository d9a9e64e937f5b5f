//! The end of a pipe that is written.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::AsyncWrite;
use rustix::fs::OFlags;
use rustix::io::ioctl_fionbio;

use super::take_over;
use crate::net::bytes::{self, retry};
use crate::reactor::{Direction, Reactor, Source, Waiter};

/// The end of a pipe that is written: [`std::io::PipeWriter`], awaited. From [`pipe`](super::pipe()), from std, or
/// from anything that owns a pipe, as [`std::process::ChildStdin`] does.
///
/// Writing takes `&self`. It also implements futures-io's `AsyncWrite`, whose `close` really closes
/// the pipe, so that the reader comes to the end; so does dropping it.
///
/// When nobody can read any more, writing fails with `BrokenPipe`. For pipes the system also raises
/// `SIGPIPE`, which every Rust program ignores from its start. One that undoes this, or whose `main`
/// is in another language, ends by it.
pub struct PipeWriter {
    /// `None` when it was closed.
    source: Option<Source<OwnedFd>>,
}

impl PipeWriter {
    /// Takes over the writing end of a pipe or of a named pipe (a FIFO), which becomes
    /// non-blocking, for all who share it.
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
    #[doc(alias = "connect_write_pipe")]
    pub fn from_fd(fd: impl Into<OwnedFd>) -> io::Result<Self> {
        let reactor = Reactor::expect_current("PipeWriter::from_fd");
        let pipe = take_over("PipeWriter::from_fd", fd.into(), OFlags::RDONLY)?;
        Ok(Self::of(Source::register(reactor, pipe)))
    }

    pub(super) fn of(source: Source<OwnedFd>) -> Self {
        Self {
            source: Some(source),
        }
    }

    /// Gives the end back to std, blocking as std's are.
    ///
    /// # Errors
    ///
    /// It cannot be made blocking.
    ///
    /// # Panics
    ///
    /// When it was closed.
    pub fn into_std(self) -> io::Result<io::PipeWriter> {
        let fd = OwnedFd::from(self);
        ioctl_fionbio(&fd, false)?;
        Ok(fd.into())
    }

    /// Waits until there is room, and writes as much as fits into it: at least one byte, unless
    /// there is none to write. Up to 512 bytes (`PIPE_BUF`; 4,096 on Linux) are written all at once
    /// or not at all, so that several writers do not mix them.
    ///
    /// # Errors
    ///
    /// Those of [write(2)](https://man7.org/linux/man-pages/man2/write.2.html): `BrokenPipe` when
    /// nobody can read any more.
    ///
    /// # Cancel safety
    ///
    /// If it does not return, nothing was written.
    #[track_caller]
    pub fn write(&self, bytes: &[u8]) -> impl Future<Output = io::Result<usize>> {
        let waiter = self.waiter();
        let write = |pipe: &OwnedFd| bytes::write(pipe, bytes);
        async move { bytes::transfer(waiter?, bytes.is_empty(), write).await }
    }

    /// Writes from several slices, one after the other, with one system call: at most 1,024 of
    /// them. See [`write`](Self::write).
    ///
    /// # Errors
    ///
    /// Those of [`write`](Self::write).
    ///
    /// # Cancel safety
    ///
    /// If it does not return, nothing was written.
    #[track_caller]
    pub fn write_vectored(
        &self,
        slices: &[IoSlice<'_>],
    ) -> impl Future<Output = io::Result<usize>> {
        let waiter = self.waiter();
        let write = |pipe: &OwnedFd| bytes::writev(pipe, slices);
        async move { bytes::transfer(waiter?, bytes::are_empty(slices), write).await }
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
        let waiter = self.waiter();
        async move {
            let mut waiter = waiter?;
            poll_fn(|cx| bytes::poll_write_all(&mut waiter, cx, &mut bytes, bytes::write)).await
        }
    }

    /// Waits until [`try_write`](Self::try_write) is worth a try. See [`Source::writable`].
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
        let writable = match self.source() {
            Ok(source) => Ok(source.writable()),
            Err(error) => Err(error),
        };
        async move { writable?.await }
    }

    /// Writes what there is room for, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no room, and those of [`write`](Self::write).
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        let source = self.source()?;
        retry(|| bytes::write(source, bytes))
    }

    #[track_caller]
    fn waiter(&self) -> io::Result<Waiter<'_, OwnedFd>> {
        Ok(self.source()?.waiter(Direction::Write))
    }

    fn source(&self) -> io::Result<&Source<OwnedFd>> {
        self.source.as_ref().ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::BrokenPipe,
                "PipeWriter: it was closed; write before that",
            )
        })
    }
}

const CLOSED: &str = "PipeWriter: it was closed, and has no file descriptor; ask before that";

impl From<PipeWriter> for OwnedFd {
    /// Non-blocking, as it is; see [`PipeWriter::into_std`].
    ///
    /// # Panics
    ///
    /// When it was closed.
    fn from(writer: PipeWriter) -> Self {
        match writer.source {
            Some(source) => source.into_inner(),
            None => panic!("{CLOSED}"),
        }
    }
}

impl AsFd for PipeWriter {
    /// # Panics
    ///
    /// When it was closed.
    fn as_fd(&self) -> BorrowedFd<'_> {
        match &self.source {
            Some(source) => source.as_fd(),
            None => panic!("{CLOSED}"),
        }
    }
}

impl AsRawFd for PipeWriter {
    fn as_raw_fd(&self) -> RawFd {
        self.as_fd().as_raw_fd()
    }
}

impl AsyncWrite for PipeWriter {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match bytes {
            [] => Poll::Ready(Ok(0)),
            _ => self
                .source()?
                .poll_io_at(None, cx, Direction::Write, |pipe| bytes::write(pipe, bytes)),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if bytes::are_empty(slices) {
            return Poll::Ready(Ok(0));
        }
        self.source()?
            .poll_io_at(None, cx, Direction::Write, |pipe| {
                bytes::writev(pipe, slices)
            })
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(())) // Nothing is held back here.
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        drop(self.get_mut().source.take());
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for PipeWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fd = self.source.as_ref().map(|it| it.get_ref().as_raw_fd());
        f.debug_struct("PipeWriter").field("fd", &fd).finish()
    }
}
