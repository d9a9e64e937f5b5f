//! Wakers, and everything else that comes from other threads: no wake is lost, none is paid for
//! twice, and whatever a waker does, it may do.

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
use std::io::Write;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use selio::{
    Direction, Handle, JoinHandle, Runtime, Sleep, Source, sleep, sleep_until, spawn, stats,
    yield_now,
};

use crate::common::{Random, deadline};
use crate::tasks::beside_others::on_each_runtime;
use crate::tasks::{Ledger, OnDrop, Spy, a_look, on_a_runtime, poll_with, quietly};

/// A task that only counts how often it is polled, and shows its waker.
fn counter(polls: &Rc<Cell<usize>>, place: &Rc<RefCell<Option<Waker>>>) -> JoinHandle<()> {
    let (polls, place) = (Rc::clone(polls), Rc::clone(place));
    spawn(poll_fn(move |cx| {
        polls.set(polls.get() + 1);
        place.replace(Some(cx.waker().clone()));
        Poll::Pending
    }))
}

// On the thread of the runtime.

#[test]
fn a_task_that_is_woken_a_thousand_times_before_it_runs_is_polled_once() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let (polls, place) = (Rc::default(), Rc::default());
            let _task = counter(&polls, &place);
            yield_now().await;
            for turn in 1..10 {
                assert_eq!(polls.get(), turn);
                let waker = place.take().expect("it was polled");
                for _ in 0..1000 {
                    waker.wake_by_ref();
                    Waker::wake(waker.clone());
                }
                yield_now().await;
            }
        });
    });
}

#[test]
fn a_wake_during_the_poll_counts_for_the_next_turn() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let polls = Rc::new(Cell::new(0));
            let count = Rc::clone(&polls);
            spawn(poll_fn(move |cx| {
                count.set(count.get() + 1);
                // However often.
                cx.waker().wake_by_ref();
                cx.waker().wake_by_ref();
                Poll::<()>::Pending
            }));
            for turn in 1..100 {
                yield_now().await;
                assert_eq!(polls.get(), turn);
            }
        });
    });
}

#[test]
fn the_waker_of_an_ended_task_wakes_nobody() {
    on_each_runtime(|runtime| {
        let mut stale = Vec::new();
        runtime.block_on(async {
            for i in 0..300 {
                let (polls, place) = (Rc::default(), Rc::default());
                let task = counter(&polls, &place);
                yield_now().await;
                if i % 2 == 0 {
                    place
                        .borrow()
                        .as_ref()
                        .expect("it was polled")
                        .wake_by_ref();
                }
                task.cancel();
                stale.push(place.take().expect("it was polled"));
            }
            // Tasks that lie where those lay.
            let (polls, place) = (Rc::default(), Rc::default());
            let _new: Vec<_> = (0..300).map(|_| counter(&polls, &place)).collect();
            yield_now().await;
            assert_eq!(polls.get(), 300);
            let before = stats().polls;
            for waker in &stale {
                waker.wake_by_ref();
            }
            yield_now().await;
            thread::scope(|scope| {
                scope.spawn(|| stale.iter().for_each(Waker::wake_by_ref));
            });
            a_look().await;
            assert_eq!((polls.get(), stats().polls), (300, before));
        });
    });
}

#[test]
fn wakers_hold_no_future_of_an_ended_task() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let (ledger, wakers) = (Ledger::new(), Rc::new(RefCell::new(Vec::new())));
            for i in 0..1000 {
                let (entry, wakers) = (ledger.entry(), Rc::clone(&wakers));
                let task = spawn(async move {
                    let _entry = entry;
                    poll_fn(|cx| {
                        wakers.borrow_mut().push(cx.waker().clone());
                        if i % 2 == 0 {
                            Poll::Ready(())
                        } else {
                            Poll::Pending
                        }
                    })
                    .await;
                });
                yield_now().await;
                task.cancel();
            }
            assert_eq!((ledger.alive(), wakers.take().len()), (0, 1000));
        });
    });
}

