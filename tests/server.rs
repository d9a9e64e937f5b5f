//! Claims about a server: what asyncio's pages state of `start_server` and `Server`, and what
//! becomes of handlers that fail.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/loopback.rs"]
mod loopback;
#[path = "common/tasks.rs"]
mod tasks;

use std::cell::{Cell, OnceCell};
use std::convert::Infallible;
use std::future::pending;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{self, SocketAddr, ToSocketAddrs};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use loopback::beside_others::on_each_backend;
use loopback::{alive, ask, assert_error, echo, impatient, poll_once, turns};
use selio::net::{
    HandlerOutput, Server, ServerBuilder, TcpListener, TcpStream, UnixListener, UnixStream,
};
use selio::{Runtime, spawn, stats};
use tasks::{Ledger, Log, OnDrop, panic_here, quietly};

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
    common::beside_others::each_backend(|backend| {
        quietly(|| loopback::runtime(backend).block_on(test()));
    });
}

/// What a server reports, as text.
fn reports() -> (Log<String>, ServerBuilder) {
    let log = Log::new();
    let reports = log.clone();
    let builder = Server::builder().on_error(move |error| reports.note(error.to_string()));
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
        assert_eq!(stats().panics, 0, "the runtime has nothing to add");
    });
}

/// A panic in a destructor is the handler's, too.
#[test]
fn a_handler_whose_destructor_panics_when_it_is_aborted_is_reported_and_the_others_end() {
    quietly_on_each_backend(async || {
        let (reports, builder) = reports();
        let (server, _) = serve(builder, async |stream: TcpStream| {
            let _panics = OnDrop::new(|| panic!("not so fast"));
            stream.read(&mut [0; 1]).await.unwrap();
        })
        .await;
        let clients = [connect_to(&server).await, connect_to(&server).await];
        assert_eq!(server.abort_clients(), 2);
        until(|| server.connections() == 0).await;
        let said = reports.take();
        assert_eq!(said.len(), 2, "{said:?}");
        for (client, said) in clients.iter().zip(said) {
            let peer = client.local_addr().unwrap().to_string();
            assert!(
                said.contains(&peer) && said.ends_with("not so fast"),
                "{said}"
            );
        }
    });
}

#[test]
fn what_a_handler_returns_is_nothing_or_a_result() {
    on_each_backend(async || {
        async fn endless(_: TcpStream) -> io::Result<Infallible> {
            Err(io::Error::other("an end"))
        }
        let (log, builder) = reports();
        let (nothing, _) = serve(builder, async |_| {}).await;
        let (text, builder) = reports();
        let (result, _) = serve(builder, async |_| Err::<(), _>("a text")).await;
        let (end, builder) = reports();
        let (never, _) = serve(builder, endless).await;
        for server in [&nothing, &result, &never] {
            let client = connect(server.local_addrs()[0]);
            assert_eq!(rest_of(&client).await.unwrap(), b"");
            until(|| server.connections() == 0).await;
        }
        assert_eq!(log.len(), 0);
        assert!(text.take()[0].ends_with("failed: a text"));
        assert!(end.take()[0].ends_with("failed: an end"));
    });
}

#[test]
fn a_hook_that_panics_harms_nobody() {
    quietly_on_each_backend(async || {
        let calls = Rc::new(Cell::new(0));
        let count = Rc::clone(&calls);
        let builder = Server::builder().on_error(move |_| {
            count.set(count.get() + 1);
            panic!("the log is full");
        });
        let (server, addr) = serve(builder, async |stream: TcpStream| {
            let mut buffer = [0; 1];
            stream.read(&mut buffer).await?;
            assert!(buffer != *b"p", "a panic");
            Err::<(), _>(io::Error::other("an error"))
        })
        .await;
        for (n, message) in (1..).zip([b"p", b"e", b"p"]) {
            let client = connect(addr);
            (&client).write_all(message).unwrap();
            assert_eq!(rest_of(&client).await.unwrap(), b"");
            until(|| server.connections() == 0).await;
            assert_eq!(calls.get(), n);
        }
    });
}

