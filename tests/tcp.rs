//! Claims about a TCP connection: connecting, reading, writing, closing, and the way from std and
//! back.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/loopback.rs"]
mod loopback;

use std::io::{ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::{self, IpAddr, Ipv4Addr, Shutdown, SocketAddr, SocketAddrV4};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::pin::pin;
use std::time::Duration;

use futures_lite::future::zip;
use loopback::beside_others::on_each_backend;
use loopback::{
    assert_error, block_until, half_std_pair, listen, pair, poll_once, read_to_end, refusing,
    reset, stuff,
};
use rustix::event::PollFlags;
use rustix::fs::{OFlags, fcntl_getfl};
use selio::net::{TcpStream, ToAddrs};

fn random(length: usize) -> Vec<u8> {
    loopback::random_bytes(&mut common::Random::from_environment(), length)
}

async fn reaches(listener: &selio::net::TcpListener, addr: impl ToAddrs) {
    let client = TcpStream::connect(addr).await.unwrap();
    let (server, peer) = listener.accept().await.unwrap();
    assert_eq!(client.local_addr().unwrap(), peer);
    assert_eq!(client.peer_addr().unwrap(), server.local_addr().unwrap());
    client.write_all(b"hello").await.unwrap();
    let mut buffer = [0; 5];
    server.read_exact(&mut buffer).await.unwrap();
    assert_eq!(&buffer, b"hello");
}

#[test]
fn connect_takes_addresses_names_and_pairs() {
    on_each_backend(async || {
        let (listener, addr) = listen().await;
        let port = addr.port();
        reaches(&listener, addr).await;
        reaches(&listener, &addr).await;
        reaches(&listener, &[addr][..]).await;
        reaches(&listener, SocketAddrV4::new(Ipv4Addr::LOCALHOST, port)).await;
        reaches(&listener, (Ipv4Addr::LOCALHOST, port)).await;
        reaches(&listener, (IpAddr::from([127, 0, 0, 1]), port)).await;
        reaches(&listener, ("127.0.0.1", port)).await;
        reaches(&listener, ("localhost", port)).await;
        reaches(&listener, ("localhost".to_owned(), port)).await;
        reaches(&listener, addr.to_string()).await;
        reaches(&listener, format!("127.0.0.1:{port}").as_str()).await;
        reaches(&listener, format!("localhost:{port}")).await;
    });
}

#[test]
fn connect_reaches_ipv6_where_there_is_one() {
    on_each_backend(async || {
        let listener = match selio::net::TcpListener::bind("[::1]:0").await {
            Ok(listener) => listener,
            Err(error) => return println!("skipped: {error}"),
        };
        let addr = listener.local_addr().unwrap();
        reaches(&listener, addr).await;
        reaches(&listener, addr.to_string()).await;
        reaches(&listener, ("::1", addr.port())).await;
        reaches(&listener, (std::net::Ipv6Addr::LOCALHOST, addr.port())).await;
    });
}

#[test]
fn connect_goes_on_to_the_next_address_when_one_refuses() {
    on_each_backend(async || {
        let (listener, addr) = listen().await;
        let (_held, refused) = refusing();
        reaches(&listener, &[refused, addr][..]).await;
    });
}

#[test]
fn a_refused_connection_names_the_call_and_the_address() {
    on_each_backend(async || {
        let (_held, addr) = refusing();
        assert_error(
            TcpStream::connect(addr).await,
            ErrorKind::ConnectionRefused,
            &[&"TcpStream::connect", &addr],
        );
        let (_held, last) = refusing();
        assert_error(
            TcpStream::connect(&[addr, last][..]).await,
            ErrorKind::ConnectionRefused,
            &[&last],
        );
        assert_eq!(selio::stats().sources, 0);
    });
}

#[test]
fn a_malformed_address_is_refused_before_anything_is_tried() {
    on_each_backend(async || {
        for addr in [
            "",
            ":",
            ":80",
            "host",
            "127.0.0.1",
            "127.0.0.1:",
            "127.0.0.1:x",
            "127.0.0.1:-1",
            "127.0.0.1: 80",
            "127.0.0.1:65536",
            "[::1]",
            "[::1]80",
            "host:port",
            "http://host:80/",
        ] {
            let connect = TcpStream::connect(addr).await;
            assert_error(connect, ErrorKind::InvalidInput, &[&addr, &"host:port"]);
            let bind = selio::net::TcpListener::bind(addr).await;
            assert_error(bind, ErrorKind::InvalidInput, &[&addr, &"host:port"]);
        }
        let nowhere: &[SocketAddr] = &[];
        assert_error(
            TcpStream::connect(nowhere).await,
            ErrorKind::InvalidInput,
            &[&"TcpStream::connect", &"no address"],
        );
    });
}

/// No resolver needs to be asked for these: a label has at most 63 letters, and none is a NUL.
#[test]
fn an_unknown_name_is_an_error_that_names_it() {
    on_each_backend(async || {
        for name in [format!("{}.invalid", "a".repeat(64)), "a\0b".to_owned()] {
            let error = TcpStream::connect((name.as_str(), 80)).await.unwrap_err();
            let message = error.to_string();
            assert!(message.contains("TcpStream::connect"), "{message}");
            assert!(message.contains(&format!("{name}:80")), "{message}");
        }
    });
}

#[test]
fn the_loop_goes_on_while_a_name_is_looked_up() {
    on_each_backend(async || {
        let (listener, addr) = listen().await;
        let connect = selio::spawn(TcpStream::connect(("localhost", addr.port())));
        selio::yield_now().await;
        assert_eq!(selio::stats().threads, 1, "the look-up was waited for");
        let other = selio::spawn(async { 7 });
        assert_eq!(other.await.unwrap(), 7);
        let client = connect.await.unwrap().unwrap();
        let (_server, peer) = listener.accept().await.unwrap();
        assert_eq!(client.local_addr().unwrap(), peer);
    });
}

#[test]
fn a_connect_that_is_cancelled_during_the_look_up_leaves_nothing() {
    on_each_backend(async || {
        let before = loopback::alive(&selio::stats());
        for _ in 0..20 {
            let mut connect = pin!(TcpStream::connect("localhost:1"));
            let _ = poll_once(&mut connect).await;
        }
        assert_eq!(loopback::alive(&selio::stats()), before);
    });
}

#[test]
fn connect_outside_of_a_runtime_says_what_to_do() {
    let connect = std::panic::catch_unwind(|| {
        let mut connect = pin!(TcpStream::connect("127.0.0.1:1"));
        futures_lite::future::block_on(futures_lite::future::poll_once(&mut connect)).is_some()
    });
    let panic = connect.unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(
        message.contains("TcpStream::connect at tests/tcp.rs"),
        "{message}"
    );
    assert!(
        message.contains("no runtime runs on this thread"),
        "{message}"
    );
}

#[test]
fn a_read_gives_what_was_written_and_then_the_end() {
    on_each_backend(async || {
        let (client, server) = pair().await;
        client.write_all(b"ping").await.unwrap();
        let mut buffer = [0; 16];
        assert_eq!(server.read(&mut buffer).await.unwrap(), 4);
        assert_eq!(&buffer[..4], b"ping");
        drop(client);
        assert_eq!(server.read(&mut buffer).await.unwrap(), 0);
        assert_eq!(server.read(&mut buffer).await.unwrap(), 0, "and again");
    });
}

#[test]
fn read_exact_puts_pieces_together() {
    on_each_backend(async || {
        let (client, server) = pair().await;
        let mut buffer = [0; 9];
        let write = async {
            for piece in ["abc", "d", "efghi"] {
                client.write_all(piece.as_bytes()).await.unwrap();
                loopback::turns(2).await;
            }
        };
        let (read, ()) = zip(server.read_exact(&mut buffer), write).await;
        read.unwrap();
        assert_eq!(&buffer, b"abcdefghi");
    });
}

#[test]
fn an_early_end_in_read_exact_says_how_much_came() {
    on_each_backend(async || {
        let (client, server) = pair().await;
        client.write_all(b"abc").await.unwrap();
        drop(client);
        assert_error(
            server.read_exact(&mut [0; 10]).await,
            ErrorKind::UnexpectedEof,
            &[&"TcpStream::read_exact", &"3 of 10 bytes"],
        );
    });
}

#[test]
fn peek_leaves_the_bytes_and_waits_for_them() {
    on_each_backend(async || {
        let (client, server) = pair().await;
        let mut buffer = [0; 16];
        for round in 0..100u8 {
            // mio#1895: a peek that has to wait must be woken as a read would.
            let (peeked, written) =
                zip(server.peek(&mut buffer), client.write_all(&[round; 3])).await;
            written.unwrap();
            assert_eq!(peeked.unwrap(), 3);
            assert_eq!(server.peek(&mut buffer).await.unwrap(), 3);
            assert_eq!(server.read(&mut buffer).await.unwrap(), 3);
            assert_eq!(buffer[..3], [round; 3]);
        }
    });
}

#[test]
fn empty_buffers_are_done_at_once() {
    on_each_backend(async || {
        let (_client, server) = pair().await;
        loopback::fill(&server);
        assert_eq!(
            poll_once(&mut pin!(server.read(&mut [])))
                .await
                .unwrap()
                .unwrap(),
            0
        );
        assert_eq!(
            poll_once(&mut pin!(server.peek(&mut [])))
                .await
                .unwrap()
                .unwrap(),
            0
        );
        assert_eq!(
            poll_once(&mut pin!(server.write(&[])))
                .await
                .unwrap()
                .unwrap(),
            0
        );
        poll_once(&mut pin!(server.read_exact(&mut [])))
            .await
            .unwrap()
            .unwrap();
        poll_once(&mut pin!(server.write_all(&[])))
            .await
            .unwrap()
            .unwrap();
        let none = &mut [IoSliceMut::new(&mut []), IoSliceMut::new(&mut [])];
        assert_eq!(
            poll_once(&mut pin!(server.read_vectored(none)))
                .await
                .unwrap()
                .unwrap(),
            0
        );
        let none = &[IoSlice::new(&[]), IoSlice::new(&[])];
        assert_eq!(
            poll_once(&mut pin!(server.write_vectored(none)))
                .await
                .unwrap()
                .unwrap(),
            0
        );
        assert_eq!(
            poll_once(&mut pin!(server.write_vectored(&[])))
                .await
                .unwrap()
                .unwrap(),
            0
        );
    });
}

#[test]
fn vectored_calls_fill_one_buffer_after_the_other() {
    on_each_backend(async || {
        let (client, server) = pair().await;
        let (mut a, mut b, mut c) = ([0; 2], [0; 0], [0; 4]);
        let slices = ["he", "", "l", "lo"].map(|it| IoSlice::new(it.as_bytes()));
        assert_eq!(client.write_vectored(&slices).await.unwrap(), 5);
        let buffers = &mut [&mut a[..], &mut b[..], &mut c[..]].map(IoSliceMut::new);
        assert_eq!(server.read_vectored(buffers).await.unwrap(), 5);
        assert_eq!((&a, &c), (b"he", b"llo\0"));
    });
}

#[test]
fn of_1025_slices_the_first_1024_are_taken() {
    on_each_backend(async || {
        let (client, server) = pair().await;
        let slices = [IoSlice::new(b"x"); 1025];
        assert_eq!(client.write_vectored(&slices).await.unwrap(), 1024);

        let mut buffers = [[0u8; 1]; 1025];
        let mut slices: Vec<_> = buffers.iter_mut().map(|it| IoSliceMut::new(it)).collect();
        assert_eq!(server.read_vectored(&mut slices).await.unwrap(), 1024);
        assert!(buffers[..1024].iter().all(|it| it == b"x"));
        assert_eq!(buffers[1024], [0]);
    });
}

#[test]
fn try_read_and_try_write_never_wait() {
    on_each_backend(async || {
        let (client, server) = pair().await;
        let mut buffer = [0; 16];
        assert_error(server.try_read(&mut buffer), ErrorKind::WouldBlock, &[]);
        client.write_all(b"x").await.unwrap();
        server.readable().await.unwrap();
        assert_eq!(server.try_read(&mut buffer).unwrap(), 1);
        assert_error(server.try_read(&mut buffer), ErrorKind::WouldBlock, &[]);

        let written = stuff(&client);
        assert_error(client.try_write(b"x"), ErrorKind::WouldBlock, &[]);
        let mut writable = pin!(client.writable());
        assert!(poll_once(&mut writable).await.is_none(), "there is no room");
        let mut sink = vec![0; written];
        server.read_exact(&mut sink).await.unwrap();
        writable.await.unwrap();
        assert_eq!(client.try_write(b"x").unwrap(), 1);
    });
}

#[test]
fn readable_tells_of_bytes_of_the_end_and_of_a_reset() {
    on_each_backend(async || {
        let (client, server) = pair().await;
        let mut readable = pin!(server.readable());
        assert!(poll_once(&mut readable).await.is_none());
        client.write_all(b"x").await.unwrap();
        readable.await.unwrap();
        server.readable().await.unwrap();
        assert_eq!(server.try_read(&mut [0; 9]).unwrap(), 1);
        client.shutdown(Shutdown::Write).unwrap();
        server.readable().await.unwrap();
        assert_eq!(server.try_read(&mut [0; 9]).unwrap(), 0);
        reset(client);
        server.readable().await.unwrap();
        server.writable().await.unwrap();
    });
}

/// Whoever writes first here and reads only then stands still for ever: no buffer holds 8 MiB.
#[test]
fn one_task_reads_and_writes_at_once() {
    on_each_backend(async || {
        let (mut client, mut server) = pair().await;
        let (there, back) = (random(8 << 20), random(8 << 20));
        let (mut at_server, mut at_client) = (vec![0; 8 << 20], vec![0; 8 << 20]);
        let (client_reads, client_writes) = client.split();
        let (server_reads, server_writes) = server.split();
        let (client, server) = zip(
            zip(
                client_writes.write_all(&there),
                client_reads.read_exact(&mut at_client),
            ),
            zip(
                server_writes.write_all(&back),
                server_reads.read_exact(&mut at_server),
            ),
        )
        .await;
        for result in [client.0, client.1, server.0, server.1] {
            result.unwrap();
        }
        assert!(at_server == there && at_client == back, "the bytes differ");
    });
}

#[test]
fn dropping_the_write_half_ends_the_stream_for_the_peer() {
    on_each_backend(async || {
        let (client, server) = pair().await;
        let (reader, writer) = client.into_split();
        writer.write_all(b"last words").await.unwrap();
        drop(writer);
        assert_eq!(read_to_end(&server).await.unwrap(), b"last words");
        server.write_all(b"still here").await.unwrap();
        let mut buffer = [0; 10];
        reader.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"still here");
        drop(reader);
        assert_eq!(selio::stats().sources, 1);
    });
}

