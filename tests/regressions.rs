//! Faults that selio once had.

#![allow(
    clippy::unwrap_used,
    clippy::async_yields_async,
    reason = "a test says what it expects by failing, and hands futures around"
)]

mod common;
#[path = "common/loopback.rs"]
mod loopback;
use common::deadline;
use loopback::{on_each_backend, pair, poll_once};
use selio::{Direction, Runtime, Source, sleep, spawn};
use std::cell::Cell;
use std::fs::File;
use std::future::poll_fn;
use std::io::{IoSlice, IoSliceMut};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Wake, Waker};
use std::time::{Duration, Instant};

/// POSIX says 0 for nothing but empty buffers, and here that is taken for the end.
#[test]
fn empty_buffers_before_a_full_one_are_no_end_of_the_stream() {
    on_each_backend(async || {
        let (client, server) = pair().await;
        client.write_all(b"x").await.unwrap();
        let mut buffers: Vec<Vec<u8>> = vec![Vec::new(); 1024];
        buffers.push(vec![0; 9]);
        let mut slices: Vec<_> = buffers.iter_mut().map(|it| IoSliceMut::new(it)).collect();
        assert_eq!(server.read_vectored(&mut slices).await.unwrap(), 1);
    });
}

/// "At least one byte".
#[test]
fn empty_slices_before_a_full_one_are_skipped() {
    on_each_backend(async || {
        let (client, _server) = pair().await;
        let mut slices = vec![IoSlice::new(b""); 1024];
        slices.push(IoSlice::new(b"x"));
        assert_eq!(client.write_vectored(&slices).await.unwrap(), 1);
    });
}

/// The budget bounds a poll, and the polls are counted, not what they did.
#[test]
fn a_greedy_reader_lets_the_selector_be_asked() {
    on_each_backend(async || {
        let zero = Source::new(File::open("/dev/zero").unwrap()).unwrap();
        let reads = Rc::new(Cell::new(0));
        let count = Rc::clone(&reads);
        let mut buffer = vec![0; 64 * 1024];
        let greedy = spawn(async move {
            loop {
                poll_fn(|cx| {
                    zero.poll_io(cx, Direction::Read, |io| {
                        Ok(rustix::io::read(io, &mut buffer[..])?)
                    })
                })
                .await
                .unwrap();
                count.set(count.get() + 1);
            }
        });
        let (mut worst, mut late) = (0, Duration::ZERO);
        for _ in 0..5 {
            let (before, due) = (reads.get(), Instant::now() + Duration::from_nanos(1));
            sleep(Duration::from_nanos(1)).await;
            worst = worst.max(reads.get() - before);
            late = late.max(due.elapsed());
        }
        greedy.cancel();
        assert!(
            worst <= 1024,
            "{worst} reads of 64 KiB before a timer that was due, {late:?} late"
        );
    });
}

/// A future of futures-io that is polled from ever new wakers (a FuturesUnordered
/// or a select made anew in each round, a connection that moves between tasks) adds one each time.
#[test]
fn polling_with_ever_new_wakers_does_not_add_up() {
    use futures_lite::AsyncRead;
    on_each_backend(async || {
        let (_client, server) = pair().await;
        let all = Arc::new(());
        struct Counted(#[allow(dead_code)] Arc<()>);
        impl Wake for Counted {
            fn wake(self: Arc<Self>) {}
        }
        let start = Instant::now();
        for _ in 0..20_000 {
            let waker = Waker::from(Arc::new(Counted(Arc::clone(&all))));
            let mut stream = &server;
            let poll = std::pin::Pin::new(&mut stream)
                .poll_read(&mut Context::from_waker(&waker), &mut [0; 9]);
            assert!(poll.is_pending());
            selio::yield_now().await;
        }
        let kept = Arc::strong_count(&all) - 1;
        assert!(
            kept <= 1024,
            "{kept} wakers are kept, after {:?}",
            start.elapsed()
        );
    });
}

/// It used to wait in the queue of a runtime that did not run.
#[test]
fn a_sleep_that_has_moved_to_another_runtime_still_ends() {
    deadline(Duration::from_secs(3), || {
        let first = Runtime::new().unwrap();
        let timer = first.block_on(async {
            let mut timer = sleep(Duration::from_millis(10));
            assert!(poll_once(&mut timer).await.is_none());
            timer
        });
        selio::run(timer);
    });
}