#[test]
fn a_hook_may_close_the_server() {
    on_each_backend(async || {
        let server: Rc<OnceCell<Server>> = Rc::default();
        let closer = Rc::clone(&server);
        let builder = Server::builder().on_error(move |_| closer.get().unwrap().close());
        let (started, addr) = serve(builder, async |_| Err::<(), _>("the last straw")).await;
        assert!(server.set(started).is_ok());
        let _client = connect(addr);
        server.get().unwrap().wait_closed().await;
        assert_eq!(alive(&stats()), (0, 0, 0));
    });
}

/// asyncio: with `start_serving=False` the server listens, and `start_serving` or `serve_forever`
/// makes it accept. The former can be called any number of times.
#[test]
fn a_server_that_is_only_prepared_lets_clients_wait() {
    on_each_backend(async || {
        for is_for_ever in [false, true] {
            let builder = Server::builder().start_serving(false);
            let (server, addr) = serve(builder, echo).await;
            let client = connect(addr);
            turns(5).await;
            assert_eq!((server.is_serving(), server.connections()), (false, 0));
            let mut forever = pin!(server.serve_forever());
            if is_for_ever {
                assert!(poll_once(&mut forever).await.is_none());
            } else {
                server.start_serving();
                server.start_serving();
            }
            assert!(server.is_serving());
            ask(&client, b"at last").await;
            server.close();
            server.start_serving();
            assert!(!server.is_serving(), "closed is closed");
        }
        // It can be closed without ever having served.
        let (server, _) = serve(Server::builder().start_serving(false), echo).await;
        server.close();
        server.wait_closed().await;
    });
}

#[test]
fn serve_forever_ends_when_the_server_is_closed_and_everybody_has_left() {
    on_each_backend(async || {
        let (server, _) = serve(Server::builder(), echo).await;
        let mut one = pin!(server.serve_forever());
        let mut another = pin!(server.serve_forever());
        assert!(poll_once(&mut one).await.is_none());
        assert!(poll_once(&mut another).await.is_none());
        let client = connect_to(&server).await;
        server.close();
        turns(2).await;
        assert!(poll_once(&mut one).await.is_none());
        drop(client);
        one.await;
        another.await;
    });
}

/// asyncio: "Cancellation of serve_forever task causes the server to be closed."
#[test]
fn dropping_serve_forever_closes_the_server() {
    on_each_backend(async || {
        let (server, addr) = serve(Server::builder(), echo).await;
        drop(server.serve_forever());
        assert!(server.is_serving(), "it was never polled");
        let client = connect_to(&server).await;
        {
            let mut forever = pin!(server.serve_forever());
            assert!(poll_once(&mut forever).await.is_none());
        }
        assert!(!server.is_serving());
        net::TcpStream::connect(addr).unwrap_err();
        ask(&client, b"still here").await;
    });
}

#[test]
fn dropping_the_server_closes_it_and_leaves_those_who_are_connected() {
    on_each_backend(async || {
        let (server, addr) = serve(Server::builder(), echo).await;
        let client = connect_to(&server).await;
        drop(server);
        net::TcpStream::connect(addr).unwrap_err();
        ask(&client, b"still here").await;
        assert_eq!(alive(&stats()), (1, 1, 0), "the client's handler");
        drop(client);
        until(|| alive(&stats()) == (0, 0, 0)).await;
    });
}

/// asyncio: "Close all existing incoming client connections": what was sent in either direction
/// arrives, and then the end.
#[test]
fn close_clients_ends_the_reading_of_handlers_and_loses_nothing() {
    on_each_backend(async || {
        let (server, _) = serve(Server::builder(), async |stream: TcpStream| {
            // It begins to read only after `close_clients`.
            stream.write_all(b"wait").await.unwrap();
            turns(5).await;
            let all = loopback::read_to_end(&stream).await.unwrap();
            stream.write_all(&all).await.unwrap();
            stream.write_all(b", bye").await.unwrap();
        })
        .await;
        let mut clients = Vec::new();
        for message in [&b"one"[..], b"another", b""] {
            let mut client = connect_to(&server).await;
            client.read_exact(&mut [0; 4]).unwrap();
            client.write_all(message).unwrap();
            clients.push((client, message));
        }
        server.close();
        server.close_clients();
        for (client, message) in &clients {
            let answer = rest_of(client).await.unwrap();
            assert_eq!(answer, [message, &b", bye"[..]].concat());
        }
        server.wait_closed().await;
        server.close_clients();
    });
}

