//! Claims about what goes wrong on a network: resets, hang-ups, half-closed connections, slow
//! peers, numbers that come back as other files, signals. What must not happen is always one of
//! three: a spin, a lost byte, a wait without an end.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/loopback.rs"]
mod loopback;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{self, Shutdown};
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::process::Stdio;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use common::beside_others::each_backend;
use common::{Random, child, is_child, open_fds};
use futures_lite::AsyncRead;
use futures_lite::future::zip;
use loopback::beside_others::on_each_backend;
use loopback::{
    Killed, alive, fill, half_std_pair, impatient, listen, on_all_backends, pair, poll_once,
    random_bytes, read_to_end, reset, runtime, thread_time, turns,
};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use selio::net::TcpStream;
use selio::selector::Backend;
use selio::{Direction, Source, sleep, spawn, stats};

/// Asserts that the loop sleeps: for a second and a half it uses less than 5% of a processor and
/// asks its selector next to nothing.
async fn assert_quiet() {
    const WHILE: Duration = Duration::from_millis(1500);
    let (before, busy) = (stats(), thread_time());
    sleep(WHILE).await;
    let (after, busy) = (stats(), thread_time() - busy);
    assert!(busy < WHILE / 20, "{busy:?} of {WHILE:?}");
    let what = format!("{before:?}\n{after:?}");
    assert!(after.selects - before.selects <= 20, "{what}");
    assert!(after.polls - before.polls <= 20, "{what}");
}

/// Somebody waited for this direction and does so no longer: the selector still watches it.
async fn leave_armed(stream: &TcpStream, direction: Direction) {
    match direction {
        Direction::Read => assert!(poll_once(&mut pin!(stream.read(&mut [0]))).await.is_none()),
        Direction::Write => {
            while poll_once(&mut pin!(stream.write(&[b'x'; 64 * 1024])))
                .await
                .is_some()
            {}
        }
    }
}

#[test]
fn an_idle_loop_sleeps() {
    on_all_backends(async || {
        let (listener, _) = listen().await;
        spawn(async move { listener.accept().await.map(drop) });
        let (_client, server) = pair().await;
        spawn(loopback::echo(server));
        assert_quiet().await;
    });
}

/// seastar#1945, #3204, libuv#2162, curio#313: an error cannot be masked, so who ignores it spins.
#[test]
fn a_reset_that_nobody_reads_costs_nothing() {
    on_all_backends(async || {
        let (never, one) = pair().await;
        let (once_read, two) = pair().await;
        let (once_written, three) = pair().await;
        let (both, four) = pair().await;
        leave_armed(&once_read, Direction::Read).await;
        leave_armed(&once_written, Direction::Write).await;
        leave_armed(&both, Direction::Write).await;
        leave_armed(&both, Direction::Read).await;
        [one, two, three, four].into_iter().for_each(reset);
        assert_quiet().await;
        for stream in [never, once_read, once_written, both] {
            let error = stream.read(&mut [0; 9]).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionReset, "it is not lost");
        }
    });
}

#[test]
fn a_hang_up_without_a_reader_costs_nothing() {
    on_all_backends(async || {
        let (once_read, one) = pair().await;
        let (both, two) = pair().await;
        leave_armed(&once_read, Direction::Read).await;
        leave_armed(&both, Direction::Read).await;
        both.shutdown(Shutdown::Write).unwrap();
        two.shutdown(Shutdown::Write).unwrap();
        drop(one);
        let (reader, writer) = io::pipe().unwrap();
        let reader = Source::new(reader).unwrap();
        assert!(poll_once(&mut pin!(reader.readable())).await.is_none());
        drop(writer);
        assert_quiet().await;
        assert_eq!(once_read.read(&mut [0; 9]).await.unwrap(), 0);
        assert_eq!(both.read(&mut [0; 9]).await.unwrap(), 0);
        reader.readable().await.unwrap();
    });
}

#[test]
fn bytes_that_nobody_reads_cost_nothing_and_stay() {
    on_all_backends(async || {
        let (client, server) = pair().await;
        leave_armed(&server, Direction::Read).await;
        let sent = fill(&client);
        assert_quiet().await;
        assert!(stats().disarms <= 2, "{:?}", stats());
        drop(client);
        assert_eq!(read_to_end(&server).await.unwrap().len(), sent);
    });
}

