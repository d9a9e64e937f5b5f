//! Claims about `start_unix_server` and `open_unix_connection`: asyncio's streams over Unix sockets.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/loopback.rs"]
mod loopback;

use std::fs;
use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process;
use std::time::Duration;

use loopback::{assert_error, on_each_backend, poll_once};
use selio::{StreamReader, StreamWriter, open_unix_connection, start_unix_server, stats};

const LONG: Duration = Duration::from_secs(600);

/// The echo of asyncio's page of streams: one line there and back.
async fn handle_echo(mut reader: StreamReader, writer: StreamWriter) -> io::Result<()> {
    writer.write(reader.read_line().await?);
    writer.drain().await
}

/// A path that is free, for the test of this name.
fn path(test: &str) -> PathBuf {
    std::env::temp_dir().join(format!("selio-{test}-{}", process::id()))
}

async fn assert_echo(addr: &str) {
    let (mut reader, writer) = open_unix_connection(addr).await.unwrap();
    writer.write(b"Hello World!\n");
    assert_eq!(reader.read_line().await.unwrap(), b"Hello World!\n");
    assert_eq!(reader.read_line().await.unwrap(), b"");
}

#[test]
fn the_echo_of_asyncios_page_works_at_a_path_which_the_server_removes() {
    let path = path("unix-echo");
    on_each_backend(async || {
        let server = start_unix_server(&path, handle_echo).await.unwrap();
        assert_eq!(server.local_addrs()[0].as_pathname(), Some(&*path));
        for _ in 0..3 {
            assert_echo(path.to_str().unwrap()).await;
        }
        assert_eq!(server.shutdown(LONG).await, 0);
        assert!(!path.exists());
    });
}

#[cfg(target_os = "linux")]
#[test]
fn the_echo_of_asyncios_page_works_under_an_abstract_name() {
    let name = format!("\0selio-unix-echo-{}", process::id());
    on_each_backend(async || {
        let server = start_unix_server(&name, handle_echo).await.unwrap();
        assert_echo(&name).await;
        assert_eq!(server.shutdown(LONG).await, 0);
    });
}

#[test]
fn a_path_that_exists_is_refused_and_left_alone_by_an_error_that_names_the_call() {
    let path = path("unix-taken");
    on_each_backend(async || {
        fs::write(&path, "not a socket").unwrap();
        let refused = start_unix_server(&path, handle_echo).await;
        fs::remove_file(&path).unwrap(); // It is still there.
        let shown = path.display();
        let call = "selio::start_unix_server";
        assert_error(refused, ErrorKind::AddrInUse, &[&call, &shown]);
        let malformed = start_unix_server("", handle_echo).await;
        assert_error(malformed, ErrorKind::InvalidInput, &[&call, &"empty"]);

        let call = "selio::open_unix_connection";
        let alone = open_unix_connection(&path).await.map(drop);
        assert_error(alone, ErrorKind::NotFound, &[&call, &shown]);
        let malformed = open_unix_connection("").await.map(drop);
        assert_error(malformed, ErrorKind::InvalidInput, &[&call, &"empty"]);
    });
}

#[test]
fn a_server_that_is_not_awaited_makes_no_path() {
    let path = path("unix-lazy");
    on_each_backend(async || {
        drop(start_unix_server(&path, handle_echo));
        assert!(!path.exists());
        let mut server = Box::pin(start_unix_server(&path, handle_echo));
        assert!(poll_once(&mut server).await.is_some(), "it waits");
        assert!(!path.exists(), "the server was dropped");
        assert_eq!(stats().tasks, 0);
    });
}

/// What the panic of a future says that is awaited where no runtime runs.
fn complaint<T>(future: impl Future<Output = T>) -> String {
    let alone = AssertUnwindSafe(|| drop(futures_lite::future::block_on(future)));
    *catch_unwind(alone).unwrap_err().downcast().unwrap()
}

#[test]
fn outside_of_a_runtime_they_say_where_they_were_called() {
    for (complaint, call) in [
        (
            complaint(start_unix_server("x", handle_echo)),
            "start_unix_server",
        ),
        (complaint(open_unix_connection("x")), "open_unix_connection"),
    ] {
        let start = format!("selio::{call} at {}:", file!());
        assert!(complaint.starts_with(&start), "{complaint}");
    }
}
