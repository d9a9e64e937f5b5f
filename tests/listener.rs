//! Claims about a TCP listener: binding, accepting from many and by many, and going on when the
//! process has run out of something.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/loopback.rs"]
mod loopback;

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::io::{ErrorKind, Read, Write};
use std::net::{self, SocketAddr};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::pin::pin;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use common::open_fds;
use futures_lite::StreamExt;
use loopback::{
    alive, alone, assert_error, block_until, impatient, listen, on_each_backend, poll_once, reset,
    runtime, turns,
};
use rustix::event::PollFlags;
use selio::net::{TcpListener, TcpStream};
use selio::selector::Backend;
use selio::{sleep, spawn, stats};

#[test]
fn port_0_is_one_that_is_free() {
    on_each_backend(async || {
        let one = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let another = TcpListener::bind("localhost:0").await.unwrap();
        assert_ne!(one.local_addr().unwrap().port(), 0);
        assert_ne!(one.local_addr().unwrap(), another.local_addr().unwrap());
        assert!(format!("{one:?}").contains(&one.local_addr().unwrap().to_string()));
        assert_eq!(one.as_fd().as_raw_fd(), one.as_raw_fd());
        one.set_ttl(9).unwrap();
        assert_eq!(one.ttl().unwrap(), 9);
    });
}

#[test]
fn an_address_in_use_is_named() {
    on_each_backend(async || {
        let (_listener, addr) = listen().await;
        let parts: [&dyn std::fmt::Display; 2] = [&"TcpListener::bind", &addr];
        assert_error(TcpListener::bind(addr).await, ErrorKind::AddrInUse, &parts);
        assert_eq!(stats().sources, 1, "nothing is left of the failed one");

        let free: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let second = TcpListener::bind(&[addr, free][..]).await.unwrap();
        assert_ne!(second.local_addr().unwrap(), addr, "the next one is tried");
    });
}

#[test]
fn a_port_where_connections_linger_can_be_bound_again() {
    on_each_backend(async || {
        let (listener, addr) = listen().await;
        let client = TcpStream::connect(addr).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        drop(server); // Who closes first has the connection linger on its side.
        assert_eq!(client.read(&mut [0; 9]).await.unwrap(), 0);
        drop((client, listener));
        TcpListener::bind(addr).await.unwrap();
    });
}

/// Linux lets one more connection wait than it is told, and answers no further one.
#[cfg(target_os = "linux")]
#[test]
fn the_backlog_is_what_the_builder_says() {
    on_each_backend(async || {
        for (builder, has_room) in [
            (TcpListener::builder().backlog(1), false),
            (TcpListener::builder(), true),
        ] {
            let listener = builder.bind("127.0.0.1:0").await.unwrap();
            let addr = listener.local_addr().unwrap();
            let _one = TcpStream::connect(addr).await.unwrap();
            let _two = TcpStream::connect(addr).await.unwrap();
            let mut three = pin!(TcpStream::connect(addr));
            let mut is_connected = poll_once(&mut three).await.is_some();
            for _ in 0..20 {
                turns(1).await;
                is_connected = is_connected || poll_once(&mut three).await.is_some();
            }
            assert_eq!(is_connected, has_room);
        }
    });
}

#[test]
fn listeners_share_a_port_only_if_they_all_say_so() {
    on_each_backend(async || {
        let builder = TcpListener::builder().reuse_port(true);
        let one = builder.bind("127.0.0.1:0").await.unwrap();
        let addr = one.local_addr().unwrap();
        let another = builder.bind(addr).await.unwrap();
        let third = TcpListener::bind(addr).await;
        assert_error(third, ErrorKind::AddrInUse, &[&addr]);

        let clients: Vec<_> = (0..64)
            .map(|_| net::TcpStream::connect(addr).unwrap())
            .collect();
        let accepted = Rc::new(RefCell::new(HashSet::new()));
        for listener in [one, another] {
            let accepted = Rc::clone(&accepted);
            spawn(async move {
                loop {
                    let (_, peer) = listener.accept().await.unwrap();
                    assert!(accepted.borrow_mut().insert(peer));
                }
            });
        }
        let peers: HashSet<_> = clients.iter().map(|it| it.local_addr().unwrap()).collect();
        while accepted.borrow().len() < peers.len() {
            turns(1).await;
        }
        assert_eq!(*accepted.borrow(), peers);
    });
}

