//! A task that waits for something of `selio::sync` is woken by its key: what other wakers, other
//! runtimes and its own end make of that.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/tasks.rs"]
mod tasks;

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use selio::sync::{Event, Queue, oneshot};
use selio::{Runtime, TaskGroup, spawn, yield_now};

use crate::common::open_fds;
use crate::tasks::{in_a_process_of_its_own, on_a_runtime};

/// Passes a wake on, and counts it, as those of `FuturesUnordered` do.
struct Counting(AtomicUsize, Waker);

impl Wake for Counting {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
        self.1.wake_by_ref();
    }
}

/// Does something with what it holds when it is dropped.
struct OnDrop<F: FnMut()>(F);

impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[test]
fn a_task_that_gets_several_things_in_one_turn_is_polled_once() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let polls = Rc::new(Cell::new(0));
            let (queue, event) = (Rc::new(Queue::unbounded()), Rc::new(Event::new()));
            let (sender, receiver) = oneshot::channel();
            let waits = {
                let (queue, event) = (Rc::clone(&queue), Rc::clone(&event));
                let same = Rc::clone(&queue);
                let mut waits: Vec<Pin<Box<dyn Future<Output = ()>>>> = vec![
                    Box::pin(async move { queue.get().await.unwrap() }),
                    Box::pin(async move { same.get().await.unwrap() }),
                    Box::pin(async move { event.wait().await }),
                    Box::pin(async move { receiver.await.unwrap() }),
                    Box::pin(std::future::pending()), // One that has ended is not polled again.
                ];
                let polls = Rc::clone(&polls);
                poll_fn(move |cx| {
                    polls.set(polls.get() + 1);
                    waits.retain_mut(|wait| wait.as_mut().poll(cx).is_pending());
                    Poll::<()>::Pending
                })
            };
            let _all = spawn(waits);
            yield_now().await;
            assert_eq!(polls.get(), 1);
            queue.put_nowait(()).unwrap();
            queue.put_nowait(()).unwrap();
            event.set();
            sender.send(()).unwrap();
            yield_now().await;
            yield_now().await;
            assert_eq!(polls.get(), 2);
        });
    });
}

#[test]
fn a_future_with_a_waker_of_its_own_is_woken_through_it() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let queue = Queue::unbounded();
            let mut get = pin!(queue.get());
            let waker = poll_fn(|cx| {
                let counting = Counting(AtomicUsize::new(0), cx.waker().clone());
                Poll::Ready(Arc::new(counting))
            })
            .await;
            let with = Waker::from(Arc::clone(&waker));
            let mut cx = Context::from_waker(&with);
            assert!(get.as_mut().poll(&mut cx).is_pending());
            queue.put_nowait(7).unwrap();
            assert_eq!(waker.0.load(Ordering::Relaxed), 1);
            assert_eq!(get.as_mut().poll(&mut cx), Poll::Ready(Ok(7)));
        });
    });
}

#[test]
fn a_future_that_moves_to_another_task_wakes_that_one() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let queue = Rc::new(Queue::unbounded());
            let inner = Rc::clone(&queue);
            let mut get = Box::pin(async move { inner.get().await });
            // First polled by main, then by a task: main must not be polled for it.
            let is_pending = poll_fn(|cx| Poll::Ready(get.as_mut().poll(cx).is_pending()));
            assert!(is_pending.await);
            let getter = spawn(get);
            yield_now().await;
            queue.put_nowait(7).unwrap();
            assert_eq!(getter.await.unwrap(), Ok(7));
        });
    });
}

#[test]
fn a_task_that_is_cancelled_after_it_was_woken_gives_its_item_to_the_next() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let queue = Rc::new(Queue::unbounded());
            let get = |queue: &Rc<Queue<u32>>| {
                let queue = Rc::clone(queue);
                spawn(async move { queue.get().await })
            };
            let (first, second) = (get(&queue), get(&queue));
            yield_now().await;
            queue.put_nowait(7).unwrap();
            first.cancel();
            // A new task takes the place of the first one, and must not be taken for it.
            let bystander = spawn(async { 1 });
            assert_eq!(second.await.unwrap(), Ok(7));
            assert_eq!(bystander.await.unwrap(), 1);
            assert!(first.await.unwrap_err().is_cancelled());
        });
    });
}

