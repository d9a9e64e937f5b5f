//! Faults of servers, sockets and processes that a hostile reader found, with a soak at his side.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/loopback.rs"]
mod loopback;

use std::cell::{Cell, OnceCell};
use std::io::Write;
use std::net;
use std::rc::Rc;

use loopback::{half_std_pair, listen, on_each_backend, turns};
use selio::net::{Server, TcpStream};
use selio::{IntoStreams, race, spawn, stats};

async fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        turns(1).await;
    }
}

/// A handler that ends with its server, or with its client, waits for both. Each client that leaves
/// woke all of the others, one of which had no time to end.
#[test]
fn who_leaves_a_closed_server_wakes_nobody_who_waits_for_its_end() {
    const CLIENTS: usize = 100;
    on_each_backend(async || {
        let server: Rc<OnceCell<Server>> = Rc::default();
        let inner = Rc::clone(&server);
        let handle = async move |stream: TcpStream| {
            let server = inner.get().unwrap();
            let mut byte = [0];
            let left = async { drop(stream.read(&mut byte).await) };
            match server.connections() {
                1 => left.await, // As if it did not want to know.
                _ => race((left, server.wait_closed())).await,
            }
        };
        let started = Server::builder().serve([listen().await.0], handle);
        let server = server.get_or_init(|| started.unwrap());
        let connect = || net::TcpStream::connect(server.local_addrs()[0]).unwrap();
        let busy = connect();
        until(|| server.connections() == 1).await;
        let clients: Vec<_> = (0..CLIENTS).map(|_| connect()).collect();
        until(|| server.connections() == 1 + CLIENTS).await;
        turns(2).await;
        server.close();
        turns(2).await;
        let before = stats().polls;
        for (left, client) in clients.into_iter().enumerate() {
            drop(client);
            until(|| server.connections() == CLIENTS - left).await;
        }
        let polls = stats().polls - before;
        assert!(polls < 3 * CLIENTS as u64, "{polls} polls of tasks");
        drop(busy);
        server.wait_closed().await;
    });
}

/// So the docs of `shutdown` and of `close_clients` promise no end to who sends on.
#[cfg(target_os = "linux")]
#[test]
fn after_the_end_of_reading_linux_still_gives_what_tcp_brings() {
    on_each_backend(async || {
        let (mut client, server) = half_std_pair().await;
        let mut buffer = [0; 8];
        client.write_all(b"a").unwrap();
        server.closer().shutdown(net::Shutdown::Read).unwrap();
        client.write_all(b"b").unwrap();
        assert_eq!(server.read(&mut buffer).await.unwrap(), 2);
        assert_eq!(server.read(&mut buffer).await.unwrap(), 0);
        client.write_all(b"c").unwrap();
        assert_eq!(server.read(&mut buffer).await.unwrap(), 1);
        assert_eq!(server.read(&mut buffer).await.unwrap(), 0);
    });
}

/// What a peer sends at once may be a million lines: who reads them must not hold the thread until the
/// last one.
#[test]
fn a_peer_that_sends_many_messages_at_once_does_not_starve_the_others() {
    const MESSAGES: usize = 4096;
    on_each_backend(async || {
        for way in 0..4 {
            let (mut client, server) = half_std_pair().await;
            client.write_all(&[b'\n'; MESSAGES]).unwrap();
            drop(client);
            let (mut reader, _writer) = server.into_streams();
            let read = Rc::new(Cell::new(0));
            let count = Rc::clone(&read);
            let reading = spawn(async move {
                while match way {
                    0 => !reader.read_line().await.unwrap().is_empty(),
                    1 => !reader.read_chunk(1).await.unwrap().is_empty(),
                    2 => reader.read_until(b"\n").await.is_ok(),
                    _ => reader.read_exact(&mut [0; 1]).await.is_ok(),
                } {
                    count.set(count.get() + 1);
                }
            });
            let (mut before, mut most) = (0, 0);
            while !reading.is_finished() {
                turns(1).await;
                let now = read.get();
                most = most.max(now - before);
                before = now;
            }
            assert_eq!(read.get(), MESSAGES);
            assert!(most <= 512, "{most} messages before anybody else could run");
        }
    });
}
