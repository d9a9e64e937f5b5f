//! Claims about UDP: datagrams, their bounds and senders, refusals, groups, and the way from std and
//! back.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/loopback.rs"]
mod loopback;

use std::io::{self, ErrorKind};
use std::net::{self, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use futures_lite::future::zip;
use loopback::{assert_error, on_each_backend, poll_once, refusing, turns};
use rustix::fs::{OFlags, fcntl_getfl};
use rustix::io::{FdFlags, fcntl_getfd};
use selio::net::UdpSocket;
use selio::{spawn, timeout};

/// The longest datagram over IPv4: 65,535 without the headers of IP and UDP.
const LONGEST: usize = 65_507;

async fn socket() -> (UdpSocket, SocketAddr) {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let addr = socket.local_addr().unwrap();
    (socket, addr)
}

/// Two sockets that are connected to each other.
async fn pair() -> (UdpSocket, UdpSocket) {
    let ((one, here), (other, there)) = (socket().await, socket().await);
    one.connect(there).await.unwrap();
    other.connect(here).await.unwrap();
    (one, other)
}

/// An address where nobody receives, for as long as the socket lives: TCP holds the port, too.
fn nobody() -> (OwnedFd, SocketAddr) {
    loop {
        let (held, addr) = refusing();
        if net::UdpSocket::bind(addr).is_ok() {
            return (held, addr);
        }
    }
}

#[test]
fn a_datagram_comes_with_its_sender_who_can_be_answered() {
    on_each_backend(async || {
        let ((server, addr), (client, here)) = (socket().await, socket().await);
        assert_eq!(client.send_to(b"ping", addr).await.unwrap(), 4);
        let mut buffer = [0; 16];
        let (n, peer) = server.recv_from(&mut buffer).await.unwrap();
        assert_eq!((&buffer[..n], peer), (&b"ping"[..], here));
        server.send_to(b"answer", peer).await.unwrap();
        let received = client.recv_msg(&mut buffer).await.unwrap();
        assert_eq!(
            (received.length, received.from, received.is_truncated),
            (6, addr, false)
        );
    });
}

#[test]
fn send_to_takes_addresses_names_and_pairs() {
    on_each_backend(async || {
        let (server, addr) = socket().await;
        let (client, _) = socket().await;
        let port = addr.port();
        let nowhere: Option<SocketAddr> = "[::1]:1".parse().ok();
        client.send_to(b"", addr).await.unwrap();
        client.send_to(b"", &addr).await.unwrap();
        client.send_to(b"", ("127.0.0.1", port)).await.unwrap();
        client.send_to(b"", ("localhost", port)).await.unwrap();
        client
            .send_to(b"", format!("localhost:{port}"))
            .await
            .unwrap();
        // The first that is of the family of the socket.
        let both = [nowhere.unwrap(), addr];
        client.send_to(b"", &both[..]).await.unwrap();
        for _ in 0..6 {
            assert_eq!(server.recv(&mut [0; 8]).await.unwrap(), 0);
        }
    });
}

#[test]
fn datagrams_of_every_length_keep_their_bounds() {
    on_each_backend(async || {
        let (one, other) = pair().await;
        let bytes = loopback::random_bytes(&mut common::Random::from_environment(), LONGEST);
        let mut buffer = vec![0; LONGEST + 1];
        for length in [0, 1, 2, 511, 512, 1472, 1473, 8192, 65_000, LONGEST] {
            assert_eq!(one.send(&bytes[..length]).await.unwrap(), length);
            let received = other.recv_msg(&mut buffer).await.unwrap();
            assert_eq!((received.length, received.is_truncated), (length, false));
            assert!(buffer[..length] == bytes[..length]);
        }
        let error = one.send(&vec![0; LONGEST + 1]).await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(90), "{error}"); // EMSGSIZE
        one.send(b"as before").await.unwrap();
        assert_eq!(other.recv(&mut buffer).await.unwrap(), 9);
    });
}

