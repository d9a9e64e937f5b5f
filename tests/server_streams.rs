//! Claims about `start_server`: what asyncio's page of streams states of it.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/loopback.rs"]
mod loopback;

use std::cell::RefCell;
use std::future::pending;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{self, SocketAddr};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use loopback::beside_others::on_each_backend;
use loopback::{alive, assert_error, impatient, poll_once, turns};
use selio::net::UnixListener;
use selio::{Server, StreamReader, StreamWriter, open_connection, spawn, start_server, stats};

const LONG: Duration = Duration::from_secs(600);

/// More than the buffers of a connection that nobody reads can hold.
const LARGE: usize = 32 << 20;

/// The page's echo: one line there and back, and the connection is closed.
async fn handle_echo(mut reader: StreamReader, writer: StreamWriter) -> io::Result<()> {
    let line = reader.read_line().await?;
    writer.write(line);
    writer.drain().await?;
    writer.close();
    writer.wait_closed().await
}

async fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        turns(1).await;
    }
}

fn connect(addr: SocketAddr) -> net::TcpStream {
    impatient(net::TcpStream::connect(addr).unwrap())
}

#[test]
fn the_echo_of_asyncios_page_works() {
    on_each_backend(async || {
        let server = start_server("127.0.0.1:0", handle_echo).await.unwrap();
        for _ in 0..3 {
            let addr = server.local_addrs()[0];
            let (mut reader, writer) = open_connection(addr).await.unwrap();
            writer.write(b"Hello World!\n");
            assert_eq!(reader.read_line().await.unwrap(), b"Hello World!\n");
            assert_eq!(reader.read_line().await.unwrap(), b"");
        }
        assert_eq!(server.shutdown(LONG).await, 0);
        until(|| alive(&stats()) == (0, 0, 0)).await;
    });
}

#[test]
fn an_address_in_use_names_the_call_the_address_and_what_to_do() {
    on_each_backend(async || {
        let server = start_server("127.0.0.1:0", handle_echo).await.unwrap();
        let addr = server.local_addrs()[0];
        let parts: [&dyn std::fmt::Display; 3] = [
            &"selio::start_server",
            &addr,
            &"take another port: 0 is a free one",
        ];
        assert_error(
            start_server(addr, handle_echo).await,
            ErrorKind::AddrInUse,
            &parts,
        );
        let nowhere = start_server("nowhere", handle_echo).await;
        let parts: [&dyn std::fmt::Display; 2] = [&"selio::start_server", &"host:port"];
        assert_error(nowhere, ErrorKind::InvalidInput, &parts);
        assert_eq!(alive(&stats()), (1, 1, 0), "the first server's");
    });
}

/// What a handler has written is sent before the server is closed, whether it waited for that or not.
#[test]
fn a_connection_is_open_until_all_is_sent() {
    on_each_backend(async || {
        let handle = async |_: StreamReader, writer: StreamWriter| writer.write(&vec![7; LARGE]);
        let server = start_server("127.0.0.1:0", handle).await.unwrap();
        let mut client = connect(server.local_addrs()[0]);
        until(|| server.connections() == 1).await;
        server.close();
        turns(20).await;
        assert_eq!(server.connections(), 1, "nobody has read it");
        let reader = std::thread::spawn(move || {
            let mut all = Vec::new();
            client.read_to_end(&mut all).map(|_| all)
        });
        server.wait_closed().await;
        assert_eq!(server.connections(), 0);
        let all = reader.join().unwrap().unwrap();
        assert!(all.len() == LARGE && all.iter().all(|&it| it == 7));
    });
}

#[test]
fn who_does_not_read_what_a_handler_has_left_is_cut_off_by_shutdown() {
    on_each_backend(async || {
        let handle = async |_: StreamReader, writer: StreamWriter| writer.write(&vec![7; LARGE]);
        let server = start_server("127.0.0.1:0", handle).await.unwrap();
        let client = connect(server.local_addrs()[0]);
        until(|| server.connections() == 1).await;
        turns(5).await;
        assert_eq!(server.shutdown(Duration::from_millis(20)).await, 1);
        until(|| alive(&stats()) == (0, 0, 0)).await;
        drop(client);
    });
}

