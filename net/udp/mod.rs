//! UDP: datagrams between machines, which may get lost, doubled or out of order.
//!
//! ```text
//!   UdpSocket --connect--> send, recv          one peer, whose refusals are told
//!       |
//!       +-----> send_to, recv_from, recv_msg   anybody
//! ```
//!
//! Its one rule: **what is sent in one call is received in one call, or not at all.** There is no
//! end of datagrams: 0 is the length of an empty one.

mod builder;
mod options;

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{self, SocketAddr};
use std::os::fd::OwnedFd;
use std::panic::Location;
use std::rc::Rc;

use super::addr::{Target, ToAddrs, no_address, resolve, try_each};
use super::bytes::retry;
use super::datagram::{Received, recv_msg};
use crate::reactor::{Direction, Reactor, Source};

pub use self::builder::UdpSocketBuilder;

/// A socket for UDP datagrams: [`std::net::UdpSocket`], awaited. asyncio's counterpart is
/// `create_datagram_endpoint`.
///
/// Sending and receiving take `&self`: one task may do both at once, and several may share the
/// socket through an `Rc`.
///
/// A datagram over IPv4 carries at most 65,507 bytes; those above some 1,400 are cut into packets
/// on their way, and lost with the first of them that is. If a datagram is longer than the buffer
/// that receives it, the rest is lost: [`recv_msg`](Self::recv_msg) tells.
///
/// # Examples
///
/// ```
/// use selio::net::UdpSocket;
///
/// # fn main() -> std::io::Result<()> {
/// selio::run(async {
///     let server = UdpSocket::bind("127.0.0.1:0").await?;
///     let client = UdpSocket::bind("127.0.0.1:0").await?;
///     client.send_to(b"ping", server.local_addr()?).await?;
///
///     let mut buffer = [0; 1500];
///     let (n, peer) = server.recv_from(&mut buffer).await?;
///     assert_eq!(&buffer[..n], b"ping");
///     assert_eq!(peer, client.local_addr()?);
///     Ok(())
/// })
/// # }
/// ```
#[doc(alias = "create_datagram_endpoint")]
pub struct UdpSocket {
    pub(super) source: Source<net::UdpSocket>,
}

impl UdpSocket {
    /// A socket at the first of the addresses that can be bound. Port 0 stands for one that is
    /// free: `"0.0.0.0:0"` is a socket that only asks and gets answers.
    ///
    /// # Errors
    ///
    /// No address can be bound: the error of the last one, whose message names it. The address is
    /// malformed, or the name unknown.
    ///
    /// # Panics
    ///
    /// When it is polled outside of a runtime.
    ///
    /// # Cancel safety
    ///
    /// Nothing is left behind.
    #[track_caller]
    pub fn bind(addr: impl ToAddrs) -> impl Future<Output = io::Result<Self>> {
        Self::builder().bind(addr)
    }

    /// Sets options before the socket is bound.
    #[must_use]
    pub fn builder() -> UdpSocketBuilder {
        UdpSocketBuilder::default()
    }

