//! Hostile users of `sync` and of what stands in `structured`: values that panic wherever they can,
//! and moments that nobody would choose.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/tasks.rs"]
mod tasks;

use std::cell::{Cell, RefCell};
use std::cmp::Ordering;
use std::convert::Infallible;
use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Wake, Waker};
use std::time::{Duration, Instant};

use selio::sync::{Barrier, Condvar, Mutex, PriorityQueue, Queue, oneshot};
use selio::{
    Deadline, GroupError, TaskGroup, gather, race, spawn, stats, timeout_at, wait, yield_now,
};

use crate::tasks::{
    Log, OnDrop, Spy, in_a_process_of_its_own, on_a_runtime, panic_of, poll_once, poll_with,
};

thread_local! {
    static IS_MOODY: Cell<bool> = const { Cell::new(false) };
}

/// Panics when it is compared and when it is dropped, on bad days.
#[derive(PartialEq, Eq, Debug)]
struct Moody(usize);

impl PartialOrd for Moody {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Moody {
    fn cmp(&self, other: &Self) -> Ordering {
        assert!(!IS_MOODY.get(), "do not compare me");
        self.0.cmp(&other.0)
    }
}

impl Drop for Moody {
    fn drop(&mut self) {
        assert!(!IS_MOODY.get(), "do not drop me");
    }
}

#[test]
fn an_item_that_panics_when_it_is_compared_and_dropped_aborts_nothing() {
    in_a_process_of_its_own(
        "an_item_that_panics_when_it_is_compared_and_dropped_aborts_nothing",
        || {
            let queue = PriorityQueue::bounded(3);
            for number in 0..3 {
                queue.put_nowait(Moody(number)).unwrap();
            }
            IS_MOODY.set(true);
            let panic = panic_of(|| queue.get_nowait());
            assert_eq!(panic.message, "do not compare me");
            IS_MOODY.set(false);
            assert_eq!(queue.len(), 2);
            queue.put_nowait(Moody(3)).unwrap();
            while queue.get_nowait().is_ok() {}
            assert!(queue.is_empty());
        },
    );
}

/// What a task has to say whenever it likes.
fn note(log: &Log<&'static str>, what: &'static str) -> OnDrop<impl FnOnce() + use<>> {
    let log = log.clone();
    OnDrop::new(move || log.note(what))
}

#[test]
fn an_immediate_shutdown_ends_all_waits_at_once_though_one_was_promised_an_item() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let queue = Rc::new(Queue::bounded(1));
            let get = || {
                let queue = Rc::clone(&queue);
                spawn(async move { queue.get().await })
            };
            let getters = [get(), get(), get()];
            yield_now().await;
            queue.put_nowait(1).unwrap(); // The first getter has its promise, and was not polled since.
            let put = |item| {
                let queue = Rc::clone(&queue);
                spawn(async move { queue.put(item).await })
            };
            let putters = [put(2), put(3)];
            let join = spawn({
                let queue = Rc::clone(&queue);
                async move { queue.join().await }
            });
            assert_eq!(queue.len(), 1);
            queue.shutdown(true);
            yield_now().await;
            yield_now().await;
            for getter in getters {
                assert!(getter.is_finished());
                assert!(getter.await.unwrap().is_err());
            }
            for (putter, item) in putters.into_iter().zip([2, 3]) {
                assert!(putter.is_finished());
                assert_eq!(putter.await.unwrap().unwrap_err().0, item);
            }
            assert!(join.is_finished());
            assert!(queue.is_empty());
        });
    });
}

#[test]
fn a_party_that_is_cancelled_as_the_barrier_breaks_leaves_the_next_round_whole() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let barrier = Rc::new(Barrier::new(3));
            let come = || {
                let barrier = Rc::clone(&barrier);
                spawn(async move { barrier.wait().await })
            };
            for victim in 0..2 {
                let parties = [come(), come()];
                yield_now().await;
                assert_eq!(barrier.wait().await, Ok(2));
                parties[victim].cancel(); // It may go, and was not polled since.
                assert_eq!(barrier.n_waiting(), 0);
                for (place, party) in parties.into_iter().enumerate() {
                    match party.await {
                        Ok(result) => assert_eq!(result, Ok(place)),
                        Err(error) => assert!(error.is_cancelled() && place == victim),
                    }
                }
            }
            let parties = [come(), come()];
            yield_now().await;
            barrier.abort();
            parties[0].cancel();
            barrier.reset();
            let parties = [come(), come(), come()];
            for (place, party) in parties.into_iter().enumerate() {
                assert_eq!(party.await.unwrap(), Ok(place));
            }
        });
    });
}