#[test]
fn close_clients_wakes_handlers_that_wait_for_a_message() {
    on_each_backend(async || {
        let (server, _) = serve(Server::builder(), echo).await;
        let clients = [connect_to(&server).await, connect_to(&server).await];
        for client in &clients {
            ask(client, b"hello").await;
        }
        server.close_clients();
        assert!(server.is_serving(), "new ones may come until it is closed");
        for client in &clients {
            assert_eq!(rest_of(client).await.unwrap(), b"");
        }
        until(|| server.connections() == 0).await;
    });
}

/// The number of a connection that is gone may be another's by now.
#[test]
fn close_clients_leaves_alone_what_is_no_connection_of_the_server_any_more() {
    on_each_backend(async || {
        let given_away = Rc::new(Cell::new(None));
        let place = Rc::clone(&given_away);
        let (server, _) = serve(Server::builder(), async move |stream: TcpStream| {
            place.set(Some(stream.into_std().unwrap()));
            pending::<()>().await;
        })
        .await;
        let client = connect_to(&server).await;
        turns(3).await;
        let stream = given_away.take().unwrap();
        server.close_clients();
        stream.set_nonblocking(true).unwrap();
        let read = (&stream).read(&mut [0; 1]);
        assert_error(read, ErrorKind::WouldBlock, &[]);
        client.shutdown(net::Shutdown::Write).unwrap();
        assert_eq!(rest_of(&stream).await.unwrap(), b"");

        let (server, _) = serve(Server::builder(), async |stream: TcpStream| {
            drop(stream);
            pending::<()>().await;
        })
        .await;
        let client = connect_to(&server).await;
        assert_eq!(rest_of(&client).await.unwrap(), b"", "its number is free");
        let pair = std::os::unix::net::UnixStream::pair;
        let pairs: Vec<_> = (0..8).map(|_| pair().unwrap()).collect();
        server.close_clients();
        for (mut one, mut another) in pairs {
            one.write_all(b"x").unwrap();
            another.read_exact(&mut [0; 1]).unwrap();
            another.write_all(b"y").unwrap();
            one.read_exact(&mut [0; 1]).unwrap();
        }
    });
}

/// asyncio: "Close all existing incoming client connections immediately, without waiting for
/// pending operations to complete."
#[test]
fn abort_clients_drops_every_handler_and_says_how_many() {
    on_each_backend(async || {
        let ledger = Ledger::new();
        let entries = ledger.clone();
        let (log, builder) = reports();
        let (server, _) = serve(builder, async move |stream: TcpStream| {
            let _entry = entries.entry();
            stream.read(&mut [0; 1]).await.unwrap();
        })
        .await;
        let clients = [connect_to(&server).await, connect_to(&server).await];
        until(|| ledger.alive() == 2).await;
        assert_eq!(server.abort_clients(), 2);
        assert_eq!((ledger.alive(), server.connections()), (0, 0));
        for client in &clients {
            assert_eq!(rest_of(client).await.unwrap(), b"");
        }
        assert_eq!(server.abort_clients(), 0);
        let client = connect_to(&server).await;
        (&client).write_all(b"x").unwrap();
        until(|| server.connections() == 0).await;
        assert_eq!(log.take(), [""; 0], "to be cancelled is no failure");
    });
}

#[test]
fn destructors_may_do_anything_to_the_server_that_aborts_them() {
    on_each_backend(async || {
        let server: Rc<OnceCell<Server>> = Rc::default();
        let inner = Rc::clone(&server);
        let (started, _) = serve(Server::builder(), async move |stream: TcpStream| {
            let inner = Rc::clone(&inner);
            let _meddler = OnDrop::new(move || {
                let server = inner.get().unwrap();
                server.close_clients();
                server.abort_clients();
                server.close();
            });
            stream.read(&mut [0; 1]).await.unwrap();
        })
        .await;
        assert!(server.set(started).is_ok());
        let server = server.get().unwrap();
        let mut clients = Vec::new();
        for _ in 0..5 {
            clients.push(connect_to(server).await);
        }
        server.abort_clients();
        assert_eq!((server.connections(), server.is_serving()), (0, false));
        server.wait_closed().await;
    });
}