#[test]
fn two_wakers_of_a_task_are_one_and_those_of_two_tasks_are_not() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let (polls, first, second) = (Rc::default(), Rc::default(), Rc::default());
            let _tasks = (counter(&polls, &first), counter(&polls, &second));
            yield_now().await;
            let (before, other): (Waker, _) = (first.take().unwrap(), second.take().unwrap());
            before.wake_by_ref();
            yield_now().await;
            let after = first.take().unwrap();
            assert!(before.will_wake(&after) && !before.will_wake(&other));
        });
    });
}

// From other threads.

#[test]
fn a_wake_from_another_thread_ends_the_sleep_of_the_runtime() {
    on_each_runtime(|runtime| {
        for _ in 0..200 {
            let (send, receive) = async_channel::bounded(1);
            let thread = thread::spawn(move || send.send_blocking(7).unwrap());
            assert_eq!(runtime.block_on(receive.recv()), Ok(7));
            thread.join().unwrap();
        }
        let stats = runtime.stats();
        // One for each turn that began with nothing to do, whether it came to a sleep or not.
        assert!(stats.notifies <= stats.turns, "{stats:?}");
    });
}

#[test]
fn wakes_while_the_loop_is_busy_cost_no_system_call() {
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            let (polls, place) = (Rc::default(), Rc::default());
            let _task = counter(&polls, &place);
            yield_now().await;
            let waker = place.take().expect("it was polled");
            let before = stats().notifies;
            thread::scope(|scope| {
                for _ in 0..3 {
                    scope.spawn(|| (0..1000).for_each(|_| waker.wake_by_ref()));
                }
            });
            a_look().await;
            a_look().await;
            assert_eq!((stats().notifies - before, polls.get()), (0, 2));
        });
    });
}

/// Four threads hand out tokens: they put one down for a task, then wake it. A lost wake is a token
/// that nobody picks up, and then the test does not end.
#[test]
fn a_storm_of_wakes_from_four_threads_loses_none() {
    const TASKS: usize = 300;
    const THREADS: u64 = 4;
    const WAKES: u64 = 1_000_000;
    on_a_runtime(|runtime| {
        let tokens: Arc<Vec<AtomicU64>> = Arc::new((0..TASKS).map(|_| AtomicU64::new(0)).collect());
        let wakers = Arc::new(Mutex::new(Vec::new()));
        let found = Rc::new(Cell::new(0));
        runtime.block_on(async {
            for i in 0..TASKS {
                let (tokens, wakers) = (Arc::clone(&tokens), Arc::clone(&wakers));
                let found = Rc::clone(&found);
                let mut is_first = true;
                spawn(poll_fn(move |cx| {
                    if is_first {
                        is_first = false;
                        wakers.lock().unwrap().push(cx.waker().clone());
                    }
                    found.set(found.get() + tokens[i].swap(0, Ordering::Relaxed));
                    Poll::<()>::Pending
                }));
            }
            yield_now().await;
            let threads: Vec<_> = (0..THREADS)
                .map(|seed| {
                    let tokens = Arc::clone(&tokens);
                    let wakers = wakers.lock().unwrap().clone();
                    thread::spawn(move || {
                        let mut random = Random::new(seed);
                        for _ in 0..WAKES {
                            let task = random.below(TASKS);
                            tokens[task].fetch_add(1, Ordering::Relaxed);
                            wakers[task].wake_by_ref();
                        }
                    })
                })
                .collect();
            // Main is woken by nobody: it looks after each millisecond, and the tasks by themselves.
            while found.get() < THREADS * WAKES {
                sleep(Duration::from_millis(1)).await;
            }
            for thread in threads {
                thread.join().unwrap();
            }
        });
        let stats = runtime.stats();
        assert_eq!(found.get(), THREADS * WAKES);
        // One for each turn that began with nothing to do, whether it came to a sleep or not.
        assert!(stats.notifies <= stats.turns, "{stats:?}");
    });
}

