//! Queues: what the page of asyncio says of them, who comes first, and that no item is lost.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/dropping.rs"]
mod dropping;
#[path = "common/tasks.rs"]
mod tasks;

use std::cell::{Cell, RefCell};
use std::cmp::Reverse;
use std::future::Future;
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use selio::sync::{GetError, LifoQueue, PriorityQueue, PutError, Queue, QueueShutDown};
use selio::{JoinHandle, spawn, timeout, yield_now};

use crate::dropping::drop_at_each_pending;
use crate::tasks::{Ledger, Log, OnDrop, Spy, on_a_runtime, panic_here, poll_once, poll_with};

/// Runs a future against a deadline.
#[track_caller]
fn run(main: impl Future<Output = ()>) {
    on_a_runtime(|runtime| runtime.block_on(main));
}

/// Lets every task that is ready run, and those that they wake.
async fn settle() {
    for _ in 0..10 {
        yield_now().await;
    }
}

fn full(maxsize: usize) -> Rc<Queue<usize>> {
    let queue = Queue::bounded(maxsize);
    (0..maxsize).for_each(|n| queue.put_nowait(n).unwrap());
    Rc::new(queue)
}

/// A task that gets one item.
fn getter(queue: &Rc<Queue<usize>>) -> JoinHandle<Result<usize, QueueShutDown>> {
    let queue = Rc::clone(queue);
    spawn(async move { queue.get().await })
}

/// A task that puts one item.
fn putter(queue: &Rc<Queue<usize>>, n: usize) -> JoinHandle<Result<(), QueueShutDown<usize>>> {
    let queue = Rc::clone(queue);
    spawn(async move { queue.put(n).await })
}

/// What is left in the queue.
fn drain(queue: &Queue<usize>) -> Vec<usize> {
    std::iter::from_fn(|| queue.get_nowait().ok()).collect()
}

// The order of the items.

#[test]
fn a_queue_gives_the_oldest_item_first() {
    run(async {
        let queue = Queue::unbounded();
        for n in [3, 1, 2] {
            queue.put(n).await.unwrap();
        }
        let got = [queue.get().await, queue.get().await, queue.get().await];
        assert_eq!(got, [Ok(3), Ok(1), Ok(2)]);
    });
}

#[test]
fn a_lifo_queue_gives_the_newest_item_first() {
    let queue = LifoQueue::unbounded();
    for n in [3, 1, 2] {
        queue.put_nowait(n).unwrap();
    }
    assert_eq!([(); 3].map(|()| queue.get_nowait().unwrap()), [2, 1, 3]);
}

#[test]
fn a_priority_queue_gives_the_smallest_item_first() {
    let queue = PriorityQueue::bounded(3);
    for n in [3, 1, 2] {
        queue.put_nowait(n).unwrap();
    }
    assert_eq!([(); 3].map(|()| queue.get_nowait().unwrap()), [1, 2, 3]);
    for n in [3, 1, 2] {
        queue.put_nowait(n).unwrap();
    }
    let reversed = PriorityQueue::unbounded();
    drop(queue);
    for n in [3, 1, 2] {
        reversed.put_nowait(Reverse(n)).unwrap();
    }
    assert_eq!(reversed.get_nowait(), Ok(Reverse(3)));
}

#[test]
fn of_equal_items_a_priority_queue_gives_the_oldest_first() {
    /// Compares by the first number only.
    #[derive(Debug)]
    struct Job(u32, u32);
    impl PartialEq for Job {
        fn eq(&self, other: &Self) -> bool {
            self.0 == other.0
        }
    }
    impl Eq for Job {}
    impl PartialOrd for Job {
        fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
            Some(self.cmp(other))
        }
    }
    impl Ord for Job {
        fn cmp(&self, other: &Self) -> std::cmp::Ordering {
            self.0.cmp(&other.0)
        }
    }
    let queue = PriorityQueue::unbounded();
    (0..100).for_each(|n| queue.put_nowait(Job(n % 2, n)).unwrap());
    let order: Vec<_> = std::iter::from_fn(|| queue.get_nowait().ok().map(|job| job.1)).collect();
    let expected: Vec<_> = (0..100).step_by(2).chain((1..100).step_by(2)).collect();
    assert_eq!(order, expected);
}

#[test]
fn who_waits_at_a_priority_queue_gets_what_is_smallest_when_it_runs() {
    run(async {
        let queue = Rc::new(PriorityQueue::unbounded());
        let getter = spawn({
            let queue = Rc::clone(&queue);
            async move { queue.get().await }
        });
        settle().await;
        queue.put_nowait(5).unwrap();
        queue.put_nowait(1).unwrap();
        assert_eq!(getter.await.unwrap(), Ok(1));
    });
}