#[test]
fn dropping_the_read_half_leaves_writing_as_it_is() {
    on_each_backend(async || {
        let (client, server) = pair().await;
        let (reader, writer) = client.into_split();
        drop(reader);
        writer.write_all(b"more").await.unwrap();
        assert_eq!(server.read(&mut [0; 9]).await.unwrap(), 4);
        assert_eq!(writer.peer_addr().unwrap(), server.local_addr().unwrap());
        drop(writer);
        assert_eq!(server.read(&mut [0; 9]).await.unwrap(), 0);
        assert_eq!(selio::stats().sources, 1);
    });
}

#[test]
fn halves_are_reunited_with_their_own_other_half_only() {
    on_each_backend(async || {
        let (client, server) = pair().await;
        let (reader, writer) = client.into_split();
        let (other_reader, other_writer) = server.into_split();
        let error = reader.reunite(other_writer).unwrap_err();
        assert!(error.to_string().contains("different streams"), "{error}");
        let client = error.0.reunite(writer).unwrap();
        let server = other_reader.reunite(error.1).unwrap();

        // Nothing was shut down on the way.
        client.write_all(b"x").await.unwrap();
        server.write_all(b"y").await.unwrap();
        assert_eq!(server.read(&mut [0; 9]).await.unwrap(), 1);
        assert_eq!(client.read(&mut [0; 9]).await.unwrap(), 1);
        assert_eq!(
            poll_once(&mut pin!(client.read(&mut [0; 9])))
                .await
                .map(drop),
            None
        );
    });
}

