//! Faults of servers and listeners that a hostile reader found.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/loopback.rs"]
mod loopback;

use std::cell::{Cell, OnceCell};
use std::future::pending;
use std::io::{ErrorKind, Write};
use std::net;
use std::os::fd::OwnedFd;
use std::panic::panic_any;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use common::each_backend;
use loopback::{alive, listen, on_each_backend, poll_once, runtime, turns};
use selio::net::{Server, TcpListener, TcpStream};
use selio::{StreamReader, StreamWriter, stats};

/// More than the kernel takes from us while nobody reads.
const LARGE: usize = 32 << 20;

fn connect(server: &Server) -> net::TcpStream {
    net::TcpStream::connect(server.local_addrs()[0]).unwrap()
}

async fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        turns(1).await;
    }
}

async fn write_and_panic(_: StreamReader, writer: StreamWriter) {
    writer.write(&vec![7; LARGE]);
    panic_any(());
}

/// It would hold a socket, a task and all the bytes, as many times as it likes, and no shutdown would
/// find them.
#[test]
fn who_does_not_read_what_a_handler_has_left_that_panicked_holds_nothing() {
    on_each_backend(async || {
        let failures = Rc::new(Cell::new(0));
        let count = Rc::clone(&failures);
        let server = Server::builder()
            .on_error(move |_| count.set(count.get() + 1))
            .serve_streams([listen().await.0], write_and_panic);
        let server = server.unwrap();
        let _stalled = [connect(&server), connect(&server)];
        until(|| failures.get() == 2).await;
        server.close();
        until(|| alive(&stats()) == (0, 0, 0)).await;
    });
}

#[test]
fn a_peer_that_does_not_read_cannot_keep_the_error_of_its_handler_secret() {
    on_each_backend(async || {
        let failures = Rc::new(Cell::new(0));
        let count = Rc::clone(&failures);
        let server = Server::builder()
            .on_error(move |_| count.set(count.get() + 1))
            .serve_streams(
                [listen().await.0],
                async |_: StreamReader, it: StreamWriter| {
                    it.write(&vec![7; LARGE]);
                    Err::<(), _>("on purpose")
                },
            );
        let server = server.unwrap();
        let _stalled = connect(&server);
        until(|| failures.get() == 1).await;
        assert_eq!(server.connections(), 1, "the rest is still to be sent");
        assert_eq!(server.shutdown(Duration::ZERO).await, 1);
        assert_eq!(failures.get(), 1);
    });
}

#[test]
fn handlers_that_wait_for_the_end_do_not_wait_for_the_goodbyes_of_each_other() {
    for last_comes_late in [false, true] {
        on_each_backend(async || {
            let server: Rc<OnceCell<Server>> = Rc::default();
            let (inner, goodbyes) = (Rc::clone(&server), Rc::new(Cell::new(0)));
            let count = Rc::clone(&goodbyes);
            let handle = async move |stream: TcpStream| {
                if stream.read(&mut [0; 1]).await.unwrap() > 0 {
                    inner.get().unwrap().wait_closed().await;
                    count.set(count.get() + 1);
                    pending::<()>().await; // Its client does not take it.
                }
            };
            let started = Server::builder().serve([listen().await.0], handle);
            let server = server.get_or_init(|| started.unwrap());
            let [one, other, third] = [(); 3].map(|()| connect(server));
            until(|| server.connections() == 3).await;
            server.close();
            (&one).write_all(b"x").unwrap();
            if last_comes_late {
                drop(third);
                until(|| server.connections() == 2).await;
                turns(5).await;
                assert_eq!(goodbyes.get(), 0, "the other one is still served");
                (&other).write_all(b"x").unwrap();
            } else {
                (&other).write_all(b"x").unwrap();
                turns(5).await;
                assert_eq!(goodbyes.get(), 0, "the third one is still served");
                drop(third);
            }
            until(|| goodbyes.get() == 2).await;
            assert_eq!(server.abort_clients(), 2);
            server.wait_closed().await;
        });
    }
}

#[test]
fn a_listener_made_of_another_kind_of_socket_says_so_and_does_not_spin() {
    on_each_backend(async || {
        let socket = net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let listener = TcpListener::from_std(OwnedFd::from(socket).into()).unwrap();
        let error = listener.accept().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        // Who goes on in a loop does not spin, whatever the error.
        let mut again = pin!(listener.accept());
        assert!(poll_once(&mut again).await.is_none(), "it did not wait");
        assert_eq!(stats().timers, 1);
    });
}

#[test]
fn a_listener_without_its_runtime_says_so_as_often_as_it_is_asked() {
    each_backend(|backend| {
        let (listener, _) = runtime(backend).block_on(listen());
        for _ in 0..3 {
            let error = futures_lite::future::block_on(listener.accept()).unwrap_err();
            assert!(error.to_string().contains("does not run"), "{error}");
        }
    });
}
