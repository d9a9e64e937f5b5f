//! Cancelling: when the future is dropped, what its handle says, and what is left behind.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]
#![allow(
    clippy::async_yields_async,
    reason = "handles leave the `block_on` that made them"
)]

mod common;
#[path = "common/tasks.rs"]
mod tasks;

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use selio::{JoinHandle, Source, sleep, spawn, stats, timeout, yield_now};

use crate::tasks::{
    Ledger, Log, OnDrop, Spy, a_look, on_a_runtime, on_each_runtime, poll_once, poll_with,
};

/// Where a task finds its own handle, or another's.
type Place<T> = Rc<RefCell<Option<JoinHandle<T>>>>;

fn cancel<T>(place: &Place<T>) {
    place
        .borrow()
        .as_ref()
        .expect("the handle is there")
        .cancel();
}

#[test]
fn a_cancelled_task_is_dropped_before_cancel_returns() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let ledger = Ledger::new();
            let entry = ledger.entry();
            let task = spawn(async move {
                let _entry = entry;
                pending::<()>().await;
            });
            yield_now().await;
            task.cancel();
            assert_eq!(ledger.alive(), 0);
            assert!(task.is_finished());
            assert_eq!(stats().tasks, 0);
            let error = task.await.unwrap_err();
            assert!(error.is_cancelled() && !error.is_panic());
        });
    });
}

#[test]
fn a_task_cancelled_before_its_first_poll_is_never_polled() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let before = stats().polls;
            let ledger = Ledger::new();
            let entry = ledger.entry();
            let task = spawn(async move {
                drop(entry);
                unreachable!("it was cancelled");
            });
            task.cancel();
            assert_eq!(ledger.alive(), 0);
            yield_now().await;
            assert!(task.await.unwrap_err().is_cancelled());
            assert_eq!(stats().polls, before);
        });
    });
}

#[test]
fn a_task_cancelled_while_it_is_queued_is_not_polled_again() {
    on_a_runtime(|runtime| {
        let log = Log::new();
        runtime.block_on(async {
            let victim: Place<()> = Rc::default();
            let place = Rc::clone(&victim);
            // It runs first, while the other is in the same batch.
            spawn(async move {
                yield_now().await;
                cancel(&place);
            });
            let task_log = log.clone();
            victim.replace(Some(spawn(async move {
                loop {
                    task_log.note("polled");
                    yield_now().await;
                }
            })));
            for _ in 0..4 {
                yield_now().await;
            }
        });
        assert_eq!(log.take(), ["polled"]);
    });
}

#[test]
fn the_slot_of_a_cancelled_task_may_be_taken_while_its_old_key_is_queued() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let old = spawn(pending::<()>());
            old.cancel();
            // The key of the old one is still in the queue.
            let before = stats().polls;
            let new = spawn(yield_now());
            yield_now().await;
            assert_eq!(stats().polls - before, 1, "once for itself");
            // A handle of an ended task hits nobody.
            old.cancel();
            new.await.unwrap();
            assert!(old.await.unwrap_err().is_cancelled());
        });
    });
}

#[test]
fn whoever_joins_a_task_is_woken_when_it_is_cancelled() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let mut task = spawn(pending::<()>());
            let (spy, waker) = Spy::new();
            assert!(poll_with(&mut task, &waker).is_pending());
            task.cancel();
            assert_eq!(spy.wakes(), 1);
            let Poll::Ready(Err(error)) = poll_with(&mut task, &waker) else {
                panic!("it has ended");
            };
            assert!(error.is_cancelled());
        });
    });
}

#[test]
fn a_finished_task_keeps_its_result_when_it_is_cancelled() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let task = spawn(async { 7 });
            yield_now().await;
            task.cancel();
            task.cancel();
            assert_eq!(task.await.unwrap(), 7);
        });
    });
}

#[test]
fn cancelling_twice_drops_once() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let ledger = Ledger::new();
            let entry = ledger.entry();
            let task = spawn(async move {
                let _entry = entry;
                pending::<()>().await;
            });
            task.cancel();
            task.cancel();
            assert_eq!(ledger.dropped(), 1);
            assert!(task.await.unwrap_err().is_cancelled());
        });
    });
}

#[test]
fn a_task_that_cancels_itself_is_dropped_right_after_its_poll() {
    on_a_runtime(|runtime| {
        let log = Log::new();
        runtime.block_on(async {
            let own: Place<()> = Rc::default();
            let (place, task_log) = (Rc::clone(&own), log.clone());
            own.replace(Some(spawn(async move {
                let drop_log = task_log.clone();
                let _guard = OnDrop::new(move || drop_log.note("dropped"));
                cancel(&place);
                task_log.note("still runs");
                // Woken, and yet never polled again.
                yield_now().await;
                task_log.note("polled again");
            })));
            let next_log = log.clone();
            spawn(async move { next_log.note("the next task") });
            yield_now().await;
            assert_eq!(log.take(), ["still runs", "dropped", "the next task"]);
            let own = own.take().expect("nobody took it");
            assert!(own.await.unwrap_err().is_cancelled());
            assert_eq!(stats().tasks, 0);
        });
    });
}