// The size.

#[test]
fn a_bounded_queue_is_full_at_maxsize_and_put_waits_for_a_get() {
    run(async {
        let queue = full(2);
        assert!(queue.is_full() && !queue.is_empty());
        assert_eq!((queue.len(), queue.maxsize()), (2, Some(2)));
        assert_eq!(queue.put_nowait(7), Err(PutError::Full(7)));
        let putter = putter(&queue, 2);
        settle().await;
        assert!(!putter.is_finished());
        assert_eq!(queue.get().await, Ok(0));
        putter.await.unwrap().unwrap();
        assert_eq!(drain(&queue), [1, 2]);
    });
}

#[test]
fn an_unbounded_queue_is_never_full_and_is_the_default() {
    for queue in [Queue::unbounded(), Queue::default()] {
        (0..10_000).for_each(|n| queue.put_nowait(n).unwrap());
        assert!(!queue.is_full());
        assert_eq!((queue.len(), queue.maxsize()), (10_000, None));
    }
}

#[test]
fn a_queue_without_room_for_any_item_is_refused() {
    let message = panic_here(|| Queue::<u8>::bounded(0));
    assert!(message.starts_with("Queue::bounded(0): "), "{message}");
    let message = panic_here(|| PriorityQueue::<u8>::bounded(0));
    assert!(
        message.starts_with("PriorityQueue::bounded(0): "),
        "{message}"
    );
}

#[test]
fn get_waits_until_an_item_is_put() {
    run(async {
        let queue = Rc::new(Queue::unbounded());
        assert_eq!(queue.get_nowait(), Err(GetError::Empty));
        let getter = getter(&queue);
        settle().await;
        assert!(!getter.is_finished());
        queue.put(7).await.unwrap();
        assert_eq!(getter.await.unwrap(), Ok(7));
        assert!(queue.is_empty());
        let moment = Duration::from_millis(1);
        assert!(timeout(moment, queue.get()).await.is_err());
    });
}

// Who comes first.

#[test]
fn getters_get_in_the_order_in_which_they_came() {
    run(async {
        let (queue, log) = (Rc::new(Queue::unbounded()), Log::new());
        let tasks = [0, 1, 2].map(|n| {
            let (queue, log) = (Rc::clone(&queue), log.clone());
            spawn(async move { log.note((n, queue.get().await.unwrap())) })
        });
        settle().await;
        (0..3).for_each(|n| queue.put_nowait(n).unwrap());
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(log.take(), [(0, 0), (1, 1), (2, 2)]);
    });
}

#[test]
fn a_newcomer_does_not_take_the_item_of_who_waits() {
    run(async {
        let queue = Rc::new(Queue::unbounded());
        let getter = getter(&queue);
        settle().await;
        queue.put_nowait(1).unwrap();
        assert_eq!((queue.len(), queue.get_nowait()), (1, Err(GetError::Empty)));
        queue.put_nowait(2).unwrap();
        assert!(
            queue.get_nowait().is_ok(),
            "nobody has a claim to the second"
        );
        let (_, waker) = Spy::new();
        assert!(poll_with(&mut pin!(queue.get()), &waker).is_pending());
        assert!(getter.await.unwrap().is_ok());
    });
}

#[test]
fn a_newcomer_does_not_take_the_room_of_who_waits() {
    run(async {
        let queue = full(1);
        let putter = putter(&queue, 1);
        settle().await;
        assert_eq!(queue.get_nowait(), Ok(0));
        assert!(!queue.is_full());
        assert_eq!(queue.put_nowait(2), Err(PutError::Full(2)));
        putter.await.unwrap().unwrap();
        assert_eq!(drain(&queue), [1]);
    });
}

#[test]
fn many_producers_and_consumers_lose_nothing_and_keep_each_ones_order() {
    run(async {
        let (queue, log) = (Rc::new(Queue::bounded(3)), Log::new());
        let producers: Vec<_> = (0..7)
            .map(|who| {
                let queue = Rc::clone(&queue);
                spawn(async move {
                    for n in 0..50 {
                        queue.put((who, n)).await.unwrap();
                    }
                })
            })
            .collect();
        let consumers: Vec<_> = (0..4)
            .map(|_| {
                let (queue, log) = (Rc::clone(&queue), log.clone());
                spawn(async move {
                    while let Ok(item) = queue.get().await {
                        log.note(item);
                        queue.task_done();
                    }
                })
            })
            .collect();
        for producer in producers {
            producer.await.unwrap();
        }
        queue.join().await;
        queue.shutdown(false);
        for consumer in consumers {
            consumer.await.unwrap();
        }
        let all = log.take();
        assert_eq!(all.len(), 7 * 50);
        for who in 0..7 {
            let his = all.iter().filter(|item| item.0 == who).map(|item| item.1);
            assert!(his.eq(0..50));
        }
    });
}