#[test]
fn shutdown_lets_handlers_end_and_cancels_those_who_do_not() {
    on_each_backend(async || {
        let (server, addr) = serve(Server::builder(), echo).await;
        assert_eq!(server.shutdown(LONG).await, 0, "nobody is there");
        net::TcpStream::connect(addr).unwrap_err();

        let (server, _) = serve(Server::builder(), echo).await;
        let polite = connect_to(&server).await;
        let mut shutdown = pin!(server.shutdown(LONG));
        assert!(poll_once(&mut shutdown).await.is_none());
        ask(&polite, b"one more thing").await;
        drop(polite);
        assert_eq!(shutdown.await, 0);

        let (server, _) = serve(Server::builder(), echo).await;
        let stubborn = [connect_to(&server).await, connect_to(&server).await];
        let polite = connect_to(&server).await;
        drop(polite);
        until(|| server.connections() == 2).await;
        assert_eq!(server.shutdown(Duration::from_millis(20)).await, 2);
        assert_eq!((server.connections(), alive(&stats())), (0, (0, 0, 0)));
        for client in &stubborn {
            assert_eq!(rest_of(client).await.unwrap(), b"");
        }
        assert_eq!(server.shutdown(Duration::ZERO).await, 0);

        let (server, _) = serve(Server::builder(), echo).await;
        let client = connect_to(&server).await;
        assert_eq!(server.shutdown(Duration::ZERO).await, 1);
        assert_eq!(rest_of(&client).await.unwrap(), b"");
    });
}

#[test]
fn after_close_clients_those_who_only_listen_do_not_use_up_the_grace() {
    on_each_backend(async || {
        let (server, _) = serve(Server::builder(), echo).await;
        let _idle = [connect_to(&server).await, connect_to(&server).await];
        server.close();
        server.close_clients();
        assert_eq!(server.shutdown(Duration::MAX).await, 0);
    });
}

#[test]
fn a_handler_may_close_its_server() {
    on_each_backend(async || {
        let server: Rc<OnceCell<Server>> = Rc::default();
        let inner = Rc::clone(&server);
        let (started, addr) = serve(Server::builder(), async move |stream: TcpStream| {
            inner.get().unwrap().close();
            stream.write_all(b"closed").await
        })
        .await;
        assert!(server.set(started).is_ok());
        let client = connect(addr);
        server.get().unwrap().serve_forever().await;
        assert_eq!(rest_of(&client).await.unwrap(), b"closed");
    });
}

#[test]
fn a_handler_that_aborts_everybody_ends_at_its_next_await() {
    on_each_backend(async || {
        let server: Rc<OnceCell<Server>> = Rc::default();
        let log = Log::new();
        let (inner, notes) = (Rc::clone(&server), log.clone());
        let (started, _) = serve(Server::builder(), async move |stream: TcpStream| {
            stream.read(&mut [0; 1]).await.unwrap();
            notes.note(inner.get().unwrap().abort_clients());
            notes.note(0);
            pending::<()>().await;
            notes.note(1000);
        })
        .await;
        assert!(server.set(started).is_ok());
        let server = server.get().unwrap();
        let clients = [connect_to(server).await, connect_to(server).await];
        (&clients[0]).write_all(b"x").unwrap();
        until(|| server.connections() == 0).await;
        assert_eq!(log.take(), [2, 0]);
    });
}

#[test]
fn a_handler_may_shut_its_server_down() {
    on_each_backend(async || {
        let server: Rc<OnceCell<Server>> = Rc::default();
        let inner = Rc::clone(&server);
        let (started, _) = serve(Server::builder(), async move |stream: TcpStream| {
            let mut buffer = [0; 1];
            while stream.read(&mut buffer).await? > 0 {
                let server = inner.get().unwrap();
                let cancelled = match buffer[0] {
                    b'w' => server.shutdown(LONG).await,
                    _ => server.shutdown(Duration::from_millis(20)).await,
                };
                stream.write_all(format!("{cancelled}").as_bytes()).await?;
            }
            io::Result::Ok(())
        })
        .await;
        assert!(server.set(started).is_ok());
        let server = server.get().unwrap();
        let mut clients = Vec::new();
        for _ in 0..5 {
            clients.push(connect_to(server).await);
        }
        // One leaves, two wait for the others and not for each other, two never leave by themselves.
        (&clients[0]).write_all(b"w").unwrap();
        (&clients[1]).write_all(b"w").unwrap();
        drop(clients.remove(2));
        until(|| server.connections() == 4).await;
        assert!(!server.is_serving());
        (&clients[2]).write_all(b"now").unwrap();
        let mut answer = [0; 1];
        clients[2].set_nonblocking(true).unwrap();
        while clients[2].read(&mut answer).is_err() {
            turns(1).await;
        }
        assert_eq!(&answer, b"3", "all but the caller");
        assert_eq!(server.connections(), 1);
        for gone in [0, 1, 3] {
            assert_eq!(rest_of(&clients[gone]).await.unwrap(), b"");
        }
    });
}

