//! Operations on pipes, Unix sockets and UDP sockets are dropped at each of their `Pending`s:
//! nothing is lost.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/dropping.rs"]
mod dropping;
#[path = "common/loopback.rs"]
mod loopback;

use std::fs::File;
use std::io::ErrorKind;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};

use loopback::{on_each_backend, turns};
use selio::net::{PipeReader, PipeWriter, UdpSocket, UnixDatagram, UnixListener, UnixStream, pipe};
use selio::{JoinHandle, spawn};

use crate::dropping::drop_at_each_pending;

/// A path that nobody else has: it is removed by who binds it.
fn path() -> PathBuf {
    static LAST: AtomicUsize = AtomicUsize::new(0);
    let number = LAST.fetch_add(1, Ordering::Relaxed);
    let name = format!("selio-dropping-{}-{number}", std::process::id());
    std::env::temp_dir().join(name)
}

/// Does something a little later.
fn later<T: 'static>(act: impl AsyncFnOnce() -> T + 'static) -> JoinHandle<T> {
    spawn(async move {
        turns(1).await;
        act().await
    })
}

fn fill_pipe(writer: &PipeWriter) -> usize {
    std::iter::from_fn(|| writer.try_write(&[b'x'; 4096]).ok()).sum()
}

fn fill_stream(stream: &UnixStream) -> usize {
    std::iter::from_fn(|| stream.try_write(&[b'x'; 4096]).ok()).sum()
}

async fn drain_pipe(reader: &PipeReader, length: usize) {
    reader.read_exact(&mut vec![0; length]).await.unwrap();
}

async fn drain_stream(stream: &UnixStream, length: usize) {
    stream.read_exact(&mut vec![0; length]).await.unwrap();
}

#[test]
fn a_read_from_a_pipe_takes_bytes_only_if_it_returns_them() {
    on_each_backend(async || {
        let pendings = drop_at_each_pending(
            async || {
                let (reader, writer) = pipe().unwrap();
                let writing = later(async move || writer.write_all(b"ping").await.unwrap());
                (reader, writing)
            },
            async |(reader, _)| reader.read(&mut [0; 8]).await.unwrap(),
            async |(reader, writing), read| {
                writing.await.unwrap();
                let mut rest = [0; 8];
                let rest = reader.read(&mut rest).await.unwrap();
                assert_eq!(read.unwrap_or(0) + rest, 4);
            },
        );
        assert_eq!(pendings.await, 1);
    });
}

#[test]
fn a_write_into_a_pipe_writes_only_if_it_returns() {
    on_each_backend(async || {
        let pendings = drop_at_each_pending(
            async || {
                let (reader, writer) = pipe().unwrap();
                let full = fill_pipe(&writer);
                let reading = later(async move || {
                    drain_pipe(&reader, full).await;
                    reader
                });
                (writer, reading)
            },
            async |(writer, _)| writer.write(b"ping").await.unwrap(),
            async |(_writer, reading), written| {
                let reader = reading.await.unwrap();
                let read = match reader.try_read(&mut [0; 8]) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => None,
                    read => Some(read.unwrap()),
                };
                assert_eq!(read, written);
            },
        );
        assert!(pendings.await >= 1);
    });
}

#[test]
fn an_accept_takes_a_connection_only_if_it_returns_it() {
    on_each_backend(async || {
        let pendings = drop_at_each_pending(
            async || {
                let path = path();
                let listener = UnixListener::bind(&path).unwrap();
                let connecting = later(async move || UnixStream::connect(path).await.unwrap());
                (listener, connecting)
            },
            async |(listener, _)| listener.accept().await.unwrap().0,
            async |(listener, connecting), accepted| {
                let client = connecting.await.unwrap();
                let server = match accepted {
                    Some(server) => server,
                    None => listener.accept().await.unwrap().0,
                };
                client.write_all(b"x").await.unwrap();
                assert_eq!(server.read(&mut [0]).await.unwrap(), 1);
            },
        );
        assert_eq!(pendings.await, 1);
    });
}

#[test]
fn a_connect_that_waits_for_room_leaves_nothing_behind() {
    on_each_backend(async || {
        let fds = common::open_fds();
        let pendings = drop_at_each_pending(
            async || {
                let path = path();
                let listener = UnixListener::builder().backlog(0).bind(&path).unwrap();
                let first = UnixStream::connect(&path).await.unwrap();
                let accepting = later(async move || {
                    listener.accept().await.unwrap();
                    listener
                });
                (path, first, accepting)
            },
            async |(path, ..)| UnixStream::connect(&*path).await.unwrap(),
            async |(path, _first, accepting), connected| {
                let listener = accepting.await.unwrap();
                let again = match connected {
                    Some(client) => client,
                    None => UnixStream::connect(&path).await.unwrap(),
                };
                listener.accept().await.unwrap();
                drop(again);
            },
        );
        assert!(pendings.await >= 1);
        assert_eq!(common::open_fds(), fds);
    });
}

#[test]
fn a_read_from_a_unix_stream_takes_bytes_only_if_it_returns_them() {
    on_each_backend(async || {
        let world = async || {
            let (one, other) = UnixStream::pair().unwrap();
            let writing = later(async move || other.write_all(b"ping").await.unwrap());
            (one, writing)
        };
        let check = async |(stream, writing): (UnixStream, JoinHandle<()>), read: Option<usize>| {
            writing.await.unwrap();
            let rest = stream.read(&mut [0; 8]).await.unwrap();
            assert_eq!(read.unwrap_or(0) + rest, 4);
        };
        let read =
            async |(stream, _): &mut (UnixStream, _)| stream.read(&mut [0; 8]).await.unwrap();
        assert_eq!(drop_at_each_pending(world, read, check).await, 1);
        let peek = async |(stream, _): &mut (UnixStream, _)| {
            stream.peek(&mut [0; 8]).await.unwrap();
            0
        };
        assert_eq!(drop_at_each_pending(world, peek, check).await, 1);
    });
}

