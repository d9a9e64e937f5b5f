//! What one can ask a TCP connection, and tell it.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustix::net::{self as sys, sockopt};

use super::{TcpStream, socket};

/// `SO_LINGER` counts seconds, but hundredths of them on macOS.
const PER_SECOND: u32 = if cfg!(target_vendor = "apple") {
    100
} else {
    1
};

impl TcpStream {
    /// Our own address.
    ///
    /// # Errors
    ///
    /// Those of [getsockname(2)](https://man7.org/linux/man-pages/man2/getsockname.2.html).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(sys::getsockname(self)?.try_into()?)
    }

    /// The address of the peer.
    ///
    /// # Errors
    ///
    /// `NotConnected` if the connection is gone.
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        let peer = sys::getpeername(self)?.ok_or(io::ErrorKind::NotConnected)?;
        Ok(peer.try_into()?)
    }

    /// Whether small writes are sent at once (`TCP_NODELAY`).
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn nodelay(&self) -> io::Result<bool> {
        Ok(sockopt::tcp_nodelay(self)?)
    }

    /// Sends small writes at once, instead of waiting for more to send with them (`TCP_NODELAY`).
    /// It is off by default, as in std; asyncio switches it on.
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    pub fn set_nodelay(&self, nodelay: bool) -> io::Result<()> {
        Ok(sockopt::set_tcp_nodelay(self, nodelay)?)
    }

    /// Through how many routers a packet may pass.
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn ttl(&self) -> io::Result<u32> {
        Ok(sockopt::ip_ttl(self)?)
    }

    /// Says through how many routers a packet may pass.
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        Ok(sockopt::set_ip_ttl(self, ttl)?)
    }

    /// How long the system goes on sending after the connection was closed (`SO_LINGER`).
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn linger(&self) -> io::Result<Option<Duration>> {
        Ok(sockopt::socket_linger(self)?.map(|linger| linger / PER_SECOND))
    }

    /// Says how long the system goes on sending after the connection was closed (`SO_LINGER`, in
    /// whole seconds): `None` as long as it takes, zero not at all: the peer gets a reset.
    ///
    /// Anything between makes closing wait, and blocks the thread of the runtime with it: drop the
    /// stream on another thread then.
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    pub fn set_linger(&self, linger: Option<Duration>) -> io::Result<()> {
        let linger = linger.map(|linger| linger.saturating_mul(PER_SECOND));
        Ok(sockopt::set_socket_linger(self, linger)?)
    }

    /// After how long a silence the peer is asked whether it is still there. `None`: never.
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn keepalive(&self) -> io::Result<Option<Duration>> {
        if !sockopt::socket_keepalive(self)? {
            return Ok(None);
        }
        #[cfg(not(target_os = "openbsd"))]
        let after = sockopt::tcp_keepidle(self)?;
        #[cfg(target_os = "openbsd")]
        let after = Duration::from_secs(7200);
        Ok(Some(after))
    }

    /// Has the system ask the peer whether it is still there, after so long a silence (rounded up to
    /// seconds), and break the connection if nobody answers for some minutes (`SO_KEEPALIVE`,
    /// `TCP_KEEPIDLE`; see [tcp(7)](https://man7.org/linux/man-pages/man7/tcp.7.html)). `None`, the
    /// default: never, and who only reads does not learn that the peer's machine has gone.
    ///
    /// A [`timeout`](crate::timeout()) on what is read tells sooner, and of peers that are there but
    /// stuck, too. OpenBSD has one duration for the whole system.
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2): `InvalidInput` for no time at all; Linux knows 9 hours at most.
    pub fn set_keepalive(&self, after: Option<Duration>) -> io::Result<()> {
        socket::set_keepalive(self, after)
    }

    /// Takes the error that the connection has met, if there is one (`SO_ERROR`).
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn take_error(&self) -> io::Result<Option<io::Error>> {
        Ok(sockopt::socket_error(self)?.err().map(io::Error::from))
    }
}