#[test]
fn what_a_thread_wrote_before_its_wake_is_seen_by_the_woken_task() {
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            let written = Arc::new(AtomicU64::new(0));
            let (send, receive) = async_channel::bounded::<Waker>(1);
            let theirs = Arc::clone(&written);
            let thread = thread::spawn(move || {
                for round in 1..=2000 {
                    let waker = receive.recv_blocking().unwrap();
                    theirs.store(round, Ordering::Relaxed);
                    waker.wake();
                }
            });
            for round in 1..=2000 {
                let mut has_sent = false;
                poll_fn(|cx| {
                    if !has_sent {
                        has_sent = true;
                        send.try_send(cx.waker().clone()).unwrap();
                        return Poll::Pending;
                    }
                    // Nobody else wakes this: if it is polled, the number is there.
                    assert_eq!(written.load(Ordering::Relaxed), round);
                    Poll::Ready(())
                })
                .await;
            }
            thread.join().unwrap();
        });
    });
}

#[test]
fn a_thread_that_drops_the_last_waker_drops_no_future() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let ledger = Ledger::new();
            let (send, receive) = async_channel::unbounded::<Waker>();
            let thread = thread::spawn(move || {
                while let Ok(waker) = receive.recv_blocking() {
                    waker.wake_by_ref();
                }
            });
            for _ in 0..1000 {
                let (entry, send) = (ledger.entry(), send.clone());
                drop(spawn(async move {
                    let _entry = entry;
                    poll_fn(|cx| Poll::Ready(send.try_send(cx.waker().clone())))
                        .await
                        .unwrap();
                    yield_now().await;
                }));
            }
            drop(send);
            while stats().tasks > 0 {
                yield_now().await;
            }
            assert_eq!(ledger.alive(), 0);
            thread.join().unwrap();
        });
    });
}

// Wakers that do everything.

/// Does something of every kind when it is woken or dropped.
struct Evil(Waker);

thread_local! {
    static AT_HAND: RefCell<AtHand> = RefCell::default();
}

/// What it finds on the thread of the runtime, and drops.
#[derive(Default)]
struct AtHand {
    sleeps: Vec<Sleep>,
    sources: Vec<Source<UnixStream>>,
    tasks: Vec<JoinHandle<()>>,
    acts: usize,
}

impl Evil {
    fn act(&self) {
        let taken = AT_HAND.take();
        drop((taken.sleeps, taken.sources));
        taken.tasks.iter().for_each(JoinHandle::cancel);
        let task = spawn(pending());
        let mut timer = sleep(Duration::from_secs(3600));
        assert!(poll_with(&mut timer, &self.0).is_pending());
        let source = Source::new(UnixStream::pair().unwrap().0).unwrap();
        wait(&source, &self.0);
        self.0.wake_by_ref();
        // What is replaced is dropped after the borrow has ended, and may come back in here.
        drop(AT_HAND.replace(AtHand {
            sleeps: vec![timer],
            sources: vec![source],
            tasks: vec![task],
            acts: taken.acts + 1,
        }));
    }
}

impl Wake for Evil {
    fn wake(self: Arc<Self>) {
        self.act();
    }
}

impl Drop for Evil {
    fn drop(&mut self) {
        self.act();
    }
}

fn wait(source: &Source<UnixStream>, waker: &Waker) {
    let would_block = |_: &UnixStream| Err::<(), _>(std::io::ErrorKind::WouldBlock.into());
    let mut cx = Context::from_waker(waker);
    assert!(
        source
            .poll_io(&mut cx, Direction::Read, would_block)
            .is_pending()
    );
}