/// mio#933, mio#939, tokio#449: a half-closed connection taken for a full hang-up.
#[test]
fn a_writer_that_waits_does_not_spin_when_the_peer_half_closes() {
    on_all_backends(async || {
        let (client, server) = pair().await;
        let (fresh_client, fresh_server) = pair().await;
        leave_armed(&client, Direction::Read).await;
        let sent = fill(&client);
        let fresh_sent = fill(&fresh_client);
        // More than any buffer that grows meanwhile.
        const REST: usize = 16 << 20;
        let writer = spawn(async move { client.write_all(&vec![b'x'; REST]).await });
        let fresh_writer = spawn(async move { fresh_client.write_all(&vec![b'x'; REST]).await });
        turns(1).await;
        server.shutdown(Shutdown::Write).unwrap();
        fresh_server.shutdown(Shutdown::Write).unwrap();
        assert_quiet().await;
        assert!(!writer.is_finished() && !fresh_writer.is_finished());
        for (server, sent) in [(server, sent), (fresh_server, fresh_sent)] {
            assert_eq!(read_to_end(&server).await.unwrap().len(), sent + REST);
        }
        writer.await.unwrap().unwrap();
        fresh_writer.await.unwrap().unwrap();
    });
}

#[test]
fn each_direction_lives_on_when_the_other_is_closed() {
    on_each_backend(async || {
        let bytes = random_bytes(&mut Random::from_environment(), 1 << 20);
        for client_first in [true, false] {
            let (client, server) = pair().await;
            let (one, other) = if client_first {
                (client, server)
            } else {
                (server, client)
            };
            one.shutdown(Shutdown::Write).unwrap();
            assert_eq!(other.read(&mut [0; 9]).await.unwrap(), 0);
            let send = async {
                other.write_all(&bytes).await.unwrap();
                other.shutdown(Shutdown::Write).unwrap();
            };
            let (received, ()) = zip(read_to_end(&one), send).await;
            assert!(received.unwrap() == bytes, "the bytes differ");
        }
    });
}

#[test]
fn nothing_is_lost_to_a_peer_that_reads_slowly() {
    on_each_backend(async || {
        let mut random = Random::from_environment();
        let sent = random_bytes(&mut random, 10 << 20);
        let (mut client, server) = half_std_pair().await;
        let reader = thread::spawn(move || {
            let (mut all, mut buffer) = (Vec::new(), [0; 8000]);
            loop {
                let most = 1 + random.below(buffer.len());
                match client.read(&mut buffer[..most]).unwrap() {
                    0 => return all,
                    n => all.extend_from_slice(&buffer[..n]),
                }
            }
        });
        server.write_all(&sent).await.unwrap();
        drop(server);
        assert!(reader.join().unwrap() == sent, "the bytes differ");
    });
}

/// tokio#5866: a short read that was taken for "empty", though the buffer was.
#[test]
fn small_reads_get_every_byte_of_a_large_write() {
    on_each_backend(async || {
        let sent = random_bytes(&mut Random::from_environment(), 1 << 20);
        let (client, server) = pair().await;
        let send = async {
            client.write_all(&sent).await.unwrap();
            client.shutdown(Shutdown::Write).unwrap();
        };
        let receive = async {
            let (mut all, mut buffer) = (Vec::new(), [0; 10]);
            while let n @ 1.. = server.read(&mut buffer).await.unwrap() {
                all.extend_from_slice(&buffer[..n]);
            }
            all
        };
        assert!(zip(send, receive).await.1 == sent, "the bytes differ");
    });
}

/// netty#4317, libuv#4992: the last bytes come together with the end.
#[test]
fn the_last_bytes_are_read_before_the_end() {
    const TIMES: u32 = 2500; // on each backend
    on_each_backend(async || {
        let (listener, addr) = listen().await;
        let clients = thread::spawn(move || {
            for i in 0..TIMES {
                let mut client = net::TcpStream::connect(addr).unwrap();
                // The bytes wait for the close, and so leave in the same segment as the end.
                #[cfg(target_os = "linux")]
                rustix::net::sockopt::set_tcp_cork(&client, true).unwrap();
                client.write_all(&i.to_ne_bytes()).unwrap();
            }
        });
        for i in 0..TIMES {
            let (server, _) = listener.accept().await.unwrap();
            if i % 3 == 0 {
                server.readable().await.unwrap();
            }
            assert_eq!(read_to_end(&server).await.unwrap(), i.to_ne_bytes());
        }
        clients.join().unwrap();
    });
}

