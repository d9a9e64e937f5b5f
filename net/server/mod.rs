//! Servers: accept, make a task of each connection, and end it all in good order.
//!
//! ```text
//!   Server ---> State <--- Service <--- Acceptor: accepts while there is room  (a task for each listener)
//!    close        |           |
//!    shutdown     v           | opens
//!    ...     Connections      v
//!                 ^-------- Place, handle_client(stream)           (a task for each connection)
//! ```
//!
//! Its one rule: **a connection is open until its handler has ended**, whichever way it ends: its
//! place in the table is given back by a destructor. What a handler does with its connection is no
//! affair of the server, which costs nothing while messages come and go.

mod acceptor;
mod builder;
mod connections;
mod departure;
mod error;
mod listener;
mod state;

use std::fmt;
use std::future::Future;
use std::net::Shutdown;
use std::panic::Location;
use std::rc::Rc;
use std::time::Duration;

pub use self::builder::{ServerBuilder, start_server, start_unix_server};
pub use self::error::{HandlerOutput, ServerError, ServerErrorKind};
pub use self::listener::Listener;
use self::state::{Phase, State};
use super::TcpListener;
use crate::executor::yield_now;
use crate::structured::timeout;

/// A server that listens, and runs a handler for each of its connections.
///
/// It comes from [`start_server`] or a [`ServerBuilder`], and serves in the
/// background; await [`serve_forever`](Self::serve_forever) where there is nothing else to do.
/// Dropping it [closes](Self::close) it: nobody else is let in, and those who are connected are
/// served on. To close it from several places, share it in an `Rc`.
///
/// A handler that returns an error, or panics, ends its own connection and nothing else; that is
/// reported once, on standard error unless [`ServerBuilder::on_error`] says otherwise.
///
/// asyncio's counterpart is
/// [`Server`](https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.Server).
///
/// # Examples
///
/// State that handlers share is captured by an async closure, and borrowed by each of them:
///
/// ```
/// use selio::net::{Server, TcpListener, TcpStream};
/// use std::{cell::Cell, rc::Rc, time::Duration};
///
/// # fn main() -> std::io::Result<()> {
/// selio::run(async {
///     let visits = Rc::new(Cell::new(0));
///     let counter = Rc::clone(&visits);
///     let listeners = TcpListener::bind_all("127.0.0.1:0").await?;
///     let server = Server::builder().serve(listeners, async move |stream: TcpStream| {
///         counter.set(counter.get() + 1);
///         stream.write_all(format!("visit {}\n", counter.get()).as_bytes()).await
///     })?;
///
///     let client = TcpStream::connect(server.local_addrs()[0]).await?;
///     client.read_exact(&mut [0; 8]).await?;
///     let cancelled = server.shutdown(Duration::from_secs(1)).await;
///     assert_eq!((visits.get(), cancelled), (1, 0));
///     Ok(())
/// })
/// # }
/// ```
#[must_use = "dropping a server closes it"]
pub struct Server<L: Listener = TcpListener> {
    state: Rc<State<L>>,
}

impl Server {
    /// Sets options of a server.
    #[must_use]
    pub fn builder() -> ServerBuilder {
        ServerBuilder::new()
    }
}

impl<L: Listener> Server<L> {
    /// Begins to accept, if the server was made with
    /// [`start_serving(false)`](ServerBuilder::start_serving). Otherwise it does nothing.
    pub fn start_serving(&self) {
        if self.state.phase.get() == Phase::Prepared {
            self.state.phase.set(Phase::Serving);
            self.state.vacancy.ring();
        }
    }

    /// Serves until the server is closed, and then until its last connection is.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future, once it was polled, closes the server, as cancelling asyncio's
    /// `serve_forever` does. Its connections are served on.
    ///
    /// # Examples
    ///
    /// Until somebody types a line:
    ///
    /// ```no_run
    /// # use selio::net::{Server, TcpListener};
    /// # use std::time::Duration;
    /// # async fn a_line() {}
    /// # async fn example(server: Server) {
    /// selio::race((server.serve_forever(), a_line())).await;
    /// server.shutdown(Duration::from_secs(10)).await;
    /// # }
    /// ```
    #[track_caller]
    pub fn serve_forever(&self) -> impl Future<Output = ()> {
        struct Closing<'a, L: Listener>(&'a Server<L>);