#[test]
fn handlers_that_wait_for_the_end_do_not_wait_for_each_other() {
    on_each_backend(async || {
        let server: Rc<OnceCell<Server>> = Rc::default();
        let inner = Rc::clone(&server);
        let (started, _) = serve(Server::builder(), async move |stream: TcpStream| {
            stream.read(&mut [0; 1]).await?;
            let server = inner.get().unwrap();
            selio::gather((server.wait_closed(), server.shutdown(LONG))).await;
            stream.write_all(b"bye").await
        })
        .await;
        assert!(server.set(started).is_ok());
        let server = server.get().unwrap();
        let mut clients = Vec::new();
        for _ in 0..3 {
            clients.push(connect_to(server).await);
        }
        (&clients[0]).write_all(b"x").unwrap();
        (&clients[1]).write_all(b"x").unwrap();
        until(|| !server.is_serving()).await;
        turns(5).await;
        assert_eq!(server.connections(), 3, "the third is still there");
        (&clients[2]).write_all(b"x").unwrap();
        for client in &clients {
            assert_eq!(rest_of(client).await.unwrap(), b"bye");
        }
        server.wait_closed().await;
    });
}

#[test]
fn who_is_no_handler_waits_for_the_goodbyes_of_those_who_wait_for_the_end() {
    on_each_backend(async || {
        let server: Rc<OnceCell<Server>> = Rc::default();
        let inner = Rc::clone(&server);
        let (started, _) = serve(Server::builder(), async move |stream: TcpStream| {
            if stream.read(&mut [0; 1]).await? > 0 {
                inner.get().unwrap().wait_closed().await;
                turns(5).await; // It has still something to do.
            }
            Ok::<(), io::Error>(())
        })
        .await;
        assert!(server.set(started).is_ok());
        let outside = spawn({
            let server = Rc::clone(&server);
            async move {
                let server = server.get().unwrap();
                server.wait_closed().await;
                server.connections()
            }
        });
        let server = server.get().unwrap();
        let (waiting, other) = (connect_to(server).await, connect_to(server).await);
        server.close();
        turns(5).await;
        (&waiting).write_all(b"x").unwrap();
        turns(5).await;
        drop(other); // The last but one.
        assert_eq!(outside.await.unwrap(), 0, "connections that are still open");
    });
}

/// asyncio's `start_unix_server`: all of it comes through the same trait.
#[test]
fn unix_sockets_are_served_like_tcp() {
    on_each_backend(async || {
        let path = std::env::temp_dir().join(format!("selio-server-{}", std::process::id()));
        let (log, builder) = reports();
        let listener = UnixListener::bind(&path).unwrap();
        let handle = async |stream: UnixStream| {
            let mut buffer = [0; 16];
            while let n @ 1.. = stream.read(&mut buffer).await? {
                stream.write_all(&buffer[..n]).await?;
            }
            stream.write_all(b"bye").await?;
            Err::<(), _>(io::Error::other("this is reported"))
        };
        let server = builder.serve([listener], handle).unwrap();
        assert_eq!(server.local_addrs()[0].as_pathname(), Some(&*path));
        let client = UnixStream::connect(&path).await.unwrap();
        client.write_all(b"ping").await.unwrap();
        let mut buffer = [0; 4];
        client.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"ping");
        server.close();
        assert!(!path.exists(), "the path of a closed server is free");
        server.close_clients();
        client.read_exact(&mut buffer[..3]).await.unwrap();
        assert_eq!(&buffer[..3], b"bye");
        assert_eq!(client.read(&mut buffer).await.unwrap(), 0);
        server.wait_closed().await;
        let [said] = &log.take()[..] else { panic!() };
        let name = format!("server {path:?} (pathname) (started at ");
        assert!(said.starts_with(&name), "{said}");
        assert!(
            said.ends_with("the handler of (unnamed) failed: this is reported"),
            "{said}"
        );
    });
}

