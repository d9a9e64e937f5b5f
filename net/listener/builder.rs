//! What has to be said before a TCP listener is bound, and the ways to bind it.

use std::future::Future;
use std::io;
use std::net::{self, SocketAddr};
use std::panic::Location;
use std::rc::Rc;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::{set_ipv6_v6only, set_socket_reuseaddr};

use super::TcpListener;
use crate::net::addr::{Target, ToAddrs, no_address, resolve, try_each};
use crate::net::backlog::{self, is_one_of};
use crate::net::explain::{explain, explain_by};
use crate::net::socket::{self, BufferSizes};
use crate::reactor::Reactor;

/// Sets options of a [`TcpListener`].
///
/// # Examples
///
/// ```
/// use selio::net::TcpListener;
///
/// # fn main() -> std::io::Result<()> {
/// selio::run(async {
///     let builder = TcpListener::builder().backlog(16).reuse_port(true);
///     let one = builder.bind("127.0.0.1:0").await?;
///     let another = builder.bind(one.local_addr()?).await?; // on the same port
///     assert_eq!(one.local_addr()?, another.local_addr()?);
///     Ok(())
/// })
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct TcpListenerBuilder {
    backlog: u32,
    reuse_port: bool,
    keepalive: Option<Duration>,
    buffer_sizes: BufferSizes,
}

impl TcpListenerBuilder {
    pub(super) fn new() -> Self {
        Self {
            backlog: backlog::LENGTH,
            reuse_port: false,
            keepalive: None,
            buffer_sizes: BufferSizes::default(),
        }
    }

    /// How many connections may wait to be accepted: 1,024 by default. The system may have a lower
    /// limit.
    #[must_use]
    pub fn backlog(mut self, connections: u32) -> Self {
        self.backlog = connections;
        self
    }

    /// Lets several listeners share a port, and the system its connections among them
    /// (`SO_REUSEPORT`): one runtime for each core. Linux and FreeBSD share them evenly; on macOS and
    /// the other BSDs, one listener may get them all.
    #[must_use]
    pub fn reuse_port(mut self, reuse_port: bool) -> Self {
        self.reuse_port = reuse_port;
        self
    }

    /// [`TcpStream::set_keepalive`](crate::net::TcpStream::set_keepalive) for all connections.
    #[must_use]
    pub fn keepalive(mut self, after: Option<Duration>) -> Self {
        self.keepalive = after;
        self
    }

    /// [`TcpStreamBuilder::recv_buffer_size`](crate::net::TcpStreamBuilder::recv_buffer_size) for
    /// all connections.
    #[must_use]
    pub fn recv_buffer_size(mut self, bytes: usize) -> Self {
        self.buffer_sizes.recv = Some(bytes);
        self
    }

    /// [`TcpStreamBuilder::send_buffer_size`](crate::net::TcpStreamBuilder::send_buffer_size) for
    /// all connections.
    #[must_use]
    pub fn send_buffer_size(mut self, bytes: usize) -> Self {
        self.buffer_sizes.send = Some(bytes);
        self
    }

    /// See [`TcpListener::bind`].
    ///
    /// # Errors
    ///
    /// Those of [`TcpListener::bind`].
    ///
    /// # Panics
    ///
    /// When it is polled outside of a runtime.
    ///
    /// # Cancel safety
    ///
    /// Nothing is left behind: what was bound already is closed.
    #[track_caller]
    pub fn bind(self, addr: impl ToAddrs) -> impl Future<Output = io::Result<TcpListener>> {
        const CALL: &str = "TcpListener::bind";
        let (target, site) = (addr.to_target(), Location::caller());
        async move {
            let reactor = Reactor::expect_current_at(CALL, site);
            let bind = async |addr| self.listen(addr, false);
            let listener = try_each(CALL, target, site, bind).await?;
            Ok(TcpListener::register(reactor, listener))
        }
    }

    /// See [`TcpListener::bind_all`].
    ///
    /// # Errors
    ///
    /// Those of [`TcpListener::bind_all`].
    ///
    /// # Panics
    ///
    /// When it is polled outside of a runtime.
    ///
    /// # Cancel safety
    ///
    /// Nothing is left behind: what was bound already is closed.
    #[track_caller]
    pub fn bind_all(
        self,
        addrs: impl ToAddrs,
    ) -> impl Future<Output = io::Result<Vec<TcpListener>>> {
        let (target, site) = (addrs.to_target(), Location::caller());
        self.bind_each("TcpListener::bind_all", target, site)
    }

    /// [`bind_all`](Self::bind_all) on behalf of another call.
    pub(in crate::net) async fn bind_each(
        self,
        call: &str,
        target: io::Result<Target>,
        site: &'static Location<'static>,
    ) -> io::Result<Vec<TcpListener>> {
        let reactor = Reactor::expect_current_at(call, site);
        let mut addrs = Vec::new();
        for addr in resolve(call, target, site).await? {
            // `localhost` may stand in /etc/hosts more than once.
            if !addrs.contains(&addr) {
                addrs.push(addr);
            }
        }
        let (mut listeners, mut last) = (Vec::new(), no_address(call));
        for addr in addrs {
            match self.listen(addr, true) {
                Ok(it) => listeners.push(TcpListener::register(Rc::clone(&reactor), it)),
                Err(error) if is_one_of(&error, &[Errno::ADDRNOTAVAIL, Errno::AFNOSUPPORT]) => {
                    last = explain(call, &addr, error);
                }
                Err(error) => return Err(explain(call, &addr, error)),
            }
        }
        if listeners.is_empty() {
            return Err(last);
        }
        Ok(listeners)
    }

    fn listen(self, addr: SocketAddr, is_v6_only: bool) -> io::Result<net::TcpListener> {
        let socket = socket::tcp(addr)?;
        set_socket_reuseaddr(&socket, true)?;
        if is_v6_only && addr.is_ipv6() {
            set_ipv6_v6only(&socket, true)?;
        }
        if self.reuse_port {
            socket::set_reuse_port(&socket, true)?;
        }
        // Accepted connections inherit these.
        if self.keepalive.is_some() {
            socket::set_keepalive(&socket, self.keepalive)?;
        }
        self.buffer_sizes.apply(&socket)?;
        rustix::net::bind(&socket, &addr).map_err(explain_in_use)?;
        rustix::net::listen(&socket, self.backlog.try_into().unwrap_or(i32::MAX))?;
        Ok(socket.into())
    }
}

fn explain_in_use(error: Errno) -> io::Error {
    if error != Errno::ADDRINUSE {
        return error.into();
    }
    let problem =
        format!("{error}; stop whoever listens there, or take another port: 0 is a free one");
    explain_by(problem, error.into())
}