#[test]
fn of_several_tasks_one_accepts_each_connection() {
    on_each_backend(async || {
        let (listener, addr) = listen().await;
        let listener = Rc::new(listener);
        let accepted = Rc::new(RefCell::new(Vec::new()));
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let (listener, accepted) = (Rc::clone(&listener), Rc::clone(&accepted));
                spawn(async move {
                    loop {
                        let (_, peer) = listener.accept().await.unwrap();
                        accepted.borrow_mut().push(peer);
                    }
                })
            })
            .collect();
        let mut peers = HashSet::new();
        for _ in 0..300 {
            let client = TcpStream::connect(addr).await.unwrap();
            peers.insert(client.local_addr().unwrap());
            while accepted.borrow().len() < peers.len() {
                turns(1).await;
            }
        }
        tasks.iter().for_each(selio::JoinHandle::cancel);
        assert_eq!(accepted.borrow().len(), 300);
        assert_eq!(accepted.take().into_iter().collect::<HashSet<_>>(), peers);
    });
}

#[test]
fn incoming_is_the_stream_of_connections() {
    on_each_backend(async || {
        let (listener, addr) = listen().await;
        let clients: Vec<_> = (0..3)
            .map(|_| net::TcpStream::connect(addr).unwrap())
            .collect();
        let mut incoming = listener.incoming();
        for client in &clients {
            let server = incoming.next().await.unwrap().unwrap();
            assert_eq!(server.peer_addr().unwrap(), client.local_addr().unwrap());
        }
        assert!(poll_once(&mut incoming.next()).await.is_none());
        // A stream that waits is woken, and one that is dropped loses nothing.
        let client = net::TcpStream::connect(addr).unwrap();
        drop(incoming);
        let (_, peer) = listener.accept().await.unwrap();
        assert_eq!(peer, client.local_addr().unwrap());
    });
}

#[test]
fn a_listener_goes_to_std_and_back() {
    on_each_backend(async || {
        let listener = net::TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = listener.local_addr().unwrap();
        let listener = TcpListener::from_std(listener).unwrap();
        {
            let mut accept = pin!(listener.accept());
            assert!(poll_once(&mut accept).await.is_none(), "it does not block");
            let _client = net::TcpStream::connect(addr).unwrap();
            accept.await.unwrap();
        }
        let listener = listener.into_std().unwrap();
        assert_eq!(stats().sources, 0);
        let flags = rustix::fs::fcntl_getfl(&listener).unwrap();
        assert!(!flags.contains(rustix::fs::OFlags::NONBLOCK));

        let listener = OwnedFd::from(TcpListener::from_std(listener).unwrap());
        let flags = rustix::fs::fcntl_getfl(&listener).unwrap();
        assert!(flags.contains(rustix::fs::OFlags::NONBLOCK), "as it was");
    });
}

#[test]
fn a_listener_that_is_dropped_refuses() {
    on_each_backend(async || {
        let (listener, addr) = listen().await;
        assert!(poll_once(&mut pin!(listener.accept())).await.is_none());
        drop(listener);
        assert_eq!(stats().sources, 0);
        let connect = TcpStream::connect(addr).await;
        assert_error(connect, ErrorKind::ConnectionRefused, &[&addr]);
    });
}