/// smol@2ff45ec: the event of one direction must not disarm the other.
#[test]
fn a_reader_and_a_writer_of_one_socket_are_woken_each_for_its_own() {
    on_each_backend(async || {
        let (client, server) = pair().await;
        let sent = Rc::new(Cell::new(fill(&client)));
        let reads = Rc::new(Cell::new(0));
        let client = Rc::new(client);
        let (stream, count) = (Rc::clone(&client), Rc::clone(&reads));
        let reader = spawn(async move {
            while stream.read(&mut [0; 9]).await.unwrap() > 0 {
                count.set(count.get() + 1);
            }
        });
        let (stream, count) = (client, Rc::clone(&sent));
        spawn(async move {
            loop {
                let n = stream.write(&[b'x'; 64 * 1024]).await.unwrap();
                count.set(count.get() + n);
            }
        });
        let (mut received, mut buffer) = (0, vec![0; 64 * 1024]);
        for round in 1..=20 {
            turns(3).await; // Both are blocked now.
            server.write_all(b"for the reader").await.unwrap();
            while reads.get() < 2 * round {
                turns(1).await;
            }
            let before = sent.get();
            while sent.get() == before {
                received += server.read(&mut buffer).await.unwrap();
                assert!(received <= sent.get());
                turns(1).await;
            }
        }
        server.shutdown(Shutdown::Write).unwrap();
        reader.await.unwrap();
    });
}

/// libuv test watcher_cross_stop: all have an event in the same batch, and the first closes the rest.
#[test]
fn a_task_may_drop_the_sockets_of_others_that_are_ready_too() {
    on_each_backend(async || {
        let mut clients = Vec::new();
        let tasks = Rc::new(RefCell::new(Vec::new()));
        let served = Rc::new(Cell::new(0));
        for _ in 0..200 {
            let (client, server) = half_std_pair().await;
            clients.push(client);
            let (others, count) = (Rc::downgrade(&tasks), Rc::clone(&served));
            tasks.borrow_mut().push(spawn(async move {
                server.readable().await.unwrap();
                count.set(count.get() + 1);
                let others: Vec<selio::JoinHandle<()>> = others.upgrade().unwrap().take();
                others.iter().for_each(selio::JoinHandle::cancel);
            }));
        }
        turns(2).await;
        for mut client in &clients {
            client.write_all(b"x").unwrap();
        }
        turns(5).await;
        assert_eq!(served.get(), 1);
        assert_eq!(alive(&stats()), (0, 0, 0));
    });
}

/// golang/go#59545, libuv#826: the number comes back as another file, before its old event does.
#[test]
fn no_event_reaches_the_next_owner_of_a_number() {
    loopback::on_each_backend(async || {
        let mut random = Random::from_environment();
        let served = Rc::new(Cell::new(0));
        let mut owners = Vec::new();
        let make = |generation: u64| {
            let (ours, theirs) = UnixStream::pair().unwrap();
            let (ours, served) = (Source::new(ours).unwrap(), Rc::clone(&served));
            let task = spawn(async move {
                loop {
                    ours.readable().await.unwrap();
                    let mut buffer = [0; 8];
                    // Who was woken for somebody else finds nothing here.
                    let n = ours.get_ref().read(&mut buffer).unwrap();
                    assert_eq!((n, u64::from_ne_bytes(buffer)), (8, generation));
                    served.set(served.get() + 1);
                }
            });
            (generation, theirs, task)
        };
        let mut generation = 0;
        for _ in 0..32 {
            generation += 1;
            owners.push(make(generation));
        }
        for _ in 0..1500 {
            turns(1).await;
            // Events for many are on their way when their numbers change hands.
            for (generation, theirs, _) in &mut owners {
                if random.below(2) == 0 {
                    theirs.write_all(&generation.to_ne_bytes()).unwrap();
                }
            }
            for _ in 0..random.below(8) {
                let at = random.below(owners.len());
                owners[at].2.cancel();
                generation += 1;
                owners[at] = make(generation);
            }
        }
        turns(3).await;
        assert!(served.get() > 10_000, "{}", served.get());
        for (generation, theirs, task) in &mut owners {
            assert!(!task.is_finished(), "the owner {generation} has failed");
            theirs.write_all(&generation.to_ne_bytes()).unwrap();
        }
        turns(3).await;
        assert_eq!(stats().sources, 32);
    });
}