        impl<L: Listener> Drop for Closing<'_, L> {
            fn drop(&mut self) {
                self.0.close();
            }
        }

        let closed = self.wait_closed();
        async move {
            let _closing = Closing(self);
            self.start_serving();
            closed.await;
        }
    }

    /// Stops listening. Its sockets are closed when this returns, and clients in the backlog are
    /// refused. Those who were accepted are served on, see [`wait_closed`](Self::wait_closed).
    pub fn close(&self) {
        self.state.close();
    }

    /// Waits until the server is closed, by [`close`](Self::close) or otherwise, and the last of
    /// its connections too.
    ///
    /// A handler may call this: it does not wait for itself, nor for others that wait here.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: it only waits.
    #[track_caller]
    pub fn wait_closed(&self) -> impl Future<Output = ()> {
        self.state.wait_closed(Location::caller())
    }

    /// Lets every handler read what its client has sent so far and then the end of the stream. What
    /// handlers still write arrives. Call [`close`](Self::close) first, or new clients come meanwhile.
    ///
    /// A handler that does not read does not notice, and a client that sends on over TCP may put off
    /// the end, as long as it is faster than its handler; [`shutdown`](Self::shutdown) bounds how long
    /// that may take.
    pub fn close_clients(&self) {
        for closer in self.state.connections.closers() {
            // A connection that cannot be shut down is as good as gone: its handler will see.
            let _ = closer.shutdown(Shutdown::Read);
        }
    }

    /// Cancels every handler, which drops its connection. How many there were. Call
    /// [`close`](Self::close) first, or new clients come meanwhile.
    ///
    /// A handler that calls this ends at its next `await`.
    pub fn abort_clients(&self) -> usize {
        self.state.abort(None)
    }

    /// Stops listening, lets the handlers end by themselves, and cancels those that have not ended
    /// after `grace`. How many were cancelled. A handler that calls this is left alone.
    ///
    /// A handler that waits for the next message of its client does not know of this; so call
    /// [`close_clients`](Self::close_clients) before, unless clients know when to leave.
    ///
    /// # Cancel safety
    ///
    /// The server stays closed, and its handlers go on for as long as they like; call it again for
    /// another grace.
    ///
    /// # Examples
    ///
    /// ```
    /// # use selio::net::Server;
    /// # use std::time::Duration;
    /// # async fn example(server: Server) {
    /// server.close_clients();
    /// match server.shutdown(Duration::from_secs(10)).await {
    ///     0 => println!("everybody has left"),
    ///     n => println!("{n} would not leave"),
    /// }
    /// # }
    /// ```
    #[track_caller]
    pub fn shutdown(&self, grace: Duration) -> impl Future<Output = usize> {
        let site = Location::caller();
        async move {
            self.close();
            let caller = self.state.connections.current();
            let closed = self.state.wait_closed(site);
            if timeout(grace, closed).made_at(site).await.is_ok() {
                return 0;
            }
            let cancelled = self.state.abort(caller.as_ref());
            // One that panicked on its way out is still to be reported.
            yield_now().await;
            cancelled
        }
    }

    /// Whether it accepts connections, or will when there is room again.
    #[must_use]
    pub fn is_serving(&self) -> bool {
        self.state.phase.get() == Phase::Serving
    }

    /// How many connections are open: whose handlers have not ended.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.state.connections.len()
    }

    /// The addresses that it listens on; none when it is closed. Where port 0 was asked for, they
    /// tell which it is.
    #[must_use]
    pub fn local_addrs(&self) -> Vec<L::Addr> {
        let sockets = self.sockets();
        // The address of a listener that could tell it once does not change.
        sockets
            .iter()
            .filter_map(|it| it.local_addr().ok())
            .collect()
    }

    /// What it listens on; nothing when it is closed. Do not keep them: what is kept stays open,
    /// and nobody accepts from it.
    #[must_use]
    pub fn sockets(&self) -> Vec<Rc<L>> {
        self.state.listeners.borrow().clone()
    }
}

impl<L: Listener> Drop for Server<L> {
    fn drop(&mut self) {
        self.close();
    }
}

impl<L: Listener> fmt::Debug for Server<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("local_addrs", &self.local_addrs())
            .field("is_serving", &self.is_serving())
            .field("connections", &self.connections())
            .finish()
    }
}