#[test]
fn a_write_into_a_unix_stream_writes_only_if_it_returns() {
    on_each_backend(async || {
        let pendings = drop_at_each_pending(
            async || {
                let (one, other) = UnixStream::pair().unwrap();
                let full = fill_stream(&one);
                let reading = later(async move || {
                    drain_stream(&other, full).await;
                    other
                });
                (one, reading)
            },
            async |(stream, _)| stream.write(b"ping").await.unwrap(),
            async |(_stream, reading), written| {
                let peer = reading.await.unwrap();
                let read = match peer.try_read(&mut [0; 8]) {
                    Err(error) if error.kind() == ErrorKind::WouldBlock => None,
                    read => Some(read.unwrap()),
                };
                assert_eq!(read, written);
            },
        );
        assert!(pendings.await >= 1);
    });
}

#[test]
fn a_datagram_is_received_once_or_still_there() {
    on_each_backend(async || {
        let pendings = drop_at_each_pending(
            async || {
                let (one, other) = UnixDatagram::pair().unwrap();
                let sending = later(async move || other.send(b"ping").await.unwrap());
                (one, sending)
            },
            async |(socket, _)| socket.recv_msg(&mut [0; 8]).await.unwrap().length,
            async |(socket, sending), received| {
                sending.await.unwrap();
                let received = match received {
                    Some(length) => length,
                    None => socket.recv(&mut [0; 8]).await.unwrap(),
                };
                assert_eq!(received, 4);
                assert!(socket.try_recv(&mut [0; 8]).is_err(), "there was but one");
            },
        );
        assert_eq!(pendings.await, 1);

        let pendings = drop_at_each_pending(
            async || {
                let one = UdpSocket::bind("127.0.0.1:0").await.unwrap();
                let other = UdpSocket::bind("127.0.0.1:0").await.unwrap();
                let addr = one.local_addr().unwrap();
                let sending = later(async move || other.send_to(b"ping", addr).await.unwrap());
                (one, sending)
            },
            async |(socket, _)| socket.recv_from(&mut [0; 8]).await.unwrap().0,
            async |(socket, sending), received| {
                sending.await.unwrap();
                let received = match received {
                    Some(length) => length,
                    None => socket.recv(&mut [0; 8]).await.unwrap(),
                };
                assert_eq!(received, 4);
                assert!(socket.try_recv(&mut [0; 8]).is_err(), "there was but one");
            },
        );
        assert_eq!(pendings.await, 1);
    });
}

/// Connected, the selector tells when there is room; otherwise a timer asks.
#[test]
fn a_datagram_is_sent_only_if_it_is_said_so() {
    on_each_backend(async || {
        for is_connected in [true, false] {
            let pendings = drop_at_each_pending(
                async || {
                    let path = path();
                    let server = UnixDatagram::bind(&path).unwrap();
                    let client = UnixDatagram::unbound().unwrap();
                    if is_connected {
                        client.connect(&path).unwrap();
                    }
                    let mut full = 0;
                    while client.try_send_to(b"x", &path).is_ok() {
                        full += 1;
                    }
                    let receiving = later(async move || {
                        for _ in 0..full {
                            server.recv(&mut [0; 8]).await.unwrap();
                        }
                        server
                    });
                    (client, path, receiving)
                },
                async |(client, path, _)| match is_connected {
                    true => client.send(b"ping").await.unwrap(),
                    false => client.send_to(b"ping", &*path).await.unwrap(),
                },
                async |(_client, _path, receiving), sent| {
                    let server = receiving.await.unwrap();
                    let received = match server.try_recv(&mut [0; 8]) {
                        Err(error) if error.kind() == ErrorKind::WouldBlock => None,
                        received => Some(received.unwrap()),
                    };
                    assert_eq!(received, sent);
                },
            );
            assert!(pendings.await >= 1);
        }
    });
}

#[test]
fn a_file_that_was_sent_in_part_has_told_how_much() {
    on_each_backend(async || {
        let path = path();
        std::fs::write(&path, vec![b'x'; 3_000_000]).unwrap();
        let file = Rc::new(File::open(&path).unwrap());
        std::fs::remove_file(&path).unwrap();
        let pendings = drop_at_each_pending(
            async || {
                let (one, other) = UnixStream::pair().unwrap();
                let counting = spawn(async move {
                    let (mut total, mut buffer) = (0, vec![0; 1 << 20]);
                    loop {
                        match other.read(&mut buffer).await.unwrap() {
                            0 => return total,
                            n => total += n as u64,
                        }
                    }
                });
                (one, 0, counting)
            },
            async |(stream, offset, _)| {
                let sent = stream.send_file(file.as_fd(), offset, None).await.unwrap();
                assert_eq!(sent, 3_000_000);
            },
            async |(stream, offset, counting), sent| {
                drop(stream);
                assert_eq!(counting.await.unwrap(), offset);
                assert_eq!(sent.is_some(), offset == 3_000_000);
            },
        );
        assert!(pendings.await > 3);
    });
}