thread_local! {
    /// What the evil waker has at hand.
    static VICTIMS: RefCell<Vec<Source<UnixStream>>> = const { RefCell::new(Vec::new()) };
}

/// Comes back into the reactor from inside of it: drops sources, makes one, and waits for it.
struct Evil;

impl Wake for Evil {
    fn wake(self: Arc<Self>) {
        VICTIMS.take();
        let source = Source::new(UnixStream::pair().unwrap().0).unwrap();
        let mut cx = Context::from_waker(Waker::noop());
        let _ = source.poll_io(&mut cx, Direction::Read, |mut io| io.read(&mut [0; 9]));
        spawn(async {});
        VICTIMS.with_borrow_mut(|victims| victims.push(source));
    }
}

/// tokio tests/io_driver.rs test_drop_on_notify: the reactor may hold no borrow while it wakes.
#[test]
fn a_waker_may_drop_and_make_sources() {
    on_each_backend(async || {
        let evil = Waker::from(Arc::new(Evil));
        let mut peers = Vec::new();
        for _ in 0..10 {
            let (ours, theirs) = UnixStream::pair().unwrap();
            let ours = Source::new(ours).unwrap();
            let mut cx = Context::from_waker(&evil);
            let read = ours.poll_io(&mut cx, Direction::Read, |mut io| io.read(&mut [0; 9]));
            assert!(read.is_pending());
            peers.push(theirs);
            VICTIMS.with_borrow_mut(|victims| victims.push(ours));
        }
        for mut peer in &peers {
            peer.write_all(b"x").unwrap();
        }
        turns(5).await;
        assert_eq!(stats().sources, 1, "the one that the last waker has made");
        VICTIMS.take();
        assert_eq!(stats().sources, 0);
    });
}

/// A storm of resets at random points shows nothing but the errors that belong to it.
#[test]
fn resets_at_any_point_end_one_connection_only() {
    on_each_backend(async || {
        let (listener, addr) = listen().await;
        let mut random = Random::from_environment();
        let clients = thread::spawn(move || {
            for _ in 0..500 {
                let mut client = net::TcpStream::connect(addr).unwrap();
                let point = random.below(5);
                if point > 0 {
                    client.write_all(&[b'x'; 3000]).unwrap();
                }
                if point > 1 {
                    client.read_exact(&mut vec![0; random.below(3000)]).unwrap();
                }
                if point > 2 {
                    client.shutdown(Shutdown::Write).unwrap();
                }
                match point {
                    4 => drop(client),
                    _ => reset(client),
                }
            }
        });
        let mut handlers = Vec::new();
        for _ in 0..500 {
            let (server, _) = listener.accept().await.unwrap();
            handlers.push(spawn(loopback::echo(server)));
        }
        for handler in handlers {
            if let Err(error) = handler.await.unwrap() {
                let expected = [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe];
                assert!(expected.contains(&error.kind()), "{error}");
            }
        }
        clients.join().unwrap();
        assert_eq!(alive(&stats()), (0, 1, 0));
    });
}