#[test]
fn a_waker_may_spawn_wake_cancel_and_drop_whatever_it_likes() {
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            let mine = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
            let evil = || Waker::from(Arc::new(Evil(mine.clone())));
            let acts = || AT_HAND.with_borrow(|at_hand| at_hand.acts);
            for round in 0..20 {
                // Woken by the end of a task, by a timer, by a socket, by the end of a socket.
                let mut task = spawn(yield_now());
                assert!(poll_with(&mut task, &evil()).is_pending());
                let mut timer = sleep_until(Instant::now());
                assert!(poll_with(&mut timer, &evil()).is_pending());
                let (mut near, far) = UnixStream::pair().unwrap();
                let source = Source::new(far).unwrap();
                wait(&source, &evil());
                near.write_all(b"x").unwrap();
                // Each may drop what the others are about.
                if round % 2 == 0 {
                    let task = spawn(yield_now());
                    AT_HAND.with_borrow_mut(|at_hand| {
                        at_hand.sleeps.push(timer);
                        at_hand.sources.push(source);
                        at_hand.tasks.push(task);
                    });
                }
                let before = acts();
                yield_now().await;
                a_look().await;
                a_look().await;
                assert!(acts() > before, "{round}");

                // Dropped instead of woken: replaced by another, and with what it waits for.
                let mut replaced = sleep(Duration::from_secs(3600));
                for _ in 0..2 {
                    assert!(poll_with(&mut replaced, &evil()).is_pending());
                    let before = acts();
                    assert!(poll_with(&mut replaced, Waker::noop()).is_pending());
                    assert_eq!(acts(), before + 1);
                }
                assert!(poll_with(&mut replaced, &evil()).is_pending());
                let before = acts();
                drop(replaced);
                assert_eq!(acts(), before + 1);
                let mut joined = spawn(pending::<()>());
                assert!(poll_with(&mut joined, &evil()).is_pending());
                assert!(poll_with(&mut joined, &evil()).is_pending());
                joined.cancel();
            }
            drop(AT_HAND.take());
            let now = stats();
            assert_eq!((now.timers, now.sources), (0, 0));
        });
        drop(AT_HAND.take());
    });
}

// Handles on other threads.

/// Runs this on another thread, and the runtime until it is done.
fn beside<R: Send + 'static>(
    runtime: &Runtime,
    work: impl FnOnce(Handle) -> R + Send + 'static,
) -> R {
    let handle = runtime.handle();
    let (send, receive) = async_channel::bounded(1);
    let thread = thread::spawn(move || {
        let result = work(handle);
        send.send_blocking(()).unwrap();
        result
    });
    // An error: it panicked, which `join` tells.
    let _ = runtime.block_on(receive.recv());
    match thread.join() {
        Ok(result) => result,
        Err(payload) => std::panic::resume_unwind(payload),
    }
}

#[test]
fn another_thread_spawns_a_future_that_is_not_send_and_gets_its_result() {
    on_each_runtime(|runtime| {
        let here = thread::current().id();
        let (result, was) = beside(runtime, move |handle| {
            let task = handle.spawn(move || async move {
                let six = Rc::new(6);
                sleep(Duration::from_millis(1)).await;
                (*six * 7, thread::current().id())
            });
            task.join().unwrap()
        });
        assert_eq!((result, was), (42, here));
    });
}

#[test]
fn a_panic_of_the_closure_or_of_the_future_reaches_who_joins() {
    on_each_runtime(|runtime| {
        quietly(|| {
            let errors = beside(runtime, |handle| {
                fn refuse() -> std::future::Ready<()> {
                    panic!("in the closure")
                }
                let closure = handle.spawn(refuse);
                let future = handle.spawn(|| async { panic!("in the future") });
                let fine = handle.spawn(|| async { 7 });
                let errors = [closure.join().unwrap_err(), future.join().unwrap_err()];
                assert_eq!(fine.join().unwrap(), 7);
                errors
            });
            for (error, message) in errors.into_iter().zip(["in the closure", "in the future"]) {
                assert!(error.is_panic());
                let text = error.to_string();
                assert!(text.contains(file!()) && text.ends_with(message), "{text}");
            }
            assert_eq!(runtime.stats().tasks, 0);
        });
    });
}

