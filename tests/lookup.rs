//! `lookup`, and what the errors of names and addresses say.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/dropping.rs"]
mod dropping;
#[path = "common/loopback.rs"]
mod loopback;

use std::error::Error;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::pin::pin;

use rustix::io::Errno;
use selio::net::{TcpListener, TcpStream, lookup};
use selio::stats;

use crate::dropping::drop_at_each_pending;
use crate::loopback::{alive, assert_error, listen, on_each_backend, poll_once, refusing};

#[test]
fn addresses_come_back_at_once_and_leave_the_thread_alone() {
    on_each_backend(async || {
        let v4: SocketAddr = "127.0.0.1:80".parse().unwrap();
        let v6: SocketAddr = "[::1]:80".parse().unwrap();
        assert_eq!(at_once(lookup("127.0.0.1:80")).await, [v4]);
        assert_eq!(at_once(lookup(String::from("[::1]:80"))).await, [v6]);
        assert_eq!(at_once(lookup(("127.0.0.1", 80))).await, [v4]);
        assert_eq!(at_once(lookup((String::from("::1"), 80))).await, [v6]);
        assert_eq!(at_once(lookup((Ipv4Addr::LOCALHOST, 80))).await, [v4]);
        assert_eq!(at_once(lookup((IpAddr::from([0; 16]), 0))).await.len(), 1);
        assert_eq!(at_once(lookup(&[v6, v4][..])).await, [v6, v4]);
        assert_eq!(stats().threads, 0);
    });
}

async fn at_once<T>(future: impl Future<Output = io::Result<T>>) -> T {
    let result = poll_once(&mut pin!(future)).await;
    result.expect("nothing has to be waited for").unwrap()
}

#[test]
fn a_name_is_looked_up_on_a_thread() {
    on_each_backend(async || {
        let mut look_up = pin!(lookup("localhost:5566"));
        let answer = poll_once(&mut look_up).await;
        assert_eq!(stats().threads, 1);
        let addrs = match answer {
            Some(answer) => answer.unwrap(), // That thread was fast.
            None => look_up.await.unwrap(),
        };
        assert!(!addrs.is_empty());
        for addr in addrs {
            assert!(addr.ip().is_loopback(), "{addr}");
            assert_eq!(addr.port(), 5566);
        }
    });
}

#[test]
fn many_names_at_once_take_their_turns() {
    on_each_backend(async || {
        let look_ups: Vec<_> = (1..1_000)
            .map(|port| selio::spawn(lookup(("localhost", port))))
            .collect();
        for (port, look_up) in (1..).zip(look_ups) {
            assert_eq!(look_up.await.unwrap().unwrap()[0].port(), port);
        }
        assert!(stats().threads <= 32);
    });
}

#[test]
fn a_look_up_that_is_given_up_leaves_nothing_to_wake() {
    on_each_backend(async || {
        let before = alive(&stats());
        for _ in 0..100 {
            let _ = poll_once(&mut pin!(lookup("localhost:1"))).await;
        }
        assert_eq!(alive(&stats()), before);
    });
}

/// No resolver needs to be asked for this: a label has at most 63 letters.
#[test]
fn an_unknown_name_is_an_error_that_says_whose_why_and_what_to_do() {
    on_each_backend(async || {
        let name = format!("{}.invalid", "a".repeat(64));
        let error = lookup((name.as_str(), 80)).await.unwrap_err();
        let cause = error.source().unwrap().to_string();
        let fix = "check its spelling, and whether this machine reaches a name server";
        let expected = format!("net::lookup {name}:80: {cause}; {fix}");
        assert_eq!(error.to_string(), expected);
    });
}

#[test]
fn what_is_no_address_is_an_error_that_says_what_one_is() {
    on_each_backend(async || {
        for wrong in [
            "",
            ":",
            "80",
            "localhost",
            ":80",
            "localhost:",
            "localhost:http",
            "::",
            "*:80",
            "http://localhost:80",
        ] {
            let parts: [&dyn std::fmt::Display; 2] = [&"net::lookup: ", &"should be host:port"];
            assert_error(lookup(wrong).await, ErrorKind::InvalidInput, &parts);
        }
        assert_error(
            lookup("a:65536").await,
            ErrorKind::InvalidInput,
            &[&"at most 65535"],
        );
        for all in [":80", "*:80"] {
            assert_error(
                lookup(all).await,
                ErrorKind::InvalidInput,
                &[&"0.0.0.0:port"],
            );
        }
        assert_eq!(stats().threads, 0);
    });
}

/// The error of the system that is below a message of ours.
fn errno(error: &io::Error) -> Option<Errno> {
    let source = error.source()?.downcast_ref::<io::Error>()?;
    Errno::from_io_error(source)
}

#[test]
fn errors_keep_the_number_that_the_system_gave() {
    on_each_backend(async || {
        let (_socket, refusing) = refusing();
        let error = TcpStream::connect(refusing).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert_eq!(errno(&error), Some(Errno::CONNREFUSED));
        let start = format!("TcpStream::connect {refusing}: ");
        assert!(error.to_string().starts_with(&start), "{error}");

        let (_listener, taken) = listen().await;
        let error = TcpListener::bind(taken).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        assert_eq!(errno(&error), Some(Errno::ADDRINUSE));
        let start = format!("TcpListener::bind {taken}: ");
        assert!(error.to_string().starts_with(&start), "{error}");
    });
}

#[test]
fn outside_of_a_runtime_it_says_what_to_do() {
    let look_up =
        std::panic::catch_unwind(|| futures_lite::future::block_on(lookup("127.0.0.1:1")).unwrap());
    let panic = look_up.unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(
        message.starts_with("net::lookup at tests/lookup.rs:"),
        "{message}"
    );
}

#[test]
fn dropped_at_any_time_it_leaves_its_threads_to_others() {
    on_each_backend(async || {
        let pendings = drop_at_each_pending(
            async || (),
            async |()| lookup("localhost:1").await.unwrap(),
            async |(), _| assert!(!lookup("localhost:1").await.unwrap().is_empty()),
        );
        assert!(pendings.await <= 1, "0 if the thread was fast");
    });
}
