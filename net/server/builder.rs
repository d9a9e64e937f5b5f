//! Starts servers.

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::rc::Rc;

use super::connections::{Handled, Service};
use super::error::{HandlerOutput, ServerError};
use super::state::State;
use super::{Listener, Server};
use crate::net::stream::{IntoStreams, StreamReader, StreamWriter, Unsent};
use crate::net::{TcpListener, ToAddrs, ToUnixAddr, UnixListener};
use crate::reactor::Reactor;

/// Starts a [`Server`] with options.
///
/// What concerns the listening socket itself, its backlog and `SO_REUSEPORT`, is said to
/// [`TcpListener::builder`](crate::net::TcpListener::builder).
///
/// # Examples
///
/// ```
/// use selio::net::{Server, TcpListener, TcpStream};
///
/// async fn handle_client(stream: TcpStream) -> std::io::Result<()> {
///     stream.write_all(b"hello\n").await
/// }
///
/// selio::run(async {
///     let listeners = TcpListener::builder().backlog(100).bind_all("localhost:0").await?;
///     let server = Server::builder()
///         .name("greeter")
///         .max_connections(1000)
///         .on_error(|error| eprintln!("{error}"))
///         .serve(listeners, handle_client)?;
///
///     let client = TcpStream::connect(server.local_addrs()[0]).await?;
///     client.read_exact(&mut [0; 6]).await
/// })
/// # .unwrap();
/// ```
pub struct ServerBuilder {
    name: Option<String>,
    max_connections: usize,
    start_serving: bool,
    on_error: Box<dyn Fn(&ServerError)>,
}

impl ServerBuilder {
    pub(super) fn new() -> Self {
        Self {
            name: None,
            max_connections: usize::MAX,
            start_serving: true,
            on_error: Box::new(ServerError::print),
        }
    }

    /// A name for reports, and in [`task::dump`](crate::task::dump). With the addresses behind it, it
    /// is that of the tasks that accept. `server` by default.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// How many connections may be open at a time: any number by default. Those beyond are not
    /// accepted, and wait in the backlog until others are closed. 0 lets nobody in.
    #[must_use]
    pub fn max_connections(mut self, connections: usize) -> Self {
        self.max_connections = connections;
        self
    }

    /// Whether to accept at once, as it does by default. Otherwise clients wait in the backlog
    /// until [`Server::start_serving`] or [`Server::serve_forever`] is called.
    #[must_use]
    pub fn start_serving(mut self, start_serving: bool) -> Self {
        self.start_serving = start_serving;
        self
    }

    /// What to do with a failure, instead of printing a line to standard error. It may close the
    /// server. If it panics, that goes no further. asyncio's counterpart is
    /// [`set_exception_handler`](https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.loop.set_exception_handler).
    #[must_use]
    #[doc(alias = "set_exception_handler")]
    pub fn on_error(mut self, report: impl Fn(&ServerError) + 'static) -> Self {
        self.on_error = Box::new(report);
        self
    }

    /// Serves each connection of these listeners by a task that runs `handle_client`.
    ///
    /// # Errors
    ///
    /// There is no listener, or one cannot tell its address.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    #[doc(alias = "create_server")]
    pub fn serve<L, H, R>(
        self,
        listeners: impl IntoIterator<Item = L>,
        handle_client: H,
    ) -> io::Result<Server<L>>
    where
        L: Listener,
        H: AsyncFn(L::Stream) -> R + 'static,
        R: HandlerOutput + 'static,
    {
        let site = Location::caller();
        Reactor::expect_current("ServerBuilder::serve");
        let handle_client = async move |stream| Handled(handle_client(stream).await, None);
        self.serve_for(site, listeners, handle_client)
    }