#[test]
fn a_remote_cancel_drops_the_future_on_its_own_thread() {
    on_each_runtime(|runtime| {
        let here = thread::current().id();
        let (error, was) = beside(runtime, |handle| {
            let (tell, told) = std::sync::mpsc::channel();
            let (start, started) = std::sync::mpsc::channel();
            let task = handle.spawn(move || async move {
                let _guard = OnDrop::new(move || tell.send(thread::current().id()).unwrap());
                start.send(()).unwrap();
                pending::<()>().await;
            });
            started.recv().unwrap();
            task.cancel();
            task.cancel();
            let was = told.recv().unwrap();
            (task.join().unwrap_err(), was)
        });
        assert!(
            error.is_cancelled() && error.to_string().contains(file!()),
            "{error}"
        );
        assert_eq!((was, runtime.stats().tasks), (here, 0));
    });
}

#[test]
fn a_remote_cancel_wakes_the_task_that_waits() {
    on_each_runtime(|runtime| {
        let drops = Arc::new(AtomicU64::new(0));
        let theirs = Arc::clone(&drops);
        let handle = runtime.handle();
        runtime.block_on(async {
            let task = handle.spawn(move || async move {
                let _guard = OnDrop::new(move || theirs.store(1, Ordering::Relaxed));
                pending::<()>().await;
            });
            a_look().await;
            a_look().await;
            assert_eq!((stats().tasks, drops.load(Ordering::Relaxed)), (1, 0));
            task.cancel();
            yield_now().await;
            assert_eq!((stats().tasks, drops.load(Ordering::Relaxed)), (0, 1));
            assert!(task.await.unwrap_err().is_cancelled());
        });
    });
}

#[test]
fn a_remote_cancel_after_the_end_changes_nothing() {
    on_a_runtime(|runtime| {
        let result = beside(runtime, |handle| {
            let task = handle.spawn(|| async { 7 });
            while !task.is_finished() {
                thread::yield_now();
            }
            task.cancel();
            task.join()
        });
        assert_eq!(result.unwrap(), 7);
    });
}

#[test]
fn dropping_a_remote_handle_detaches_the_task() {
    on_a_runtime(|runtime| {
        let (send, receive) = async_channel::bounded(1);
        let handle = runtime.handle();
        thread::spawn(move || {
            drop(handle.spawn(move || async move {
                yield_now().await;
                send.send(7).await.unwrap();
            }));
        })
        .join()
        .unwrap();
        assert_eq!(runtime.block_on(receive.recv()), Ok(7));
    });
}

#[test]
fn who_joins_a_task_whose_runtime_ends_first_learns_that_it_was_cancelled() {
    on_each_runtime(|_| {
        let runtime = Runtime::new().unwrap();
        let handle = runtime.handle();
        let (started, wait) = async_channel::bounded(1);
        let thread = thread::spawn(move || {
            let task = handle.spawn(move || async move {
                started.send(()).await.unwrap();
                pending::<()>().await;
            });
            task.join().unwrap_err()
        });
        runtime.block_on(wait.recv()).unwrap();
        drop(runtime);
        let error = thread.join().unwrap();
        assert!(
            error.is_cancelled() && error.to_string().contains(file!()),
            "{error}"
        );
    });
}

#[test]
fn a_task_of_one_runtime_is_awaited_in_the_runtime_of_another_thread() {
    on_each_runtime(|runtime| {
        let result = beside(runtime, |handle| {
            selio::run(async move {
                let mut sum = 0;
                for i in 0..100 {
                    let answer = handle.spawn(move || async move {
                        yield_now().await;
                        i
                    });
                    sum += answer.await.unwrap();
                }
                sum
            })
        });
        assert_eq!(result, 4950);
    });
}