#[test]
fn servers_of_one_runtime_know_nothing_of_each_other() {
    on_each_backend(async || {
        let (one, _) = serve(Server::builder(), echo).await;
        let (another, _) = serve(Server::builder(), echo).await;
        let clients = [connect_to(&one).await, connect_to(&another).await];
        assert_eq!(one.shutdown(Duration::ZERO).await, 1);
        ask(&clients[1], b"still here").await;
        assert!(another.is_serving());
        ask(&connect_to(&another).await, b"welcome").await;
    });
}

/// Whoever connects while the server closes is served, or hears that nobody will.
#[test]
fn clients_that_connect_during_a_shutdown_do_not_hang() {
    on_each_backend(async || {
        let (server, addr) = serve(Server::builder(), echo).await;
        let clients: Vec<_> = (0..200).map(|_| connect(addr)).collect();
        until(|| server.connections() >= 50).await;
        server.close();
        let accepted = server.connections();
        server.close_clients();
        assert_eq!(server.shutdown(LONG).await, 0);
        let mut refused = 0;
        for client in &clients {
            match rest_of(client).await {
                Ok(bytes) => assert_eq!(bytes, b""),
                Err(error) => {
                    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
                    refused += 1;
                }
            }
        }
        assert_eq!(accepted + refused, clients.len());
    });
}

#[test]
fn a_server_outlives_its_runtime_quietly() {
    common::beside_others::each_backend(|backend| {
        let runtime: Runtime = loopback::runtime(backend);
        let ledger = Ledger::new();
        let (server, addr, client) = runtime.block_on(async {
            let entries = ledger.clone();
            let (server, addr) = serve(Server::builder(), async move |stream: TcpStream| {
                let _entry = entries.entry();
                echo(stream).await
            })
            .await;
            let client = connect_to(&server).await;
            ask(&client, b"hello").await;
            (server, addr, client)
        });
        assert_eq!(server.connections(), 1);
        drop(runtime);
        assert_eq!((ledger.alive(), server.connections()), (0, 0));
        assert_eq!((&client).read(&mut [0; 1]).unwrap(), 0);
        net::TcpStream::connect(addr).unwrap_err();
        server.start_serving();
        server.close_clients();
        assert_eq!(server.abort_clients(), 0);
        server.close();
        assert!(format!("{server:?}").contains("is_serving: false"));
    });
}

#[test]
fn a_server_needs_a_listener_and_a_runtime() {
    on_each_backend(async || {
        let nowhere = Server::builder().serve(Vec::<TcpListener>::new(), echo);
        assert_error(
            nowhere,
            ErrorKind::InvalidInput,
            &[&"ServerBuilder::serve: there is no listener"],
        );
    });
    let message = panic_here(|| Server::builder().serve(Vec::<TcpListener>::new(), echo));
    assert!(
        message.starts_with("ServerBuilder::serve: no runtime"),
        "{message}"
    );
}

/// asyncio: "If `host` resolves to multiple network interfaces, a different random port will be
/// selected for each interface."
#[test]
fn a_name_with_several_addresses_has_a_listener_for_each() {
    on_each_backend(async || {
        let mut wanted: Vec<_> = ("localhost", 0).to_socket_addrs().unwrap().collect();
        wanted.retain(|addr| net::TcpListener::bind(addr).is_ok());
        wanted.sort();
        wanted.dedup();
        let listeners = TcpListener::bind_all("localhost:0").await.unwrap();
        let server = Server::builder().serve(listeners, echo).unwrap();
        let mut addrs = server.local_addrs();
        assert!(addrs.iter().all(|addr| addr.port() != 0));
        for &addr in &addrs {
            ask(&connect(addr), b"hello").await;
        }
        addrs.sort_by_key(SocketAddr::ip);
        let ips: Vec<_> = addrs.iter().map(SocketAddr::ip).collect();
        assert_eq!(ips, wanted.iter().map(SocketAddr::ip).collect::<Vec<_>>());
        assert_eq!(server.sockets().len(), ips.len());
    });
}

