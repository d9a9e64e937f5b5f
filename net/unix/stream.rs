//! A connection between two processes of this machine.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice, IoSliceMut};
use std::net::Shutdown;
use std::os::unix::net::{self, SocketAddr};
use std::rc::Rc;
use std::task::Poll;

#[cfg(target_vendor = "apple")]
use rustix::net as sys;

use crate::net::Closer;
use crate::net::bytes::{self, retry};
use crate::net::socket::{self, recv};
use crate::net::split::{self, OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use crate::reactor::{Direction, Reactor, Source};

/// A connection between two processes of this machine: [`std::os::unix::net::UnixStream`], awaited.
/// asyncio's counterpart is `open_unix_connection`.
///
/// What is said of [`TcpStream`](crate::net::TcpStream) holds for it too: reading and writing take
/// `&self`, it has halves, and it implements futures-io's `AsyncRead` and `AsyncWrite`, as does
/// `&UnixStream`. One difference: what was written is there for the peer at once, and stays there
/// when this end is dropped.
///
/// # Examples
///
/// ```
/// use selio::net::UnixStream;
///
/// # fn main() -> std::io::Result<()> {
/// selio::run(async {
///     let (one, other) = UnixStream::pair()?;
///     one.write_all(b"ping").await?;
///     let mut buffer = [0; 16];
///     let n = other.read(&mut buffer).await?;
///     assert_eq!(&buffer[..n], b"ping");
///     Ok(())
/// })
/// # }
/// ```
pub struct UnixStream {
    pub(in crate::net) source: Source<net::UnixStream>,
}

impl UnixStream {
    /// Two streams that are connected to each other.
    ///
    /// # Errors
    ///
    /// There is no file descriptor left.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn pair() -> io::Result<(Self, Self)> {
        let reactor = Reactor::expect_current("UnixStream::pair");
        let (one, other) = net::UnixStream::pair()?;
        one.set_nonblocking(true)?;
        other.set_nonblocking(true)?;
        Ok((
            Self::register(Rc::clone(&reactor), one),
            Self::register(reactor, other),
        ))
    }

    /// Takes over a connection of std, which becomes non-blocking.
    ///
    /// # Errors
    ///
    /// It cannot be made non-blocking.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn from_std(stream: net::UnixStream) -> io::Result<Self> {
        let reactor = Reactor::expect_current("UnixStream::from_std");
        stream.set_nonblocking(true)?;
        Ok(Self::register(reactor, stream))
    }

    /// Gives the connection back to std, blocking as std's are.
    ///
    /// # Errors
    ///
    /// It cannot be made blocking.
    pub fn into_std(self) -> io::Result<net::UnixStream> {
        let stream = self.source.into_inner();
        stream.set_nonblocking(false)?;
        Ok(stream)
    }

    /// Makes a stream of a connection that is non-blocking already.
    pub(super) fn register(reactor: Rc<Reactor>, stream: net::UnixStream) -> Self {
        // What std has made there still raises it. This can fail only if the peer is gone already.
        #[cfg(target_vendor = "apple")]
        let _ = sys::sockopt::set_socket_nosigpipe(&stream, true);
        Self {
            source: Source::register(reactor, stream),
        }
    }

    /// Waits until there are bytes, and reads them, at most as many as the buffer holds. 0: the
    /// peer will send no more (or the buffer is empty).
    ///
    /// # Errors
    ///
    /// Those of [recv(2)](https://man7.org/linux/man-pages/man2/recv.2.html): `ConnectionReset` if
    /// the peer is gone without having read all that was sent to it.
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
                waiter.poll_io(cx, |_| recv(source, buffer))
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
        let (waiter, is_empty) = (
            self.source.waiter(Direction::Read),
            bytes::are_empty(buffers),
        );
        bytes::transfer(waiter, is_empty, move |it| bytes::readv(it, buffers))
    }

    /// Fills the buffer.
    ///
    /// # Errors
    ///
    /// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) if the peer sends no more before it is full,
    /// and those of [`read`](Self::read).
    ///
    /// # Cancel safety
    ///
    /// None: bytes that it has read are in the buffer, but nobody knows how many. Where that
    /// matters, call [`read`](Self::read) in a loop.
    #[track_caller]
    pub fn read_exact(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<()>> {
        let waiter = self.source.waiter(Direction::Read);
        bytes::read_exact("UnixStream::read_exact", waiter, buffer, recv)
    }

    /// Reads, and leaves the bytes where they are for the next read.
    ///
    /// # Errors
    ///
    /// Those of [`read`](Self::read).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    #[track_caller]
    pub fn peek(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<usize>> {
        let waiter = self.source.waiter(Direction::Read);
        bytes::transfer(waiter, buffer.is_empty(), move |it| {
            socket::peek(it, buffer)
        })
    }

    /// Waits until there is room, and writes as much as fits into it: at least one byte, unless
    /// there is none to write.
    ///
    /// # Errors
    ///
    /// Those of [send(2)](https://man7.org/linux/man-pages/man2/send.2.html): `BrokenPipe` if the
    /// peer is gone. `SIGPIPE` is never raised.
    ///
    /// # Cancel safety
    ///
    /// If it does not return, nothing was written.
    #[track_caller]
    pub fn write(&self, bytes: &[u8]) -> impl Future<Output = io::Result<usize>> {
        let mut waiter = self.source.waiter(Direction::Write);
        poll_fn(move |cx| match bytes {
            [] => Poll::Ready(Ok(0)),
            _ => waiter.poll_io(cx, |stream| socket::send(stream, bytes)),
        })
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
        let (waiter, is_empty) = (
            self.source.waiter(Direction::Write),
            bytes::are_empty(slices),
        );
        bytes::transfer(waiter, is_empty, |it| socket::send_vectored(it, slices))
    }

    /// Writes all of it. If two tasks do this at once on one stream, their bytes get mixed: let one
    /// task write, and the others tell it what.
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
        poll_fn(move |cx| bytes::poll_write_all(&mut waiter, cx, &mut bytes, socket::send))
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
        self.source.writable()
    }

    /// Reads what is there, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is nothing, and those of [`read`](Self::read).
    pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        retry(|| recv(&self.source, buffer))
    }

    /// Writes what there is room for, without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no room, and those of [`write`](Self::write).
    pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
        retry(|| socket::send(self, bytes))
    }

    /// Shuts down reading, writing or both, at once. What was written still arrives, and then the
    /// end of the stream. A connection that is gone already counts as shut down.
    ///
    /// # Errors
    ///
    /// Those of [shutdown(2)](https://man7.org/linux/man-pages/man2/shutdown.2.html), except
    /// `ENOTCONN`.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        socket::shutdown(self, how)
    }

    /// A way to shut down the connection from elsewhere, which does not keep it open.
    #[must_use]
    pub fn closer(&self) -> Closer {
        Closer::new(self.source.loan())
    }

    /// Our own address: the listener's for an accepted connection, and without a name for one that
    /// has connected.
    ///
    /// # Errors
    ///
    /// Those of [getsockname(2)](https://man7.org/linux/man-pages/man2/getsockname.2.html).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.source.get_ref().local_addr()
    }

    /// The address of the peer, often without a name.
    ///
    /// # Errors
    ///
    /// `NotConnected` if the connection is gone.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.source.get_ref().peer_addr()
    }

    /// Takes the error that the connection has met, if there is one (`SO_ERROR`).
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.source.get_ref().take_error()
    }

    /// A reading and a writing half that borrow the stream, for two futures of one task.
    pub fn split(&mut self) -> (ReadHalf<'_, Self>, WriteHalf<'_, Self>) {
        split::split(self)
    }

    /// A reading and a writing half that own the stream together, for two tasks. Dropping the
    /// writing half shuts down writing.
    pub fn into_split(self) -> (OwnedReadHalf<Self>, OwnedWriteHalf<Self>) {
        split::split_owned(self)
    }
}

impl fmt::Debug for UnixStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.get_ref().fmt(f)
    }
}
