//! Starts servers.

use std::fmt;
use std::io;
use std::panic::Location;

use super::error::{HandlerOutput, ServerError};
use super::{Listener, Server, State};
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

    /// A name for reports.
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
        let state = State::new(
            self.name,
            site,
            listeners,
            self.max_connections,
            self.on_error,
        )?;
        let server = Server { state };
        server.state.spawn_acceptors(handle_client);
        if self.start_serving {
            server.start_serving();
        }
        Ok(server)
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
