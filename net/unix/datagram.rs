//! Datagrams between the processes of one machine.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::io;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::{self, SocketAddr};
use std::rc::Rc;

use rustix::net::{AddressFamily, SocketType};

use super::addr::{ToUnixAddr, explain, malformed, wire};
use super::addressed::no_room;
use super::bound_path::BoundPath;
use crate::net::bytes::retry;
use crate::net::socket;
use crate::reactor::{Direction, Reactor, Source};

/// A socket for datagrams between processes of this machine:
/// [`std::os::unix::net::UnixDatagram`], awaited.
///
/// Unlike UDP's, these datagrams get neither lost nor out of order: who sends waits until there is
/// room. Dropping the socket removes the path that it has made.
///
/// # Examples
///
/// ```
/// use selio::net::UnixDatagram;
///
/// # fn main() -> std::io::Result<()> {
/// # let path = std::env::temp_dir().join(format!("selio-dgram-{}.sock", std::process::id()));
/// selio::run(async {
///     let server = UnixDatagram::bind(&path)?;
///     let client = UnixDatagram::unbound()?;
///     client.send_to(b"ping", &path).await?;
///
///     let mut buffer = [0; 16];
///     let (n, peer) = server.recv_from(&mut buffer).await?;
///     assert_eq!(&buffer[..n], b"ping");
///     assert!(peer.is_unnamed()); // so there is no way to answer
///     Ok(())
/// })
/// # }
/// ```
pub struct UnixDatagram {
    // The order matters: the path is removed while the socket is still open.
    path: Option<BoundPath>,
    pub(in crate::net) source: Source<net::UnixDatagram>,
    /// Whether receiving was shut down. Linux reports such a socket as readable for ever, and answers
    /// `EAGAIN` all the same.
    is_shut_down: Cell<bool>,
}

impl UnixDatagram {
    /// A socket that receives what is sent to a path, which must not exist, or to an abstract name:
    /// see [`ToUnixAddr`].
    ///
    /// # Errors
    ///
    /// Those of [`UnixListener::bind`](super::UnixListener::bind).
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn bind(addr: impl ToUnixAddr) -> io::Result<Self> {
        const CALL: &str = "UnixDatagram::bind";
        let reactor = Reactor::expect_current(CALL);
        let addr = addr.to_address().map_err(|error| malformed(CALL, &error))?;
        let socket = socket::open(AddressFamily::UNIX, SocketType::DGRAM)
            .map_err(|error| explain(CALL, &addr, error))?;
        let path = BoundPath::bind(CALL, &socket, &addr)?;
        Ok(Self {
            path,
            source: Source::register(reactor, socket.into()),
            is_shut_down: Cell::new(false),
        })
    }