#[test]
fn the_halves_wait_in_two_tasks() {
    on_each_backend(async || {
        let (client, server) = pair().await;
        let (reader, writer) = client.into_split();
        let sent = random(1 << 20);
        let expected = sent.clone();
        let writes = selio::spawn(async move { writer.write_all(&sent).await });
        let reads = selio::spawn(async move {
            let mut all = vec![0; 1 << 20];
            reader.read_exact(&mut all).await.map(|()| all)
        });
        loopback::echo(server).await.unwrap();
        writes.await.unwrap().unwrap();
        assert!(
            reads.await.unwrap().unwrap() == expected,
            "the bytes differ"
        );
    });
}

#[test]
fn shutdown_may_be_called_again_and_after_the_end() {
    on_each_backend(async || {
        let (client, server) = pair().await;
        for _ in 0..3 {
            client.shutdown(Shutdown::Write).unwrap();
        }
        assert_eq!(server.read(&mut [0; 9]).await.unwrap(), 0);
        server.write_all(b"x").await.unwrap();
        assert_eq!(
            client.read(&mut [0; 9]).await.unwrap(),
            1,
            "reading goes on"
        );
        assert!(client.write(b"x").await.is_err());

        reset(server);
        block_until(&client, PollFlags::HUP);
        for how in [
            Shutdown::Write,
            Shutdown::Read,
            Shutdown::Both,
            Shutdown::Both,
        ] {
            client.shutdown(how).unwrap();
        }
    });
}

