//! Ten thousand connections at once, of which a few are busy: the clients live in a second process,
//! so that each has its own table of files.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/loopback.rs"]
mod loopback;

use std::cell::Cell;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitStatus;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use common::{child, is_child};
use loopback::{Killed, alive, impatient, raise_file_limit, runtime, turns};
use selio::net::TcpListener;
use selio::selector::Backend;
use selio::spawn;

/// Where the clients find the server, and how many there are.
const SERVER: &str = "SELIO_TEST_SERVER";
const COUNT: &str = "SELIO_TEST_COUNT";

/// The other files of a process: the standard ones, the selector, the listener, those of the tests.
const OTHER_FILES: usize = 100;

#[test]
fn epoll_serves_10000_connections() {
    serve(Backend::Epoll, 10_000);
}

#[test]
fn poll_serves_10000_connections() {
    serve(Backend::Poll, 10_000);
}

#[test]
fn polling_serves_10000_connections() {
    serve(Backend::Polling, 10_000);
}

/// Its numbers end at 1,024.
#[test]
fn select_serves_400_connections() {
    serve(Backend::Select, 400);
}

fn serve(backend: Backend, wanted: usize) {
    let _turn = common::turn();
    if !Backend::available().contains(&backend) {
        println!("skipped: no {backend} here");
        return;
    }
    let count = wanted.min(raise_file_limit() - OTHER_FILES);
    if count < wanted {
        println!("only {count} connections instead of {wanted}: the hard limit of files is low");
    }
    common::deadline(Duration::from_secs(60), || {
        runtime(backend).block_on(async {
            let builder = TcpListener::builder().backlog(4096);
            let listener = builder.bind("127.0.0.1:0").await.unwrap();
            let mut clients = child("the_clients_of_the_others");
            clients.env(SERVER, listener.local_addr().unwrap().to_string());
            clients.env(COUNT, count.to_string());
            let end = wait(Killed(clients.spawn().unwrap()));

            let most = Rc::new(Cell::new(0));
            let open = Rc::clone(&most);
            let accepting = spawn(async move {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    spawn(loopback::echo(stream));
                    open.set(open.get().max(selio::stats().sources - 1));
                }
            });
            assert!(
                end.recv().await.unwrap().success(),
                "the clients: see above"
            );
            assert_eq!(most.get(), count, "all at once");
            accepting.cancel();
            while selio::stats().tasks > 0 {
                turns(1).await;
            }
            assert_eq!(alive(&selio::stats()), (0, 0, 0));
        });
    });
}

/// Waits for the end of a process on another thread.
fn wait(mut process: Killed) -> async_channel::Receiver<ExitStatus> {
    let (tell, end) = async_channel::bounded(1);
    thread::spawn(move || tell.send_blocking(process.0.wait().unwrap()));
    end
}

/// The other process. All connect, a few talk while the others are silent, and in the end every one
/// of them talks.
#[test]
fn the_clients_of_the_others() {
    if !is_child() {
        return;
    }
    raise_file_limit();
    let server: SocketAddr = std::env::var(SERVER).unwrap().parse().unwrap();
    let count: usize = std::env::var(COUNT).unwrap().parse().unwrap();
    let clients: Vec<_> = (0..count)
        .map(|_| impatient(TcpStream::connect(server).unwrap()))
        .collect();
    for round in 0..20usize {
        for client in clients.iter().step_by(count / 10) {
            loopback::ping(client, &round.to_ne_bytes()).unwrap();
        }
    }
    for (i, mut client) in clients.iter().enumerate() {
        client.write_all(&i.to_ne_bytes()).unwrap();
    }
    for (i, mut client) in clients.iter().enumerate() {
        let mut echo = [0; size_of::<usize>()];
        client.read_exact(&mut echo).unwrap();
        assert_eq!(echo, i.to_ne_bytes());
    }
}