    /// A socket without a name, which nobody can send to unless it is connected.
    ///
    /// # Errors
    ///
    /// There is no file descriptor left.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn unbound() -> io::Result<Self> {
        let reactor = Reactor::expect_current("UnixDatagram::unbound");
        let socket = socket::open(AddressFamily::UNIX, SocketType::DGRAM)?;
        Ok(Self::register(reactor, socket.into()))
    }

    /// Two sockets that are connected to each other.
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
        let reactor = Reactor::expect_current("UnixDatagram::pair");
        let (one, other) = net::UnixDatagram::pair()?;
        one.set_nonblocking(true)?;
        other.set_nonblocking(true)?;
        Ok((
            Self::register(Rc::clone(&reactor), one),
            Self::register(reactor, other),
        ))
    }

    /// Takes over a socket of std, which becomes non-blocking. Its path is not removed.
    ///
    /// # Errors
    ///
    /// It cannot be made non-blocking.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn from_std(socket: net::UnixDatagram) -> io::Result<Self> {
        let reactor = Reactor::expect_current("UnixDatagram::from_std");
        socket.set_nonblocking(true)?;
        Ok(Self::register(reactor, socket))
    }

    /// Gives the socket back to std, blocking as std's are. Its path is yours to remove.
    ///
    /// # Errors
    ///
    /// It cannot be made blocking.
    pub fn into_std(self) -> io::Result<net::UnixDatagram> {
        let socket = self.into_inner();
        socket.set_nonblocking(false)?;
        Ok(socket)
    }

    fn into_inner(self) -> net::UnixDatagram {
        if let Some(path) = self.path {
            path.keep();
        }
        self.source.into_inner()
    }

    fn register(reactor: Rc<Reactor>, socket: net::UnixDatagram) -> Self {
        Self {
            path: None,
            source: Source::register(reactor, socket),
            is_shut_down: Cell::new(false),
        }
    }

    /// Makes a path, or an abstract name, the one that [`send`](Self::send) sends to and
    /// [`recv`](Self::recv) receives from. It may be called again.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such path, `ConnectionRefused` if nobody has bound it any more,
    /// `InvalidInput` if it is too long or malformed.
    pub fn connect(&self, addr: impl ToUnixAddr) -> io::Result<()> {
        const CALL: &str = "UnixDatagram::connect";
        let addr = addr.to_address().map_err(|error| malformed(CALL, &error))?;
        let connect = || Ok(rustix::net::connect(self, &wire(&addr)?)?);
        connect().map_err(|error| explain(CALL, &addr, error))
    }

    /// Waits until the peer has room, and sends a datagram to it. An empty one is one, too.
    ///
    /// # Errors
    ///
    /// `NotConnected` without [`connect`](Self::connect); `ConnectionRefused` when the peer is
    /// gone; `EMSGSIZE` if it is too long. `SIGPIPE` is never raised.
    ///
    /// # Cancel safety
    ///
    /// If it does not return, nothing was sent.
    #[track_caller]
    pub fn send(&self, bytes: &[u8]) -> impl Future<Output = io::Result<usize>> {
        #[cfg(any(target_os = "linux", target_os = "android"))]
        {
            let source = &self.source;
            source.io(Direction::Write, move |socket| socket::send(socket, bytes))
        }
        // Elsewhere, no selector can tell when the peer has room.
        #[cfg(not(any(target_os = "linux", target_os = "android")))]
        self.send_by(move || self.try_send(bytes))
    }

    /// Waits for the next datagram. If it is longer than the buffer, the rest of it is lost:
    /// [`recv_msg`](Self::recv_msg) tells.
    ///
    /// # Errors
    ///
    /// Those of [recv(2)](https://man7.org/linux/man-pages/man2/recv.2.html).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: a datagram that was not returned is there for the next call.
    #[track_caller]
    pub fn recv(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<usize>> {
        self.source.io(Direction::Read, move |socket| {
            self.or_end(socket.recv(buffer), || Ok(0))
        })
    }

    /// Waits for the next datagram, and leaves it where it is for the next call.
    ///
    /// # Errors
    ///
    /// Those of [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    #[track_caller]
    pub fn peek(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<usize>> {
        self.source.io(Direction::Read, move |socket| {
            self.or_end(socket::peek(socket, buffer), || Ok(0))
        })
    }

    /// Waits until receiving is worth a try. See [`Source::readable`].
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

    /// Waits until sending to the peer is worth a try. See [`Source::writable`].
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

    /// [`send`](Self::send), without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no room, and those of [`send`](Self::send).
    pub fn try_send(&self, bytes: &[u8]) -> io::Result<usize> {
        retry(|| socket::send(self, bytes)).map_err(no_room)
    }

    /// [`recv`](Self::recv), without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is nothing, and those of [`recv`](Self::recv).
    pub fn try_recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        retry(|| self.or_end(self.source.get_ref().recv(buffer), || Ok(0)))
    }

    /// What was received; nothing, after receiving was shut down and what had come was received.
    pub(super) fn or_end<R>(
        &self,
        received: io::Result<R>,
        end: impl FnOnce() -> io::Result<R>,
    ) -> io::Result<R> {
        match received {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock && self.is_shut_down.get() => {
                end()
            }
            received => received,
        }
    }

    /// Shuts down receiving, sending or both, at once: who receives gets what has come, and 0 from
    /// then on; who sends gets `BrokenPipe`.
    ///
    /// # Errors
    ///
    /// Those of [shutdown(2)](https://man7.org/linux/man-pages/man2/shutdown.2.html), except
    /// `ENOTCONN`.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        self.source.change(|socket| {
            socket::shutdown(socket, how)?;
            self.is_shut_down.update(|is| is || how != Shutdown::Write);
            Ok(())
        })
    }

    /// Our own address, without a name if it is not bound to one.
    ///
    /// # Errors
    ///
    /// Those of [getsockname(2)](https://man7.org/linux/man-pages/man2/getsockname.2.html).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.source.get_ref().local_addr()
    }

    /// The address that it is connected to.
    ///
    /// # Errors
    ///
    /// `NotConnected` without [`connect`](Self::connect).
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        self.source.get_ref().peer_addr()
    }

    /// Takes the error that the socket has met, if there is one (`SO_ERROR`).
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        self.source.get_ref().take_error()
    }
}

impl From<UnixDatagram> for OwnedFd {
    /// Non-blocking, as it is; see [`UnixDatagram::into_std`].
    fn from(socket: UnixDatagram) -> Self {
        socket.into_inner().into()
    }
}

impl fmt::Debug for UnixDatagram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.get_ref().fmt(f)
    }
}