    /// The same for a handler of streams, as [`start_server`] has it. A connection is open until its
    /// handler has ended and what it has written is sent. Who panics or is cancelled leaves nothing
    /// to send.
    ///
    /// A peer that does not read can put that off, and hold its place among
    /// [`max_connections`](Self::max_connections), until [`Server::shutdown`] or
    /// [`Server::abort_clients`] cuts it off. A handler that would rather not wait so long ends with
    /// a time limit of its own:
    ///
    /// ```
    /// # use selio::{StreamWriter, timeout};
    /// # use std::time::Duration;
    /// # async fn example(writer: StreamWriter) {
    /// writer.close();
    /// if timeout(Duration::from_secs(10), writer.wait_closed()).await.is_err() {
    ///     writer.abort();
    /// }
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`serve`](Self::serve).
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    ///
    /// # Examples
    ///
    /// On a Unix socket, with a limit:
    ///
    /// ```
    /// use selio::{Server, StreamReader, StreamWriter, net::UnixListener};
    ///
    /// async fn handle_client(mut reader: StreamReader, writer: StreamWriter) -> std::io::Result<()> {
    ///     let line = reader.read_line().await?;
    ///     writer.write(line);
    ///     writer.drain().await
    /// }
    ///
    /// # let path = std::env::temp_dir().join(format!("selio-doc-server-{}", std::process::id()));
    /// selio::run(async {
    ///     let listener = UnixListener::bind(&path)?;
    ///     let builder = Server::builder().max_connections(100);
    ///     let server = builder.serve_streams([listener], handle_client)?;
    ///     assert!(server.is_serving());
    ///     std::io::Result::Ok(())
    /// })
    /// # .unwrap();
    /// ```
    #[track_caller]
    pub fn serve_streams<L, H, R>(
        self,
        listeners: impl IntoIterator<Item = L>,
        handle_client: H,
    ) -> io::Result<Server<L>>
    where
        L: Listener<Stream: IntoStreams>,
        H: AsyncFn(StreamReader, StreamWriter) -> R + 'static,
        R: HandlerOutput + 'static,
    {
        let site = Location::caller();
        Reactor::expect_current("ServerBuilder::serve_streams");
        self.serve_streams_for(site, listeners, handle_client)
    }

    fn serve_streams_for<L, H, R>(
        self,
        site: &'static Location<'static>,
        listeners: impl IntoIterator<Item = L>,
        handle_client: H,
    ) -> io::Result<Server<L>>
    where
        L: Listener<Stream: IntoStreams>,
        H: AsyncFn(StreamReader, StreamWriter) -> R + 'static,
        R: HandlerOutput + 'static,
    {
        let handle_client = async move |stream: L::Stream| {
            let (reader, writer) = stream.into_streams();
            let unsent = Unsent::of(&writer);
            Handled(handle_client(reader, writer).await, Some(unsent))
        };
        self.serve_for(site, listeners, handle_client)
    }

    fn serve_for<L, H, R>(
        self,
        site: &'static Location<'static>,
        listeners: impl IntoIterator<Item = L>,
        handle_client: H,
    ) -> io::Result<Server<L>>
    where
        L: Listener,
        H: AsyncFn(L::Stream) -> Handled<R> + 'static,
        R: HandlerOutput + 'static,
    {
        let Self {
            name,
            max_connections,
            start_serving,
            on_error,
        } = self;
        let state = State::new(name, site, listeners, max_connections, on_error)?;
        let server = Server {
            state: Rc::clone(&state),
        };
        Rc::new(Service {
            state,
            handle_client,
        })
        .spawn_acceptors();
        if start_serving {
            server.start_serving();
        }
        Ok(server)
    }
}

