//! A child that was forked, and drops what it has: its parent goes on with the same connections.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod common;
#[path = "common/tasks.rs"]
mod tasks;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use rustix::process::{Pid, WaitOptions, waitpid};
use selio::net::{Server, TcpListener, TcpStream, UnixStream};
use selio::{IntoStreams, StreamReader, StreamWriter, timeout};

use common::each_backend;
use tasks::in_a_process_of_its_own;

#[allow(unsafe_code, reason = "fork(2) is what this is about")]
mod libc {
    unsafe extern "C" {
        pub(super) safe fn fork() -> i32;
        pub(super) safe fn _exit(status: i32) -> !;
    }
}

/// Runs this in a child of ours, and waits for its end.
fn in_a_forked_child(code: impl FnOnce()) {
    let child = libc::fork();
    if child == 0 {
        let result = catch_unwind(AssertUnwindSafe(code));
        libc::_exit(i32::from(result.is_err()));
    }
    let ended = waitpid(Pid::from_raw(child), WaitOptions::empty());
    assert_eq!(ended.unwrap().unwrap().1.exit_status(), Some(0));
}

async fn soon<T>(future: impl Future<Output = T>) -> T {
    let result = timeout(Duration::from_secs(10), future).await;
    result.expect("it does not wait for ever")
}

async fn handle_echo(mut reader: StreamReader, writer: StreamWriter) -> std::io::Result<()> {
    while !reader.at_eof() {
        writer.write(reader.read_line().await?);
        writer.drain().await?;
    }
    Ok(())
}

/// shutdown(2) concerns the connection, not the handle: the parent's was over. And the `polling` crate
/// took its own handles out of the epoll of the parent, whose next wait failed.
#[test]
fn a_forked_child_that_drops_its_connections_ends_none_of_its_parents() {
    const NAME: &str = "a_forked_child_that_drops_its_connections_ends_none_of_its_parents";
    in_a_process_of_its_own(NAME, || {
        each_backend(|backend| {
            let runtime = tasks::runtime(backend);
            let (server, client, halves, streams) = runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let server = Server::builder().serve_streams([listener], handle_echo);
                let server = server.unwrap();
                let client = TcpStream::connect(server.local_addrs()[0]).await.unwrap();
                client.write_all(b"one\n").await.unwrap();
                client.read_exact(&mut [0; 4]).await.unwrap(); // There is a handler.
                let (one, other) = UnixStream::pair().unwrap();
                let (near, far) = UnixStream::pair().unwrap();
                let streams = (near.into_streams(), far.into_streams());
                (server, client, (one.into_split(), other), streams)
            });
            let mut everything = Some((runtime, server, client, halves, streams));
            in_a_forked_child(|| drop(everything.take()));
            let everything = everything.expect("only the child has dropped it");
            let (runtime, server, client, ((_read, write), other), streams) = everything;
            runtime.block_on(soon(async {
                let buffer = &mut [0; 4];
                client.write_all(b"two\n").await.unwrap();
                client.read_exact(buffer).await.unwrap();
                write.write_all(b"half").await.unwrap();
                other.read_exact(buffer).await.unwrap();
                let ((_reader, writer), (mut reader, _writer)) = streams;
                writer.write(b"line\n");
                writer.drain().await.unwrap();
                assert_eq!(reader.read_line().await.unwrap(), b"line\n");
            }));
            drop(server);
        });
    });
}

/// As a daemon does: what it drops is its own then.
#[test]
fn a_forked_child_that_goes_on_ends_what_it_drops() {
    const NAME: &str = "a_forked_child_that_goes_on_ends_what_it_drops";
    in_a_process_of_its_own(NAME, || {
        each_backend(|backend| {
            let runtime = tasks::runtime(backend);
            let (halves, streams) = runtime.block_on(async {
                let (one, other) = UnixStream::pair().unwrap();
                let (near, far) = UnixStream::pair().unwrap();
                let streams = (near.into_streams(), far.into_streams());
                ((one.into_split(), other), streams)
            });
            in_a_forked_child(|| {
                let ((_read, write), other) = halves;
                let ((_reader, writer), (mut reader, _writer)) = streams;
                runtime.block_on(soon(async {
                    drop((write, writer));
                    assert_eq!(other.read(&mut [0; 4]).await.unwrap(), 0);
                    assert_eq!(reader.read_line().await.unwrap(), b"");
                }));
            });
        });
    });
}
