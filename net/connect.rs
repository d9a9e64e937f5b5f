//! How a TCP connection is made, and what has to be said before.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::panic::Location;

use rustix::io::Errno;
use rustix::net as sys;

use super::TcpStream;
use super::addr::{ToAddrs, resolve};
use super::explain::explain;
use super::happy_eyeballs::first_to_answer;
use super::socket::{self, BufferSizes};
use crate::reactor::{Direction, Reactor};

/// Sets options of a [`TcpStream`] before it connects. Those that can be set at any time are
/// methods of the stream.
///
/// # Examples
///
/// ```
/// use selio::net::{TcpListener, TcpStream};
/// use selio::{IntoStreams, StreamReader, StreamWriter};
/// use std::net::Ipv4Addr;
///
/// # fn main() -> std::io::Result<()> {
/// selio::run(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let builder = TcpStream::builder().local_addr((Ipv4Addr::LOCALHOST, 0));
///     let stream = builder.connect(listener.local_addr()?).await?;
///
///     // What `open_connection(.., local_addr=..)` gives in asyncio:
///     let (reader, writer): (StreamReader, StreamWriter) = stream.into_streams();
///     Ok(())
/// })
/// # }
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct TcpStreamBuilder {
    local_addr: Option<SocketAddr>,
    buffer_sizes: BufferSizes,
}

impl TcpStreamBuilder {
    /// Connects from this address, instead of from one that the system chooses; port 0 is a free
    /// one. Of the addresses to connect to, those of the other family fail.
    #[must_use]
    pub fn local_addr(mut self, addr: impl Into<SocketAddr>) -> Self {
        self.local_addr = Some(addr.into());
        self
    }

    /// How many bytes the system may hold that were received and not read yet (`SO_RCVBUF`). Linux
    /// doubles it, for its own use, and has a limit. By default the system adapts it, as fits most.
    #[must_use]
    pub fn recv_buffer_size(mut self, bytes: usize) -> Self {
        self.buffer_sizes.recv = Some(bytes);
        self
    }

    /// How many bytes the system may hold that were written and have not arrived yet (`SO_SNDBUF`);
    /// as for [`recv_buffer_size`](Self::recv_buffer_size).
    #[must_use]
    pub fn send_buffer_size(mut self, bytes: usize) -> Self {
        self.buffer_sizes.send = Some(bytes);
        self
    }

    /// See [`TcpStream::connect`].
    ///
    /// # Errors
    ///
    /// Those of [`TcpStream::connect`], and those of binding the local address.
    ///
    /// # Panics
    ///
    /// When it is polled outside of a runtime.
    ///
    /// # Cancel safety
    ///
    /// Nothing is left behind: a connection on its way is given up.
    #[track_caller]
    pub fn connect(self, addr: impl ToAddrs) -> impl Future<Output = io::Result<TcpStream>> {
        self.connect_for("TcpStream::connect", addr)
    }

    /// [`connect`](Self::connect) on behalf of another call.
    #[track_caller]
    pub(super) fn connect_for(
        self,
        call: &'static str,
        addr: impl ToAddrs,
    ) -> impl Future<Output = io::Result<TcpStream>> {
        let (target, site) = (addr.to_target(), Location::caller());
        async move {
            Reactor::expect_current_at(call, site);
            let addrs = resolve(call, target, site).await?;
            first_to_answer(call, addrs, site, |addr| self.connect_to(addr, site)).await
        }
    }

    /// [connect(2)](https://man7.org/linux/man-pages/man2/connect.2.html) without blocking: it goes
    /// on in the background until the socket is writable, and then has left an error or a peer.
    async fn connect_to(
        self,
        addr: SocketAddr,
        site: &'static Location<'static>,
    ) -> io::Result<TcpStream> {
        let socket = self.open(addr)?;
        let result = sys::connect(&socket, &addr);
        let stream = TcpStream::register(Reactor::expect_current("TcpStream::connect"), socket);
        match result {
            Ok(()) => return Ok(stream),
            Err(Errno::INPROGRESS | Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        loop {
            stream.source.ready(Direction::Write, site).await?;
            if let Some(error) = stream.take_error()? {
                return Err(error);
            }
            match stream.peer_addr() {
                Err(error) if error.kind() == io::ErrorKind::NotConnected => {}
                Err(error) => return Err(error),
                Ok(_) => return Ok(stream),
            }
        }
    }

    fn open(self, addr: SocketAddr) -> io::Result<OwnedFd> {
        let local = self.local_addr.filter(|it| it.is_ipv4() != addr.is_ipv4());
        if let Some(local) = local {
            let problem = format!("{local} is of another family; connect from one of the same");
            return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, problem));
        }
        let socket = socket::tcp(addr)?;
        self.buffer_sizes.apply(&socket)?;
        if let Some(local) = self.local_addr {
            sys::bind(&socket, &local).map_err(|error| explain("from", &local, error.into()))?;
        }
        Ok(socket)
    }
}