#[test]
fn a_datagram_longer_than_the_buffer_is_cut_and_reported() {
    on_each_backend(async || {
        let (one, other) = pair().await;
        let mut buffer = [0; 4];
        for message in ["longer", "longer", "longer", "four", "x"] {
            one.send(message.as_bytes()).await.unwrap();
        }
        assert_eq!(other.recv(&mut buffer).await.unwrap(), 4);
        let received = other.recv_msg(&mut buffer).await.unwrap();
        assert_eq!((received.length, received.is_truncated), (4, true));
        assert_eq!(&buffer, b"long");
        // Into nothing, the whole datagram gets lost.
        let received = other.recv_msg(&mut []).await.unwrap();
        assert_eq!((received.length, received.is_truncated), (0, true));
        for length in [4, 1] {
            let received = other.recv_msg(&mut buffer).await.unwrap();
            assert_eq!((received.length, received.is_truncated), (length, false));
        }
    });
}

#[test]
fn an_empty_datagram_is_waited_for_and_is_no_end() {
    on_each_backend(async || {
        let (one, other) = pair().await;
        {
            let mut recv = pin!(other.recv(&mut []));
            assert!(poll_once(&mut recv).await.is_none());
            assert_eq!(one.send(b"").await.unwrap(), 0);
            assert_eq!(recv.await.unwrap(), 0);
        }
        one.send(b"and on it goes").await.unwrap();
        assert_eq!(other.recv(&mut [0; 32]).await.unwrap(), 14);
    });
}

#[test]
fn a_peek_leaves_the_datagram_where_it_is() {
    on_each_backend(async || {
        let (one, other) = pair().await;
        let here = one.local_addr().unwrap();
        let mut buffer = [0; 8];
        {
            let mut peek = pin!(other.peek(&mut buffer));
            assert!(poll_once(&mut peek).await.is_none());
            one.send(b"ping").await.unwrap();
            assert_eq!(peek.await.unwrap(), 4);
        }
        assert_eq!(other.peek_from(&mut buffer).await.unwrap(), (4, here));
        assert_eq!(other.recv(&mut buffer).await.unwrap(), 4);
        assert!(
            poll_once(&mut pin!(other.peek(&mut buffer)))
                .await
                .is_none()
        );
    });
}

#[test]
fn a_connected_socket_hears_nobody_else() {
    on_each_backend(async || {
        let (one, other) = pair().await;
        let addr = other.local_addr().unwrap();
        assert_eq!(one.peer_addr().unwrap(), addr);
        let (stranger, _) = socket().await;
        stranger.send_to(b"stranger", addr).await.unwrap();
        one.send(b"friend").await.unwrap();
        let mut buffer = [0; 16];
        assert_eq!(other.recv(&mut buffer).await.unwrap(), 6);
        assert_eq!(&buffer[..6], b"friend");
        // It may be connected to another one later on.
        other.connect(stranger.local_addr().unwrap()).await.unwrap();
        stranger.send_to(b"stranger", addr).await.unwrap();
        assert_eq!(other.recv(&mut buffer).await.unwrap(), 8);
    });
}

#[test]
fn a_refusal_is_told_once_to_a_connected_socket() {
    on_each_backend(async || {
        let (_held, addr) = nobody();
        let (client, _) = socket().await;
        client.connect(addr).await.unwrap();
        {
            let mut buffer = [0; 8];
            let mut recv = pin!(client.recv(&mut buffer));
            assert!(poll_once(&mut recv).await.is_none());
            client.send(b"anybody there?").await.unwrap();
            assert_error(recv.await, ErrorKind::ConnectionRefused, &[]);
        }
        assert!(
            poll_once(&mut pin!(client.recv(&mut [0; 8])))
                .await
                .is_none()
        );
        let server = UdpSocket::bind(addr).await.unwrap();
        client.send(b"now?").await.unwrap();
        assert_eq!(server.recv(&mut [0; 8]).await.unwrap(), 4);
    });
}