/// monoio#318: a cancelled accept must not swallow the connection that it was about to return.
#[test]
fn cancelled_accepts_lose_no_connection() {
    const CLIENTS: usize = 200;
    on_each_backend(async || {
        let (listener, addr) = listen().await;
        let clients = thread::spawn(move || {
            let connect = |_| net::TcpStream::connect(addr).unwrap();
            (0..CLIENTS).map(connect).collect::<Vec<_>>()
        });
        let (mut accepted, mut cancelled) = (Vec::new(), 0);
        while accepted.len() < CLIENTS || cancelled < 1000 {
            // It is dropped before its first poll, after it, or when it was woken already.
            let mut accept = pin!(listener.accept());
            let polls = cancelled % 3;
            let mut result = None;
            for _ in 0..polls {
                result = poll_once(&mut accept).await;
                if result.is_some() {
                    break;
                }
                turns(1).await;
            }
            match result {
                Some(connection) => accepted.push(connection.unwrap().1),
                None => cancelled += 1,
            }
        }
        let clients = clients.join().unwrap();
        let clients: HashSet<_> = clients.iter().map(|it| it.local_addr().unwrap()).collect();
        assert_eq!(accepted.len(), CLIENTS);
        assert_eq!(accepted.into_iter().collect::<HashSet<_>>(), clients);
        assert_eq!(alive(&stats()), (0, 1, 0));
    });
}

/// uvloop#645, #738: a cancelled connect that closes its socket twice closes somebody else's.
#[test]
fn cancelled_connects_leave_nothing_and_close_nothing_else() {
    on_each_backend(async || {
        let builder = TcpListener::builder().backlog(4096);
        let listener = builder.bind("127.0.0.1:0").await.unwrap();
        let addr = listener.local_addr().unwrap();
        let before = open_fds();
        for round in 0..1000 {
            let mut connect = pin!(TcpStream::connect(addr));
            if round % 2 == 0 {
                drop(poll_once(&mut connect).await);
            } else if poll_once(&mut connect).await.is_none() {
                turns(1).await;
            }
            let (mut canary, bird) = std::io::pipe().unwrap();
            (&bird).write_all(b"x").unwrap();
            assert_eq!(canary.read(&mut [0; 2]).unwrap(), 1);
        }
        assert_eq!(open_fds(), before);
        assert_eq!(alive(&stats()), (0, 1, 0));
    });
}

/// libuv#690, cpython#151615: without a pause this is a spin that fills the log.
#[test]
fn running_out_of_files_slows_accepting_and_nothing_else() {
    const CLIENTS: usize = 40;
    const STARVED: Duration = Duration::from_millis(900);
    alone(
        "running_out_of_files_slows_accepting_and_nothing_else",
        || on_each_backend(starve_and_feed),
    );

    async fn starve_and_feed() {
        let (listener, addr) = listen().await;
        let friend = impatient(net::TcpStream::connect(addr).unwrap());
        spawn(loopback::echo(listener.accept().await.unwrap().0));
        loopback::ask(&friend, b"warm up").await;

        let clients: Vec<_> = (0..CLIENTS)
            .map(|_| impatient(net::TcpStream::connect(addr).unwrap()))
            .collect();
        let next = friend.try_clone().unwrap().as_raw_fd() as usize;
        loopback::lower_file_limit(next + 5);

        let errors = Rc::new(Cell::new(0));
        let accepted = Rc::new(Cell::new(0));
        let (refused, served) = (Rc::clone(&errors), Rc::clone(&accepted));
        spawn(async move {
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => {
                        served.set(served.get() + 1);
                        spawn(loopback::echo(stream));
                    }
                    Err(error) => {
                        let number = rustix::io::Errno::MFILE.raw_os_error();
                        assert_eq!(error.raw_os_error(), Some(number), "{error}");
                        refused.set(refused.get() + 1);
                    }
                }
            }
        });
        let (start, busy, before) = (Instant::now(), loopback::thread_time(), stats());
        while start.elapsed() < STARVED {
            sleep(Duration::from_millis(50)).await;
            loopback::ask(&friend, b"still here").await;
        }
        let (busy, after) = (loopback::thread_time() - busy, stats());
        assert_eq!(accepted.get(), 5, "as many as there was room for");
        assert!((1..=6).contains(&errors.get()), "{} errors", errors.get());
        assert!(busy < STARVED / 10, "{busy:?} of {STARVED:?}");
        assert!(after.selects - before.selects < 200, "{before:?} {after:?}");

        loopback::raise_file_limit();
        for client in &clients {
            loopback::ask(client, b"at last").await;
        }
        assert_eq!(accepted.get(), CLIENTS);
        let late = impatient(net::TcpStream::connect(addr).unwrap());
        loopback::ask(&late, b"and a new one").await;
    }
}

