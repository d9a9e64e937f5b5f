//! A child that was forked, and its parent: each goes on with what is its own.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod common;
#[path = "common/tasks.rs"]
mod tasks;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use rustix::process::{Pid, WaitOptions, waitpid};
use selio::net::{Server, TcpListener, TcpStream, UnixStream};
use selio::{IntoStreams, StreamReader, StreamWriter, sleep, spawn, timeout, to_thread, yield_now};

use common::{cpu_time, each_backend};
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

/// polling#37, eventlet#68: the child shares the epoll, and took out of it what the parent waits for.
#[test]
fn a_forked_child_may_drop_all_it_has_and_its_parent_goes_on() {
    const NAME: &str = "a_forked_child_may_drop_all_it_has_and_its_parent_goes_on";
    in_a_process_of_its_own(NAME, || {
        each_backend(|backend| {
            let runtime = tasks::runtime(backend);
            let (here, there) = runtime.block_on(async { UnixStream::pair() }).unwrap();
            let mut reader = None;
            runtime.block_on(async {
                reader = Some(spawn(async move { here.read(&mut [0; 8]).await }));
                sleep(Duration::from_millis(1)).await; // By now, the epoll knows of it.
            });
            let mut everything = Some((runtime, there));
            in_a_forked_child(|| drop(everything.take()));
            let (runtime, there) = everything.expect("only the child has dropped it");
            let read = runtime.block_on(soon(async {
                there.write_all(b"hello").await.unwrap();
                reader.unwrap().await
            }));
            assert_eq!(read.unwrap().unwrap(), 5);
        });
    });
}

/// As a daemon does that has made its runtime too early: the parent ends, and the child goes on.
#[test]
fn a_forked_child_may_go_on_with_the_runtime() {
    const NAME: &str = "a_forked_child_may_go_on_with_the_runtime";
    in_a_process_of_its_own(NAME, || {
        each_backend(|backend| {
            let runtime = tasks::runtime(backend);
            let (here, there) = runtime.block_on(async { UnixStream::pair() }).unwrap();
            runtime.block_on(async {
                let nothing = timeout(Duration::from_millis(1), here.readable());
                assert!(nothing.await.is_err());
                to_thread(|| {}).await; // Its thread idles now, in the parent.
            });
            in_a_forked_child(|| {
                runtime.block_on(async {
                    assert_eq!(soon(to_thread(|| 7)).await, 7);
                    // Nobody waits for these: they are reported once, and then no more.
                    there.write_all(b"hello").await.unwrap();
                    sleep(Duration::from_millis(1)).await;
                    let before = cpu_time();
                    sleep(Duration::from_millis(500)).await;
                    assert_eq!(here.read(&mut [0; 8]).await.unwrap(), 5);
                    let nothing = timeout(Duration::from_millis(1), here.readable());
                    assert!(nothing.await.is_err());
                    assert!(cpu_time() - before < Duration::from_millis(50));
                });
            });
        });
    });
}

/// The child has the parent's file and its own idea of where that ends.
#[test]
fn a_forked_child_writes_nothing_into_the_trace_of_its_parent() {
    const NAME: &str = "a_forked_child_writes_nothing_into_the_trace_of_its_parent";
    in_a_process_of_its_own(NAME, || {
        let path = std::env::temp_dir().join(format!("selio-forked-{}.json", std::process::id()));
        let trace = selio::trace::to_file(&path).unwrap();
        let mut runtime = selio::Builder::new().observer(trace).build().ok();
        runtime.as_ref().unwrap().block_on(yield_now());
        in_a_forked_child(|| {
            runtime.take().unwrap().block_on(async {
                for _ in 0..100 {
                    spawn(yield_now()).await.unwrap();
                }
            });
        });
        runtime.take().unwrap().block_on(yield_now());
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(text.matches(']').count(), 1, "{text}");
        assert!(
            text.ends_with("}\n]\n") && !text.contains("\"spawn\""),
            "{text}"
        );
    });
}