#[test]
fn shutdown_ends_a_read_that_waits() {
    on_each_backend(async || {
        let (_client, server) = pair().await;
        let mut buffer = [0; 9];
        let mut read = pin!(server.read(&mut buffer));
        assert!(poll_once(&mut read).await.is_none());
        server.shutdown(Shutdown::Read).unwrap();
        assert_eq!(read.await.unwrap(), 0);
    });
}

#[test]
fn a_reset_is_an_error_for_reads_and_for_writes() {
    on_each_backend(async || {
        let (client, server) = pair().await;
        reset(client);
        block_until(&server, PollFlags::HUP);
        assert_error(
            server.read(&mut [0; 9]).await,
            ErrorKind::ConnectionReset,
            &[],
        );
        assert_error(server.write(b"x").await, ErrorKind::BrokenPipe, &[]);
        assert_error(
            server.write_vectored(&[IoSlice::new(b"x")]).await,
            ErrorKind::BrokenPipe,
            &[],
        );
        assert_error(server.try_write(b"x"), ErrorKind::BrokenPipe, &[]);

        let (client, server) = pair().await;
        reset(client);
        block_until(&server, PollFlags::HUP);
        let error = server.take_error().unwrap().unwrap();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert!(server.take_error().unwrap().is_none(), "it was taken");
    });
}

