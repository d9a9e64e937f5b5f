//! A Unix listener: a source of connections from processes of this machine.

use std::fmt;
use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::{self, SocketAddr};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use futures_core::Stream;
use rustix::net::{AddressFamily, SocketType};

use super::addr::{ToUnixAddr, explain, malformed};
use super::bound_path::BoundPath;
use super::stream::UnixStream;
use crate::net::backlog::{self, Accept, Backlog, Listen};
use crate::net::{Closer, Listener, socket};
use crate::reactor::{Reactor, Source};

/// Waits for connections from processes of this machine: [`std::os::unix::net::UnixListener`],
/// awaited. For asyncio's servers over it, see [`start_unix_server`](crate::start_unix_server).
///
/// Several tasks may accept from it at once. Dropping it removes the path that it has made.
///
/// # Examples
///
/// ```
/// use selio::net::{UnixListener, UnixStream};
///
/// # fn main() -> std::io::Result<()> {
/// # let path = std::env::temp_dir().join(format!("selio-doc-{}.sock", std::process::id()));
/// selio::run(async {
///     let listener = UnixListener::bind(&path)?;
///     let client = UnixStream::connect(&path).await?;
///     let (server, _) = listener.accept().await?;
///
///     client.write_all(b"ping").await?;
///     let mut buffer = [0; 4];
///     server.read_exact(&mut buffer).await?;
///     assert_eq!(&buffer, b"ping");
///
///     drop(listener);
///     assert!(!path.exists());
///     Ok(())
/// })
/// # }
/// ```
pub struct UnixListener {
    // The order matters: the path is removed while the socket is still open.
    path: Option<BoundPath>,
    pub(in crate::net) backlog: Backlog<net::UnixListener>,
}

impl UnixListener {
    /// Listens on a path, which must not exist, or on an abstract name: see [`ToUnixAddr`].
    ///
    /// Who may connect is decided by the permissions of the path, and of its directory. An abstract
    /// name has none: everybody on the machine may connect.
    ///
    /// # Errors
    ///
    /// `AddrInUse` if the path exists, even if nobody listens on it any more; `InvalidInput` if it
    /// is too long or malformed; `NotFound` if its directory does not exist; those of
    /// [bind(2)](https://man7.org/linux/man-pages/man2/bind.2.html).
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    #[doc(alias = "create_unix_server")]
    pub fn bind(addr: impl ToUnixAddr) -> io::Result<Self> {
        Self::builder().bind(addr)
    }

    /// Sets options before listening.
    #[must_use]
    pub fn builder() -> UnixListenerBuilder {
        UnixListenerBuilder {
            backlog: backlog::LENGTH,
        }
    }

    /// Waits for the next connection. The address of the peer has a name only if the peer has bound
    /// its socket to one.
    ///
    /// # Errors
    ///
    /// Those of [`TcpListener::accept`](crate::net::TcpListener::accept): after one, the next call
    /// waits for 200 ms.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: a connection that was not returned is there for the next call.
    #[track_caller]
    pub fn accept(&self) -> impl Future<Output = io::Result<(UnixStream, SocketAddr)>> {
        self.backlog.accept()
    }

    /// The connections, as a stream that never ends.
    #[track_caller]
    pub fn incoming(&self) -> UnixIncoming<'_> {
        UnixIncoming(self.backlog.accept())
    }

    /// Takes over a listener of std, which becomes non-blocking. Its path is not removed.
    ///
    /// # Errors
    ///
    /// It cannot be made non-blocking.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn from_std(listener: net::UnixListener) -> io::Result<Self> {
        let reactor = Reactor::expect_current("UnixListener::from_std");
        listener.set_nonblocking(true)?;
        Ok(Self {
            path: None,
            backlog: Backlog::of(Source::register(reactor, listener)),
        })
    }

    /// Gives the listener back to std, blocking as std's are. Its path is yours to remove.
    ///
    /// # Errors
    ///
    /// It cannot be made blocking.
    pub fn into_std(self) -> io::Result<net::UnixListener> {
        let listener = self.into_inner();
        listener.set_nonblocking(false)?;
        Ok(listener)
    }

    fn into_inner(self) -> net::UnixListener {
        if let Some(path) = self.path {
            path.keep();
        }
        self.backlog.source.into_inner()
    }

    /// The address that it listens on.
    ///
    /// # Errors
    ///
    /// Those of [getsockname(2)](https://man7.org/linux/man-pages/man2/getsockname.2.html).
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.backlog.source.get_ref().local_addr()
    }
}