    /// Takes over a socket of std, which becomes non-blocking.
    ///
    /// # Errors
    ///
    /// It cannot be made non-blocking.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn from_std(socket: net::UdpSocket) -> io::Result<Self> {
        let reactor = Reactor::expect_current("UdpSocket::from_std");
        socket.set_nonblocking(true)?;
        Ok(Self::register(reactor, socket))
    }

    /// Gives the socket back to std, blocking as std's are.
    ///
    /// # Errors
    ///
    /// It cannot be made blocking.
    pub fn into_std(self) -> io::Result<net::UdpSocket> {
        let socket = self.source.into_inner();
        socket.set_nonblocking(false)?;
        Ok(socket)
    }

    fn register(reactor: Rc<Reactor>, socket: net::UdpSocket) -> Self {
        Self {
            source: Source::register(reactor, socket),
        }
    }

    /// Makes an address the one that [`send`](Self::send) sends to, and the only one that is
    /// received from. Nothing is sent for it, and it may be called again.
    ///
    /// If nobody is there, the system is told so when something was sent, and tells it by
    /// `ConnectionRefused`, once for each refusal: to `send` or to [`recv`](Self::recv), whichever
    /// comes first. A socket that is not connected is not told.
    ///
    /// # Errors
    ///
    /// There is no way to the address, it is malformed, or the name is unknown.
    ///
    /// # Cancel safety
    ///
    /// Nothing is left behind.
    #[track_caller]
    pub fn connect(&self, addr: impl ToAddrs) -> impl Future<Output = io::Result<()>> {
        let (target, site) = (addr.to_target(), Location::caller());
        let connect = async |addr: SocketAddr| self.source.get_ref().connect(addr);
        async move { try_each("UdpSocket::connect", target, site, connect).await }
    }

    /// Waits until there is room, and sends a datagram to the address that the socket is connected
    /// to. An empty one is one, too.
    ///
    /// # Errors
    ///
    /// `EDESTADDRREQ` or `NotConnected` without [`connect`](Self::connect); `ConnectionRefused`
    /// when an earlier one was refused; `EMSGSIZE` when it is too long; and the others of
    /// [send(2)](https://man7.org/linux/man-pages/man2/send.2.html).
    ///
    /// # Cancel safety
    ///
    /// If it does not return, nothing was sent.
    #[track_caller]
    pub fn send(&self, bytes: &[u8]) -> impl Future<Output = io::Result<usize>> {
        self.source
            .io(Direction::Write, move |socket| socket.send(bytes))
    }

    /// Waits for the next datagram, and says how many bytes of it are in the buffer.
    ///
    /// # Errors
    ///
    /// `ConnectionRefused` when one that was sent was refused: a server that goes on is fine.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: a datagram that was not returned is there for the next call.
    #[track_caller]
    pub fn recv(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<usize>> {
        self.source
            .io(Direction::Read, move |socket| socket.recv(buffer))
    }

    /// Waits until there is room, and sends a datagram to an address. If it is a name, the first of
    /// its addresses that is of the family of the socket counts.
    ///
    /// # Errors
    ///
    /// The address is malformed, or the name unknown; `PermissionDenied` for a broadcast address
    /// without [`set_broadcast`](Self::set_broadcast); `InvalidInput` for port 0; `EMSGSIZE` when it
    /// is too long; and the others of
    /// [sendto(2)](https://man7.org/linux/man-pages/man2/sendto.2.html).
    ///
    /// # Cancel safety
    ///
    /// If it does not return, nothing was sent.
    #[track_caller]
    #[doc(alias = "sock_sendto")]
    pub fn send_to(
        &self,
        bytes: &[u8],
        addr: impl ToAddrs,
    ) -> impl Future<Output = io::Result<usize>> {
        let (target, site) = (addr.to_target(), Location::caller());
        let mut waiter = self.source.waiter(Direction::Write);
        async move {
            let addr = self.choose(target, site).await?;
            poll_fn(|cx| waiter.poll_io(cx, |socket| socket.send_to(bytes, addr))).await
        }
    }

    /// The address to send to.
    async fn choose(
        &self,
        target: io::Result<Target>,
        site: &'static Location<'static>,
    ) -> io::Result<SocketAddr> {
        const CALL: &str = "UdpSocket::send_to";
        match resolve(CALL, target, site).await?[..] {
            [] => Err(no_address(CALL)),
            [addr] => Ok(addr),
            [first, ref rest @ ..] => {
                let is_ipv4 = self.local_addr()?.is_ipv4();
                let suits = |addr: &SocketAddr| addr.is_ipv4() == is_ipv4;
                let suitable = rest.iter().copied().find(suits);
                Ok(suitable.filter(|_| !suits(&first)).unwrap_or(first))
            }
        }
    }

    /// Waits for the next datagram, and says how many bytes of it are in the buffer, and who has
    /// sent it.
    ///
    /// # Errors
    ///
    /// Those of [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: a datagram that was not returned is there for the next call.
    #[track_caller]
    #[doc(alias = "sock_recvfrom")]
    #[doc(alias = "sock_recvfrom_into")]
    pub fn recv_from(
        &self,
        buffer: &mut [u8],
    ) -> impl Future<Output = io::Result<(usize, SocketAddr)>> {
        self.source
            .io(Direction::Read, move |socket| socket.recv_from(buffer))
    }

    /// Waits for the next datagram, and says how many bytes of it are in the buffer, who has sent
    /// it, and whether it was longer.
    ///
    /// # Errors
    ///
    /// Those of [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: a datagram that was not returned is there for the next call.
    ///
    /// # Examples
    ///
    /// ```
    /// # use selio::net::UdpSocket;
    /// # selio::run(async {
    /// # let client = UdpSocket::bind("127.0.0.1:0").await?;
    /// let server = UdpSocket::bind("127.0.0.1:0").await?;
    /// # client.send_to(b"too long", server.local_addr()?).await?;
    /// let mut buffer = [0; 4];
    /// let received = server.recv_msg(&mut buffer).await?;
    /// if received.is_truncated {
    ///     println!("{} has sent more than {} bytes", received.from, received.length);
    /// }
    /// # assert!(received.is_truncated);
    /// # Ok::<(), std::io::Error>(())
    /// # }).unwrap();
    /// ```
    #[track_caller]
    pub fn recv_msg(
        &self,
        buffer: &mut [u8],
    ) -> impl Future<Output = io::Result<Received<SocketAddr>>> {
        self.source.io(Direction::Read, move |socket| {
            recv_msg(socket, buffer, |from| {
                Ok(from.ok_or(io::ErrorKind::InvalidData)?.try_into()?)
            })
        })
    }

    /// [`recv`](Self::recv), but leaves the datagram where it is for the next call.
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
        self.source
            .io(Direction::Read, move |socket| socket.peek(buffer))
    }

    /// [`recv_from`](Self::recv_from), but leaves the datagram where it is for the next call.
    ///
    /// # Errors
    ///
    /// Those of [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    #[track_caller]
    pub fn peek_from(
        &self,
        buffer: &mut [u8],
    ) -> impl Future<Output = io::Result<(usize, SocketAddr)>> {
        self.source
            .io(Direction::Read, move |socket| socket.peek_from(buffer))
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

    /// Waits until sending is worth a try. See [`Source::writable`].
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
        retry(|| self.source.get_ref().send(bytes))
    }

    /// [`recv`](Self::recv), without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is nothing, and those of [`recv`](Self::recv).
    pub fn try_recv(&self, buffer: &mut [u8]) -> io::Result<usize> {
        retry(|| self.source.get_ref().recv(buffer))
    }

    /// [`send_to`](Self::send_to), without waiting, and so without looking up names.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no room, and those of [`send_to`](Self::send_to).
    pub fn try_send_to(&self, bytes: &[u8], addr: SocketAddr) -> io::Result<usize> {
        retry(|| self.source.get_ref().send_to(bytes, addr))
    }

    /// [`recv_from`](Self::recv_from), without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is nothing, and those of [`recv`](Self::recv).
    pub fn try_recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        retry(|| self.source.get_ref().recv_from(buffer))
    }
}

impl From<UdpSocket> for OwnedFd {
    /// Non-blocking, as it is; see [`UdpSocket::into_std`].
    fn from(socket: UdpSocket) -> Self {
        socket.source.into_inner().into()
    }
}

impl fmt::Debug for UdpSocket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.source.get_ref().fmt(f)
    }
}