#[test]
fn a_task_of_another_runtime_of_this_thread_is_woken_there() {
    on_a_runtime(|ours| {
        let theirs = Runtime::new().unwrap();
        let (there, back) = (Rc::new(Queue::unbounded()), Rc::new(Queue::unbounded()));
        theirs.block_on(async {
            let (there, back) = (Rc::clone(&there), Rc::clone(&back));
            spawn(async move {
                while let Ok(n) = there.get().await {
                    back.put(n + 1).await.unwrap();
                }
            });
            yield_now().await;
        });
        ours.block_on(async { there.put(7).await.unwrap() });
        assert_eq!(theirs.block_on(back.get()), Ok(8));
        // And with no runtime at all.
        there.put_nowait(8).unwrap();
        assert_eq!(theirs.block_on(back.get()), Ok(9));
    });
}

#[test]
fn a_runtime_that_ends_inside_of_another_one_wakes_its_tasks() {
    on_a_runtime(|outer| {
        let queue = Rc::new(Queue::unbounded());
        let inner = Runtime::new().unwrap();
        inner.block_on(async {
            let queue = Rc::clone(&queue);
            spawn(async move {
                let _last_word = OnDrop(move || queue.put_nowait(7).unwrap());
                std::future::pending::<()>().await;
            });
            yield_now().await;
        });
        outer.block_on(async move {
            let getter = spawn(async move { queue.get().await });
            yield_now().await;
            drop(inner); // Its task puts while `inner` is the runtime of the thread.
            assert_eq!(getter.await.unwrap(), Ok(7));
        });
    });
}

#[test]
fn who_waits_beyond_the_end_of_its_runtime_is_woken_in_the_next_one() {
    on_a_runtime(|next| {
        let queue = Queue::unbounded();
        let mut get = Box::pin(queue.get());
        let is_pending = poll_fn(|cx| Poll::Ready(get.as_mut().poll(cx).is_pending()));
        assert!(selio::run(is_pending));
        queue.put_nowait(7).unwrap(); // Wakes somebody who is gone.
        assert_eq!(next.block_on(get), Ok(7));
    });
}

#[test]
fn who_waits_keeps_nothing_of_its_runtime_once_it_is_dropped() {
    in_a_process_of_its_own(
        "who_waits_keeps_nothing_of_its_runtime_once_it_is_dropped",
        || {
            let before = open_fds();
            let queue = Queue::<()>::unbounded();
            for _ in 0..10 {
                let mut get = Box::pin(queue.get());
                let is_pending = poll_fn(|cx| Poll::Ready(get.as_mut().poll(cx).is_pending()));
                assert!(selio::run(is_pending));
            }
            assert_eq!(open_fds(), before);
        },
    );
}

#[test]
fn a_task_that_is_woken_in_two_ways_at_each_poll_is_not_queued_ever_more_often() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let polls = Rc::new(Cell::new(0));
            let counted = Rc::clone(&polls);
            let queue = Queue::unbounded();
            let _both = spawn(async move {
                let mut get = pin!(async { while queue.get().await.is_ok() {} });
                let mut put = pin!(async {
                    loop {
                        queue.put_nowait(()).unwrap(); // Wakes the task by its key.
                        yield_now().await; // Wakes it through its waker.
                    }
                });
                poll_fn(|cx| {
                    counted.set(counted.get() + 1);
                    let _ = get.as_mut().poll(cx);
                    put.as_mut().poll(cx)
                })
                .await
            });
            for _ in 0..12 {
                yield_now().await;
            }
            assert!(polls.get() <= 2 * 12, "{} polls", polls.get());
        });
    });
}

#[test]
fn a_receiver_that_is_gone_keeps_nothing_of_its_runtime() {
    in_a_process_of_its_own(
        "a_receiver_that_is_gone_keeps_nothing_of_its_runtime",
        || {
            let before = open_fds();
            let (_sender, mut receiver) = oneshot::channel::<()>();
            assert!(selio::run(poll_fn(|cx| {
                Poll::Ready(Pin::new(&mut receiver).poll(cx).is_pending())
            })));
            drop(receiver);
            assert_eq!(open_fds(), before);
            let (mut sender, receiver) = oneshot::channel::<()>();
            let mut closed = Box::pin(async move { sender.closed().await });
            assert!(selio::run(poll_fn(|cx| {
                Poll::Ready(closed.as_mut().poll(cx).is_pending())
            })));
            drop(closed);
            assert_eq!(open_fds(), before);
            drop(receiver);
        },
    );
}

#[test]
fn a_scope_that_is_over_keeps_nothing_of_its_runtime() {
    in_a_process_of_its_own("a_scope_that_is_over_keeps_nothing_of_its_runtime", || {
        let before = open_fds();
        let scope = TaskGroup::<()>::scope(|group| async { Ok(group) });
        let group = selio::run(scope).unwrap();
        assert_eq!(open_fds(), before);
        drop(group);
    });
}
