//! What is said to a connection before and after it is made: where it comes from, how much the
//! system holds for it, and whether a silent peer is asked for a sign of life.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/tasks.rs"]
mod tasks;

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::net::sockopt::{socket_recv_buffer_size, socket_send_buffer_size};
use selio::net::{
    TcpListener, TcpListenerBuilder, TcpStream, TcpStreamBuilder, UdpSocket, UnixStream,
};
use selio::stats;

use crate::common::open_fds;
use crate::tasks::on_each_runtime;

/// Runs a test on every backend, which leaves no file open.
fn on_each_backend(test: impl AsyncFn()) {
    on_each_runtime(|runtime| {
        let fds = open_fds();
        runtime.block_on(async {
            test().await;
            assert_eq!(stats().sources, 0);
        });
        assert_eq!(open_fds(), fds);
    });
}

/// Both ends of a connection that was made in this way.
async fn pair(listener: TcpListenerBuilder, stream: TcpStreamBuilder) -> (TcpStream, TcpStream) {
    let listener = listener.bind("127.0.0.1:0").await.unwrap();
    let client = stream.connect(listener.local_addr().unwrap()).await;
    let (server, _) = listener.accept().await.unwrap();
    (client.unwrap(), server)
}

#[cfg(target_os = "linux")] // Elsewhere, the loopback has one address.
#[test]
fn a_connection_comes_from_the_address_that_was_asked_for() {
    on_each_backend(async || {
        let from = SocketAddr::from(([127, 0, 0, 9], 0));
        let stream = TcpStream::builder().local_addr(from);
        let (client, server) = pair(TcpListener::builder(), stream).await;
        assert_eq!(server.peer_addr().unwrap().ip(), from.ip());
        assert_eq!(client.local_addr().unwrap(), server.peer_addr().unwrap());
    });
}

#[test]
fn of_several_addresses_one_of_the_local_family_is_connected_to() {
    on_each_backend(async || {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let good = listener.local_addr().unwrap();
        let other = SocketAddr::from((Ipv6Addr::LOCALHOST, good.port()));
        let builder = TcpStream::builder().local_addr((Ipv4Addr::LOCALHOST, 0));
        for stream in [
            builder.connect(&[other, good][..]).await,
            builder.connect([other, good]).await,
            builder.connect(vec![other, good]).await,
        ] {
            assert_eq!(stream.unwrap().peer_addr().unwrap(), good);
        }

        let error = builder.connect(other).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
        let message = error.to_string();
        let expected = format!("TcpStream::connect {other}: 127.0.0.1:0 is of another family; ");
        assert!(message.starts_with(&expected), "{message}");
    });
}

#[test]
fn a_local_address_that_is_not_ours_is_an_error_that_names_both() {
    on_each_backend(async || {
        let builder = TcpStream::builder().local_addr(([192, 0, 2, 1], 0));
        let error = builder.connect("127.0.0.1:9").await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
        let message = error.to_string();
        let expected = "TcpStream::connect 127.0.0.1:9: from 192.0.2.1:0: ";
        assert!(message.starts_with(expected), "{message}");
        let source = error.get_ref().unwrap().source().unwrap();
        let source = source.downcast_ref::<io::Error>().unwrap();
        assert!(source.raw_os_error().is_some());
    });
}

#[test]
fn the_system_holds_about_as_many_bytes_as_was_asked_for() {
    /// What it may make of it: Linux doubles.
    fn assert_about(size: usize, asked: usize) {
        assert!(
            (asked..=2 * asked).contains(&size),
            "{size}, asked for {asked}"
        );
    }
    on_each_backend(async || {
        let listener = TcpListener::builder()
            .recv_buffer_size(20_000)
            .send_buffer_size(30_000);
        let stream = TcpStream::builder()
            .recv_buffer_size(40_000)
            .send_buffer_size(50_000);
        let (client, server) = pair(listener, stream).await;
        assert_about(socket_recv_buffer_size(&client).unwrap(), 40_000);
        assert_about(socket_send_buffer_size(&client).unwrap(), 50_000);
        assert_about(socket_recv_buffer_size(&server).unwrap(), 20_000);
        assert_about(socket_send_buffer_size(&server).unwrap(), 30_000);

        let socket = UdpSocket::builder()
            .recv_buffer_size(60_000)
            .send_buffer_size(70_000)
            .bind("127.0.0.1:0")
            .await
            .unwrap();
        assert_about(socket_recv_buffer_size(&socket).unwrap(), 60_000);
        assert_about(socket_send_buffer_size(&socket).unwrap(), 70_000);
    });
}

#[test]
fn a_silent_peer_is_asked_only_if_that_was_said() {
    on_each_backend(async || {
        const MINUTE: Duration = Duration::from_secs(60);
        let listener = TcpListener::builder().keepalive(Some(MINUTE));
        let (client, server) = pair(listener, TcpStream::builder()).await;
        assert_eq!(server.keepalive().unwrap(), Some(MINUTE));
        assert_eq!(client.keepalive().unwrap(), None);
        client.set_keepalive(Some(2 * MINUTE)).unwrap();
        assert_eq!(client.keepalive().unwrap(), Some(2 * MINUTE));
        for wrong in [Duration::ZERO, Duration::MAX] {
            let error = client.set_keepalive(Some(wrong)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput, "{wrong:?}");
            assert_eq!(client.keepalive().unwrap(), Some(2 * MINUTE));
        }
        client.set_keepalive(None).unwrap();
        assert_eq!(client.keepalive().unwrap(), None);
    });
}

#[test]
fn halves_give_access_to_the_whole_stream() {
    fn assert_same<S: AsFd, H: AsRef<S>>(half: &H, other: &impl AsRef<S>) {
        let number = |stream: &S| format!("{:?}", stream.as_fd());
        assert_eq!(number(half.as_ref()), number(other.as_ref()));
    }
    on_each_backend(async || {
        let (mut client, _server) = pair(TcpListener::builder(), TcpStream::builder()).await;
        let (reader, writer) = client.split();
        assert_same::<TcpStream, _>(&reader, &writer);
        let (reader, writer) = client.into_split();
        assert_same::<TcpStream, _>(&reader, &writer);
        writer.as_ref().set_nodelay(true).unwrap();
        assert!(reader.as_ref().nodelay().unwrap());
        let (here, there) = UnixStream::pair().unwrap();
        let (reader, writer) = here.into_split();
        assert_same::<UnixStream, _>(&reader, &writer);
        there.write_all(b"x").await.unwrap();
        reader.as_ref().readable().await.unwrap();
        assert_eq!(reader.as_ref().try_read(&mut [0; 2]).unwrap(), 1);
    });
}