#[test]
fn a_server_is_not_disturbed_by_clients_that_are_gone() {
    on_each_backend(async || {
        let (_held, gone) = nobody();
        let (server, addr) = socket().await;
        for _ in 0..10 {
            server.send_to(b"answer", gone).await.unwrap();
        }
        let (client, _) = socket().await;
        client.send_to(b"ping", addr).await.unwrap();
        assert_eq!(server.recv(&mut [0; 8]).await.unwrap(), 4);
    });
}

/// The error stays, and epoll(7) reports it whatever one asks for, until somebody takes it.
#[test]
fn a_refusal_that_nobody_asks_for_does_not_spin() {
    on_each_backend(async || {
        let (_held, addr) = nobody();
        let (client, _) = socket().await;
        client.connect(addr).await.unwrap();
        assert!(
            poll_once(&mut pin!(client.recv(&mut [0; 8])))
                .await
                .is_none()
        );
        client.send(b"x").await.unwrap();
        turns(3).await;
        let before = selio::stats();
        turns(10).await;
        assert_eq!(selio::stats().events - before.events, 0);
        let error = client.take_error().unwrap().unwrap();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    });
}

#[test]
fn tries_never_wait() {
    on_each_backend(async || {
        let (one, other) = pair().await;
        let mut buffer = [0; 8];
        let error = other.try_recv(&mut buffer).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        let error = other.try_recv_from(&mut buffer).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        one.writable().await.unwrap();
        assert_eq!(one.try_send(b"one").unwrap(), 3);
        other.readable().await.unwrap();
        assert_eq!(other.try_recv(&mut buffer).unwrap(), 3);
        let ((stranger, here), (server, addr)) = (socket().await, socket().await);
        assert_eq!(stranger.try_send_to(b"four", addr).unwrap(), 4);
        server.readable().await.unwrap();
        assert_eq!(server.try_recv_from(&mut buffer).unwrap(), (4, here));
    });
}

#[test]
fn wrong_uses_are_errors_that_say_what_is_wrong() {
    on_each_backend(async || {
        let (socket, addr) = socket().await;
        assert!(socket.send(b"x").await.is_err(), "it is not connected");
        assert_error(socket.peer_addr(), ErrorKind::NotConnected, &[]);
        let port_0 = socket.send_to(b"x", "127.0.0.1:0").await;
        assert_error(port_0, ErrorKind::InvalidInput, &[]);
        for malformed in ["", "127.0.0.1", "127.0.0.1:65536", "host:port"] {
            let kind = ErrorKind::InvalidInput;
            let bind = UdpSocket::bind(malformed).await;
            assert_error(bind, kind, &[&"UdpSocket::bind", &malformed]);
            let connect = socket.connect(malformed).await;
            assert_error(connect, kind, &[&"UdpSocket::connect", &malformed]);
            let send = socket.send_to(b"x", malformed).await;
            assert_error(send, kind, &[&"UdpSocket::send_to", &malformed]);
        }
        let nowhere: &[SocketAddr] = &[];
        let send = socket.send_to(b"x", nowhere).await;
        assert_error(send, ErrorKind::InvalidInput, &[&"there is no address"]);
        let taken = UdpSocket::bind(addr).await;
        assert_error(taken, ErrorKind::AddrInUse, &[&"UdpSocket::bind", &addr]);
        assert_eq!(selio::stats().sources, 1);
    });
}

#[test]
fn many_senders_share_a_socket() {
    on_each_backend(async || {
        let ((server, addr), (client, _)) = (socket().await, socket().await);
        let client = Rc::new(client);
        for i in 0..50 {
            let client = Rc::clone(&client);
            spawn(async move { client.send_to(&[i], addr).await });
        }
        let mut seen = [false; 50];
        for _ in 0..50 {
            let mut byte = [0];
            assert_eq!(server.recv(&mut byte).await.unwrap(), 1);
            assert!(!std::mem::replace(&mut seen[usize::from(byte[0])], true));
        }
    });
}

