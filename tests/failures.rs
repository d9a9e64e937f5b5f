//! Failures that other event loops have shipped, and that no other file tests: each test names the
//! project that had it.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/folder.rs"]
mod folder;
#[path = "common/loopback.rs"]
mod loopback;
#[path = "common/tasks.rs"]
mod tasks;

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind, IoSlice};
use std::net::Shutdown;
use std::pin::pin;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use rustix::process::{Pid, Signal, kill_process};
use selio::net::{UdpSocket, UnixDatagram, UnixListener, UnixStream, pipe};
use selio::{IntoStreams, interval, interval_at, spawn, timeout};
use signal_hook::{consts::SIGPIPE, flag};

use crate::common::{child, deadline, each_backend, is_child};
use crate::folder::Folder;
use crate::loopback::{block_until, on_each_backend, pair, reset, turns};
use crate::tasks::{in_a_process_of_its_own, poll_once};

/// polling#265: an interruption that came together with a notification swallowed it.
#[test]
fn no_wake_of_another_thread_is_lost_while_the_process_is_stopped_and_continued() {
    const NAME: &str =
        "no_wake_of_another_thread_is_lost_while_the_process_is_stopped_and_continued";
    if is_child() {
        println!("\nready");
        return each_backend(|backend| {
            tasks::runtime(backend).block_on(async {
                let (ask, asked) = channel();
                let (answer, answers) = async_channel::unbounded();
                let other = thread::spawn(move || {
                    while let Ok(number) = asked.recv() {
                        answer.try_send(number).unwrap();
                    }
                });
                // Nothing else wakes this: a lost wake would be a hang.
                for number in 0..2000 {
                    ask.send(number).unwrap();
                    assert_eq!(answers.recv().await.unwrap(), number);
                }
                drop(ask);
                other.join().unwrap();
            });
        });
    }
    let _company = common::company(); // The pipe of a child is no leak of others.
    deadline(Duration::from_secs(60), || {
        let mut child = child(NAME).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap() == "ready"));
        let status = loop {
            kill_process(Pid::from_child(&child), Signal::STOP).unwrap();
            kill_process(Pid::from_child(&child), Signal::CONT).unwrap();
            thread::sleep(Duration::from_micros(300));
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
        };
        assert!(status.success());
        assert!(lines.any(|line| line.unwrap().contains("1 passed")));
    });
}

/// joyent/libuv#982, tokio-core#117: whoever waited for a peer that was gone waited for ever.
#[test]
fn a_connect_that_waits_for_room_is_refused_when_its_listener_ends() {
    on_each_backend(async || {
        let folder = Folder::new("room");
        let path = folder.file("s");
        let listener = UnixListener::builder().backlog(0).bind(&path).unwrap();
        let _first = UnixStream::connect(&path).await.unwrap();
        let waiting = spawn(UnixStream::connect(path.clone()));
        turns(3).await;
        assert!(!waiting.is_finished());
        // As std has it, its path stays, with nobody behind it.
        drop(listener.into_std().unwrap());
        let error = waiting.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    });
}

/// tokio's tests of shutdown, compio#910: it failed, or left the writer waiting.
#[test]
fn shutting_down_ends_a_write_that_waits_for_room() {
    on_each_backend(async || {
        let (client, _server) = pair().await;
        let (reader, writer) = client.into_split();
        let stuck = spawn(async move {
            let bytes = vec![0; 64 << 20];
            writer.write_all(&bytes).await
        });
        turns(3).await;
        assert!(!stuck.is_finished());
        for _ in 0..3 {
            reader.as_ref().shutdown(Shutdown::Write).unwrap();
        }
        let error = stuck.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    });
}

/// mio#577, monoio#214, compio#835: a write path that forgot to ask for no signal ended the program
/// that had not ignored it. The bare sockets have tests of their own; these are made of them.
#[test]
fn no_stream_and_no_datagram_raises_sigpipe() {
    let _company = (!is_child()).then(common::company);
    in_a_process_of_its_own("no_stream_and_no_datagram_raises_sigpipe", || {
        let is_raised = Arc::new(AtomicBool::new(false));
        flag::register(SIGPIPE, Arc::clone(&is_raised)).unwrap();
        on_each_backend(async || {
            for way in 0..4 {
                let (client, server) = pair().await;
                let (_reader, writer) = client.into_streams();
                let big = vec![0; 8 << 20];
                if way == 0 {
                    writer.write(&big); // Some of it is pending when the peer goes.
                }
                reset(server);
                block_until(writer.socket().unwrap(), PollFlags::HUP);
                match way {
                    1 => writer.write(b"x"),
                    2 => writer.write_all_vectored(&[IoSlice::new(b"x"), IoSlice::new(b"y")]),
                    3 => writer.write_eof(),
                    _ => {}
                }
                let _ = writer.drain().await;
                writer.write(b"x");
                let _ = writer.drain().await;
                writer.close();
                let _ = writer.wait_closed().await;
            }
            let (client, server) = UnixStream::pair().unwrap();
            drop(server);
            let fds = [std::os::fd::AsFd::as_fd(&client)];
            client.send_with_fds(b"x", &fds).await.unwrap_err();
            let (client, server) = UnixDatagram::pair().unwrap();
            drop(server);
            client.send(b"x").await.unwrap_err();
            let gone = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            socket.connect(gone.local_addr().unwrap()).await.unwrap();
            drop(gone);
            for _ in 0..3 {
                let _ = socket.send(b"x").await;
            }
            assert!(!is_raised.load(Ordering::SeqCst));
        });
        // The proof that it would have been seen: a pipe cannot ask for no signal.
        selio::run(async {
            let (reader, writer) = pipe().unwrap();
            drop(reader);
            writer.write(b"x").await.unwrap_err();
        });
        assert!(is_raised.load(Ordering::SeqCst));
    });
}

