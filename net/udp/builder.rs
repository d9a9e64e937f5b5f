//! What has to be said before a UDP socket is bound.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::panic::Location;

use rustix::net::SocketType;
use rustix::net::sockopt::{set_ipv6_v6only, set_socket_reuseaddr};

use super::UdpSocket;
use crate::net::addr::{ToAddrs, try_each};
use crate::net::socket::{self, BufferSizes, family_of};
use crate::reactor::Reactor;

/// Sets options of a [`UdpSocket`].
///
/// # Examples
///
/// Two who listen to the same group on one machine:
///
/// ```
/// use selio::net::UdpSocket;
/// use std::net::Ipv4Addr;
///
/// # async fn example() -> std::io::Result<()> {
/// let socket = UdpSocket::builder().reuse_addr(true).bind("0.0.0.0:5353").await?;
/// socket.join_multicast_v4(&Ipv4Addr::new(224, 0, 0, 251), &Ipv4Addr::UNSPECIFIED)?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct UdpSocketBuilder {
    reuse_addr: bool,
    reuse_port: bool,
    only_v6: bool,
    buffer_sizes: BufferSizes,
}

impl UdpSocketBuilder {
    /// Lets several sockets have the same address, if all of them say so: all get the datagrams
    /// that are sent to a group, and on Linux the last one gets those that are not
    /// (`SO_REUSEADDR`).
    #[must_use]
    pub fn reuse_addr(mut self, reuse_addr: bool) -> Self {
        self.reuse_addr = reuse_addr;
        self
    }

    /// Lets several sockets have the same address, if all of them say so, and the system share the
    /// datagrams among them, each peer's to the same one (`SO_REUSEPORT`): one runtime for each
    /// core. On macOS and the BSDs but FreeBSD, one socket may get them all.
    #[must_use]
    pub fn reuse_port(mut self, reuse_port: bool) -> Self {
        self.reuse_port = reuse_port;
        self
    }

    /// Leaves IPv4 to others: otherwise a socket at `[::]` gets its datagrams too, on most systems
    /// (`IPV6_V6ONLY`).
    #[must_use]
    pub fn only_v6(mut self, only_v6: bool) -> Self {
        self.only_v6 = only_v6;
        self
    }

    /// How many bytes the system may hold that were received and not read yet (`SO_RCVBUF`): what
    /// comes when there is no room is lost. Linux doubles it, for its own use, and has a limit.
    #[must_use]
    pub fn recv_buffer_size(mut self, bytes: usize) -> Self {
        self.buffer_sizes.recv = Some(bytes);
        self
    }

    /// How many bytes the system may hold that were sent and have not left yet (`SO_SNDBUF`).
    #[must_use]
    pub fn send_buffer_size(mut self, bytes: usize) -> Self {
        self.buffer_sizes.send = Some(bytes);
        self
    }

    /// See [`UdpSocket::bind`].
    ///
    /// # Errors
    ///
    /// Those of [`UdpSocket::bind`].
    ///
    /// # Panics
    ///
    /// When it is polled outside of a runtime.
    ///
    /// # Cancel safety
    ///
    /// Nothing is left behind: what was bound already is closed.
    #[track_caller]
    pub fn bind(self, addr: impl ToAddrs) -> impl Future<Output = io::Result<UdpSocket>> {
        const CALL: &str = "UdpSocket::bind";
        let (target, site) = (addr.to_target(), Location::caller());
        async move {
            let reactor = Reactor::expect_current_at(CALL, site);
            let socket = try_each(CALL, target, site, async |addr| self.open(addr)).await?;
            Ok(UdpSocket::register(reactor, socket))
        }
    }

    fn open(self, addr: SocketAddr) -> io::Result<std::net::UdpSocket> {
        let socket = socket::open(family_of(addr), SocketType::DGRAM)?;
        if self.reuse_addr {
            set_socket_reuseaddr(&socket, true)?;
        }
        if self.reuse_port {
            socket::set_reuse_port(&socket, true)?;
        }
        if self.only_v6 && addr.is_ipv6() {
            set_ipv6_v6only(&socket, true)?;
        }
        self.buffer_sizes.apply(&socket)?;
        rustix::net::bind(&socket, &addr)?;
        Ok(socket.into())
    }
}
