//! A TCP connection: how it is made, read and written. The rest is in `connection.rs`, which it has
//! in common with Unix sockets, and in `options.rs`.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net;
use std::os::fd::{AsRawFd, OwnedFd};
use std::rc::Rc;
use std::task::Poll;

use super::TcpStreamBuilder;
use super::addr::ToAddrs;
use super::socket::{self, recv};
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
    #[doc(alias = "connect_accepted_socket")]
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
    #[doc(alias = "sock_recv_into")]
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
