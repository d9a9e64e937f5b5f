//! Whoever never has to wait lets the others run all the same: what is tried again at once, until it
//! works, must not starve the task that makes it work.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod common;
#[path = "common/loopback.rs"]
mod loopback;

use std::env;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::process;

use loopback::{listen, on_each_backend};
use selio::net::{TcpListener, TcpStream, UdpSocket, UnixListener, UnixStream, lookup};
use selio::{StreamReader, spawn};

/// Does it until it fails (or until it succeeds), which is up to another task.
async fn until<T, F: Future<Output = io::Result<T>>>(is_success: bool, operation: impl Fn() -> F) {
    while operation().await.is_ok() != is_success {}
}

#[test]
fn who_connects_without_a_pause_lets_the_listener_come() {
    on_each_backend(async || {
        let path = env::temp_dir().join(format!("selio-hostile-turns-{}", process::id()));
        let place = path.clone();
        let listening = spawn(async move { UnixListener::bind(place) });
        until(true, || UnixStream::connect(&path)).await;
        let listener = listening.await.unwrap().unwrap();
        let leaving = spawn(async move { drop(listener) });
        until(false, || UnixStream::connect(&path)).await;
        leaving.await.unwrap();
    });
}

#[test]
fn who_binds_without_a_pause_lets_the_other_one_go() {
    on_each_backend(async || {
        let (listener, addr) = listen().await;
        let leaving = spawn(async move { drop(listener) });
        until(true, || TcpListener::bind(addr)).await;
        leaving.await.unwrap();

        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let addr = socket.local_addr().unwrap();
        let leaving = spawn(async move { drop(socket) });
        until(true, || UdpSocket::bind(addr)).await;
        leaving.await.unwrap();
    });
}

#[test]
fn what_fails_or_succeeds_at_once_lets_others_run() {
    /// Does it until another task has run.
    async fn lets_others_run<T>(operation: impl AsyncFn() -> io::Result<T>) {
        let other = spawn(async {});
        while !other.is_finished() {
            let _ = operation().await;
        }
    }
    on_each_backend(async || {
        let nowhere: &[SocketAddr] = &[];
        lets_others_run(async || TcpStream::connect(nowhere).await).await;
        lets_others_run(async || lookup("127.0.0.1:80").await).await;
        lets_others_run(async || TcpListener::bind_all("127.0.0.1:0").await).await;
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        lets_others_run(async || socket.connect("127.0.0.1:9").await).await;
    });
}

/// `while True: await reader.readline()`, which does not ask whether there is more.
#[test]
fn who_reads_on_at_the_end_lets_others_run() {
    on_each_backend(async || {
        let mut reader = StreamReader::new(&b"the end"[..]);
        let other = spawn(async {});
        while !other.is_finished() {
            reader.read_line().await.unwrap();
        }
        assert!(reader.at_eof());
    });
}