#[test]
fn options_are_those_of_the_socket() {
    on_each_backend(async || {
        let (client, _server) = pair().await;
        assert!(!client.nodelay().unwrap(), "off by default");
        client.set_nodelay(true).unwrap();
        assert!(client.nodelay().unwrap());
        client.set_ttl(7).unwrap();
        assert_eq!(client.ttl().unwrap(), 7);
        assert_eq!(client.linger().unwrap(), None);
        for linger in [Some(Duration::from_secs(3)), Some(Duration::ZERO), None] {
            client.set_linger(linger).unwrap();
            assert_eq!(client.linger().unwrap(), linger);
        }
        assert!(client.take_error().unwrap().is_none());
    });
}

#[test]
fn no_linger_means_a_reset_for_the_peer() {
    on_each_backend(async || {
        let (client, server) = pair().await;
        client.set_linger(Some(Duration::ZERO)).unwrap();
        drop(client);
        assert_error(
            server.read(&mut [0; 9]).await,
            ErrorKind::ConnectionReset,
            &[],
        );
    });
}

fn is_non_blocking(fd: impl AsFd) -> bool {
    fcntl_getfl(fd).unwrap().contains(OFlags::NONBLOCK)
}

/// compio#960: a blocking socket that is handed over would stall the loop at its first read.
#[test]
fn from_std_takes_a_blocking_socket_and_into_std_gives_one() {
    on_each_backend(async || {
        let (mut client, server) = half_std_pair().await;
        assert!(!is_non_blocking(&client) && is_non_blocking(&server));
        assert!(
            poll_once(&mut pin!(server.read(&mut [0; 9])))
                .await
                .is_none()
        );
        let mut server = server.into_std().unwrap();
        assert!(!is_non_blocking(&server));
        assert_eq!(selio::stats().sources, 0);
        client.write_all(b"x").unwrap();
        assert_eq!(server.read(&mut [0; 9]).unwrap(), 1);
        drop(client);
        assert_eq!(server.read(&mut [0; 9]).unwrap(), 0);
    });
}