// join and task_done.

#[test]
fn join_waits_until_all_items_are_done() {
    run(async {
        let queue = full(2);
        let join = spawn({
            let queue = Rc::clone(&queue);
            async move { queue.join().await }
        });
        assert_eq!(drain(&queue), [0, 1]);
        settle().await;
        assert!(!join.is_finished(), "they were got, but are not done");
        queue.task_done();
        settle().await;
        assert!(!join.is_finished());
        queue.task_done();
        join.await.unwrap();
    });
}

#[test]
fn join_does_not_wait_if_nothing_was_put() {
    run(async {
        let queue = Queue::<u8>::unbounded();
        queue.join().await;
    });
}

#[test]
fn all_who_wait_in_join_go_on_even_if_more_was_put_since() {
    run(async {
        let queue = full(1);
        let (spy, waker) = Spy::new();
        let (mut one, mut two) = (pin!(queue.join()), pin!(queue.join()));
        assert!(poll_with(&mut one, &waker).is_pending());
        assert!(poll_with(&mut two, &waker).is_pending());
        queue.get().await.unwrap();
        queue.task_done();
        queue.put_nowait(7).unwrap();
        assert_eq!(spy.wakes(), 2);
        one.await;
        two.await;
        assert!(poll_with(&mut pin!(queue.join()), &waker).is_pending());
    });
}

#[test]
fn task_done_called_too_often_panics_and_says_where() {
    let queue = full(1);
    queue.task_done();
    let message = panic_here(|| queue.task_done());
    assert!(message.starts_with("Queue::task_done: "), "{message}");
}

// shutdown.

#[test]
fn after_shutdown_nothing_can_be_put_and_what_is_there_can_be_got() {
    run(async {
        let queue = Queue::unbounded();
        queue.put_nowait(1).unwrap();
        queue.put_nowait(2).unwrap();
        assert!(!queue.is_shut_down());
        queue.shutdown(false);
        assert!(queue.is_shut_down());
        assert_eq!(queue.put(3).await, Err(QueueShutDown(3)));
        assert_eq!(queue.put_nowait(4), Err(PutError::ShutDown(4)));
        assert_eq!(queue.get().await, Ok(1));
        assert_eq!(queue.get_nowait(), Ok(2));
        assert_eq!(queue.get().await, Err(QueueShutDown(())));
        assert_eq!(queue.get_nowait(), Err(GetError::ShutDown));
    });
}

#[test]
fn shutdown_sends_away_who_waits_to_get() {
    run(async {
        let queue = Rc::new(Queue::unbounded());
        let getters = [getter(&queue), getter(&queue)];
        settle().await;
        queue.shutdown(false);
        for getter in getters {
            assert_eq!(getter.await.unwrap(), Err(QueueShutDown(())));
        }
    });
}

#[test]
fn shutdown_gives_who_waits_to_put_its_item_back() {
    run(async {
        let queue = full(1);
        let putters = [putter(&queue, 7), putter(&queue, 8)];
        settle().await;
        queue.shutdown(false);
        for (putter, n) in putters.into_iter().zip(7..) {
            assert_eq!(putter.await.unwrap(), Err(QueueShutDown(n)));
        }
        assert_eq!(drain(&queue), [0]);
    });
}

#[test]
fn who_was_given_room_before_the_shutdown_does_not_put_after_it() {
    run(async {
        let queue = full(1);
        let putter = putter(&queue, 7);
        settle().await;
        queue.get_nowait().unwrap();
        queue.shutdown(false);
        assert_eq!(putter.await.unwrap(), Err(QueueShutDown(7)));
        assert_eq!(queue.get().await, Err(QueueShutDown(())));
    });
}

#[test]
fn who_was_given_an_item_before_the_shutdown_gets_it_after() {
    run(async {
        let queue = Rc::new(Queue::unbounded());
        let (first, second) = (getter(&queue), getter(&queue));
        settle().await;
        queue.put_nowait(7).unwrap();
        queue.shutdown(false);
        // The queue is not empty yet: who waits longer still may get it.
        assert_eq!(first.await.unwrap(), Ok(7));
        assert_eq!(second.await.unwrap(), Err(QueueShutDown(())));
    });
}

