//! Those who wait for a writer through the `poll` functions of futures-io, and cannot say that they
//! are gone: very many of them, and hostile ones.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/tasks.rs"]
mod tasks;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, RawWaker, RawWakerVTable, Waker};

use futures::AsyncWrite;
use selio::net::UnixStream;
use selio::{IntoStreams, StreamWriter, gather, spawn, stats, yield_now};

use crate::tasks::{Spy, on_a_runtime, poll_once, poll_with};

/// A writer that has bytes left, and its peer, who takes none.
fn stalled() -> (Rc<StreamWriter>, UnixStream) {
    let (ours, peer) = UnixStream::pair().unwrap();
    let (_, writer) = ours.into_streams();
    while writer.pending() == 0 {
        writer.write(&[0; 100_000]);
    }
    (Rc::new(writer), peer)
}

fn poll_flush(mut writer: &StreamWriter, waker: &Waker) -> Poll<io::Result<()>> {
    Pin::new(&mut writer).poll_flush(&mut Context::from_waker(waker))
}

#[test]
fn many_who_flush_do_not_spin() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            for number in [32, 33, 64, 100, 300] {
                let (writer, peer) = stalled();
                let flush = |_| {
                    let writer = Rc::clone(&writer);
                    spawn(poll_fn(move |cx| poll_flush(&writer, cx.waker())))
                };
                let before = stats().polls;
                let tasks: Vec<_> = (0..number).map(flush).collect();
                for _ in 0..50 {
                    yield_now().await;
                }
                let polls = stats().polls - before;
                assert!(polls <= 4 * number, "{polls} polls of {number} tasks");
                drop(peer);
                for task in tasks {
                    assert!(task.await.unwrap().is_err(), "the peer is gone");
                }
            }
        });
    });
}

#[test]
fn many_who_flush_in_one_task_do_not_spin() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let (writer, peer) = stalled();
            let flush = |_| poll_fn(|cx| poll_flush(&writer, cx.waker()));
            let mut all = pin!(gather((0..3_000).map(flush)));
            // Each of these turns polls some of them.
            for _ in 0..200 {
                assert!(poll_once(&mut all).await.is_pending());
                yield_now().await;
            }
            let (spy, waker) = Spy::new();
            assert!(poll_with(&mut all, &waker).is_pending());
            assert_eq!(spy.wakes(), 0, "nobody is ready");
            drop(peer);
            assert!(all.await.iter().all(Result::is_err));
        });
    });
}

#[test]
fn those_who_are_gone_are_forgotten_whoever_stays() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let (writer, _peer) = stalled();
            let stays: Vec<_> = (0..50).map(|_| Spy::new()).collect();
            let mut come_and_gone = Vec::new();
            for _ in 0..5_000 {
                let (spy, waker) = Spy::new();
                assert!(poll_flush(&writer, &waker).is_pending());
                for (_, waker) in &stays {
                    assert!(poll_flush(&writer, waker).is_pending());
                }
                come_and_gone.push(spy);
                yield_now().await;
            }
            let is_kept = |spy: &&Arc<Spy>| Arc::strong_count(spy) > 1;
            let kept = come_and_gone.iter().filter(is_kept).count();
            assert!(kept < 1_000, "{kept} are still to be woken");
        });
    });
}

type Act = Box<dyn FnOnce()>;

thread_local! {
    static WHEN_CLONED: RefCell<Option<Act>> = const { RefCell::new(None) };
    static WAKES: Cell<u32> = const { Cell::new(0) };
}

static HOSTILE: RawWakerVTable = RawWakerVTable::new(
    |number| {
        if let Some(act) = WHEN_CLONED.take() {
            act();
        }
        RawWaker::new(number, &HOSTILE)
    },
    |_| WAKES.set(WAKES.get() + 1),
    |_| WAKES.set(WAKES.get() + 1),
    |_| (),
);

/// One of several wakers that do something when they are cloned, once.
fn hostile(number: usize) -> Waker {
    #[allow(unsafe_code, reason = "no other waker sees its clones")]
    // SAFETY: there is nothing that it points to.
    unsafe {
        Waker::new(ptr::without_provenance(number), &HOSTILE)
    }
}

#[test]
fn a_writer_may_be_aborted_while_a_waker_is_cloned() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let (writer, _peer) = stalled();
            for number in 0..200 {
                let inner = Rc::clone(&writer);
                let abort: Act = Box::new(move || inner.abort());
                // The first clone is that of the newcomer, the next one would be of who waits.
                WHEN_CLONED.set(Some(Box::new(|| WHEN_CLONED.set(Some(abort)))));
                assert!(poll_flush(&writer, &hostile(number)).is_pending());
                yield_now().await;
            }
            WHEN_CLONED.take();
        });
    });
}

#[test]
fn who_waits_hears_a_ring_of_its_own_waker() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let abort = |writer: &Rc<StreamWriter>| -> Act {
                let writer = Rc::clone(writer);
                Box::new(move || writer.abort())
            };
            let (writer, _peer) = stalled();
            let before = WAKES.get();
            WHEN_CLONED.set(Some(abort(&writer)));
            if poll_flush(&writer, &hostile(1)).is_pending() {
                assert!(WAKES.get() > before, "the flush waits for ever");
            }

            let (writer, _peer) = stalled();
            let before = WAKES.get();
            let mut flush = pin!(writer.wait_closed());
            WHEN_CLONED.set(Some(abort(&writer)));
            if poll_with(&mut flush, &hostile(2)).is_pending() {
                assert!(WAKES.get() > before, "the end is waited for for ever");
            }
        });
    });
}