#[test]
fn a_flood_of_datagrams_lets_the_others_run() {
    on_each_backend(async || {
        let (one, other) = pair().await;
        let busy = spawn(async move {
            loop {
                one.send(b"x").await?;
                other.recv(&mut [0; 8]).await?;
            }
            #[allow(unreachable_code, reason = "this is the type of the task")]
            io::Result::Ok(())
        });
        for _ in 0..100 {
            selio::yield_now().await;
        }
        assert!(!busy.is_finished());
        busy.cancel();
    });
}

#[test]
fn a_cancelled_receive_takes_no_datagram() {
    on_each_backend(async || {
        let (one, other) = pair().await;
        let mut buffer = [0; 8];
        for _ in 0..10 {
            assert!(
                poll_once(&mut pin!(other.recv(&mut buffer)))
                    .await
                    .is_none()
            );
            assert!(
                poll_once(&mut pin!(other.recv_msg(&mut buffer)))
                    .await
                    .is_none()
            );
        }
        let short = timeout(Duration::from_millis(1), other.recv_from(&mut buffer)).await;
        assert!(short.is_err());
        one.send(b"ping").await.unwrap();
        turns(2).await;
        assert_eq!(other.recv(&mut buffer).await.unwrap(), 4);
    });
}

#[test]
fn one_task_sends_while_it_receives() {
    on_each_backend(async || {
        let (one, other) = pair().await;
        let echo = async {
            let mut buffer = [0; 8];
            for _ in 0..100 {
                let n = other.recv(&mut buffer).await.unwrap();
                other.send(&buffer[..n]).await.unwrap();
            }
        };
        let client = async {
            for i in 0..100 {
                let ((), n) = zip(
                    async { assert_eq!(one.send(&[i]).await.unwrap(), 1) },
                    async { one.recv(&mut [0; 8]).await.unwrap() },
                )
                .await;
                assert_eq!(n, 1);
            }
        };
        zip(echo, client).await;
    });
}

#[test]
fn a_broadcast_needs_leave() {
    on_each_backend(async || {
        let everywhere = UdpSocket::bind("0.0.0.0:0").await.unwrap();
        let port = everywhere.local_addr().unwrap().port();
        let all = (Ipv4Addr::new(127, 255, 255, 255), port);
        let (client, _) = socket().await;
        assert!(!client.broadcast().unwrap());
        match client.send_to(b"x", all).await {
            Err(error) if error.kind() == ErrorKind::PermissionDenied => {}
            other => return println!("skipped: there is nobody to broadcast to: {other:?}"),
        }
        client.set_broadcast(true).unwrap();
        assert!(client.broadcast().unwrap());
        client.send_to(b"hello all", all).await.unwrap();
        assert_eq!(everywhere.recv(&mut [0; 16]).await.unwrap(), 9);
    });
}

#[test]
fn the_members_of_a_group_get_what_is_sent_to_it_until_they_leave() {
    on_each_backend(async || {
        let group = Ipv4Addr::new(224, 0, 0, 250);
        let here = Ipv4Addr::LOCALHOST;
        let builder = UdpSocket::builder().reuse_addr(true);
        let one = builder.bind("0.0.0.0:0").await.unwrap();
        let addr = one.local_addr().unwrap();
        let other = builder.bind(addr).await.unwrap();
        let (sender, _) = socket().await;
        let join = one.join_multicast_v4(&group, &here);
        if let Err(error) = join.and_then(|()| sender.set_multicast_if_v4(&here)) {
            return println!("skipped: {error}");
        }
        other.join_multicast_v4(&group, &here).unwrap();
        assert!(one.join_multicast_v4(&group, &here).is_err(), "twice");
        assert!(one.join_multicast_v4(&here, &here).is_err(), "no group");
        if let Err(error) = sender.send_to(b"all", (group, addr.port())).await {
            return println!("skipped: {error}");
        }
        for member in [&one, &other] {
            assert_eq!(member.recv(&mut [0; 8]).await.unwrap(), 3);
        }
        one.leave_multicast_v4(&group, &here).unwrap();
        assert!(one.leave_multicast_v4(&group, &here).is_err(), "twice");

        sender.set_multicast_ttl_v4(3).unwrap();
        assert_eq!(sender.multicast_ttl_v4().unwrap(), 3);
        assert!(sender.multicast_loop_v4().unwrap());
        sender.set_multicast_loop_v4(false).unwrap();
        assert!(!sender.multicast_loop_v4().unwrap());
        sender.set_ttl(9).unwrap();
        assert_eq!(sender.ttl().unwrap(), 9);
    });
}

