//! A connection between two processes of this machine. What it has in common with TCP is in
//! `net/connection.rs`.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::os::unix::net::{self, SocketAddr};
use std::rc::Rc;
use std::task::Poll;

#[cfg(target_vendor = "apple")]
use rustix::net as sys;

use crate::net::socket::{self, recv};
use crate::reactor::{Direction, Reactor, Source};

/// A connection between two processes of this machine: [`std::os::unix::net::UnixStream`], awaited.
/// For asyncio's streams over it, see [`open_unix_connection`](crate::open_unix_connection).
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
    #[doc(alias = "duplex")]
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
}

impl fmt::Debug for UnixStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.get_ref().fmt(f)
    }
}
