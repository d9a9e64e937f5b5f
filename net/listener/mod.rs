//! A TCP listener: a source of connections.

mod builder;

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{self, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;

use super::addr::ToAddrs;
use super::backlog::{Accept, Backlog, Listen};
use super::{TcpStream, socket};
use crate::reactor::{Reactor, Source};

pub use self::builder::TcpListenerBuilder;

/// Waits for TCP connections: [`std::net::TcpListener`], awaited.
///
/// Several tasks may accept from it at once.
///
/// # Examples
///
/// ```no_run
/// use selio::net::TcpListener;
///
/// # fn main() -> std::io::Result<()> {
/// selio::run(async {
///     let listener = TcpListener::bind("127.0.0.1:5566").await?;
///     loop {
///         let (stream, peer) = listener.accept().await?;
///         selio::spawn(async move { stream.write_all(format!("hello {peer}\n").as_bytes()).await });
///     }
/// })
/// # }
/// ```
pub struct TcpListener {
    pub(super) backlog: Backlog<net::TcpListener>,
}

impl TcpListener {
    /// Listens on the first of the addresses that can be bound. Port 0 stands for one that is free:
    /// [`local_addr`](Self::local_addr) tells which. A name is looked up without blocking the other
    /// tasks.
    ///
    /// A port on which connections of an earlier process linger can be bound again
    /// (`SO_REUSEADDR`).
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

    /// Listens on all of the addresses, with a listener for each: a server on `localhost` is to
    /// answer on `127.0.0.1` and on `::1`.
    ///
    /// A listener on an IPv6 address leaves IPv4 to the others (`IPV6_V6ONLY`), so that `0.0.0.0`
    /// and `[::]` can share a port. Port 0 is another one for each address. An address that is
    /// given twice counts once, and one that this machine does not have, or whose family it does
    /// not know, is left out if there are others.
    ///
    /// # Errors
    ///
    /// One of the addresses cannot be bound: an error whose message names it. None of them exists
    /// on this machine. The address is malformed, or the name unknown.
    ///
    /// # Panics
    ///
    /// When it is polled outside of a runtime.
    ///
    /// # Cancel safety
    ///
    /// Nothing is left behind.
    ///
    /// # Examples
    ///
    /// ```
    /// use selio::net::TcpListener;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// selio::run(async {
    ///     for listener in TcpListener::bind_all("localhost:0").await? {
    ///         println!("listening on {}", listener.local_addr()?);
    ///     }
    ///     Ok(())
    /// })
    /// # }
    /// ```
    #[track_caller]
    pub fn bind_all(addrs: impl ToAddrs) -> impl Future<Output = io::Result<Vec<Self>>> {
        Self::builder().bind_all(addrs)
    }

    /// Sets options before listening.
    #[must_use]
    #[doc(alias = "TcpSocket")]
    pub fn builder() -> TcpListenerBuilder {
        TcpListenerBuilder::new()
    }

    /// Waits for the next connection.
    ///
    /// Connections that were reset before they could be accepted are skipped.
    ///
    /// # Errors
    ///
    /// The process or the system has run out of file descriptors or memory (`EMFILE`, `ENFILE`,
    /// `ENOBUFS`, `ENOMEM`). Others are not expected. It is all right to go on in a loop: the next call
    /// waits for 200 ms, so that the loop does not spin, and the connection is not lost.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: a connection that was not returned is there for the next call.
    #[track_caller]
    #[doc(alias = "sock_accept")]
    pub fn accept(&self) -> impl Future<Output = io::Result<(TcpStream, SocketAddr)>> {
        self.backlog.accept()
    }

    /// [`accept`](Self::accept) for those who pause by themselves after an error.
    pub(super) async fn accept_at_once(&self) -> io::Result<(TcpStream, SocketAddr)> {
        self.backlog.accept_at_once().await
    }

    /// The connections, as a stream that never ends.
    #[track_caller]
    pub fn incoming(&self) -> Incoming<'_> {
        Incoming(self.backlog.accept())
    }

    /// Takes over a listener of std, which becomes non-blocking.
    ///
    /// # Errors
    ///
    /// It cannot be made non-blocking.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn from_std(listener: net::TcpListener) -> io::Result<Self> {
        let reactor = Reactor::expect_current("TcpListener::from_std");
        listener.set_nonblocking(true)?;
        Ok(Self::register(reactor, listener))
    }

    /// Gives the listener back to std, blocking as std's are.
    ///
    /// # Errors
    ///
    /// It cannot be made blocking.
    pub fn into_std(self) -> io::Result<net::TcpListener> {
        let listener = self.backlog.source.into_inner();
        listener.set_nonblocking(false)?;
        Ok(listener)
    }

    fn register(reactor: Rc<Reactor>, listener: net::TcpListener) -> Self {
        Self {
            backlog: Backlog::of(Source::register(reactor, listener)),
        }
    }

    /// The address that it listens on.
    ///
    /// # Errors
    ///
    /// Those of [getsockname(2)](https://man7.org/linux/man-pages/man2/getsockname.2.html).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.backlog.source.get_ref().local_addr()
    }

    /// Through how many routers a packet may pass.
    ///
    /// # Errors
    ///
    /// Those of getsockopt(2).
    pub fn ttl(&self) -> io::Result<u32> {
        self.backlog.source.get_ref().ttl()
    }

    /// Says through how many routers a packet may pass, on connections that are accepted from now
    /// on.
    ///
    /// # Errors
    ///
    /// Those of setsockopt(2).
    pub fn set_ttl(&self, ttl: u32) -> io::Result<()> {
        self.backlog.source.get_ref().set_ttl(ttl)
    }
}

impl Listen for net::TcpListener {
    type Accepted = (TcpStream, SocketAddr);

    fn accept(source: &Source<Self>) -> io::Result<Self::Accepted> {
        let (stream, peer) = socket::accept(source)?;
        Ok((TcpStream::register(source.reactor(), stream), peer))
    }
}

/// The connections of a [`TcpListener`]; see [`TcpListener::incoming`].
///
/// # Cancel safety
///
/// Nothing is lost: a connection that was not returned is there for the next call.
///
/// # Examples
///
/// ```no_run
/// use futures_lite::StreamExt;
/// # selio::run(async {
/// # let listener = selio::net::TcpListener::bind("127.0.0.1:0").await?;
/// let mut incoming = listener.incoming();
/// while let Some(stream) = incoming.next().await {
///     println!("connection from {}", stream?.peer_addr()?);
/// }
/// # Ok::<(), std::io::Error>(())
/// # });
/// ```
#[doc(alias = "TcpListenerStream")]
pub struct Incoming<'a>(Accept<'a, net::TcpListener>);

impl Stream for Incoming<'_> {
    type Item = io::Result<TcpStream>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let accepted = ready!(Pin::new(&mut self.0).poll(cx));
        Poll::Ready(Some(accepted.map(|(stream, _)| stream)))
    }
}

impl fmt::Debug for Incoming<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listener = self.0.backlog.source.get_ref();
        f.debug_tuple("Incoming").field(listener).finish()
    }
}

impl fmt::Debug for TcpListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.backlog.source.get_ref().fmt(f)
    }
}