#[test]
fn all_addresses_are_bound_or_none() {
    on_each_backend(async || {
        let addr = |text: &str| text.parse::<SocketAddr>().unwrap();
        let taken = net::TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = taken.local_addr().map(|it| (taken, it)).unwrap();
        let parts: [&dyn std::fmt::Display; 3] = [
            &"TcpListener::bind_all",
            &taken.1,
            &"take another port: 0 is a free one",
        ];
        let free = addr("127.0.0.1:0");
        let some = TcpListener::bind_all(&[free, taken.1][..]).await;
        assert_error(some, ErrorKind::AddrInUse, &parts);
        assert_eq!(stats().sources, 0);

        // One that this machine does not have is left out, but not if it is the only one.
        let elsewhere = addr("192.0.2.1:0");
        let here = TcpListener::bind_all(&[elsewhere, free][..]).await.unwrap();
        assert_eq!(here.len(), 1);
        let nowhere = TcpListener::bind_all(elsewhere).await;
        assert_error(
            nowhere,
            ErrorKind::AddrNotAvailable,
            &[&"TcpListener::bind_all 192.0.2.1:0"],
        );
        let none = TcpListener::bind_all(&[][..] as &[SocketAddr]).await;
        assert_error(none, ErrorKind::InvalidInput, &[&"give at least one"]);

        // An address that is given twice counts once.
        let port = here[0].local_addr().unwrap();
        drop(here);
        assert_eq!(
            TcpListener::bind_all(&[port, port][..])
                .await
                .unwrap()
                .len(),
            1
        );
    });
}

#[test]
fn ipv4_and_ipv6_share_a_port() {
    on_each_backend(async || {
        let Ok(listener) = net::TcpListener::bind("[::]:0") else {
            return; // There is no IPv6 here.
        };
        let v6 = listener.local_addr().unwrap();
        drop(listener);
        let v4 = SocketAddr::from(([0, 0, 0, 0], v6.port()));
        let listeners = TcpListener::bind_all(&[v4, v6][..]).await.unwrap();
        assert_eq!(listeners.len(), 2);
    });
}

/// One that nobody accepted is served as soon as there is a server for it.
#[test]
fn an_async_closure_lends_its_state_to_every_handler() {
    on_each_backend(async || {
        let (total, names) = (Rc::new(Cell::new(0)), vec!["one", "two"]);
        let sum = Rc::clone(&total);
        let (server, _) = serve(Server::builder(), async move |stream: TcpStream| {
            let mut buffer = [0; 8];
            while let n @ 1.. = stream.read(&mut buffer).await? {
                sum.set(sum.get() + n);
                stream.write_all(names[n - 1].as_bytes()).await?;
            }
            io::Result::Ok(())
        })
        .await;
        let clients = [connect_to(&server).await, connect_to(&server).await];
        for (mut client, message, answer) in [(&clients[0], "x", "one"), (&clients[1], "yz", "two")]
        {
            client.write_all(message.as_bytes()).unwrap();
            client.shutdown(net::Shutdown::Write).unwrap();
            assert_eq!(rest_of(client).await.unwrap(), answer.as_bytes());
        }
        assert_eq!(total.get(), 3);
        assert_eq!(Rc::strong_count(&total), 2);
        server.shutdown(LONG).await;
        assert_eq!(
            Rc::strong_count(&total),
            1,
            "a closed server lets go of its handler"
        );
    });
}

#[test]
fn handlers_may_spawn_and_be_awaited_like_any_task() {
    on_each_backend(async || {
        let (server, addr) = serve(Server::builder(), async |stream: TcpStream| {
            let (reader, writer) = stream.into_split();
            let copy = spawn(async move {
                let mut buffer = [0; 64];
                while let n @ 1.. = reader.read(&mut buffer).await? {
                    writer.write_all(&buffer[..n]).await?;
                }
                io::Result::Ok(())
            });
            copy.await?
        })
        .await;
        let client = connect(addr);
        ask(&client, b"through two tasks").await;
        server.close();
        server.close_clients();
        server.wait_closed().await;
    });
}
