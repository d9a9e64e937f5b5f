//! Claims about what waits in a server: dropped at any `Pending`, it loses no client, no handler
//! and no end.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/dropping.rs"]
mod dropping;
#[path = "common/loopback.rs"]
mod loopback;
#[path = "common/tasks.rs"]
mod tasks;

use std::net;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use dropping::drop_at_each_pending;
use loopback::beside_others::on_each_backend;
use loopback::{ask, echo, impatient, listen, turns};
use selio::{JoinHandle, Server, spawn};
use tasks::{Spy, poll_with};

/// Longer than any test may take.
const LONG: Duration = Duration::from_secs(600);

/// A server with two clients, and a task that makes it end.
struct World {
    server: Rc<Server>,
    /// One that stays until the check.
    friend: net::TcpStream,
    ending: JoinHandle<()>,
}

impl World {
    /// Another client leaves after some turns, and then `end` is done.
    async fn new(end: impl AsyncFnOnce(Rc<Server>) + 'static) -> Self {
        let (listener, addr) = listen().await;
        let server = Rc::new(Server::builder().serve([listener], echo).unwrap());
        let connect = || impatient(net::TcpStream::connect(addr).unwrap());
        let (friend, stranger) = (connect(), connect());
        ask(&friend, b"hello").await;
        ask(&stranger, b"hello").await;
        let inner = Rc::clone(&server);
        let ending = spawn(async move {
            turns(2).await;
            drop(stranger);
            turns(2).await;
            end(inner).await;
        });
        Self {
            server,
            friend,
            ending,
        }
    }

    /// The friend is served to the end, and the server ends when he has left.
    async fn end(self) {
        ask(&self.friend, b"still here").await;
        self.ending.await.unwrap();
        assert!(!self.server.is_serving());
        assert_eq!(self.server.connections(), 1);
        ask(&self.friend, b"still here").await;
        drop(self.friend);
        self.server.wait_closed().await;
        assert_eq!(self.server.connections(), 0);
    }
}

/// Ends the connection of the friend, as if he had left.
async fn close_all(server: Rc<Server>) {
    server.close();
    server.close_clients();
}

#[test]
fn wait_closed_may_be_dropped_and_called_again() {
    on_each_backend(async || {
        let pendings = drop_at_each_pending(
            async || World::new(close_all).await,
            async |world| world.server.wait_closed().await,
            async |world, ended| {
                world.ending.await.unwrap();
                world.server.wait_closed().await;
                assert_eq!(world.server.connections(), 0);
                assert!(ended.is_none() || !world.server.is_serving());
            },
        );
        assert!(pendings.await >= 1);

        // Nobody is cut off.
        let pendings = drop_at_each_pending(
            async || World::new(async |server| server.close()).await,
            async |world| {
                selio::race((world.server.wait_closed(), turns(50))).await;
            },
            async |world, _| world.end().await,
        );
        assert!(pendings.await >= 1);
    });
}

#[test]
fn serve_forever_closes_the_server_when_it_is_dropped_and_cuts_nobody_off() {
    on_each_backend(async || {
        let pendings = drop_at_each_pending(
            async || World::new(async |server| close_all(server).await).await,
            async |world| world.server.serve_forever().await,
            async |world, ended| {
                assert!(!world.server.is_serving());
                if ended.is_none() && !world.ending.is_finished() {
                    ask(&world.friend, b"still here").await;
                }
                world.ending.await.unwrap();
                world.server.wait_closed().await;
            },
        );
        assert!(pendings.await >= 1);
    });
}

#[test]
fn shutdown_may_be_dropped_and_called_again() {
    on_each_backend(async || {
        let pendings = drop_at_each_pending(
            async || World::new(close_all).await,
            async |world| world.server.shutdown(LONG).await,
            async |world, cancelled| {
                assert!(!world.server.is_serving());
                if cancelled.is_none() && !world.ending.is_finished() {
                    ask(&world.friend, b"still here").await;
                }
                assert_eq!(cancelled.unwrap_or(0), 0);
                world.ending.await.unwrap();
                assert_eq!(world.server.shutdown(LONG).await, 0);
            },
        );
        assert!(pendings.await >= 1);
    });
}

#[test]
fn who_does_not_wait_any_more_leaves_no_waker_behind() {
    on_each_backend(async || {
        let (listener, _) = listen().await;
        let server = Server::builder().serve([listener], echo).unwrap();
        let (spy, waker) = Spy::new();
        for _ in 0..100 {
            assert!(poll_with(&mut pin!(server.wait_closed()), &waker).is_pending());
        }
        assert_eq!(Arc::strong_count(&spy), 2, "ours, and that of the waker");
    });
}

/// Before the grace is over nobody is cancelled, and afterwards everybody is.
#[test]
fn shutdown_that_is_dropped_cancels_all_or_nobody() {
    on_each_backend(async || {
        let pendings = drop_at_each_pending(
            async || World::new(async |_| ()).await,
            async |world| world.server.shutdown(Duration::from_millis(5)).await,
            async |world, cancelled| {
                let is_through = world.server.connections() == 0;
                if !is_through {
                    ask(&world.friend, b"still here").await;
                }
                assert!(is_through || cancelled.is_none());
                world.server.shutdown(Duration::ZERO).await;
                assert_eq!(world.server.connections(), 0);
                world.ending.await.unwrap();
            },
        );
        assert!(pendings.await >= 2);
    });
}