#[test]
fn ipv6_works_where_there_is_one() {
    on_each_backend(async || {
        let server = match UdpSocket::builder().only_v6(true).bind("[::1]:0").await {
            Ok(server) => server,
            Err(error) => return println!("skipped: {error}"),
        };
        let addr = server.local_addr().unwrap();
        let client = UdpSocket::bind("[::1]:0").await.unwrap();
        client.send_to(b"ping", addr).await.unwrap();
        let received = server.recv_msg(&mut [0; 8]).await.unwrap();
        assert_eq!(received.from, client.local_addr().unwrap());

        let group: Ipv6Addr = "ff01::1234".parse().unwrap();
        if let Err(error) = server.join_multicast_v6(&group, 1) {
            return println!("skipped: {error}");
        }
        server.leave_multicast_v6(&group, 1).unwrap();
        assert!(server.leave_multicast_v6(&group, 1).is_err(), "twice");
        server.set_multicast_if_v6(1).unwrap();
        server.set_multicast_loop_v6(false).unwrap();
        assert!(!server.multicast_loop_v6().unwrap());
    });
}

#[test]
fn sockets_share_a_port_when_all_of_them_say_so() {
    on_each_backend(async || {
        let builder = UdpSocket::builder().reuse_port(true);
        let one = builder.bind("127.0.0.1:0").await.unwrap();
        let addr = one.local_addr().unwrap();
        let other = builder.bind(addr).await.unwrap();
        assert_eq!(other.local_addr().unwrap(), addr);
        assert!(UdpSocket::bind(addr).await.is_err());
    });
}

#[test]
fn sockets_come_from_std_and_go_back_to_it_blocking() {
    on_each_backend(async || {
        let std = net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let addr = std.local_addr().unwrap();
        let server = UdpSocket::from_std(std).unwrap();
        let (client, here) = socket().await;
        for socket in [&server, &client] {
            let fd = socket.as_fd();
            assert!(fcntl_getfl(fd).unwrap().contains(OFlags::NONBLOCK));
            assert!(fcntl_getfd(fd).unwrap().contains(FdFlags::CLOEXEC));
        }
        assert!(
            poll_once(&mut pin!(server.recv(&mut [0; 8])))
                .await
                .is_none()
        );
        let std = server.into_std().unwrap();
        assert!(!fcntl_getfl(&std).unwrap().contains(OFlags::NONBLOCK));
        client.send_to(b"ping", addr).await.unwrap();
        assert_eq!(std.recv_from(&mut [0; 8]).unwrap(), (4, here));
        assert_eq!(selio::stats().sources, 1);
    });
}

#[test]
fn a_thousand_sockets_leave_nothing_behind() {
    on_each_backend(async || {
        let before = (loopback::alive(&selio::stats()), common::open_fds());
        for _ in 0..1000 {
            let (server, addr) = socket().await;
            assert!(
                poll_once(&mut pin!(server.recv(&mut [0; 8])))
                    .await
                    .is_none()
            );
            let (client, _) = socket().await;
            client.send_to(b"x", addr).await.unwrap();
        }
        let after = (loopback::alive(&selio::stats()), common::open_fds());
        assert_eq!(after, before);
    });
}

#[test]
fn bind_outside_of_a_runtime_says_what_to_do() {
    let _turn = common::turn(); // A backtrace opens files.
    let bind = std::panic::catch_unwind(|| {
        let mut bind = pin!(UdpSocket::bind("127.0.0.1:0"));
        futures_lite::future::block_on(futures_lite::future::poll_once(&mut bind)).is_some()
    });
    let panic = bind.unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(
        message.contains("UdpSocket::bind at tests/udp.rs"),
        "{message}"
    );
}
