//! Claims about a server: what asyncio's pages state of `start_server` and `Server`, and what
//! becomes of handlers that fail.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/loopback.rs"]
mod loopback;
#[path = "common/tasks.rs"]
mod tasks;

use std::io::{self, ErrorKind, Read, Write};
use std::net::{self, SocketAddr};
use std::pin::pin;

use std::time::Duration;

use loopback::{alive, ask, assert_error, echo, impatient, on_each_backend, poll_once, turns};
use selio::net::{HandlerOutput, Server, ServerBuilder, TcpListener, TcpStream};
use selio::stats;
use tasks::{Log, quietly};

/// Longer than any test may take.
const LONG: Duration = Duration::from_secs(600);

/// A server on a free port.
async fn serve<H, R>(builder: ServerBuilder, handle_client: H) -> (Server, SocketAddr)
where
    H: AsyncFn(TcpStream) -> R + 'static,
    R: HandlerOutput + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    (builder.serve([listener], handle_client).unwrap(), addr)
}

/// A client that is connected, and perhaps not accepted yet.
fn connect(addr: SocketAddr) -> net::TcpStream {
    impatient(net::TcpStream::connect(addr).unwrap())
}

/// A client whose handler runs.
async fn connect_to(server: &Server) -> net::TcpStream {
    let before = server.connections();
    let client = connect(server.local_addrs()[0]);
    until(|| server.connections() > before).await;
    client
}

/// Lets the loop go on until it is so; the deadline of the test is for the case that it never is.
async fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        turns(1).await;
    }
}

/// Everything until the end of the stream, from inside of the runtime that serves the client.
async fn rest_of(mut client: &net::TcpStream) -> io::Result<Vec<u8>> {
    client.set_nonblocking(true).unwrap();
    let (mut all, mut buffer) = (Vec::new(), [0; 1024]);
    loop {
        match client.read(&mut buffer) {
            Ok(0) => return Ok(all),
            Ok(n) => all.extend_from_slice(&buffer[..n]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => turns(1).await,
            Err(error) => return Err(error),
        }
    }
}

/// The same as [`on_each_backend`] for a test whose handlers panic.
#[track_caller]
fn quietly_on_each_backend(test: impl AsyncFn()) {
    common::each_backend(|backend| {
        quietly(|| loopback::runtime(backend).block_on(test()));
    });
}

/// What a server reports, as text.
fn reports() -> (Log<String>, ServerBuilder) {
    let log = Log::new();
    let reports = log.clone();
    let builder = Server::builder().on_failure(move |failure| reports.note(failure.to_string()));
    (log, builder)
}

#[test]
fn every_client_has_a_handler_of_its_own() {
    on_each_backend(async || {
        let (server, _) = serve(Server::builder(), echo).await;
        let clients = [connect_to(&server).await, connect_to(&server).await];
        for message in [&b"one"[..], b"another"] {
            for client in &clients {
                ask(client, message).await;
            }
        }
        assert_eq!(server.connections(), 2);
        drop(clients);
        until(|| server.connections() == 0).await;
        assert_eq!(server.shutdown(LONG).await, 0);
        assert_eq!(alive(&stats()), (0, 0, 0));
    });
}

#[test]
fn close_refuses_new_clients_and_leaves_those_who_are_connected() {
    on_each_backend(async || {
        let (server, addr) = serve(Server::builder(), echo).await;
        let client = connect_to(&server).await;
        assert!(server.is_serving());
        assert_eq!(server.local_addrs(), [addr]);
        server.close();
        server.close();
        assert!(!server.is_serving());
        assert!(server.sockets().is_empty() && server.local_addrs().is_empty());
        assert_error(
            TcpStream::connect(addr).await,
            ErrorKind::ConnectionRefused,
            &[&addr],
        );
        ask(&client, b"still here").await;
        assert_eq!(alive(&stats()), (1, 1, 0), "the client's handler");
    });
}

#[test]
fn wait_closed_waits_for_close_and_for_the_last_connection_in_either_order() {
    on_each_backend(async || {
        let (server, _) = serve(Server::builder(), echo).await;
        let mut waiting = pin!(server.wait_closed());
        turns(2).await;
        assert!(poll_once(&mut waiting).await.is_none(), "nobody closed it");
        let client = connect_to(&server).await;
        server.close();
        turns(2).await;
        assert!(poll_once(&mut waiting).await.is_none(), "somebody is there");
        drop(client);
        waiting.await;
        server.wait_closed().await;

        let (server, _) = serve(Server::builder(), echo).await;
        drop(connect_to(&server).await);
        until(|| server.connections() == 0).await;
        let mut waiting = pin!(server.wait_closed());
        assert!(poll_once(&mut waiting).await.is_none(), "nobody closed it");
        server.close();
        assert!(poll_once(&mut waiting).await.is_some());
    });
}

#[test]
fn a_handler_that_returns_an_error_ends_its_own_connection_and_is_reported_once() {
    on_each_backend(async || {
        let (reports, builder) = reports();
        let (server, addr) = serve(builder.name("picky"), async |stream: TcpStream| {
            let mut buffer = [0; 16];
            while stream.read(&mut buffer).await? > 0 {
                match buffer[0] {
                    b'x' => return Err("no such command".into()),
                    _ => stream.write_all(b"ok").await?,
                }
            }
            Ok::<(), Box<dyn std::error::Error>>(())
        })
        .await;
        let (good, bad) = (connect_to(&server).await, connect_to(&server).await);
        (&bad).write_all(b"x").unwrap();
        assert_eq!(rest_of(&bad).await.unwrap(), b"");
        (&good).write_all(b"y").unwrap();
        until(|| server.connections() == 1).await;
        let said = reports.take();
        let [said] = &said[..] else {
            panic!("{said:?}");
        };
        let peer = bad.local_addr().unwrap();
        assert!(said.starts_with(&format!("picky {addr} (started at tests/server.rs:")));
        let end = format!("the handler of {peer} failed: no such command");
        assert!(said.ends_with(&end), "{said}");
    });
}

#[test]
fn a_handler_that_panics_ends_its_own_connection_and_is_reported_once() {
    quietly_on_each_backend(async || {
        let (reports, builder) = reports();
        let (server, addr) = serve(builder, async |stream: TcpStream| {
            let mut buffer = [0; 16];
            while stream.read(&mut buffer).await.unwrap() > 0 {
                assert!(buffer[0] != b'x', "no such command");
                stream.write_all(&buffer[..1]).await.unwrap();
            }
        })
        .await;
        let (good, bad) = (connect_to(&server).await, connect_to(&server).await);
        (&bad).write_all(b"x").unwrap();
        assert_eq!(rest_of(&bad).await.unwrap(), b"");
        ask(&good, b"y").await;
        until(|| server.connections() == 1).await;
        let said = reports.take();
        let [said] = &said[..] else {
            panic!("{said:?}");
        };
        let peer = bad.local_addr().unwrap();
        assert!(
            said.starts_with(&format!("server {addr} (started at ")),
            "{said}"
        );
        assert!(
            said.contains(&format!(": the handler of {peer}: task-")),
            "{said}"
        );
        assert!(said.ends_with("panicked: no such command"), "{said}");
    });
}