/// Half of them end by the client, a quarter by the server, a quarter by a reset.
#[test]
fn connections_that_come_and_go_leave_nothing() {
    loopback::on_each_backend(async || {
        let (listener, addr) = listen().await;
        let before = open_fds();
        for round in 0..2000 {
            let client = TcpStream::connect(addr).await.unwrap();
            let (server, _) = listener.accept().await.unwrap();
            client.write_all(b"x").await.unwrap();
            assert_eq!(server.read(&mut [0; 9]).await.unwrap(), 1);
            let (first, second, is_reset) = match round % 4 {
                0 | 1 => (client, server, false),
                2 => (server, client, false),
                _ => (client, server, true),
            };
            if is_reset {
                reset(first);
                assert!(second.read(&mut [0; 9]).await.is_err());
            } else {
                drop(first);
                assert_eq!(second.read(&mut [0; 9]).await.unwrap(), 0);
            }
        }
        assert_eq!(open_fds(), before);
        assert_eq!(alive(&stats()), (0, 1, 0));
    });
}

/// The lazy registration of `reactor/mod.rs`, in figures.
#[test]
fn an_echo_connection_arms_once_for_its_life() {
    const MESSAGES: u64 = 10_000;
    on_each_backend(async || {
        let (client, server) = half_std_pair().await;
        let client = impatient(client);
        let before = stats();
        let pings = thread::spawn(move || {
            for _ in 0..MESSAGES {
                loopback::ping(&client, b"ping").unwrap();
            }
        });
        loopback::echo(server).await.unwrap();
        let after = stats();
        pings.join().unwrap();
        let what = format!("{before:?}\n{after:?}");
        assert_eq!(after.arms - before.arms, 1, "{what}");
        assert_eq!(after.disarms - before.disarms, 0, "{what}");
        // One for each message, and one for the end.
        assert!(after.selects - before.selects <= MESSAGES + 5, "{what}");
        assert!(after.events - before.events <= MESSAGES + 5, "{what}");
    });
}