#[test]
fn of_two_who_poll_a_remote_handle_the_last_is_woken() {
    on_a_runtime(|runtime| {
        let (first, first_waker) = Spy::new();
        let (last, last_waker) = Spy::new();
        let mut task = runtime.handle().spawn(|| async { 7 });
        assert!(poll_with(&mut task, &first_waker).is_pending());
        assert!(poll_with(&mut task, &last_waker).is_pending());
        runtime.block_on(async {
            while !task.is_finished() {
                a_look().await;
            }
        });
        assert_eq!((first.wakes(), last.wakes()), (0, 1));
        assert!(matches!(
            poll_with(&mut task, &last_waker),
            Poll::Ready(Ok(7))
        ));
        let panic = crate::tasks::panic_of(|| poll_with(&mut task, &last_waker));
        assert!(panic.message.contains("awaited again"), "{}", panic.message);
    });
}

#[test]
fn ten_thousand_spawns_from_four_threads_all_run() {
    on_each_runtime(|runtime| {
        let barrier = Arc::new(Barrier::new(4));
        let sums = beside(runtime, move |handle| {
            let threads = [0, 1, 2, 3].map(|part| {
                let (handle, barrier) = (handle.clone(), Arc::clone(&barrier));
                thread::spawn(move || {
                    barrier.wait();
                    let tasks: Vec<_> = (0..2500)
                        .map(|i| {
                            handle.spawn(move || async move {
                                if i % 3 == 0 {
                                    yield_now().await;
                                }
                                part * 2500 + i
                            })
                        })
                        .collect();
                    tasks
                        .into_iter()
                        .map(|task| task.join().unwrap())
                        .sum::<u64>()
                })
            });
            threads.map(|thread| thread.join().unwrap())
        });
        assert_eq!(sums.iter().sum::<u64>(), 9999 * 10_000 / 2);
        let stats = runtime.stats();
        assert_eq!(stats.tasks, 0);
        // One for each turn that began with nothing to do, whether it came to a sleep or not.
        assert!(stats.notifies <= stats.turns, "{stats:?}");
    });
}

#[test]
fn the_futures_of_selio_tell_a_foreign_executor_what_they_need() {
    deadline(Duration::from_secs(10), || {
        // What needs no reactor works anywhere.
        let runtime = Runtime::new().unwrap();
        let task = runtime.handle().spawn(|| async { 7 });
        let thread = thread::spawn(move || {
            futures_lite::future::block_on(async {
                yield_now().await;
                task.await
            })
        });
        runtime.block_on(async {
            while !thread.is_finished() {
                a_look().await;
            }
        });
        assert_eq!(thread.join().unwrap().unwrap(), 7);
    });
}

#[test]
fn a_remote_task_that_is_cancelled_before_it_starts_runs_nothing() {
    on_a_runtime(|runtime| {
        let has_run = Arc::new(AtomicU64::new(0));
        let theirs = Arc::clone(&has_run);
        let task = runtime.handle().spawn(move || {
            theirs.store(1, Ordering::Relaxed);
            async {}
        });
        task.cancel();
        assert!(runtime.block_on(task).unwrap_err().is_cancelled());
        assert_eq!(has_run.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn threads_that_spawn_without_a_pause_starve_neither_timers_nor_tasks() {
    on_a_runtime(|runtime| {
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            for _ in 0..2 {
                let (handle, is_over) = (runtime.handle(), &is_over);
                scope.spawn(move || {
                    while !is_over.load(Ordering::Relaxed) {
                        handle.spawn(|| async {});
                    }
                });
            }
            runtime.block_on(async {
                for _ in 0..3 {
                    sleep(Duration::from_millis(1)).await;
                    spawn(yield_now()).await.unwrap();
                }
            });
            is_over.store(true, Ordering::Relaxed);
        });
    });
}