#[test]
fn a_notification_goes_on_until_somebody_lives_to_hear_it() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let pair = Rc::new((Mutex::new(()), Condvar::new()));
            let wait = || {
                let pair = Rc::clone(&pair);
                spawn(async move {
                    let guard = pair.0.lock().await;
                    drop(pair.1.wait(guard).await);
                })
            };
            let tasks: Vec<_> = (0..6).map(|_| wait()).collect();
            yield_now().await;
            yield_now().await;
            let guard = pair.0.lock().await;
            pair.1.notify(2);
            // Two have been told, and one of them stands in the line of the mutex already.
            tasks[0].cancel();
            yield_now().await;
            for task in &tasks[1..4] {
                task.cancel();
            }
            drop(guard);
            for task in tasks.into_iter().skip(4) {
                task.await.unwrap();
            }
        });
    });
}

#[test]
fn a_loser_that_panics_when_it_is_dropped_takes_no_other_along() {
    on_a_runtime(|runtime| {
        let log = Log::new();
        let loser = |name: &'static str| {
            let log = log.clone();
            let held = OnDrop::new(move || {
                log.note(name);
                assert_ne!(name, "b", "a bad loser");
            });
            Racer::Loses(held)
        };
        let racers = [loser("a"), loser("b"), Racer::Wins, loser("c")];
        let panic = panic_of(|| runtime.block_on(race(racers.map(Racer::run))));
        assert!(panic.message.contains("a bad loser"));
        assert_eq!(log.take(), ["a", "b", "c"]);
        assert_eq!(runtime.block_on(async { 7 }), 7);
    });
}

enum Racer<F: FnOnce()> {
    Wins,
    Loses(OnDrop<F>),
}

impl<F: FnOnce()> Racer<F> {
    async fn run(self) {
        match self {
            Self::Wins => yield_now().await,
            Self::Loses(_held) => pending().await,
        }
    }
}

#[test]
fn a_gather_that_is_dropped_leaves_no_way_to_its_task() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let kept = RefCell::new(None);
            let keep_waker = poll_fn(|cx| {
                kept.replace(Some(cx.waker().clone()));
                Poll::<()>::Pending
            });
            let (spy, waker) = Spy::new();
            let mut all = Box::pin(gather([keep_waker]));
            assert!(poll_with(&mut all, &waker).is_pending());
            drop(all);
            assert_eq!(Arc::strong_count(&spy), 2, "somebody still has the waker");
            kept.take().unwrap().wake();
            assert_eq!(spy.wakes(), 0, "nobody waits any more");
        });
    });
}

#[test]
fn a_wait_that_is_dropped_leaves_no_way_to_its_task() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let mut tasks = vec![spawn(pending::<()>())];
            let (spy, waker) = Spy::new();
            let mut all = wait(&mut tasks);
            assert!(poll_with(&mut all, &waker).is_pending());
            drop(all);
            assert_eq!(Arc::strong_count(&spy), 2, "somebody still has the waker");
            tasks[0].cancel();
            assert_eq!(spy.wakes(), 0, "nobody waits any more");
        });
    });
}

#[test]
fn a_deadline_may_be_moved_to_any_time_at_any_time() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let hour = Duration::from_secs(3600);
            let past = Instant::now();
            let limit = Deadline::after(hour);
            // Into the past, from the inside: it passes as soon as the future waits.
            let inside = limit.scope(async {
                limit.reschedule(past);
                yield_now().await;
                pending::<()>().await;
            });
            assert!(inside.await.is_err());
            assert!(limit.expired());
            // To never: it has not expired since, and neither will what comes.
            limit.reschedule(None);
            assert!(!limit.expired());
            let mut scope = Box::pin(limit.scope(pending::<()>()));
            assert!(poll_once(&mut scope).await.is_pending());
            assert_eq!(stats().timers, 0);
            // There and back before anybody looks: it does not pass.
            limit.reschedule(past);
            limit.reschedule_after(Duration::MAX);
            assert!(poll_once(&mut scope).await.is_pending());
            assert!(!limit.expired());
            // Expired, and moved before the one who waits has looked: it goes on.
            limit.reschedule(past);
            limit.reschedule_after(hour);
            assert!(poll_once(&mut scope).await.is_pending());
            drop(scope);
            assert_eq!(stats().timers, 0);
        });
    });
}