#[test]
fn wakers_of_sockets_may_outlive_their_runtime_on_other_threads() {
    each_backend(|backend| {
        let home = runtime(backend);
        let wakers = home.block_on(async {
            let (_client, server) = pair().await;
            let wakers = Rc::new(RefCell::new(Vec::new()));
            let kept = Rc::clone(&wakers);
            spawn(poll_fn(move |cx| {
                kept.borrow_mut().push(cx.waker().clone());
                let mut stream = &server;
                let read = std::pin::Pin::new(&mut stream).poll_read(cx, &mut [0; 9]);
                assert!(read.is_pending());
                Poll::<()>::Pending
            }));
            turns(2).await;
            wakers.take()
        });
        assert_eq!(wakers.len(), 1);
        drop(home);
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let waker = wakers[0].clone();
                thread::spawn(move || {
                    waker.wake_by_ref();
                    drop(waker.clone());
                    waker.wake();
                })
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

/// The runtime of a Rust program ignores SIGPIPE, which hides what this is about. But a signal that
/// is blocked stays pending even if it is ignored: so a process that was started with SIGPIPE blocked
/// can see whether one was raised.
#[cfg(target_os = "linux")]
#[test]
fn a_broken_connection_raises_no_sigpipe() {
    use futures_lite::AsyncWriteExt;
    use rustix::event::PollFlags;

    const NAME: &str = "a_broken_connection_raises_no_sigpipe";
    if !is_child() {
        let _turn = common::turn();
        let plain = child(NAME);
        let mut blocked = std::process::Command::new("env");
        blocked.arg("--block-signal=PIPE").arg(plain.get_program());
        blocked.args(plain.get_args());
        for (key, value) in plain.get_envs() {
            blocked.env(key, value.unwrap_or_default());
        }
        let output = blocked.output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        if String::from_utf8_lossy(&output.stderr).contains("--block-signal") {
            println!("skipped: this `env` cannot block signals");
            return;
        }
        assert!(
            output.status.success() && text.contains("1 passed"),
            "{output:?}"
        );
        return;
    }
    on_each_backend(async || {
        let (client, server) = pair().await;
        let (mut split_client, split_server) = pair().await;
        let (owned_client, owned_server) = pair().await;
        for peer in [server, split_server, owned_server] {
            reset(peer);
        }
        for stream in [&client, &split_client, &owned_client] {
            loopback::block_until(stream, PollFlags::HUP);
            stream.take_error().unwrap();
        }
        let slices = [io::IoSlice::new(b"x")];
        let broken = ErrorKind::BrokenPipe;
        assert_eq!(client.write(b"x").await.unwrap_err().kind(), broken);
        assert_eq!(client.write_all(b"x").await.unwrap_err().kind(), broken);
        assert_eq!(client.try_write(b"x").unwrap_err().kind(), broken);
        assert_eq!(
            client.write_vectored(&slices).await.unwrap_err().kind(),
            broken
        );
        let (_, half) = split_client.split();
        assert_eq!(half.write(b"x").await.unwrap_err().kind(), broken);
        assert_eq!(
            half.write_vectored(&slices).await.unwrap_err().kind(),
            broken
        );
        let (_, half) = owned_client.into_split();
        assert_eq!(half.write_all(b"x").await.unwrap_err().kind(), broken);
        drop(half);
        let mut writer = &client;
        assert_eq!(
            AsyncWriteExt::write(&mut writer, b"x")
                .await
                .unwrap_err()
                .kind(),
            broken
        );
        let vectored = AsyncWriteExt::write_vectored(&mut writer, &slices).await;
        assert_eq!(vectored.unwrap_err().kind(), broken);
        assert!(!is_sigpipe_pending());
    });
    // The proof that it would have been seen: a write to a pipe cannot ask for no signal.
    let (reader, mut writer) = io::pipe().unwrap();
    drop(reader);
    assert_eq!(
        writer.write(b"x").unwrap_err().kind(),
        ErrorKind::BrokenPipe
    );
    assert!(is_sigpipe_pending());
}

#[cfg(target_os = "linux")]
fn is_sigpipe_pending() -> bool {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let line = (status.lines().find_map(|line| line.strip_prefix("SigPnd:"))).unwrap();
    u64::from_str_radix(line.trim(), 16).unwrap() & (1 << (Signal::PIPE.as_raw() - 1)) != 0
}

/// signal(7): on Linux a process that is stopped and continued sees `EINTR` in epoll_wait(2), and
/// in many other calls, although it has no handler.
#[test]
fn stopping_and_continuing_the_process_shows_no_eintr() {
    const NAME: &str = "stopping_and_continuing_the_process_shows_no_eintr";
    const BACKEND: &str = "SELIO_TEST_BACKEND";
    if is_child() {
        let backend: Backend = std::env::var(BACKEND).unwrap().parse().unwrap();
        return common::deadline(Duration::from_secs(30), || {
            runtime(backend).block_on(async {
                let (listener, addr) = listen().await;
                println!("\nserving {addr}");
                loopback::echo(listener.accept().await.unwrap().0)
                    .await
                    .unwrap();
            });
        });
    }
    each_backend(|backend| {
        let mut server = child(NAME);
        server.env(BACKEND, backend.name()).stdout(Stdio::piped());
        let mut server = Killed(server.spawn().unwrap());
        let pid = Pid::from_child(&server.0);
        let mut lines = BufReader::new(server.0.stdout.take().unwrap()).lines();
        let addr = lines.find_map(|line| Some(line.unwrap().strip_prefix("serving ")?.to_owned()));
        let stop = || {
            kill_process(pid, Signal::STOP).unwrap();
            let (_, status) = waitpid(Some(pid), WaitOptions::UNTRACED).unwrap().unwrap();
            assert!(status.stopped());
        };
        stop(); // In accept, perhaps.
        kill_process(pid, Signal::CONT).unwrap();
        let mut client = impatient(net::TcpStream::connect(addr.unwrap()).unwrap());
        for _ in 0..100 {
            stop();
            kill_process(pid, Signal::CONT).unwrap();
            loopback::ping(&client, b"still there").unwrap();
        }
        for _ in 0..20 {
            // It is stopped while it writes, with its buffer full.
            let sent = random_bytes(&mut Random::from_environment(), 300_000);
            client.write_all(&sent[..200_000]).unwrap();
            stop();
            client.write_all(&sent[200_000..]).unwrap();
            kill_process(pid, Signal::CONT).unwrap();
            let mut received = vec![0; sent.len()];
            client.read_exact(&mut received).unwrap();
            assert!(received == sent, "the bytes differ");
        }
        client.shutdown(Shutdown::Write).unwrap();
        assert_eq!(client.read(&mut [0; 9]).unwrap(), 0);
        assert!(server.0.wait().unwrap().success());
    });
}