#[test]
fn aborted_handlers_leave_nothing_to_send() {
    on_each_backend(async || {
        let handle = async |_: StreamReader, writer: StreamWriter| {
            writer.write(&vec![7; LARGE]);
            pending::<()>().await;
        };
        let server = start_server("127.0.0.1:0", handle).await.unwrap();
        let _client = connect(server.local_addrs()[0]);
        until(|| server.connections() == 1).await;
        turns(5).await;
        server.close();
        assert_eq!(server.abort_clients(), 1);
        assert_eq!(server.connections(), 0);
        until(|| alive(&stats()) == (0, 0, 0)).await;
    });
}

#[test]
fn close_clients_is_the_end_of_the_stream_for_readers() {
    on_each_backend(async || {
        let handle = async |mut reader: StreamReader, writer: StreamWriter| {
            while let line @ [_, ..] = reader.read_line().await? {
                writer.write(line);
            }
            writer.write(b"bye\n");
            io::Result::Ok(())
        };
        let server = start_server("127.0.0.1:0", handle).await.unwrap();
        let (mut reader, writer) = open_connection(server.local_addrs()[0]).await.unwrap();
        writer.write(b"hello\n");
        assert_eq!(reader.read_line().await.unwrap(), b"hello\n");
        server.close();
        server.close_clients();
        assert_eq!(reader.read_line().await.unwrap(), b"bye\n");
        assert_eq!(reader.read_line().await.unwrap(), b"");
        server.wait_closed().await;
    });
}

/// A handler may give its streams to other tasks; it is they who close them then.
#[test]
fn streams_may_outlive_their_handler() {
    on_each_backend(async || {
        let handle = async |mut reader: StreamReader, writer: StreamWriter| {
            writer.write(b"from the handler\n");
            spawn(async move {
                let line = reader.read_line().await?;
                writer.write(line);
                writer.drain().await
            });
        };
        let server = start_server("127.0.0.1:0", handle).await.unwrap();
        let (mut reader, writer) = open_connection(server.local_addrs()[0]).await.unwrap();
        assert_eq!(reader.read_line().await.unwrap(), b"from the handler\n");
        until(|| server.connections() == 0).await;
        writer.write(b"from the task\n");
        assert_eq!(reader.read_line().await.unwrap(), b"from the task\n");
        assert_eq!(reader.read_line().await.unwrap(), b"");
    });
}

#[test]
fn a_line_beyond_the_limit_is_the_handlers_error() {
    on_each_backend(async || {
        let told = Rc::new(RefCell::new(String::new()));
        let place = Rc::clone(&told);
        let listeners = selio::net::TcpListener::bind_all("127.0.0.1:0")
            .await
            .unwrap();
        let server =
            Server::builder().on_error(move |error| *place.borrow_mut() = error.to_string());
        let handle = async |mut reader: StreamReader, writer: StreamWriter| {
            reader.set_limit(16)?;
            writer.write(reader.read_line().await?);
            io::Result::Ok(())
        };
        let server = server.serve_streams(listeners, handle).unwrap();
        let mut client = connect(server.local_addrs()[0]);
        client.write_all(&[b'x'; 100]).unwrap();
        until(|| !told.borrow().is_empty()).await;
        until(|| server.connections() == 0).await;
        let told = told.take();
        assert!(told.contains("failed: ") && told.contains("16"), "{told}");
    });
}

#[test]
fn unix_sockets_have_streams_too() {
    on_each_backend(async || {
        let path = std::env::temp_dir().join(format!("selio-streams-{}", std::process::id()));
        let listener = UnixListener::bind(&path).unwrap();
        let server = Server::builder()
            .serve_streams([listener], handle_echo)
            .unwrap();
        let client = selio::net::UnixStream::connect(&path).await.unwrap();
        let (mut reader, writer) = selio::IntoStreams::into_streams(client);
        writer.write(b"over a path\n");
        assert_eq!(reader.read_line().await.unwrap(), b"over a path\n");
        assert_eq!(server.shutdown(LONG).await, 0);
    });
}

#[test]
fn start_server_that_is_dropped_leaves_nothing() {
    on_each_backend(async || {
        let _ = poll_once(&mut pin!(start_server("localhost:0", handle_echo))).await;
        drop(start_server("127.0.0.1:0", handle_echo));
        assert_eq!(alive(&stats()), (0, 0, 0));
    });
}