#[test]
fn limits_of_one_instant_end_the_inner_one_and_what_it_gives_is_kept() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let when = Instant::now() + Duration::from_millis(5);
            let inner = async {
                let inner = timeout_at(when, pending::<()>()).await;
                assert!(inner.is_err());
                "kept"
            };
            let both = timeout_at(when, timeout_at(when, inner));
            assert_eq!(both.await.unwrap().unwrap(), "kept");

            let limit = Deadline::at(Instant::now() + Duration::from_millis(5));
            let inner = async {
                assert!(limit.scope(pending::<()>()).await.is_err());
                "kept"
            };
            assert_eq!(limit.scope(inner).await.unwrap(), "kept");
        });
    });
}

type Scope = Pin<Box<dyn Future<Output = Result<(), GroupError<Infallible>>>>>;

#[test]
fn a_scope_that_its_own_task_drops_ends_all_of_its_tasks() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let log = Log::new();
            let place: Rc<RefCell<Option<Scope>>> = Rc::default();
            let (inner, other) = (Rc::clone(&place), log.clone());
            let scope = TaskGroup::scope(async move |group| {
                let held = note(&other, "the other one");
                group.spawn(async move {
                    let _held = held;
                    pending::<Result<(), _>>().await
                });
                let late = group.clone();
                group.spawn(async move {
                    let _held = note(&other, "the one that drops");
                    drop(inner.take());
                    other.note("dropped");
                    assert!(late.spawn(async { Ok(()) }).is_finished());
                    pending::<Result<(), _>>().await
                });
                pending().await
            });
            place.replace(Some(Box::pin(scope)));
            let mut scope = place.take().unwrap();
            assert!(poll_once(&mut scope).await.is_pending());
            place.replace(Some(scope));
            yield_now().await;
            yield_now().await;
            assert_eq!(
                log.take(),
                ["the other one", "dropped", "the one that drops"]
            );
            assert_eq!(stats().tasks, 0);
        });
    });
}

type SharedSender = Rc<Cell<Option<oneshot::Sender<u32>>>>;

thread_local! {
    static SENDER: RefCell<Option<SharedSender>> = const { RefCell::new(None) };
}

/// Drops the sender when the last clone of this waker is gone.
struct Dropping;

impl Drop for Dropping {
    fn drop(&mut self) {
        let sender = SENDER.take();
        drop(sender.and_then(|sender| sender.take()));
    }
}

impl Wake for Dropping {
    fn wake(self: Arc<Self>) {}
}

fn dropping(sender: Rc<Cell<Option<oneshot::Sender<u32>>>>) -> Waker {
    SENDER.replace(Some(sender));
    Waker::from(Arc::new(Dropping))
}

/// The value of each channel holds an end of the next one.
struct Link {
    _next: Option<oneshot::Sender<Link>>,
    _back: Option<oneshot::Receiver<Link>>,
}

#[test]
fn ends_that_are_dropped_inside_of_each_other_tell_those_who_wait() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let (first, held) = oneshot::channel();
            let (mut second, back) = oneshot::channel();
            let (third, waiting) = oneshot::channel::<Link>();
            let told = spawn(async move { waiting.await.is_err() });
            yield_now().await;
            let link = Link {
                _next: Some(third),
                _back: Some(back),
            };
            assert!(first.send(link).is_ok());
            drop(held); // With the value, with the ends in it.
            second.closed().await;
            assert!(told.await.unwrap());

            // A waker that drops the other end when it is dropped, exchanged or called.
            for last in ["exchanged", "dropped", "called"] {
                let (sender, mut receiver) = oneshot::channel::<u32>();
                let sender = Rc::new(Cell::new(Some(sender)));
                let waker = dropping(Rc::clone(&sender));
                assert!(poll_with(&mut receiver, &waker).is_pending());
                match last {
                    "exchanged" => {
                        drop(waker);
                        let (_, waker) = Spy::new();
                        assert!(poll_with(&mut receiver, &waker).is_ready());
                    }
                    "dropped" => drop((waker, receiver)),
                    _ => {
                        drop(waker);
                        sender.take().unwrap().send(1).unwrap();
                        assert_eq!(receiver.await, Ok(1));
                    }
                }
                assert!(sender.take().is_none(), "{last}");
            }
        });
    });
}
