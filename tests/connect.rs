//! Happy Eyeballs: `TcpStream::connect` with several addresses, of which some keep silent.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/dropping.rs"]
mod dropping;
#[path = "common/loopback.rs"]
mod loopback;

use std::error::Error;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::pin::pin;
use std::time::{Duration, Instant};

use selio::net::TcpStream;
use selio::{stats, timeout};

use crate::common::open_fds;
use crate::dropping::drop_at_each_pending;
use crate::loopback::beside_others::on_each_backend;
use crate::loopback::{alive, listen, on_all_backends, poll_once, refusing, turns};

/// The head start of each attempt.
const HEAD_START: Duration = Duration::from_millis(250);

/// A listener whose queue is full, so that its system leaves further connections without an answer,
/// until this is dropped.
struct Silent {
    addr: SocketAddr,
    _listener: OwnedFd,
    _queued: Vec<OwnedFd>,
}

impl Silent {
    fn new() -> Self {
        use rustix::net::{AddressFamily, SocketType, bind, connect, getsockname, listen, socket};
        let socket = || socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
        let listener = socket();
        bind(&listener, &SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
        listen(&listener, 0).unwrap();
        let addr: SocketAddr = getsockname(&listener).unwrap().try_into().unwrap();
        // Those that do not get an answer at once never get one.
        let queued = (0..4).map(|_| {
            let socket = socket();
            rustix::io::ioctl_fionbio(&socket, true).unwrap();
            let _ = connect(&socket, &addr);
            socket
        });
        Self {
            addr,
            _queued: queued.collect(),
            _listener: listener,
        }
    }
}

#[test]
fn a_silent_address_costs_the_head_start_only() {
    on_all_backends(async || {
        let (silent, (listener, addr)) = (Silent::new(), listen().await);
        let before = (alive(&stats()), stats());
        let start = Instant::now();
        let client = TcpStream::connect(&[silent.addr, addr][..]).await.unwrap();
        let time = start.elapsed();
        assert!(time >= HEAD_START, "after {time:?}");
        // An hour would be too long, and so is the minute or two until TCP gives up.
        assert!(time < Duration::from_secs(20), "after {time:?}");
        assert_eq!(client.peer_addr().unwrap(), addr);
        let (_server, peer) = listener.accept().await.unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
        // Of the other attempt and the timer, nothing is left.
        let (tasks, sources, timers) = before.0;
        assert_eq!(alive(&stats()), (tasks, sources + 2, timers));
    });
}

#[test]
fn several_silent_ones_have_a_head_start_each() {
    on_all_backends(async || {
        let silent = [Silent::new(), Silent::new(), Silent::new()];
        let (_listener, addr) = listen().await;
        let [a, b, c] = silent.each_ref().map(|silent| silent.addr);
        let start = Instant::now();
        TcpStream::connect(&[a, b, c, addr][..]).await.unwrap();
        assert!(start.elapsed() >= 3 * HEAD_START);
    });
}

#[test]
fn one_that_is_refused_makes_way_at_once() {
    on_each_backend(async || {
        let (_socket, refusing) = refusing();
        let (_listener, addr) = listen().await;
        let mut addrs = vec![refusing; 40];
        addrs.push(addr);
        let start = Instant::now();
        let client = TcpStream::connect(&addrs[..]).await.unwrap();
        assert!(start.elapsed() < 40 * HEAD_START);
        assert_eq!(client.peer_addr().unwrap(), addr);
        assert_eq!(stats().timers, 0);
    });
}

#[test]
fn the_first_to_answer_wins_even_if_it_began_earlier() {
    on_all_backends(async || {
        let (silent, another) = (Silent::new(), Silent::new());
        let addrs = [silent.addr, another.addr];
        let mut connect = pin!(TcpStream::connect(&addrs[..]));
        // Both attempts are on their way.
        assert!(timeout(2 * HEAD_START, &mut connect).await.is_err());
        // Now the first one gets an answer, when TCP asks again.
        let Silent {
            addr,
            _listener: listener,
            _queued: queued,
        } = silent;
        let listener = std::net::TcpListener::from(listener);
        drop(queued);
        listener.set_nonblocking(true).unwrap();
        while listener.accept().is_ok() {}
        let client = connect.await.unwrap();
        assert_eq!(client.peer_addr().unwrap(), addr);
    });
}

#[test]
fn the_end_of_the_last_head_start_does_not_give_up_on_the_others() {
    on_all_backends(async || {
        let (silent, (_socket, refusing)) = (Silent::new(), refusing());
        let addrs = [silent.addr, refusing];
        let mut connect = pin!(TcpStream::connect(&addrs[..]));
        let patience = 3 * HEAD_START;
        assert!(
            timeout(patience, &mut connect).await.is_err(),
            "one is on its way"
        );
    });
}

#[test]
fn the_last_attempt_sets_no_timer() {
    on_each_backend(async || {
        let ((_socket, refusing), silent) = (refusing(), Silent::new());
        let addrs = [refusing, silent.addr];
        let mut connect = pin!(TcpStream::connect(&addrs[..]));
        for _ in 0..3 {
            assert!(poll_once(&mut connect).await.is_none());
            turns(1).await; // The refusal may take its time.
        }
        assert_eq!(stats().timers, 0, "there is nothing more to begin");
    });
}

#[test]
fn if_nobody_answers_the_error_names_them_all() {
    on_each_backend(async || {
        let (one, another) = (refusing(), refusing());
        let addrs = [one.1, another.1];
        let error = TcpStream::connect(&addrs[..]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        let cause = error.source().unwrap();
        let errno = cause.downcast_ref::<io::Error>().unwrap().raw_os_error();
        assert_eq!(errno, Some(rustix::io::Errno::CONNREFUSED.raw_os_error()));
        assert_eq!(
            error.to_string(),
            format!(
                "TcpStream::connect {}: {cause}; {}: {cause}",
                addrs[0], addrs[1]
            )
        );
    });
}

#[test]
fn one_that_is_given_up_at_any_time_leaves_nothing() {
    on_all_backends(async || {
        let silent = [Silent::new(), Silent::new()];
        let addrs = silent.each_ref().map(|silent| silent.addr);
        let before = alive(&stats());
        for patience in [0, 1, 100, 400] {
            let connect = TcpStream::connect(&addrs[..]);
            assert!(
                timeout(Duration::from_millis(patience), connect)
                    .await
                    .is_err()
            );
            assert_eq!(alive(&stats()), before);
        }
    });
}

#[test]
fn ten_thousand_that_are_given_up_leave_no_handle() {
    loopback::on_each_backend(async || {
        let silent = [Silent::new(), Silent::new()];
        let addrs = silent.each_ref().map(|silent| silent.addr);
        let before = (open_fds(), alive(&stats()));
        for _ in 0..2_500 {
            assert!(
                poll_once(&mut pin!(TcpStream::connect(&addrs[..])))
                    .await
                    .is_none()
            );
        }
        assert_eq!((open_fds(), alive(&stats())), before);
    });
}

#[test]
fn a_single_address_sets_no_timer() {
    on_each_backend(async || {
        let silent = Silent::new();
        let mut connect = pin!(TcpStream::connect(silent.addr));
        assert!(poll_once(&mut connect).await.is_none());
        assert_eq!(stats().timers, 0);
    });
}

#[test]
fn dropped_at_any_time_it_leaves_no_handle() {
    loopback::on_each_backend(async || {
        let pendings = drop_at_each_pending(
            async || {
                let before = open_fds();
                (before, Silent::new(), listen().await)
            },
            async |(_, silent, (_, addr))| {
                TcpStream::connect(&[silent.addr, *addr][..]).await.unwrap();
            },
            async |(before, silent, listener), _| {
                drop((silent, listener));
                assert_eq!(open_fds(), before);
            },
        );
        assert!(pendings.await >= 1);
    });
}
