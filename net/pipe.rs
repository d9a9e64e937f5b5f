//! Pipes: bytes in one direction, to a child process, from one, or from task to task.

use std::fmt;
use std::fs::File;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::fs::FileTypeExt;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};

use super::bytes::{self, read, retry};
use crate::reactor::{Direction, Reactor, Source};

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
    rustix::io::ioctl_fionbio(&reader, true)?;
    rustix::io::ioctl_fionbio(&writer, true)?;
    let reader = PipeReader {
        source: Source::register(reactor.clone(), reader),
    };
    let writer = PipeWriter {
        source: Some(Source::register(reactor, writer)),
    };
    Ok((reader, writer))
}

/// The end of a pipe that is read: [`std::io::PipeReader`], awaited. From [`pipe`], from std, or
/// from anything that owns a pipe, as [`std::process::ChildStdout`] does.
///
/// Reading takes `&self`. It also implements futures-io's `AsyncRead`.
pub struct PipeReader {
    pub(super) source: Source<OwnedFd>,
}

impl PipeReader {
    /// Takes over the reading end of a pipe or of a named pipe (a FIFO), which becomes
    /// non-blocking, for all who share it. A named pipe that nobody has opened for writing yet looks
    /// as if it had come to its end.
    ///
    /// # Errors
    ///
    /// `InvalidInput` if it is no pipe: [`Source`] takes whatever else can be awaited.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn from_fd(fd: impl Into<OwnedFd>) -> io::Result<Self> {
        let reactor = Reactor::expect_current("PipeReader::from_fd");
        let pipe = non_blocking_pipe("PipeReader::from_fd", fd.into())?;
        Ok(Self {
            source: Source::register(reactor, pipe),
        })
    }

    /// Gives the end back to std, blocking as std's are.
    ///
    /// # Errors
    ///
    /// It cannot be made blocking.
    pub fn into_std(self) -> io::Result<io::PipeReader> {
        let fd = OwnedFd::from(self);
        rustix::io::ioctl_fionbio(&fd, false)?;
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
    pub async fn read_vectored(&self, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
        if bytes::are_empty(buffers) {
            return Ok(0);
        }
        self.source
            .io(Direction::Read, |pipe| bytes::readv(pipe, buffers))
            .await
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
    pub async fn read_exact(&self, buffer: &mut [u8]) -> io::Result<()> {
        let read = async |buffer: &mut [u8]| self.read(buffer).await;
        bytes::read_exact("PipeReader::read_exact", buffer, read).await
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
    pub async fn readable(&self) -> io::Result<()> {
        self.source.readable().await
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

/// The end of a pipe that is written: [`std::io::PipeWriter`], awaited. From [`pipe`], from std, or
/// from anything that owns a pipe, as [`std::process::ChildStdin`] does.
///
/// Writing takes `&self`. It also implements futures-io's `AsyncWrite`, whose `close` really closes
/// the pipe, so that the reader comes to the end; so does dropping it.
///
/// When nobody can read any more, writing fails with `BrokenPipe`. For pipes the system also raises
/// `SIGPIPE`, which every Rust program ignores from its start, unless somebody changes that.
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
    /// `InvalidInput` if it is no pipe: [`Source`] takes whatever else can be awaited.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn from_fd(fd: impl Into<OwnedFd>) -> io::Result<Self> {
        let reactor = Reactor::expect_current("PipeWriter::from_fd");
        let pipe = non_blocking_pipe("PipeWriter::from_fd", fd.into())?;
        Ok(Self {
            source: Some(Source::register(reactor, pipe)),
        })
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
        rustix::io::ioctl_fionbio(&fd, false)?;
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
    pub async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        if bytes.is_empty() {
            return Ok(0);
        }
        self.source()?
            .io(Direction::Write, |pipe| bytes::write(pipe, bytes))
            .await
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
    pub async fn write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if bytes::are_empty(slices) {
            return Ok(0);
        }
        self.source()?
            .io(Direction::Write, |pipe| bytes::writev(pipe, slices))
            .await
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
    pub async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        let mut waiter = self.source()?.waiter(Direction::Write);
        poll_fn(|cx| bytes::poll_write_all(&mut waiter, cx, &mut bytes, bytes::write)).await
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
    pub async fn writable(&self) -> io::Result<()> {
        self.source()?.writable().await
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

fn non_blocking_pipe(call: &str, fd: OwnedFd) -> io::Result<OwnedFd> {
    // A file of std is how std lends fstat(2).
    let file = File::from(fd);
    if !file.metadata()?.file_type().is_fifo() {
        return Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!(
                "{call}: fd {} is no pipe; a `Source` takes whatever else can be awaited",
                file.as_raw_fd()
            ),
        ));
    }
    rustix::io::ioctl_fionbio(&file, true)?;
    Ok(file.into())
}

impl From<PipeReader> for OwnedFd {
    /// Non-blocking, as it is; see [`PipeReader::into_std`].
    fn from(reader: PipeReader) -> Self {
        reader.source.into_inner()
    }
}

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
                .poll_io(cx, Direction::Read, |_| read(&self.source, buffer)),
        }
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
                .poll_io(cx, Direction::Write, |pipe| bytes::write(pipe, bytes)),
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
            .poll_io(cx, Direction::Write, |pipe| bytes::writev(pipe, slices))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(())) // Nothing is held back here.
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        drop(self.get_mut().source.take());
        Poll::Ready(Ok(()))
    }
}

impl fmt::Debug for PipeReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fd = self.source.get_ref().as_raw_fd();
        f.debug_struct("PipeReader").field("fd", &fd).finish()
    }
}

impl fmt::Debug for PipeWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fd = self.source.as_ref().map(|it| it.get_ref().as_raw_fd());
        f.debug_struct("PipeWriter").field("fd", &fd).finish()
    }
}