#[test]
fn a_task_that_ends_in_the_poll_in_which_it_was_cancelled_keeps_its_result() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let own: Place<i32> = Rc::default();
            let place = Rc::clone(&own);
            own.replace(Some(spawn(async move {
                cancel(&place);
                7
            })));
            yield_now().await;
            let own = own.take().expect("nobody took it");
            assert_eq!(own.await.unwrap(), 7);
        });
    });
}

#[test]
fn a_task_that_cancels_itself_in_its_own_destructor_ends_once() {
    on_a_runtime(|runtime| {
        for ends_by_itself in [false, true] {
            let drops = Rc::new(Cell::new(0));
            runtime.block_on(async {
                let own: Place<()> = Rc::default();
                let (place, count) = (Rc::clone(&own), Rc::clone(&drops));
                let guard = OnDrop::new(move || {
                    count.set(count.get() + 1);
                    // Whoever cancels holds the handle, so that it cannot be borrowed in general.
                    if let Ok(own) = place.try_borrow()
                        && let Some(own) = &*own
                    {
                        own.cancel();
                    }
                });
                own.replace(Some(spawn(async move {
                    let _guard = guard;
                    if !ends_by_itself {
                        pending::<()>().await;
                    }
                })));
                yield_now().await;
                cancel(&own);
                let own = own.take().expect("nobody took it");
                assert_eq!(own.await.is_ok(), ends_by_itself);
            });
            assert_eq!(drops.get(), 1);
            assert_eq!(runtime.stats().tasks, 0);
        }
    });
}

#[test]
fn a_destructor_may_cancel_other_tasks_waiting_queued_and_ended() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let ledger = Ledger::new();
            let waiting = spawn(pending::<()>());
            let ended = spawn(async {});
            yield_now().await;
            let queued = spawn(async {});
            let entry = ledger.entry();
            let guard = OnDrop::new(move || {
                for task in [&waiting, &ended, &queued] {
                    task.cancel();
                    assert!(task.is_finished());
                }
                drop(entry);
            });
            let task = spawn(async move {
                let _guard = guard;
                pending::<()>().await;
            });
            task.cancel();
            assert_eq!((ledger.alive(), stats().tasks), (0, 0));
            assert!(task.await.unwrap_err().is_cancelled());
        });
    });
}

#[test]
fn tasks_that_cancel_each_other_in_their_destructors_end() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let ledger = Ledger::new();
            let places: [Place<()>; 2] = Default::default();
            for (own, other) in [(0, 1), (1, 0)] {
                let (entry, other) = (ledger.entry(), Rc::clone(&places[other]));
                let guard = OnDrop::new(move || {
                    if let Some(other) = other.take() {
                        other.cancel();
                    }
                    drop(entry);
                });
                places[own].replace(Some(spawn(async move {
                    let _guard = guard;
                    pending::<()>().await;
                })));
            }
            yield_now().await;
            cancel(&places[0]);
            assert_eq!((ledger.alive(), stats().tasks), (0, 0));
        });
    });
}

#[test]
fn siblings_of_a_cancelled_task_go_on() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let tasks: Vec<_> = (0..100)
                .map(|i| {
                    spawn(async move {
                        for _ in 0..i % 7 {
                            yield_now().await;
                        }
                        i
                    })
                })
                .collect();
            yield_now().await;
            for task in tasks.iter().skip(1).step_by(3) {
                task.cancel();
            }
            for (i, task) in tasks.into_iter().enumerate() {
                // Those that had ended in the first turn have a result, cancelled or not.
                match task.await {
                    Ok(output) => assert!(output == i && (i % 3 != 1 || i % 7 == 0)),
                    Err(error) => assert!(error.is_cancelled() && i % 3 == 1),
                }
            }
            assert_eq!(stats().tasks, 0);
        });
    });
}

/// Two tasks, each of which awaits the handle of the other.
fn tasks_that_await_each_other(ledger: &Ledger, log: &Log<bool>) -> [Place<()>; 2] {
    let places: [Place<()>; 2] = Default::default();
    for (own, other) in [(0, 1), (1, 0)] {
        let (entry, log, other) = (ledger.entry(), log.clone(), Rc::clone(&places[other]));
        places[own].replace(Some(spawn(async move {
            let _entry = entry;
            let result = poll_fn(|cx| {
                let mut other = other.borrow_mut();
                let other = other.as_mut().expect("both are spawned");
                Pin::new(other).poll(cx)
            });
            log.note(result.await.is_ok());
        })));
    }
    places
}

#[test]
fn of_two_tasks_that_await_each_other_one_ends_when_the_other_is_cancelled() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let (ledger, log) = (Ledger::new(), Log::new());
            let places = tasks_that_await_each_other(&ledger, &log);
            yield_now().await;
            assert_eq!(stats().tasks, 2);
            cancel(&places[0]);
            yield_now().await;
            assert_eq!(log.take(), [false]);
            assert_eq!((ledger.alive(), stats().tasks), (0, 0));
        });
    });
}

