//! Locks, events, permits: what the pages of asyncio say of them, and that nothing is lost with a
//! task that leaves.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/dropping.rs"]
mod dropping;
#[path = "common/tasks.rs"]
mod tasks;

use std::cell::Cell;
use std::future::Future;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;

use selio::sync::oneshot;
use selio::sync::{Barrier, BrokenBarrier, Condvar, Event, Mutex, MutexGuard, Permit, Semaphore};
use selio::{JoinHandle, spawn, timeout, yield_now};

use crate::dropping::drop_at_each_pending;
use crate::tasks::{Log, Spy, on_a_runtime, panic_here, poll_with};

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

/// A task that locks the mutex, notes its name and goes on with it as long as it is told.
fn locker(mutex: &Rc<Mutex<()>>, log: &Log<&'static str>, name: &'static str) -> JoinHandle<()> {
    let (mutex, log) = (Rc::clone(mutex), log.clone());
    spawn(async move {
        let _guard = mutex.lock().await;
        log.note(name);
        yield_now().await;
    })
}

// Mutex: asyncio's Lock.

#[test]
fn a_mutex_is_locked_by_one_task_at_a_time() {
    run(async {
        let (mutex, inside) = (Rc::new(Mutex::new(0)), Rc::new(Cell::new(false)));
        let tasks: Vec<_> = (0..20)
            .map(|_| {
                let (mutex, inside) = (Rc::clone(&mutex), Rc::clone(&inside));
                spawn(async move {
                    let mut count = mutex.lock().await;
                    assert!(!inside.replace(true));
                    yield_now().await;
                    *count += 1;
                    assert!(inside.replace(false));
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*mutex.lock().await, 20);
    });
}

#[test]
fn a_mutex_is_fair_the_first_to_wait_is_the_first_to_lock() {
    run(async {
        let (mutex, log) = (Rc::new(Mutex::new(())), Log::new());
        let tasks = ["a", "b", "c"].map(|name| locker(&mutex, &log, name));
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(log.take(), ["a", "b", "c"]);
    });
}

#[test]
fn a_newcomer_does_not_overtake_who_was_given_the_lock() {
    run(async {
        let (mutex, log) = (Rc::new(Mutex::new(())), Log::new());
        let guard = mutex.lock().await;
        let waiter = locker(&mutex, &log, "waiter");
        yield_now().await;
        drop(guard);
        // It was released, but the one who waits has not run yet.
        assert!(mutex.is_locked());
        assert!(mutex.try_lock().is_none());
        let guard = mutex.lock().await;
        log.note("newcomer");
        drop(guard);
        waiter.await.unwrap();
        assert_eq!(log.take(), ["waiter", "newcomer"]);
    });
}

#[test]
fn is_locked_tells_whether_one_would_wait() {
    run(async {
        let mutex = Mutex::new(());
        assert!(!mutex.is_locked());
        let guard = mutex.lock().await;
        assert!(mutex.is_locked());
        drop(guard);
        assert!(!mutex.is_locked());
    });
}

#[test]
fn a_panic_releases_the_mutex_and_poisons_nothing() {
    run(async {
        let mutex = Rc::new(Mutex::new(1));
        let task = spawn({
            let mutex = Rc::clone(&mutex);
            async move {
                let mut guard = mutex.lock().await;
                *guard = 2;
                std::panic::resume_unwind(Box::new("planned"));
            }
        });
        assert!(task.await.unwrap_err().is_panic());
        assert_eq!(*mutex.lock().await, 2);
    });
}

#[test]
fn a_cancelled_holder_releases_the_mutex() {
    run(async {
        let mutex = Rc::new(Mutex::new(()));
        let holder = spawn({
            let mutex = Rc::clone(&mutex);
            async move {
                let _guard = mutex.lock().await;
                std::future::pending::<()>().await;
            }
        });
        yield_now().await;
        assert!(mutex.is_locked());
        holder.cancel();
        drop(mutex.lock().await);
    });
}

#[test]
fn a_lock_that_is_dropped_passes_its_turn_on() {
    run(async {
        let pendings = drop_at_each_pending(
            async || {
                let (mutex, log) = (Rc::new(Mutex::new(())), Log::new());
                let holder = locker(&mutex, &log, "holder");
                yield_now().await;
                (mutex, log, holder)
            },
            async |(mutex, log, _)| {
                // It waits, and another one behind it.
                let mut lock = pin!(mutex.lock());
                let mut behind = None;
                let guard = std::future::poll_fn(|cx| {
                    let poll = lock.as_mut().poll(cx);
                    behind.get_or_insert_with(|| locker(mutex, log, "behind"));
                    poll
                })
                .await;
                drop(guard);
            },
            async |(mutex, log, holder), _| {
                holder.await.unwrap();
                settle().await;
                assert!(mutex.try_lock().is_some(), "nobody holds it");
                assert_eq!(log.take(), ["holder", "behind"]);
            },
        );
        assert_eq!(pendings.await, 1);
    });
}

#[test]
fn a_mutex_gives_its_value_and_tells_its_state() {
    run(async {
        let mut mutex = Mutex::from(7);
        *mutex.get_mut() += 1;
        assert_eq!(
            format!("{mutex:?}"),
            "Mutex { value: 8, is_locked: false, waiting: 0 }"
        );
        let guard = mutex.lock().await;
        assert_eq!(format!("{guard:?} {guard}"), "MutexGuard(8) 8");
        assert!(std::ptr::eq(MutexGuard::mutex(&guard), &raw const mutex));
        let (_, waker) = Spy::new();
        let mut lock = pin!(mutex.lock());
        assert!(poll_with(&mut lock, &waker).is_pending());
        assert_eq!(
            format!("{mutex:?}"),
            "Mutex { value: <locked>, is_locked: true, waiting: 1 }"
        );
        drop(guard);
        assert_eq!(
            format!("{mutex:?}"),
            "Mutex { value: <locked>, is_locked: true, waiting: 0 }"
        );
        assert!(poll_with(&mut lock, &waker).is_ready());
    });
    assert_eq!(Mutex::<u8>::default().into_inner(), 0);
    let unsized_value: Box<Mutex<dyn std::any::Any>> = Box::new(Mutex::new(3));
    assert!(unsized_value.try_lock().unwrap().is::<i32>());
}

// Event.

#[test]
fn wait_returns_at_once_if_the_event_is_set() {
    run(async {
        let event = Event::new();
        event.set();
        let (spy, waker) = Spy::new();
        assert!(poll_with(&mut pin!(event.wait()), &waker).is_ready());
        assert_eq!(spy.wakes(), 0);
    });
}

#[test]
fn set_wakes_all_who_wait_in_their_order() {
    run(async {
        let (event, log) = (Rc::new(Event::new()), Log::new());
        let tasks = [1, 2, 3].map(|n| {
            let (event, log) = (Rc::clone(&event), log.clone());
            spawn(async move {
                event.wait().await;
                log.note(n);
            })
        });
        settle().await;
        assert_eq!(log.len(), 0);
        event.set();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(log.take(), [1, 2, 3]);
    });
}

#[test]
fn after_clear_one_waits_for_the_next_set() {
    run(async {
        let event = Event::default();
        event.set();
        event.clear();
        assert!(!event.is_set());
        let moment = Duration::from_millis(1);
        assert!(timeout(moment, event.wait()).await.is_err());
        event.set();
        assert!(event.is_set());
        event.wait().await;
    });
}

#[test]
fn who_waited_when_the_event_was_set_goes_on_though_it_was_cleared() {
    run(async {
        let event = Event::new();
        let (spy, waker) = Spy::new();
        let (mut first, mut second) = (pin!(event.wait()), pin!(event.wait()));
        assert!(poll_with(&mut first, &waker).is_pending());
        event.set();
        event.clear();
        assert_eq!(spy.wakes(), 1);
        assert!(poll_with(&mut second, &waker).is_pending(), "it came later");
        assert!(poll_with(&mut first, &waker).is_ready());
        assert_eq!(format!("{event:?}"), "Event { is_set: false, waiting: 1 }");
    });
}

#[test]
fn a_wait_for_an_event_that_is_dropped_takes_nothing_from_the_others() {
    run(async {
        let pendings = drop_at_each_pending(
            async || {
                let event = Rc::new(Event::new());
                let other = spawn({
                    let event = Rc::clone(&event);
                    async move { event.wait().await }
                });
                let setter = spawn({
                    let event = Rc::clone(&event);
                    async move {
                        yield_now().await;
                        event.set();
                    }
                });
                yield_now().await;
                (event, other, setter)
            },
            async |(event, ..)| event.wait().await,
            async |(_, other, setter), _| {
                setter.await.unwrap();
                other.await.unwrap();
            },
        );
        assert_eq!(pendings.await, 1);
    });
}

// Semaphore and BoundedSemaphore.

#[test]
fn a_semaphore_lets_as_many_in_as_it_has_permits() {
    run(async {
        let semaphore = Semaphore::new(2);
        let first = semaphore.acquire().await;
        assert!(!semaphore.is_locked());
        let _second = semaphore.acquire().await;
        assert!(semaphore.is_locked() && semaphore.try_acquire().is_none());
        drop(first);
        assert_eq!(semaphore.available(), 1);
        assert!(semaphore.try_acquire().is_some());
    });
}

#[test]
fn a_semaphore_without_permits_waits_for_a_release() {
    run(async {
        let semaphore = Rc::new(Semaphore::new(0));
        assert!(semaphore.is_locked());
        let waiter = spawn({
            let semaphore = Rc::clone(&semaphore);
            async move { semaphore.acquire().await.forget() }
        });
        settle().await;
        assert!(!waiter.is_finished());
        semaphore.release();
        waiter.await.unwrap();
        assert_eq!(semaphore.available(), 0, "the permit was forgotten");
    });
}

#[test]
fn a_semaphore_is_fair_and_nobody_overtakes() {
    run(async {
        let (semaphore, log) = (Rc::new(Semaphore::new(1)), Log::new());
        let permit = semaphore.acquire().await;
        let tasks = [1, 2, 3].map(|n| {
            let (semaphore, log) = (Rc::clone(&semaphore), log.clone());
            spawn(async move {
                let _permit = semaphore.acquire().await;
                log.note(n);
                yield_now().await;
            })
        });
        settle().await;
        drop(permit);
        assert!(semaphore.is_locked() && semaphore.try_acquire().is_none());
        let _permit = semaphore.acquire().await;
        log.note(4);
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(log.take(), [1, 2, 3, 4]);
    });
}

#[test]
fn release_may_add_permits_to_an_unbounded_semaphore() {
    let semaphore = Semaphore::new(1);
    semaphore.release();
    semaphore.release();
    assert_eq!(semaphore.available(), 3);
}

#[test]
fn a_bounded_semaphore_released_too_often_panics_and_says_where() {
    let semaphore = Semaphore::bounded(2);
    let message = panic_here(|| semaphore.release());
    assert!(message.starts_with("Semaphore::release: "), "{message}");
    // A permit that is held counts: to drop it must not be what panics.
    let permit = semaphore.try_acquire();
    panic_here(|| semaphore.release());
    drop(permit);
    assert_eq!(semaphore.available(), 2);
    semaphore.try_acquire().unwrap().forget();
    semaphore.release();
    assert_eq!(semaphore.available(), 2);
}

#[test]
fn the_number_of_permits_does_not_overflow() {
    let semaphore = Semaphore::new(usize::MAX);
    panic_here(|| semaphore.release());
    let permit = semaphore.try_acquire();
    panic_here(|| semaphore.release());
    drop(permit);
    assert_eq!(semaphore.available(), usize::MAX);
}

#[test]
fn an_owned_permit_moves_into_a_task_and_is_released_with_it() {
    run(async {
        let semaphore = Rc::new(Semaphore::bounded(1));
        let permit: Permit<Rc<Semaphore>> = semaphore.acquire_owned().await;
        assert!(semaphore.try_acquire_owned().is_none());
        let task = spawn(async move {
            let _permit = permit;
            std::future::pending::<()>().await;
        });
        yield_now().await;
        assert_eq!(
            format!("{semaphore:?}"),
            "Semaphore { available: 0, permits: 1, waiting: 0 }"
        );
        task.cancel();
        assert_eq!(semaphore.available(), 1);
        semaphore.try_acquire_owned().unwrap().forget();
        assert_eq!(
            Rc::strong_count(&semaphore),
            1,
            "a forgotten permit leaks nothing"
        );
    });
}

#[test]
fn an_acquire_that_is_dropped_loses_no_permit() {
    run(async {
        let pendings = drop_at_each_pending(
            async || {
                let semaphore = Rc::new(Semaphore::bounded(1));
                let permit = semaphore.acquire_owned().await;
                let holder = spawn(async move {
                    yield_now().await;
                    drop(permit);
                });
                (semaphore, holder)
            },
            async |(semaphore, _)| drop(semaphore.acquire().await),
            async |(semaphore, holder), _| {
                holder.await.unwrap();
                assert_eq!(semaphore.available(), 1);
            },
        );
        assert_eq!(pendings.await, 1);
    });
}

// Condvar: asyncio's Condition.

/// A condvar with its mutex, and a task that waits and notes its name.
type Pair = Rc<(Mutex<u32>, Condvar)>;

fn waiter(pair: &Pair, log: &Log<u32>, name: u32) -> JoinHandle<()> {
    let (pair, log) = (Rc::clone(pair), log.clone());
    spawn(async move {
        let guard = pair.0.lock().await;
        let _guard = pair.1.wait(guard).await;
        assert!(pair.0.is_locked(), "it has the lock again");
        log.note(name);
    })
}

#[test]
fn waiting_for_a_condvar_releases_the_lock() {
    run(async {
        let (pair, log) = (Pair::default(), Log::new());
        let waiter = waiter(&pair, &log, 1);
        yield_now().await;
        drop(pair.0.try_lock().expect("it waits without the lock"));
        pair.1.notify_one();
        waiter.await.unwrap();
    });
}

#[test]
fn notify_wakes_as_many_as_it_says_in_their_order() {
    run(async {
        let (pair, log) = (Pair::default(), Log::new());
        let tasks = [1, 2, 3, 4, 5, 6].map(|n| waiter(&pair, &log, n));
        settle().await;
        pair.1.notify_one();
        settle().await;
        assert_eq!(log.take(), [1]);
        pair.1.notify(2);
        settle().await;
        assert_eq!(log.take(), [2, 3]);
        pair.1.notify(0);
        settle().await;
        assert_eq!(format!("{:?}", pair.1), "Condvar { waiting: 3 }");
        pair.1.notify(usize::MAX);
        settle().await;
        assert_eq!(log.take(), [4, 5, 6]);
        pair.1.notify_all();
        for task in tasks {
            task.await.unwrap();
        }
    });
}

#[test]
fn notify_all_wakes_all_who_wait_and_nobody_who_comes_later() {
    run(async {
        let (pair, log) = (Pair::default(), Log::new());
        let tasks = [1, 2, 3].map(|n| waiter(&pair, &log, n));
        settle().await;
        pair.1.notify_all();
        let late = waiter(&pair, &log, 4);
        for task in tasks {
            task.await.unwrap();
        }
        settle().await;
        assert_eq!(log.take(), [1, 2, 3]);
        assert!(!late.is_finished());
    });
}

#[test]
fn a_notification_that_nobody_waits_for_is_not_kept() {
    run(async {
        let (pair, log) = (Pair::default(), Log::new());
        pair.1.notify_one();
        pair.1.notify_all();
        let late = waiter(&pair, &log, 1);
        settle().await;
        assert!(!late.is_finished());
    });
}

#[test]
fn wait_for_returns_when_the_condition_holds() {
    run(async {
        let pair = Pair::default();
        let calls = Rc::new(Cell::new(0));
        let task = spawn({
            let (pair, calls) = (Rc::clone(&pair), Rc::clone(&calls));
            async move {
                let is_two = |n: &mut u32| {
                    calls.set(calls.get() + 1);
                    *n == 2
                };
                *pair.1.wait_for(pair.0.lock().await, is_two).await
            }
        });
        settle().await;
        for _ in 0..2 {
            *pair.0.lock().await += 1;
            pair.1.notify_one();
            settle().await;
        }
        assert_eq!(task.await.unwrap(), 2);
        assert_eq!(calls.get(), 3);
        // It holds already: no waiting, and the lock is kept.
        let guard = pair.0.lock().await;
        let (_, waker) = Spy::new();
        let mut wait = pin!(pair.1.wait_for(guard, |n| *n == 2));
        assert!(poll_with(&mut wait, &waker).is_ready());
    });
}

#[test]
fn a_notified_waiter_that_is_dropped_passes_the_notification_on() {
    run(async {
        let pendings = drop_at_each_pending(
            async || {
                let (pair, log) = (Pair::default(), Log::new());
                (pair, log, Vec::new())
            },
            async |(pair, log, tasks)| {
                let guard = pair.0.lock().await;
                tasks.push(waiter(pair, log, 2));
                tasks.push(spawn({
                    let pair = Rc::clone(pair);
                    async move {
                        settle().await;
                        // It is notified while the lock is held, and has to wait for that too.
                        let _guard = pair.0.lock().await;
                        pair.1.notify_one();
                        settle().await;
                    }
                }));
                drop(pair.1.wait(guard).await);
            },
            async |(pair, log, tasks), result| {
                if result.is_some() {
                    pair.1.notify_one();
                }
                for task in tasks {
                    task.await.unwrap();
                }
                assert_eq!(log.take(), [2]);
                assert!(!pair.0.is_locked());
            },
        );
        assert_eq!(pendings.await, 2, "for the notification, and for the lock");
    });
}

#[test]
fn who_was_notified_with_all_others_takes_nothing_along_when_it_is_dropped() {
    run(async {
        let (pair, log) = (Pair::default(), Log::new());
        let (_, waker) = Spy::new();
        let guard = pair.0.lock().await;
        {
            let mut wait = pin!(pair.1.wait(guard));
            assert!(poll_with(&mut wait, &waker).is_pending());
            pair.1.notify_all();
            let late = waiter(&pair, &log, 1);
            settle().await;
            assert!(!late.is_finished());
        }
        settle().await;
        assert_eq!(log.len(), 0, "the later one was not woken in vain");
    });
}

// Barrier.

#[test]
fn a_barrier_lets_all_go_when_the_last_has_come() {
    run(async {
        let (barrier, log) = (Rc::new(Barrier::new(3)), Log::new());
        let come = |n: u32| {
            let (barrier, log) = (Rc::clone(&barrier), log.clone());
            spawn(async move {
                let place = barrier.wait().await?;
                log.note((n, place));
                Ok::<_, BrokenBarrier>(())
            })
        };
        let mut tasks = vec![come(1), come(2)];
        settle().await;
        assert_eq!(
            (log.len(), barrier.n_waiting(), barrier.parties()),
            (0, 2, 3)
        );
        tasks.push(come(3));
        for task in tasks {
            task.await.unwrap().unwrap();
        }
        let mut places = log.take();
        places.sort_unstable();
        assert_eq!(
            places,
            [(1, 0), (2, 1), (3, 2)],
            "each has a place of its own"
        );
    });
}

#[test]
fn a_barrier_can_be_used_again_at_once() {
    run(async {
        let (barrier, log) = (Rc::new(Barrier::new(2)), Log::new());
        let tasks = [1, 2].map(|n| {
            let (barrier, log) = (Rc::clone(&barrier), log.clone());
            spawn(async move {
                for round in 0..3 {
                    barrier.wait().await.unwrap();
                    log.note((round, n));
                }
            })
        });
        for task in tasks {
            task.await.unwrap();
        }
        let rounds: Vec<_> = log.take().into_iter().map(|(round, _)| round).collect();
        assert_eq!(rounds, [0, 0, 1, 1, 2, 2]);
        assert_eq!(barrier.n_waiting(), 0);
    });
}

#[test]
fn a_barrier_of_one_never_waits() {
    run(async {
        let barrier = Barrier::new(1);
        assert_eq!(barrier.wait().await, Ok(0));
        assert_eq!(barrier.wait().await, Ok(0));
    });
    let message = panic_here(|| Barrier::new(0));
    assert!(message.starts_with("Barrier::new(0): "), "{message}");
}

#[test]
fn abort_breaks_the_barrier_for_those_who_wait_and_for_those_who_come() {
    run(async {
        let barrier = Barrier::new(2);
        let (spy, waker) = Spy::new();
        let mut wait = pin!(barrier.wait());
        assert!(poll_with(&mut wait, &waker).is_pending());
        barrier.abort();
        assert!(barrier.is_broken());
        assert_eq!((spy.wakes(), barrier.n_waiting()), (1, 0));
        let error = wait.await.unwrap_err();
        assert_eq!(error.to_string(), "the barrier was aborted or reset");
        assert!(barrier.wait().await.is_err());
        assert_eq!(
            format!("{barrier:?}"),
            "Barrier { parties: 2, waiting: 0, is_broken: true }"
        );
    });
}

#[test]
fn reset_sends_away_who_waits_and_mends_the_barrier() {
    run(async {
        let barrier = Barrier::new(2);
        let (_, waker) = Spy::new();
        let mut early = pin!(barrier.wait());
        assert!(poll_with(&mut early, &waker).is_pending());
        barrier.reset();
        assert!(!barrier.is_broken());
        // The next round does not mix with those of the former one.
        let mut first = pin!(barrier.wait());
        assert!(poll_with(&mut first, &waker).is_pending());
        assert_eq!(barrier.wait().await, Ok(1));
        assert_eq!(first.await, Ok(0));
        assert!(early.await.is_err());
        barrier.abort();
        barrier.reset();
        let mut again = pin!(barrier.wait());
        assert!(poll_with(&mut again, &waker).is_pending());
    });
}

#[test]
fn who_leaves_a_barrier_has_not_come() {
    run(async {
        let pendings = drop_at_each_pending(
            async || {
                let barrier = Rc::new(Barrier::new(2));
                let other = spawn({
                    let barrier = Rc::clone(&barrier);
                    async move {
                        yield_now().await;
                        barrier.wait().await
                    }
                });
                (barrier, other)
            },
            async |(barrier, _)| barrier.wait().await,
            async |(barrier, other), result| {
                settle().await;
                match (result, other.is_finished()) {
                    (Some(place), _) => assert_eq!(place, Ok(0)),
                    // It was let through before it was dropped.
                    (None, true) => {}
                    (None, false) => assert_eq!(barrier.wait().await, Ok(1)),
                }
                assert!(other.await.unwrap().is_ok());
                assert_eq!(barrier.n_waiting(), 0);
            },
        );
        assert_eq!(pendings.await, 1);
    });
}

// oneshot: asyncio's Future.

#[test]
fn a_oneshot_gives_its_value_once() {
    run(async {
        let (sender, mut receiver) = oneshot::channel();
        assert_eq!(receiver.try_recv(), Ok(None));
        assert!(!sender.is_closed());
        sender.send(7).unwrap();
        assert_eq!((&mut receiver).await, Ok(7));
        let error = receiver.try_recv().unwrap_err();
        assert_eq!(error.to_string(), "the sender is gone: no value will come");
        assert_eq!(receiver.await, Err(error));
    });
}

#[test]
fn a_oneshot_whose_sender_is_dropped_gives_an_error() {
    run(async {
        let (sender, receiver) = oneshot::channel::<()>();
        let waiter = spawn(receiver);
        settle().await;
        assert!(!waiter.is_finished());
        drop(sender);
        assert!(waiter.await.unwrap().is_err());
    });
}

#[test]
fn a_oneshot_whose_receiver_is_dropped_gives_the_value_back() {
    run(async {
        let (mut sender, receiver) = oneshot::channel();
        let (spy, waker) = Spy::new();
        {
            let mut closed = pin!(sender.closed());
            assert!(poll_with(&mut closed, &waker).is_pending());
            drop(receiver);
            assert_eq!(spy.wakes(), 1);
            assert!(poll_with(&mut closed, &waker).is_ready());
        }
        assert!(sender.is_closed());
        assert_eq!(sender.send(7), Err(7));
    });
}

#[test]
fn a_value_on_its_way_survives_those_who_stop_waiting_for_it() {
    run(async {
        let pendings = drop_at_each_pending(
            async || {
                let (sender, receiver) = oneshot::channel();
                let task = spawn(async move {
                    yield_now().await;
                    sender.send(7).unwrap();
                });
                (receiver, task)
            },
            async |(receiver, _)| receiver.await,
            async |(receiver, task), received| {
                task.await.unwrap();
                match received {
                    Some(received) => assert_eq!(received, Ok(7)),
                    None => assert_eq!(receiver.await, Ok(7)),
                }
            },
        );
        assert_eq!(pendings.await, 1);
    });
}