/// libuv#2134, compio#600: a length of more than 32 bits was cut, or taken for an error.
#[cfg(target_pointer_width = "64")]
#[test]
fn buffers_of_more_than_4_gib_are_read_into_and_written_from() {
    on_each_backend(async || {
        // Nobody touches more of it than a socket holds: it is not there in memory.
        let zeros = vec![0; (4 << 30) + 3];
        let mut room = vec![0; (4 << 30) + 3];
        let (client, server) = pair().await;
        let (near, far) = UnixStream::pair().unwrap();
        let (output, input) = pipe().unwrap();
        let n = client.write(&zeros).await.unwrap();
        assert!((1..64 << 20).contains(&n), "{n}");
        assert!(server.read(&mut room).await.unwrap() >= 1);
        let slices = [IoSlice::new(&zeros), IoSlice::new(&zeros)];
        drop((client, server));
        let n = near.write_vectored(&slices).await.unwrap();
        assert!((1..64 << 20).contains(&n), "{n}");
        assert!(far.read(&mut room).await.unwrap() >= 1);
        let n = input.write(&zeros).await.unwrap();
        assert!((1..64 << 20).contains(&n), "{n}");
        assert_eq!(output.read(&mut room).await.unwrap(), n);
    });
}

/// tokio#6487, #3551: ticks that lie beyond the end of time overflowed.
#[test]
fn an_interval_may_be_as_long_as_time_and_begin_at_its_end() {
    on_each_backend(async || {
        for period in [Duration::MAX, Duration::from_secs(u64::MAX / 4)] {
            let mut ticks = interval(period);
            ticks.tick().await;
            let next = timeout(Duration::from_millis(2), ticks.tick()).await;
            assert!(next.is_err(), "{period:?}");
            ticks.reset();
            assert!(poll_once(&mut pin!(ticks.tick())).await.is_pending());
        }
        let far = Instant::now() + Duration::from_secs(100 * 365 * 24 * 3600);
        let mut ticks = interval_at(far, Duration::MAX);
        assert!(poll_once(&mut pin!(ticks.tick())).await.is_pending());
    });
}

/// mio#1403, #1102: a length of an address that was off by one.
#[test]
fn paths_and_abstract_names_of_every_length_come_back_as_they_are() {
    on_each_backend(async || {
        let folder = Folder::new("length");
        let room = 107 - folder.file("").as_os_str().len();
        for length in 1..=room {
            let path = folder.file("p".repeat(length));
            let listener = UnixListener::bind(&path).unwrap();
            let client = UnixStream::connect(&path).await.unwrap();
            let local = listener.local_addr().unwrap();
            assert_eq!(local.as_pathname(), Some(&*path));
            let peer = client.peer_addr().unwrap();
            assert_eq!(peer.as_pathname(), Some(&*path));
            assert!(client.local_addr().unwrap().is_unnamed());

            let other = path.with_file_name("q".repeat(length));
            let receiver = UnixDatagram::bind(&other).unwrap();
            fs::remove_file(&path).unwrap();
            let sender = UnixDatagram::bind(&path).unwrap();
            sender.send_to(b"x", &other).await.unwrap();
            let (_, from) = receiver.recv_from(&mut [0; 1]).await.unwrap();
            assert_eq!(from.as_pathname(), Some(&*path));
        }
        #[cfg(target_os = "linux")]
        for length in 1..=107 {
            use std::os::linux::net::SocketAddrExt;
            use std::os::unix::net::SocketAddr;

            // Zeros too, at its end above all: they belong to the name.
            let id = std::process::id().to_ne_bytes();
            let name: Vec<u8> = (0..length)
                .map(|at| id.get(at).map_or(0, |&byte| byte))
                .collect();
            let addr = SocketAddr::from_abstract_name(&name).unwrap();
            let listener = UnixListener::bind(&addr).unwrap();
            let client = UnixStream::connect(&addr).await.unwrap();
            for addr in [listener.local_addr(), client.peer_addr()] {
                assert_eq!(addr.unwrap().as_abstract_name(), Some(&*name));
            }
        }
    });
}

/// libuv#2398, #2415: a handler that was closed while its signal was on its way.
#[cfg(feature = "signal")]
#[test]
fn who_stops_listening_with_a_signal_on_its_way_leaves_nothing() {
    use selio::signal::{SignalKind, signal};
    use signal_hook::low_level::raise;

    on_each_backend(async || {
        const USR1: i32 = SignalKind::SIGUSR1.as_raw();
        let _keep = signal(USR1).unwrap();
        let before = (selio::stats().sources, common::open_fds());
        for round in 0..500 {
            let signals = signal(USR1).unwrap();
            raise(USR1).unwrap();
            if round % 2 == 0 {
                turns(1).await; // The event is there, and nobody has asked.
            }
            drop(signals);
        }
        assert_eq!((selio::stats().sources, common::open_fds()), before);
        let selects = selio::stats().selects;
        selio::sleep(Duration::from_millis(20)).await;
        assert!(selio::stats().selects - selects < 20, "it spins");
    });
}