/// tokio#3103: a stream that is given away but stays registered fails when it comes back.
#[test]
fn a_stream_goes_to_std_and_back_1000_times() {
    on_each_backend(async || {
        let (client, mut server) = half_std_pair().await;
        let fd = server.as_raw_fd();
        for round in 0..1000 {
            let mut buffer = [0; 9];
            {
                let mut read = pin!(server.read(&mut buffer));
                assert!(poll_once(&mut read).await.is_none(), "it is watched");
                (&client).write_all(&[round as u8]).unwrap();
                assert_eq!(read.await.unwrap(), 1);
            }
            assert_eq!(buffer[0], round as u8);
            server = TcpStream::from_std(server.into_std().unwrap()).unwrap();
            assert_eq!(server.as_raw_fd(), fd);
        }
        assert_eq!(selio::stats().sources, 1);
    });
}

#[test]
fn the_handle_of_a_stream_can_be_borrowed_and_taken() {
    on_each_backend(async || {
        let (client, server) = pair().await;
        assert_eq!(client.as_fd().as_raw_fd(), client.as_raw_fd());
        assert!(format!("{client:?}").contains(&client.local_addr().unwrap().to_string()));
        let fd = server.as_raw_fd();
        let owned = OwnedFd::from(server);
        assert_eq!(owned.as_raw_fd(), fd);
        assert!(is_non_blocking(&owned), "as it was");
        assert_eq!(selio::stats().sources, 1);
        rustix::io::write(&owned, b"x").unwrap();
        assert_eq!(client.read(&mut [0; 9]).await.unwrap(), 1);
    });
}

#[test]
fn sockets_are_not_handed_on_to_child_processes() {
    use rustix::io::{FdFlags, fcntl_getfd};
    on_each_backend(async || {
        let (listener, addr) = listen().await;
        let client = TcpStream::connect(addr).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        for fd in [listener.as_fd(), client.as_fd(), server.as_fd()] {
            assert!(fcntl_getfd(fd).unwrap().contains(FdFlags::CLOEXEC));
        }
    });
}

#[test]
fn from_std_outside_of_a_runtime_says_what_to_do() {
    common::deadline(Duration::from_secs(10), || {
        let (client, _server) = loopback::std_pair();
        let from_std = std::panic::catch_unwind(|| drop(TcpStream::from_std(client)));
        let panic = from_std.unwrap_err();
        let message = panic.downcast_ref::<String>().unwrap();
        assert!(
            message.contains("TcpStream::from_std: no runtime"),
            "{message}"
        );
    });
}

#[test]
fn bytes_that_nobody_has_read_turn_a_close_into_a_reset() {
    on_each_backend(async || {
        let (mut client, server) = half_std_pair().await;
        client.write_all(b"unread").unwrap();
        block_until(&server, PollFlags::IN);
        drop(server);
        let error = net::TcpStream::read(&mut client, &mut [0; 9]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    });
}