#[test]
fn the_last_item_of_a_queue_that_is_shut_down_is_not_lost_with_who_was_given_it() {
    run(async {
        let queue = Rc::new(Queue::unbounded());
        let (first, second) = (getter(&queue), getter(&queue));
        settle().await;
        queue.put_nowait(7).unwrap();
        queue.shutdown(false);
        let late = getter(&queue);
        first.cancel();
        assert_eq!(second.await.unwrap(), Ok(7));
        assert_eq!(late.await.unwrap(), Err(QueueShutDown(())));
    });
}

#[test]
fn after_an_ordinary_shutdown_join_waits_for_what_is_left() {
    run(async {
        let queue = full(2);
        queue.shutdown(false);
        let (spy, waker) = Spy::new();
        let mut join = pin!(queue.join());
        assert!(poll_with(&mut join, &waker).is_pending());
        while queue.get().await.is_ok() {
            queue.task_done();
        }
        assert_eq!(spy.wakes(), 1);
        join.await;
    });
}

#[test]
fn an_immediate_shutdown_drops_the_items_and_ends_join() {
    run(async {
        let (queue, ledger) = (Queue::unbounded(), Ledger::new());
        (0..3).for_each(|_| queue.put_nowait(ledger.entry()).unwrap());
        let (_, waker) = Spy::new();
        let mut join = pin!(queue.join());
        assert!(poll_with(&mut join, &waker).is_pending());
        queue.shutdown(true);
        assert_eq!((ledger.alive(), queue.len()), (0, 0));
        join.await;
        assert!(queue.get().await.is_err());
        assert!(matches!(queue.get_nowait(), Err(GetError::ShutDown)));
    });
}

#[test]
fn after_an_immediate_shutdown_join_waits_for_what_was_got_before() {
    run(async {
        let queue = full(3);
        queue.get_nowait().unwrap();
        queue.shutdown(true);
        let (_, waker) = Spy::new();
        let mut join = pin!(queue.join());
        assert!(poll_with(&mut join, &waker).is_pending());
        queue.task_done();
        join.await;
        panic_here(|| queue.task_done());
    });
}

#[test]
fn an_immediate_shutdown_takes_the_item_of_who_was_given_it() {
    run(async {
        let queue = Rc::new(Queue::unbounded());
        let getter = getter(&queue);
        settle().await;
        queue.put_nowait(7).unwrap();
        queue.shutdown(true);
        assert_eq!(getter.await.unwrap(), Err(QueueShutDown(())));
        queue.join().await;
    });
}

#[test]
fn shutdown_may_be_called_again_to_make_it_immediate() {
    run(async {
        let queue = full(2);
        queue.shutdown(false);
        queue.shutdown(false);
        assert_eq!(queue.len(), 2);
        queue.shutdown(true);
        queue.shutdown(true);
        assert!(queue.is_empty());
        queue.join().await;
    });
}

#[test]
fn items_that_use_the_queue_when_they_are_dropped_harm_nothing() {
    run(async {
        let queue = Rc::new(Queue::unbounded());
        let seen = Rc::new(RefCell::new(Vec::new()));
        for _ in 0..2 {
            let (inner, seen) = (Rc::downgrade(&queue), Rc::clone(&seen));
            let act: Box<dyn FnOnce()> = Box::new(move || {
                let queue: Rc<Queue<_>> = inner.upgrade().unwrap();
                seen.borrow_mut().push((queue.len(), queue.is_shut_down()));
                queue.shutdown(true);
            });
            assert!(queue.put_nowait(OnDrop::new(act)).is_ok());
        }
        queue.shutdown(true);
        assert_eq!(seen.take(), [(0, true), (0, true)]);
    });
}

// Nothing is lost with who leaves.

