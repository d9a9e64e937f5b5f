//! Names, with a resolver of our own: one that keeps silent, and one that knows both families.
//!
//! getaddrinfo(3) asks whom /etc/resolv.conf names. Each test runs in a process with namespaces of
//! its own, where that file and port 53 are ours. A system that gives us none skips it with a word.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/loopback.rs"]
mod loopback;

use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::process::{self, Command};
use std::thread;
use std::time::Duration;

use selio::net::{TcpListener, TcpStream, lookup};
use selio::{Builder, sleep, spawn, stats, timeout, to_thread, yield_now};

use crate::common::{deadline, each_backend, is_child};
use crate::loopback::{assert_error, on_each_backend};

/// How long a process may take: less than its resolver is waited for.
const PATIENCE: Duration = Duration::from_secs(45);

/// Runs the test of this name where nobody else answers for names.
fn among_ourselves(test: &str, body: impl FnOnce()) {
    if is_child() {
        return body();
    }
    let conf = std::env::temp_dir().join(format!("selio-{test}-{}", process::id()));
    fs::write(
        &conf,
        "nameserver 127.0.0.1\noptions timeout:60 attempts:1\n",
    )
    .unwrap();
    let isolated = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "--net", "sh", "-c"]);
        let prepare = r#"ip link set lo up && mount --bind "$0" /etc/resolv.conf"#;
        command.arg(format!("{prepare} && {script}")).arg(&conf);
        command
    };
    if !isolated("true")
        .output()
        .is_ok_and(|it| it.status.success())
    {
        fs::remove_file(&conf).unwrap();
        return println!("skipped: no namespaces, unshare(1) or ip(8) here");
    }
    let output = deadline(PATIENCE, || {
        let mut child = isolated(r#"exec "$@""#);
        child.arg(std::env::current_exe().unwrap());
        child.args([test, "--exact", "--nocapture"]);
        child.env("SELIO_TEST_CHILD", "1").output().unwrap()
    });
    fs::remove_file(&conf).unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        text.contains("1 passed"),
        "{}: {text}\n{errors}",
        output.status
    );
}

fn resolver() -> UdpSocket {
    UdpSocket::bind("127.0.0.1:53").unwrap()
}

/// Answers that every name is this machine, in both families.
fn answer(resolver: &UdpSocket) {
    let mut buffer = [0; 512];
    while let Ok((n, client)) = resolver.recv_from(&mut buffer) {
        let mut message = buffer[..n].to_vec();
        let kind = message[n - 3]; // The question ends with its type and its class.
        let data = match kind {
            1 => Ipv4Addr::LOCALHOST.octets().to_vec(),
            28 => Ipv6Addr::LOCALHOST.octets().to_vec(),
            _ => panic!("a question of type {kind}"),
        };
        message[2..4].copy_from_slice(&[0x81, 0x80]); // An answer without an error,
        message[7] = 1; // to one question, with one record: of the name at 12, for a minute.
        message.extend_from_slice(&[0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 60, 0, data.len() as u8]);
        message.extend_from_slice(&data);
        resolver.send_to(&message, client).unwrap();
    }
}

#[test]
fn look_ups_that_wait_for_a_silent_resolver_hold_up_nobody_and_not_the_exit() {
    const NAME: &str = "look_ups_that_wait_for_a_silent_resolver_hold_up_nobody_and_not_the_exit";
    among_ourselves(NAME, || {
        let _resolver = resolver();
        each_backend(|backend| {
            let builder = Builder::new().backend(backend).max_threads(2);
            builder.build().unwrap().block_on(async {
                let silent = (0..1_000).map(|_| spawn(lookup("silent.test:80")));
                let silent: Vec<_> = silent.collect();
                yield_now().await;
                assert_eq!(stats().threads, 2);
                assert_eq!(to_thread(|| 7).await, 7);
                sleep(Duration::from_millis(1)).await;
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let addr = listener.local_addr().unwrap();
                TcpStream::connect(addr).await.unwrap();
                let connect = TcpStream::connect(("silent.test", addr.port()));
                assert!(timeout(Duration::from_millis(20), connect).await.is_err());
                assert_eq!(stats().threads, 3);
                assert!(!silent[0].is_finished(), "it is waited for");
            });
        });
    });
}

#[test]
fn a_name_of_both_families_is_reached_by_the_one_that_answers() {
    const NAME: &str = "a_name_of_both_families_is_reached_by_the_one_that_answers";
    among_ourselves(NAME, || {
        let resolver = resolver();
        thread::spawn(move || answer(&resolver));
        on_each_backend(async || {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let v4 = listener.local_addr().unwrap();
            let v6 = SocketAddr::from((Ipv6Addr::LOCALHOST, v4.port()));
            let name = ("both.test", v4.port());
            assert_eq!(lookup(name).await.unwrap(), [v6, v4]);
            let client = TcpStream::connect(name).await.unwrap();
            assert_eq!(client.peer_addr().unwrap(), v4);
            drop((client, listener));
            let parts: [&dyn std::fmt::Display; 2] = [&v6, &v4];
            assert_error(
                TcpStream::connect(name).await,
                ErrorKind::ConnectionRefused,
                &parts,
            );
        });
    });
}
