//! A TCP connection.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice, IoSliceMut};
use std::net::{self, Shutdown};
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;
use std::task::Poll;

use super::TcpStreamBuilder;
use super::addr::ToAddrs;
use super::bytes::{self, retry};
use super::closer::Closer;
use super::socket::{self, recv};
use super::split::{self, OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use crate::reactor::{Direction, Reactor, Source};

/// A TCP connection: [`std::net::TcpStream`], awaited.
///
/// Reading and writing take `&self`: one task may do both at once, and several may share the
/// stream through an `Rc` or its halves. It also implements futures-io's `AsyncRead` and
/// `AsyncWrite`, as does `&TcpStream`, so that the combinators of `futures` and `futures-lite` work
/// with it.
///
/// Dropping it closes the connection. Bytes that were written still arrive; but if there are bytes
/// that nobody has read, the peer gets a reset.
///
/// # Examples
///
/// ```
/// use selio::net::{TcpListener, TcpStream};
///
/// # fn main() -> std::io::Result<()> {
/// selio::run(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let mut client = TcpStream::connect(listener.local_addr()?).await?;
///     let (mut server, _) = listener.accept().await?;
///
///     client.write_all(b"ping").await?;
///     let mut buffer = [0; 16];
///     let n = server.read(&mut buffer).await?;
///     assert_eq!(&buffer[..n], b"ping");
///     Ok(())
/// })
/// # }
/// ```
pub struct TcpStream {
    pub(super) source: Source<OwnedFd>,
}

impl TcpStream {
    /// Connects. A name is looked up without blocking the other tasks, see [`lookup`](super::lookup).
    ///
    /// Of several addresses, the first that answers wins. The next one is tried when the one before
    /// has failed, or has kept silent for 250 ms; IPv6 and IPv4 take turns. This is Happy Eyeballs
    /// ([RFC 8305](https://www.rfc-editor.org/rfc/rfc8305)).
    ///
    /// # Errors
    ///
    /// Nobody answers: the message names each address that was tried. The error of the system is its
    /// [`source`](std::error::Error::source). The address is malformed, or the name unknown.
    ///
    /// # Panics
    ///
    /// When it is polled outside of a runtime.
    ///
    /// # Cancel safety
    ///
    /// Nothing is left behind: a connection on its way is given up.
    #[track_caller]
    #[doc(alias = "create_connection")]
    #[doc(alias = "sock_connect")]
    pub fn connect(addr: impl ToAddrs) -> impl Future<Output = io::Result<Self>> {
        Self::builder().connect(addr)
    }

    /// Sets options before connecting.
    #[must_use]
    pub fn builder() -> TcpStreamBuilder {
        TcpStreamBuilder::default()
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
    pub fn from_std(stream: net::TcpStream) -> io::Result<Self> {
        let reactor = Reactor::expect_current("TcpStream::from_std");
        stream.set_nonblocking(true)?;
        Ok(Self::register(reactor, stream.into()))
    }

    /// Gives the connection back to std, blocking as std's are.
    ///
    /// # Errors
    ///
    /// It cannot be made blocking.
    pub fn into_std(self) -> io::Result<net::TcpStream> {
        let stream = net::TcpStream::from(self.source.into_inner());
        stream.set_nonblocking(false)?;
        Ok(stream)
    }

    /// Makes a stream of a connection that is non-blocking from birth.
    pub(super) fn register(reactor: Rc<Reactor>, stream: OwnedFd) -> Self {
        Self {
            source: Source::register(reactor, stream),
        }
    }

    /// Waits until there are bytes, reads as many as the buffer holds at most, and returns how
    /// many. 0 means that the peer will send no more, or that the buffer is empty.
    ///
    /// This is where `await` becomes `epoll_wait`: README.md walks down from here.
    ///
    /// # Errors
    ///
    /// Those of [recv(2)](https://man7.org/linux/man-pages/man2/recv.2.html), `ConnectionReset`
    /// among them.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: bytes that were not returned are there for the next read.
    #[track_caller]
    #[doc(alias = "sock_recv")]
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
        bytes::read_exact("TcpStream::read_exact", waiter, buffer, recv)
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
    /// Those of [send(2)](https://man7.org/linux/man-pages/man2/send.2.html): `BrokenPipe` and
    /// `ConnectionReset` among them. `SIGPIPE` is never raised.
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
    #[doc(alias = "sock_sendall")]
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

    /// A reading and a writing half that borrow the stream, for two futures of one task.
    pub fn split(&mut self) -> (ReadHalf<'_>, WriteHalf<'_>) {
        split::split(self)
    }

    /// A reading and a writing half that own the stream together, for two tasks. Dropping the
    /// writing half shuts down writing.
    pub fn into_split(self) -> (OwnedReadHalf, OwnedWriteHalf) {
        split::split_owned(self)
    }
}

impl fmt::Debug for TcpStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut stream = f.debug_struct("TcpStream");
        if let (Ok(local), Ok(peer)) = (self.local_addr(), self.peer_addr()) {
            stream.field("local", &local).field("peer", &peer);
        }
        stream.field("fd", &self.as_raw_fd()).finish()
    }
}