#[test]
fn two_tasks_that_await_each_other_end_with_the_runtime() {
    let (ledger, log) = (Ledger::new(), Log::new());
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let places = tasks_that_await_each_other(&ledger, &log);
            yield_now().await;
            drop(places);
            assert_eq!(stats().tasks, 2);
        });
    });
    assert_eq!((ledger.alive(), log.len()), (0, 0));
}

#[test]
fn cancelling_with_the_handle_dropped_at_once_still_ends_the_task() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let ledger = Ledger::new();
            let entry = ledger.entry();
            let task = spawn(async move {
                let _entry = entry;
                pending::<()>().await;
            });
            yield_now().await;
            task.cancel();
            drop(task);
            assert_eq!((ledger.alive(), stats().tasks), (0, 0));
        });
    });
}

#[test]
fn a_cancelled_task_leaves_no_timer_no_source_and_no_waiter() {
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            let (a, b) = UnixStream::pair().unwrap();
            let shared = Rc::new(Source::new(b).unwrap());
            let waiter = Rc::clone(&shared);
            let tasks = [
                spawn(sleep(Duration::from_secs(3600))),
                spawn(async {
                    let silence = timeout(Duration::from_secs(3600), pending::<()>());
                    assert!(silence.await.is_err());
                }),
                spawn(async move {
                    let own = Source::new(a).unwrap();
                    own.readable().await.unwrap();
                }),
                spawn(async move { waiter.readable().await.unwrap() }),
            ];
            yield_now().await;
            let now = stats();
            assert_eq!((now.tasks, now.timers, now.sources), (4, 2, 2));
            for task in &tasks {
                task.cancel();
            }
            let now = stats();
            assert_eq!((now.tasks, now.timers, now.sources), (0, 0, 1));
            // The hang-up of the other end finds nobody to wake.
            let polls = stats().polls;
            a_look().await;
            assert_eq!(stats().polls, polls);
            drop(shared);
            assert_eq!(stats().sources, 0);
        });
    });
}

#[test]
fn whoever_stops_awaiting_a_handle_can_await_it_later() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let mut task = spawn(async {
                yield_now().await;
                yield_now().await;
                7
            });
            assert!(poll_once(&mut task).await.is_pending());
            assert!(timeout(Duration::ZERO, &mut task).await.is_err());
            assert_eq!(task.await.unwrap(), 7);
        });
    });
}

/// Twenty tasks that yield, and cancel one another, at random, while they run and in their
/// destructors.
#[test]
fn random_cancelling_ends_every_task_exactly_once() {
    let mut random = common::Random::from_environment();
    on_a_runtime(|runtime| {
        for _ in 0..2000 {
            let ledger = Ledger::new();
            runtime.block_on(async {
                let handles: Rc<RefCell<Vec<JoinHandle<()>>>> = Rc::default();
                for _ in 0..20 {
                    let (entry, late) = (ledger.entry(), ledger.entry());
                    let mut random = common::Random::new(random.next());
                    let mut drop_random = random.clone();
                    let all = Rc::clone(&handles);
                    let cancel_one = {
                        let all = Rc::clone(&handles);
                        move |random: &mut common::Random| {
                            // A task that is ended by this may do the same, deeper down.
                            if let Ok(all) = all.try_borrow()
                                && let Some(one) = all.get(random.below(20))
                            {
                                one.cancel();
                            }
                        }
                    };
                    let in_drop = cancel_one.clone();
                    let guard = OnDrop::new(move || {
                        in_drop(&mut drop_random);
                        drop(late);
                    });
                    let task = spawn(async move {
                        let _guard = (guard, entry);
                        for _ in 0..random.below(8) {
                            match random.below(3) {
                                0 => cancel_one(&mut random),
                                1 => sleep(Duration::ZERO).await,
                                _ => yield_now().await,
                            }
                        }
                    });
                    all.borrow_mut().push(task);
                }
                let handles = Rc::clone(&handles);
                while handles.borrow().iter().any(|task| !task.is_finished()) {
                    yield_now().await;
                }
                for task in handles.take() {
                    if let Err(error) = task.await {
                        assert!(error.is_cancelled(), "{error}");
                    }
                }
                assert_eq!((ledger.alive(), stats().tasks), (0, 0));
            });
        }
    });
}

/// Whoever cancels may be outside of the runtime of the task, or inside of another one.
#[test]
fn destructors_of_a_cancelled_task_see_the_runtime_of_the_task() {
    on_a_runtime(|other| {
        for is_in_another in [false, true] {
            let runtime = selio::Runtime::new().unwrap();
            let seen = Rc::new(Cell::new(None));
            let task = runtime.block_on(async {
                let seen = Rc::clone(&seen);
                let task = spawn(async move {
                    let _guard = OnDrop::new(move || {
                        seen.set(Some(stats().tasks));
                        drop(spawn(async {}));
                    });
                    pending::<()>().await;
                });
                yield_now().await;
                task
            });
            if is_in_another {
                other.block_on(async { task.cancel() });
            } else {
                task.cancel();
            }
            assert_eq!(seen.get(), Some(1), "{is_in_another}");
            assert!(runtime.block_on(task).unwrap_err().is_cancelled());
            assert_eq!(other.stats().tasks, 0);
        }
    });
}