impl From<UnixListener> for OwnedFd {
    /// Non-blocking, as it is; see [`UnixListener::into_std`].
    fn from(listener: UnixListener) -> Self {
        listener.into_inner().into()
    }
}

/// Sets options of a [`UnixListener`].
///
/// # Examples
///
/// ```
/// use selio::net::UnixListener;
///
/// # let path = std::env::temp_dir().join(format!("selio-builder-{}", std::process::id()));
/// # selio::run(async {
/// let listener = UnixListener::builder().backlog(16).bind(&path)?;
/// # Ok::<(), std::io::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Copy, Debug)]
pub struct UnixListenerBuilder {
    backlog: u32,
}

impl UnixListenerBuilder {
    /// How many connections may wait to be accepted: 1,024 by default. The system may have a lower
    /// limit.
    #[must_use]
    pub fn backlog(mut self, connections: u32) -> Self {
        self.backlog = connections;
        self
    }

    /// See [`UnixListener::bind`].
    ///
    /// # Errors
    ///
    /// Those of [`UnixListener::bind`].
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn bind(self, addr: impl ToUnixAddr) -> io::Result<UnixListener> {
        const CALL: &str = "UnixListener::bind";
        self.bind_for(CALL, Reactor::expect_current(CALL), addr.to_address())
    }

    /// [`bind`](Self::bind) on behalf of another call.
    pub(in crate::net) fn bind_for(
        self,
        call: &str,
        reactor: Rc<Reactor>,
        addr: io::Result<SocketAddr>,
    ) -> io::Result<UnixListener> {
        let addr = addr.map_err(|error| malformed(call, &error))?;
        let socket = socket::open(AddressFamily::UNIX, SocketType::STREAM)
            .map_err(|error| explain(call, &addr, error))?;
        let path = BoundPath::bind(call, &socket, &addr)?;
        rustix::net::listen(&socket, self.backlog.try_into().unwrap_or(i32::MAX))?;
        Ok(UnixListener {
            path,
            backlog: Backlog::of(Source::register(reactor, socket.into())),
        })
    }
}

impl Listen for net::UnixListener {
    type Accepted = (UnixStream, SocketAddr);

    fn accept(source: &Source<Self>) -> io::Result<Self::Accepted> {
        let (stream, peer) = source.get_ref().accept()?;
        stream.set_nonblocking(true)?;
        Ok((UnixStream::register(source.reactor(), stream), peer))
    }
}

impl Listener for UnixListener {
    type Stream = UnixStream;
    type Addr = SocketAddr;

    async fn accept(&self) -> io::Result<(UnixStream, SocketAddr)> {
        self.backlog.accept_at_once().await
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.local_addr()
    }

    fn closer(stream: &UnixStream) -> Option<Closer> {
        Some(stream.closer())
    }
}

/// The connections of a [`UnixListener`]; see [`UnixListener::incoming`].
///
/// # Cancel safety
///
/// Nothing is lost: a connection that was not returned is there for the next call.
pub struct UnixIncoming<'a>(Accept<'a, net::UnixListener>);

impl Stream for UnixIncoming<'_> {
    type Item = io::Result<UnixStream>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let accepted = ready!(Pin::new(&mut self.0).poll(cx));
        Poll::Ready(Some(accepted.map(|(stream, _)| stream)))
    }
}

impl fmt::Debug for UnixIncoming<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listener = self.0.backlog.source.get_ref();
        f.debug_tuple("UnixIncoming").field(listener).finish()
    }
}

impl fmt::Debug for UnixListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.backlog.source.get_ref().fmt(f)
    }
}