#[test]
fn a_get_that_is_dropped_leaves_the_item_to_the_next() {
    run(async {
        let pendings = drop_at_each_pending(
            async || {
                let queue = Rc::new(Queue::unbounded());
                let putter = spawn({
                    let queue = Rc::clone(&queue);
                    async move {
                        settle().await;
                        queue.put(7).await.unwrap();
                    }
                });
                (queue, putter, None)
            },
            async |(queue, _, next)| {
                let mut get = pin!(queue.get());
                if let Poll::Ready(item) = poll_once(&mut get).await {
                    return item;
                }
                *next = Some(getter(queue));
                yield_now().await; // The next one waits behind it.
                get.await
            },
            async |(queue, putter, next): (_, JoinHandle<()>, Option<JoinHandle<_>>), item| {
                putter.await.unwrap();
                settle().await;
                let next = next.expect("it has waited");
                match item {
                    Some(item) => {
                        assert_eq!(item, Ok(7));
                        next.cancel();
                    }
                    None => assert_eq!(next.await.unwrap(), Ok(7)),
                }
                assert!(queue.is_empty());
            },
        );
        assert_eq!(pendings.await, 2, "the yield, and the get");
    });
}

#[test]
fn a_put_that_is_dropped_leaves_the_room_to_the_next() {
    run(async {
        let pendings = drop_at_each_pending(
            async || {
                let queue = full(1);
                let getter = spawn({
                    let queue = Rc::clone(&queue);
                    async move {
                        yield_now().await;
                        queue.get().await.unwrap()
                    }
                });
                (queue, getter)
            },
            async |(queue, _)| queue.put(1).await,
            async |(queue, getter), put| {
                assert_eq!(getter.await.unwrap(), 0);
                if put.is_none() {
                    queue.put_nowait(2).expect("the room was given back");
                }
                assert_eq!(queue.len(), 1);
                assert_eq!(drain(&queue), [if put.is_none() { 2 } else { 1 }]);
            },
        );
        assert_eq!(pendings.await, 1);
    });
}

#[test]
fn a_put_that_is_kept_beyond_a_timeout_keeps_its_item() {
    run(async {
        let queue = full(1);
        let mut put = pin!(queue.put(1));
        assert!(timeout(Duration::ZERO, &mut put).await.is_err());
        assert_eq!(queue.get().await, Ok(0));
        put.await.unwrap();
        assert_eq!(drain(&queue), [1]);
    });
}

#[test]
fn a_join_that_is_dropped_takes_nothing_from_the_others() {
    run(async {
        let pendings = drop_at_each_pending(
            async || {
                let queue = full(1);
                let joiner = spawn({
                    let queue = Rc::clone(&queue);
                    async move { queue.join().await }
                });
                let worker = spawn({
                    let queue = Rc::clone(&queue);
                    async move {
                        yield_now().await;
                        queue.task_done();
                    }
                });
                yield_now().await;
                (queue, joiner, worker)
            },
            async |(queue, ..)| queue.join().await,
            async |(_, joiner, worker), _| {
                worker.await.unwrap();
                joiner.await.unwrap();
            },
        );
        assert_eq!(pendings.await, 1);
    });
}

// What it says.

#[test]
fn a_queue_tells_its_state() {
    run(async {
        let queue = full(1);
        let (_, waker) = Spy::new();
        let mut put = pin!(queue.put(1));
        assert!(poll_with(&mut put, &waker).is_pending());
        assert_eq!(
            format!("{queue:?}"),
            "Queue { len: 1, maxsize: Some(1), unfinished: 1, is_shut_down: false, \
             waiting_to_get: 0, waiting_to_put: 1 }"
        );
        let lifo = LifoQueue::<Cell<u8>>::unbounded();
        assert!(format!("{lifo:?}").starts_with("LifoQueue { len: 0, maxsize: None"));
        let by_priority = PriorityQueue::<u8>::unbounded();
        assert!(format!("{by_priority:?}").starts_with("PriorityQueue {"));
    });
}

#[test]
fn the_errors_say_what_happened_and_turn_into_those_of_io() {
    let full = PutError::Full(7);
    assert_eq!(full.to_string(), "the queue is full");
    assert_eq!(full.into_item(), 7);
    assert_eq!(io::Error::from(full).kind(), io::ErrorKind::WouldBlock);
    let ended = PutError::ShutDown(7);
    assert_eq!(
        format!("{ended} {ended:?}"),
        "the queue is shut down ShutDown(..)"
    );
    assert_eq!(io::Error::from(ended).kind(), io::ErrorKind::BrokenPipe);
    assert_eq!(GetError::Empty.to_string(), "the queue is empty");
    assert_eq!(
        io::Error::from(GetError::Empty).kind(),
        io::ErrorKind::WouldBlock
    );
    assert_eq!(GetError::from(QueueShutDown(())), GetError::ShutDown);
    assert_eq!(
        io::Error::from(GetError::ShutDown).to_string(),
        "the queue is shut down"
    );
    assert_eq!(format!("{:?}", QueueShutDown(7)), "QueueShutDown(..)");
}
