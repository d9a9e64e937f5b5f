//! Claims about [`Source`]: what it can watch, who is woken, and what is left behind.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/loopback.rs"]
mod loopback;

use std::cell::Cell;
use std::fs::File;
use std::future::{Future, poll_fn};
use std::io::{self, ErrorKind, PipeReader, Read, Write};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use common::{each_backend, open_fds};
use futures_lite::StreamExt;
use futures_lite::future::zip;
use loopback::{alive, assert_error, on_each_backend, pair, poll_once, runtime, turns};
use selio::net::TcpStream;
use selio::selector::Backend;
use selio::{Direction, Source, sleep, spawn, stats, yield_now};

/// Counts wakes, and tells by its reference count how many wakers are left somewhere.
#[derive(Default)]
struct Witness(AtomicUsize);

impl Wake for Witness {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Witness {
    fn wakes(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }

    fn poll<F: Future>(self: &Arc<Self>, future: Pin<&mut F>) -> Poll<F::Output> {
        let waker = Waker::from(Arc::clone(self));
        future.poll(&mut Context::from_waker(&waker))
    }
}

fn nonblocking_pipe() -> (Source<PipeReader>, Source<io::PipeWriter>) {
    let (reader, writer) = io::pipe().unwrap();
    (Source::new(reader).unwrap(), Source::new(writer).unwrap())
}

/// One read, as a socket type of one's own would do it that writes its own `poll`.
async fn read(source: &Source<impl AsFd>, buffer: &mut [u8]) -> io::Result<usize> {
    poll_fn(|cx| {
        source.poll_io(cx, Direction::Read, |io| {
            Ok(rustix::io::read(io, &mut *buffer)?)
        })
    })
    .await
}

async fn write(source: &Source<impl AsFd>, bytes: &[u8]) -> io::Result<usize> {
    let write = |io: &_| Ok(rustix::io::write(io, bytes)?);
    source.io(Direction::Write, write).await
}

#[test]
fn a_pipe_can_be_awaited_at_both_ends() {
    on_each_backend(async || {
        let (reader, writer) = nonblocking_pipe();
        let sent = loopback::random_bytes(&mut common::Random::from_environment(), 1 << 20);
        let send = async {
            let mut rest = &sent[..];
            while !rest.is_empty() {
                rest = &rest[write(&writer, rest).await.unwrap()..];
            }
            drop(writer.into_inner());
        };
        let receive = async {
            let (mut all, mut buffer) = (Vec::new(), [0; 5000]);
            loop {
                match read(&reader, &mut buffer).await.unwrap() {
                    0 => return all,
                    n => all.extend_from_slice(&buffer[..n]),
                }
            }
        };
        assert!(zip(send, receive).await.1 == sent, "the bytes differ");
    });
}

/// libuv#982: a hang-up comes alone, without "there is something to read".
#[test]
fn the_end_of_an_empty_pipe_wakes_its_reader() {
    on_each_backend(async || {
        let (reader, writer) = nonblocking_pipe();
        let mut readable = pin!(reader.readable());
        assert!(poll_once(&mut readable).await.is_none());
        drop(writer);
        readable.await.unwrap();
        assert_eq!(read(&reader, &mut [0; 9]).await.unwrap(), 0);
    });
}

#[test]
fn the_end_of_its_reader_wakes_the_writer_of_a_full_pipe() {
    on_each_backend(async || {
        let (reader, writer) = nonblocking_pipe();
        while rustix::io::write(&writer, &[0; 4096]).is_ok() {}
        let mut writable = pin!(writer.writable());
        assert!(poll_once(&mut writable).await.is_none());
        drop(reader);
        writable.await.unwrap();
        assert_error(write(&writer, b"x").await, ErrorKind::BrokenPipe, &[]);
    });
}

#[test]
fn unix_sockets_can_be_awaited() {
    on_each_backend(async || {
        let (a, b) = UnixStream::pair().unwrap();
        let (a, b) = (Source::new(a).unwrap(), Source::new(b).unwrap());
        let echo = spawn(async move {
            let mut buffer = [0; 64];
            while let n @ 1.. = read(&b, &mut buffer).await.unwrap() {
                assert_eq!(write(&b, &buffer[..n]).await.unwrap(), n);
            }
        });
        for round in 0..100u8 {
            write(&a, &[round; 3]).await.unwrap();
            let mut buffer = [0; 64];
            assert_eq!(read(&a, &mut buffer).await.unwrap(), 3);
            assert_eq!(buffer[..3], [round; 3]);
        }
        drop(a);
        echo.await.unwrap();
    });
}

/// epoll(7) refuses them, select(2) calls them ready; nothing of that is to be seen here.
#[test]
fn files_are_always_ready_and_cost_nothing_when_nobody_waits() {
    on_each_backend(async || {
        for path in ["/dev/null", "Cargo.toml"] {
            let file = Source::new(File::open(path).unwrap()).unwrap();
            let before = stats().selects;
            file.readable().await.unwrap();
            file.writable().await.unwrap();
            file.readable().await.unwrap();
            zip(file.readable(), file.writable()).await.0.unwrap();
            sleep(Duration::from_millis(100)).await;
            let selects = stats().selects - before;
            assert!(selects < 50, "{selects} selects for {path}");
            drop(file);
            assert_eq!(stats().sources, 0);
        }
    });
}

#[test]
fn all_of_50_waiters_are_woken() {
    on_each_backend(async || {
        let (reader, writer) = nonblocking_pipe();
        let reader = Rc::new(reader);
        let tasks: Vec<_> = (0..50)
            .map(|i| {
                let reader = Rc::clone(&reader);
                spawn(async move {
                    if i % 2 == 0 {
                        return reader.readable().await.unwrap();
                    }
                    let look = |io: &PipeReader| match rustix::io::ioctl_fionread(io)? {
                        0 => Err(ErrorKind::WouldBlock.into()),
                        _ => Ok(()),
                    };
                    let look = poll_fn(|cx| reader.poll_io(cx, Direction::Read, look));
                    look.await.unwrap();
                })
            })
            .collect();
        turns(2).await;
        write(&writer, b"x").await.unwrap();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(alive(&stats()), (0, 2, 0));
    });
}

/// Polls, says that somebody keeps the waker, drops, and says that nobody does any more.
macro_rules! leaves_no_waker {
    ($witness:expr, $future:expr) => {{
        let witness: &Arc<Witness> = $witness;
        {
            let mut future = pin!($future);
            assert!(witness.poll(future.as_mut()).is_pending());
            assert_eq!(Arc::strong_count(witness), 2, stringify!($future));
            assert!(witness.poll(future.as_mut()).is_pending());
            assert_eq!(
                Arc::strong_count(witness),
                2,
                "polled again, {}",
                stringify!($future)
            );
        }
        assert_eq!(
            Arc::strong_count(witness),
            1,
            "dropped, {}",
            stringify!($future)
        );
    }};
}

/// async-io@aae2473, uvloop@d8f0e6c.
#[test]
fn a_cancelled_waiter_leaves_no_waker() {
    on_each_backend(async || {
        let witness = &Arc::new(Witness::default());
        let (reader, _writer) = nonblocking_pipe();
        leaves_no_waker!(witness, reader.readable());
        let would_block = |_: &_| io::Result::<()>::Err(ErrorKind::WouldBlock.into());
        leaves_no_waker!(witness, reader.io(Direction::Read, would_block));

        let (client, server) = pair().await;
        let buffer = &mut [0; 9];
        leaves_no_waker!(witness, server.read(buffer));
        leaves_no_waker!(witness, server.read_exact(buffer));
        leaves_no_waker!(witness, server.peek(buffer));
        let mut vector = [io::IoSliceMut::new(buffer)];
        leaves_no_waker!(witness, server.read_vectored(&mut vector));
        leaves_no_waker!(witness, server.readable());
        loopback::stuff(&client);
        leaves_no_waker!(witness, client.writable());
        leaves_no_waker!(witness, client.write(b"x"));
        leaves_no_waker!(witness, client.write_all(b"x"));
        let vector = [io::IoSlice::new(b"x")];
        leaves_no_waker!(witness, client.write_vectored(&vector));

        let (listener, _) = loopback::listen().await;
        leaves_no_waker!(witness, listener.accept());
        let mut incoming = listener.incoming();
        assert!(witness.poll(pin!(incoming.next())).is_pending());
        assert_eq!(Arc::strong_count(witness), 2, "it is the stream that waits");
        drop(incoming);
        assert_eq!(Arc::strong_count(witness), 1);
        assert_eq!(witness.wakes(), 0);
    });
}

#[test]
fn a_cancelled_waiter_does_not_disturb_the_others() {
    on_each_backend(async || {
        let (reader, writer) = nonblocking_pipe();
        let mut waits: Vec<_> = (0..5).map(|_| Box::pin(reader.readable())).collect();
        let witnesses: Vec<_> = waits.iter().map(|_| Arc::new(Witness::default())).collect();
        for (wait, witness) in waits.iter_mut().zip(&witnesses) {
            assert!(witness.poll(wait.as_mut()).is_pending());
        }
        drop(waits.remove(3)); // One of the rest, and then the first.
        drop(waits.remove(0));
        write(&writer, b"x").await.unwrap();
        reader.readable().await.unwrap();
        let wakes: Vec<_> = witnesses.iter().map(|it| it.wakes()).collect();
        assert_eq!(wakes, [0, 1, 1, 0, 1]);
    });
}

/// async-io@07b6cca, tokio#4497: a future may move to another task between two polls.
#[test]
fn who_polled_last_is_woken() {
    on_each_backend(async || {
        let (reader, writer) = nonblocking_pipe();
        let (first, second) = (Arc::new(Witness::default()), Arc::new(Witness::default()));
        let mut readable = pin!(reader.readable());
        assert!(first.poll(readable.as_mut()).is_pending());
        assert!(second.poll(readable.as_mut()).is_pending());
        assert_eq!(Arc::strong_count(&first), 1);
        write(&writer, b"x").await.unwrap();
        reader.readable().await.unwrap();
        assert_eq!((first.wakes(), second.wakes()), (0, 1));
        assert!(second.poll(readable.as_mut()).is_ready());
    });
}

#[test]
fn polling_again_with_the_same_waker_does_not_add_up() {
    on_each_backend(async || {
        let (reader, _writer) = nonblocking_pipe();
        let witness = Arc::new(Witness::default());
        let waker = Waker::from(Arc::clone(&witness));
        let mut cx = Context::from_waker(&waker);
        for _ in 0..100_000 {
            let look = |_: &PipeReader| io::Result::<()>::Err(ErrorKind::WouldBlock.into());
            assert!(reader.poll_io(&mut cx, Direction::Read, look).is_pending());
            while witness.wakes() > 0 {
                witness.0.store(0, Ordering::Relaxed); // It had to yield, and goes on.
            }
        }
        drop(reader);
        drop(waker);
        assert_eq!(Arc::strong_count(&witness), 1);
    });
}

#[test]
fn into_inner_deregisters() {
    on_each_backend(async || {
        let (mut reader, writer) = nonblocking_pipe();
        for _ in 0..100 {
            assert!(poll_once(&mut pin!(reader.readable())).await.is_none());
            let inner = reader.into_inner();
            assert_eq!(stats().sources, 1);
            reader = Source::new(inner).unwrap();
        }
        write(&writer, b"x").await.unwrap();
        reader.readable().await.unwrap();
        assert_eq!(reader.into_inner().read(&mut [0; 9]).unwrap(), 1);
    });
}

/// h2o#1100: epoll knows the open file, not its number, and goes on reporting for a duplicate.
#[test]
fn a_duplicate_that_stays_open_is_no_ghost() {
    on_each_backend(async || {
        let (mut a, b) = UnixStream::pair().unwrap();
        let duplicate = b.try_clone().unwrap();
        let source = Source::new(b).unwrap();
        assert!(poll_once(&mut pin!(source.readable())).await.is_none());
        drop(source);
        a.write_all(b"x").unwrap();
        let before = stats();
        sleep(Duration::from_millis(20)).await;
        assert_eq!(stats().events, before.events);

        let source = Source::new(duplicate).unwrap();
        source.readable().await.unwrap();
    });
}

#[test]
fn dropping_a_source_wakes_who_polled_it() {
    on_each_backend(async || {
        let (reader, _writer) = nonblocking_pipe();
        let witness = Arc::new(Witness::default());
        let waker = Waker::from(Arc::clone(&witness));
        let mut cx = Context::from_waker(&waker);
        for direction in [Direction::Read, Direction::Write] {
            let look = |_: &PipeReader| io::Result::<()>::Err(ErrorKind::WouldBlock.into());
            assert!(reader.poll_io(&mut cx, direction, look).is_pending());
        }
        drop(reader);
        assert_eq!(witness.wakes(), 2);
        drop(waker);
        assert_eq!(Arc::strong_count(&witness), 1);
    });
}

#[test]
fn a_source_of_another_runtime_is_an_error_and_no_hang() {
    each_backend(|backend| {
        let (home, abroad) = (runtime(backend), runtime(backend));
        let (reader, writer) = home.block_on(async { nonblocking_pipe() });
        let parts: [&dyn std::fmt::Display; 1] = [&"belongs to a runtime that does not run"];
        for _ in 0..2 {
            abroad.block_on(async {
                assert_error(reader.readable().await, ErrorKind::Other, &parts);
                assert_error(read(&reader, &mut [0; 9]).await, ErrorKind::Other, &parts);
                // What needs not wait works everywhere.
                assert_eq!(write(&writer, b"x").await.unwrap(), 1);
                assert_eq!(read(&reader, &mut [0; 9]).await.unwrap(), 1);
            });
        }
        let outside = futures_lite::future::block_on(reader.readable());
        assert_error(outside, ErrorKind::Other, &parts);

        let (wait, written) = home.block_on(zip(reader.readable(), write(&writer, b"x")));
        wait.unwrap();
        written.unwrap();
    });
}

#[test]
fn sockets_may_outlive_their_runtime() {
    each_backend(|backend| {
        let before = open_fds();
        let home = runtime(backend);
        let (client, server) = home.block_on(async {
            let (client, server) = pair().await;
            assert!(
                poll_once(&mut pin!(server.read(&mut [0; 9])))
                    .await
                    .is_none()
            );
            (client, server)
        });
        drop(home);
        let parts: [&dyn std::fmt::Display; 1] = [&"belongs to a runtime that does not run"];
        runtime(backend).block_on(async {
            client.write_all(b"x").await.unwrap();
            assert_error(client.read(&mut [0; 9]).await, ErrorKind::Other, &parts);
            // What is to be had at once needs no runtime.
            loopback::block_until(&server, rustix::event::PollFlags::IN);
            assert_eq!(server.read(&mut [0; 9]).await.unwrap(), 1);
            assert_error(server.read(&mut [0; 9]).await, ErrorKind::Other, &parts);

            let server = TcpStream::from_std(server.into_std().unwrap()).unwrap();
            let client = TcpStream::from_std(client.into_std().unwrap()).unwrap();
            let (read, written) = zip(server.read(&mut [0; 9]), client.write_all(b"y")).await;
            assert_eq!(read.unwrap(), 1);
            written.unwrap();
        });
        assert_eq!(open_fds(), before);
    });
}

/// async-io@93a8ae1: a handle that never has to wait must not run alone.
#[test]
fn a_reader_that_never_has_to_wait_lets_the_others_run() {
    on_each_backend(async || {
        let zero = Source::new(File::open("/dev/zero").unwrap()).unwrap();
        let reads = Rc::new(Cell::new(0));
        let count = Rc::clone(&reads);
        let greedy = spawn(async move {
            loop {
                read(&zero, &mut [0; 16]).await.unwrap();
                count.set(count.get() + 1);
            }
        });
        let mut last = 0;
        for _ in 0..100 {
            yield_now().await;
            let done = reads.get() - last;
            assert!(done <= 128, "{done} reads in one turn");
            last = reads.get();
        }
        assert!(last > 1000, "it goes on: {last}");
        greedy.cancel();
    });
}

/// A future of ours may run under an executor that knows nothing of the budget.
#[test]
fn the_budget_does_not_stop_a_foreign_executor() {
    on_each_backend(async || {
        let zero = Source::new(File::open("/dev/zero").unwrap()).unwrap();
        futures_lite::future::block_on(async {
            for _ in 0..10_000 {
                read(&zero, &mut [0; 16]).await.unwrap();
            }
        });
    });
}

#[test]
fn an_interrupted_call_is_made_again() {
    on_each_backend(async || {
        let (_reader, writer) = nonblocking_pipe();
        let mut calls = 0;
        let interrupted = poll_fn(|cx| {
            writer.poll_io(cx, Direction::Write, |_| {
                calls += 1;
                match calls {
                    1..4 => Err(io::Error::from(ErrorKind::Interrupted)),
                    _ => Ok(7),
                }
            })
        });
        assert_eq!(interrupted.await.unwrap(), 7);
        assert_eq!(calls, 4);
    });
}

#[test]
fn an_error_of_the_operation_is_handed_on() {
    on_each_backend(async || {
        let (reader, _writer) = nonblocking_pipe();
        let fail = |_: &PipeReader| io::Result::<()>::Err(io::Error::other("no luck"));
        let result = poll_fn(|cx| reader.poll_io(cx, Direction::Read, fail)).await;
        assert_error(result, ErrorKind::Other, &[&"no luck"]);
    });
}

/// The set of select(2) ends at 1,024; writing beyond it is what other programs have done.
#[test]
fn a_number_that_select_cannot_hold_is_an_error_that_names_the_way_out() {
    loopback::raise_file_limit();
    each_backend(|backend| {
        runtime(backend).block_on(async {
            let (reader, writer) = io::pipe().unwrap();
            for number in [1023, 1024, 5000] {
                let high = rustix::io::fcntl_dupfd_cloexec(&reader, number).unwrap();
                assert_eq!(high.as_raw_fd(), number);
                let high = Source::new(high).unwrap();
                let wait = poll_once(&mut pin!(high.readable())).await;
                if backend == Backend::Select && number >= 1024 {
                    let parts: [&dyn std::fmt::Display; 2] = [&"select(2)", &"epoll"];
                    assert_error(wait.unwrap(), ErrorKind::Unsupported, &parts);
                } else {
                    assert!(wait.is_none());
                }
                (&writer).write_all(b"x").unwrap();
                // What needs not wait works with every number.
                assert_eq!(read(&high, &mut [0; 9]).await.unwrap(), 1);
            }
            assert_eq!(stats().sources, 0);
        });
    });
}

/// async-io#154: the second must fail, and must not take the first one with it.
#[test]
fn a_handle_can_be_waited_for_through_one_source_only() {
    on_each_backend(async || {
        let (reader, writer) = io::pipe().unwrap();
        let one = Source::new(&reader).unwrap();
        let two = Source::new(&reader).unwrap();
        let mut readable = pin!(one.readable());
        assert!(poll_once(&mut readable).await.is_none());
        let parts: [&dyn std::fmt::Display; 1] = [&"through another one already"];
        assert_error(two.readable().await, ErrorKind::AlreadyExists, &parts);
        drop(two);
        (&writer).write_all(b"x").unwrap();
        readable.await.unwrap();
    });
}

#[test]
fn a_source_makes_its_handle_non_blocking_and_lends_it() {
    use rustix::fs::{OFlags, fcntl_getfl};
    on_each_backend(async || {
        let (reader, _writer) = io::pipe().unwrap();
        let fd = reader.as_raw_fd();
        let source = Source::new(OwnedFd::from(reader)).unwrap();
        assert_eq!(
            (source.as_fd().as_raw_fd(), source.get_ref().as_raw_fd()),
            (fd, fd)
        );
        assert!(fcntl_getfl(&source).unwrap().contains(OFlags::NONBLOCK));
        assert!(format!("{source:?}").starts_with("Source"));
    });
}

#[test]
fn a_source_outside_of_a_runtime_says_what_to_do() {
    let _turn = common::turn(); // A backtrace opens files.
    let (reader, _writer) = io::pipe().unwrap();
    let new = std::panic::catch_unwind(|| Source::new(reader).map(drop));
    let panic = new.unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(
        message.contains("Source::new: no runtime runs on this thread"),
        "{message}"
    );
}