/// accept(2): a connection that is gone before it is accepted is not an error of the listener.
#[test]
fn clients_that_reset_before_they_are_accepted_do_no_harm() {
    on_each_backend(async || {
        let (listener, addr) = listen().await;
        for _ in 0..20 {
            for _ in 0..50 {
                reset(net::TcpStream::connect(addr).unwrap());
            }
            let client = net::TcpStream::connect(addr).unwrap();
            let (mut resets, wanted) = (0, client.local_addr().unwrap());
            loop {
                let (server, peer) = listener.accept().await.unwrap();
                if peer == wanted {
                    client.shutdown(net::Shutdown::Write).unwrap();
                    assert_eq!(server.read(&mut [0; 9]).await.unwrap(), 0);
                    break;
                }
                resets += 1;
                let read = server.read(&mut [0; 9]).await;
                assert_error(read, ErrorKind::ConnectionReset, &[]);
            }
            assert!(resets <= 50);
        }
        assert_eq!(stats().sources, 1);
    });
}

/// libuv#3696: whoever accepts until nobody is left lets those who are connected wait.
#[test]
fn a_burst_of_connections_does_not_starve_those_who_are_there() {
    common::each_backend(|backend| {
        // select(2) has room for numbers below 1,024.
        let clients = if backend == Backend::Select {
            400
        } else {
            2000
        };
        loopback::raise_file_limit();
        runtime(backend).block_on(async {
            let builder = TcpListener::builder().backlog(4096);
            let listener = builder.bind("127.0.0.1:0").await.unwrap();
            let addr = listener.local_addr().unwrap();
            let mut friend = net::TcpStream::connect(addr).unwrap();
            let (server, _) = listener.accept().await.unwrap();

            let accepted = Rc::new(Cell::new(0));
            let count = Rc::clone(&accepted);
            let served = spawn(async move {
                server.readable().await.unwrap();
                count.get()
            });
            turns(2).await;
            let burst: Vec<_> = (0..clients)
                .map(|_| net::TcpStream::connect(addr).unwrap())
                .collect();
            friend.write_all(b"x").unwrap();
            let count = Rc::clone(&accepted);
            spawn(async move {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    spawn(loopback::echo(stream));
                    count.set(count.get() + 1);
                }
            });
            let before = served.await.unwrap();
            assert!(before <= 512, "{before} were accepted before it was served");
            while accepted.get() < burst.len() {
                turns(1).await;
            }
        });
    });
}

#[test]
fn accepting_goes_on_after_each_kind_of_peer() {
    on_each_backend(async || {
        let (listener, addr) = listen().await;
        for round in 0..30 {
            let client = net::TcpStream::connect(addr).unwrap();
            let (server, _) = listener.accept().await.unwrap();
            match round % 3 {
                0 => drop(client),
                1 => reset(client),
                _ => client.shutdown(net::Shutdown::Both).unwrap(),
            }
            block_until(&server, PollFlags::IN);
            drop(server.read(&mut [0; 9]).await);
        }
        assert_eq!(alive(&stats()), (0, 1, 0));
    });
}