/// Listens on all of these addresses, and runs `handle_client` with a reader and a writer for each
/// connection: an `async fn`, or a closure like `async |mut reader, writer| ..`, whose last line says
/// of which type its errors are: `io::Result::Ok(())`. (A closure that returns an `async` block has
/// to say of which types its arguments are, too.)
///
/// The addresses are bound as [`TcpListener::bind_all`] does. Small messages are sent at once
/// (`TCP_NODELAY`), as asyncio has it. The server serves in the background; await
/// [`Server::serve_forever`] where there is nothing else to do. For Unix sockets, see
/// [`start_unix_server`]; for other listeners, options, and handlers of bare sockets,
/// [`ServerBuilder`].
///
/// asyncio's counterpart is
/// [`start_server`](https://docs.python.org/3/library/asyncio-stream.html#asyncio.start_server).
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
/// Nothing is left behind: nobody listens yet.
///
/// # Examples
///
/// ```no_run
/// use selio::{StreamReader, StreamWriter};
///
/// async fn handle_client(mut reader: StreamReader, writer: StreamWriter) -> std::io::Result<()> {
///     while !reader.at_eof() {
///         writer.write(reader.read_line().await?);
///         writer.drain().await?;
///     }
///     Ok(())
/// }
///
/// # fn main() -> std::io::Result<()> {
/// selio::run(async {
///     let server = selio::start_server("127.0.0.1:8888", handle_client).await?;
///     println!("serving on {:?}", server.local_addrs());
///     server.serve_forever().await;
///     Ok(())
/// })
/// # }
/// ```
#[track_caller]
pub fn start_server<H, R>(
    addrs: impl ToAddrs,
    handle_client: H,
) -> impl Future<Output = io::Result<Server>>
where
    H: AsyncFn(StreamReader, StreamWriter) -> R + 'static,
    R: HandlerOutput + 'static,
{
    let site = Location::caller();
    let bind = TcpListener::builder().bind_each("selio::start_server", addrs.to_target(), site);
    async move { ServerBuilder::new().serve_streams_for(site, bind.await?, handle_client) }
}

/// [`start_server`] on a Unix socket: a path, which must not exist, or an abstract name. The path is
/// removed when the server is closed or dropped.
///
/// asyncio's counterpart is
/// [`start_unix_server`](https://docs.python.org/3/library/asyncio-stream.html#asyncio.start_unix_server),
/// which removes a socket that it finds at the path, even one that somebody listens on. Here that is
/// an error: after a crash, remove the path first.
///
/// # Errors
///
/// Those of [`UnixListener::bind`].
///
/// # Panics
///
/// When it is polled outside of a runtime.
///
/// # Cancel safety
///
/// Nothing is left behind: it does not wait.
///
/// # Examples
///
/// ```
/// use selio::{StreamReader, StreamWriter, open_unix_connection, start_unix_server};
///
/// async fn handle_client(mut reader: StreamReader, writer: StreamWriter) -> std::io::Result<()> {
///     writer.write(reader.read_line().await?);
///     writer.drain().await
/// }
///
/// # fn main() -> std::io::Result<()> {
/// # let path = std::env::temp_dir().join(format!("selio-doc-start-{}", std::process::id()));
/// selio::run(async {
///     let server = start_unix_server(&path, handle_client).await?;
///     let (mut reader, writer) = open_unix_connection(&path).await?;
///     writer.write(b"hello\n");
///     assert_eq!(reader.read_line().await?, b"hello\n");
///     drop(server);
///     assert!(!path.exists());
///     Ok(())
/// })
/// # }
/// ```
#[track_caller]
pub fn start_unix_server<H, R>(
    addr: impl ToUnixAddr,
    handle_client: H,
) -> impl Future<Output = io::Result<Server<UnixListener>>>
where
    H: AsyncFn(StreamReader, StreamWriter) -> R + 'static,
    R: HandlerOutput + 'static,
{
    const CALL: &str = "selio::start_unix_server";
    let (addr, site) = (addr.to_address(), Location::caller());
    async move {
        let reactor = Reactor::expect_current_at(CALL, site);
        let listener = UnixListener::builder().bind_for(CALL, reactor, addr)?;
        ServerBuilder::new().serve_streams_for(site, [listener], handle_client)
    }
}

impl fmt::Debug for ServerBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerBuilder")
            .field("name", &self.name)
            .field("max_connections", &self.max_connections)
            .field("start_serving", &self.start_serving)
            .finish_non_exhaustive()
    }
}
