//! How a connection to a Unix socket is made.

use std::future::Future;
use std::io;
use std::os::unix::net::SocketAddr;
use std::panic::Location;
use std::rc::Rc;

use rustix::io::Errno;
use rustix::net::{self as sys, AddressFamily, SocketType};

use super::UnixStream;
use super::addr::{ToUnixAddr, explain, malformed, wire};
use crate::net::backoff::Backoff;
use crate::net::socket;
use crate::reactor::{Direction, Reactor, spend};

impl UnixStream {
    /// Connects to a path, or to an abstract name: see [`ToUnixAddr`].
    ///
    /// If the listener has no room for one more connection, this waits until it has. No selector of
    /// Linux can tell when that is, so it asks again, after 1 ms at first and every 50 ms later on.
    /// macOS and the BSDs say `ConnectionRefused` instead, as if nobody listened.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such path, `ConnectionRefused` if nobody listens on it,
    /// `PermissionDenied` if it may not be written to, `InvalidInput` if it is too long or
    /// malformed. The message names the address.
    ///
    /// # Panics
    ///
    /// When it is polled outside of a runtime.
    ///
    /// # Cancel safety
    ///
    /// Nothing is left behind.
    #[track_caller]
    #[doc(alias = "create_unix_connection")]
    pub fn connect(addr: impl ToUnixAddr) -> impl Future<Output = io::Result<Self>> {
        Self::connect_for("UnixStream::connect", addr)
    }

    /// [`connect`](Self::connect) on behalf of another call.
    #[track_caller]
    pub(in crate::net) fn connect_for(
        call: &'static str,
        addr: impl ToUnixAddr,
    ) -> impl Future<Output = io::Result<Self>> {
        let (addr, site) = (addr.to_address(), Location::caller());
        async move {
            let reactor = Reactor::expect_current_at(call, site);
            let addr = addr.map_err(|error| malformed(call, &error))?;
            spend().await; // As in `resolve`: a Unix socket connects at once or not at all.
            let stream = Self::connect_to(reactor, &addr, site).await;
            stream.map_err(|error| explain(call, &addr, error))
        }
    }

    async fn connect_to(
        reactor: Rc<Reactor>,
        addr: &SocketAddr,
        site: &'static Location<'static>,
    ) -> io::Result<Self> {
        let socket = socket::open(AddressFamily::UNIX, SocketType::STREAM)?;
        let stream = Self::register(reactor, socket.into());
        let addr = wire(addr)?;
        let mut backoff = Backoff::new(site);
        loop {
            match sys::connect(&stream, &addr) {
                Ok(()) => return Ok(stream),
                Err(Errno::AGAIN) => backoff.pause().await,
                // Not on Linux, where a Unix socket connects at once or not at all.
                Err(Errno::INPROGRESS | Errno::INTR) => {
                    stream.source.ready(Direction::Write, site).await?;
                    return stream.take_error()?.map_or(Ok(stream), Err);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }
}
