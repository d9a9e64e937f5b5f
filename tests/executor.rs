//! `run`, `block_on`, `spawn`: who runs when, what comes out, and who may not call what where.

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
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use selio::net::TcpStream;
use selio::{Handle, Runtime, Source, sleep, spawn, spawn_named, stats, timeout, yield_now};

use crate::common::deadline;
use crate::tasks::{
    Ledger, Log, OnDrop, Spy, on_a_runtime, on_each_runtime, panic_here, panic_of, poll_with,
};

#[test]
fn run_returns_what_main_returns() {
    let text = String::from("borrowed");
    assert_eq!(selio::run(async { text.len() }), 8);
}

#[test]
fn main_may_borrow_from_its_caller_and_need_not_be_static_or_send() {
    on_a_runtime(|runtime| {
        let mut count = Rc::new(0);
        runtime.block_on(async {
            yield_now().await;
            *Rc::get_mut(&mut count).expect("nobody else has it") += 1;
        });
        assert_eq!(*count, 1);
    });
}

#[test]
fn tasks_go_on_with_the_next_block_on() {
    on_each_runtime(|runtime| {
        let log = Log::new();
        let task = runtime.block_on(async {
            let log = log.clone();
            let task = spawn(async move {
                log.note("first");
                sleep(Duration::from_millis(1)).await;
                log.note("second");
                7
            });
            yield_now().await;
            task
        });
        assert_eq!(log.take(), ["first"]);
        assert_eq!(runtime.stats().tasks, 1);
        assert_eq!(runtime.block_on(task).unwrap(), 7);
        assert_eq!(log.take(), ["second"]);
        assert_eq!(runtime.stats().tasks, 0);
    });
}

#[test]
fn a_wake_between_two_block_ons_is_not_lost() {
    on_each_runtime(|runtime| {
        let place: Rc<RefCell<Option<Waker>>> = Rc::default();
        let task = runtime.block_on(async {
            let place = Rc::clone(&place);
            let task = spawn(poll_fn(move |cx| {
                let is_first = place.replace(Some(cx.waker().clone())).is_none();
                if is_first {
                    Poll::Pending
                } else {
                    Poll::Ready(())
                }
            }));
            yield_now().await;
            task
        });
        place.borrow().as_ref().expect("it waits").wake_by_ref();
        runtime.block_on(task).unwrap();
    });
}

#[test]
fn when_run_returns_no_task_is_alive() {
    let ledger = Ledger::new();
    deadline(Duration::from_secs(10), || {
        selio::run(async {
            let entry = ledger.entry();
            spawn(async move {
                let _entry = entry;
                pending::<()>().await;
            });
            let entry = ledger.entry();
            let sleeper = spawn(async move {
                let _entry = entry;
                sleep(Duration::from_secs(3600)).await;
            });
            yield_now().await;
            let entry = ledger.entry();
            // This one is not even polled.
            spawn(async move { drop((entry, sleeper)) });
        });
    });
    assert_eq!((ledger.dropped(), ledger.alive()), (3, 0));
}

#[test]
fn a_panic_of_main_goes_on_in_block_on_and_the_runtime_stays_usable() {
    on_each_runtime(|runtime| {
        let task = runtime.block_on(async { spawn(async { 7 }) });
        let panic = panic_of(|| runtime.block_on(async { panic!("main is gone") }));
        assert_eq!(panic.message, "main is gone");
        assert_eq!(runtime.block_on(task).unwrap(), 7);
    });
}

#[test]
fn a_runtime_may_be_made_in_a_task_of_another_and_dropped_there() {
    on_each_runtime(|runtime| {
        let log = Log::new();
        runtime.block_on(async {
            let task_log = log.clone();
            spawn(async move {
                let inner = Runtime::new().unwrap();
                assert_eq!(inner.stats().tasks, 0);
                drop(inner);
                task_log.note("inner is gone");
                // The outer one is the current one again.
                let outer = stats().tasks;
                spawn(async {}).await.unwrap();
                assert_eq!((outer, stats().tasks), (1, 1));
                sleep(Duration::from_millis(1)).await;
            })
            .await
            .unwrap();
            assert_eq!(log.take(), ["inner is gone"]);
        });
    });
}

#[test]
fn tasks_that_end_with_an_inner_runtime_see_that_one() {
    on_a_runtime(|outer| {
        let inner = Runtime::new().unwrap();
        let seen = Rc::new(Cell::new(0));
        inner.block_on(async {
            for _ in 0..3 {
                let seen = Rc::clone(&seen);
                spawn(async move {
                    let _guard = OnDrop::new(move || seen.set(seen.get().max(stats().tasks)));
                    pending::<()>().await;
                });
            }
            yield_now().await;
        });
        outer.block_on(async move { drop(inner) });
        assert_eq!(seen.get(), 3, "the outer runtime has no task");
    });
}

// What is called where it cannot work: one sentence with the call, the cause and the way out.

#[track_caller]
fn assert_says(message: &str, call: &str, cause: &str, fix: &str) {
    assert!(
        message.starts_with(&format!("{call}: ")) && !message.contains('\n'),
        "{message}"
    );
    assert!(
        message.contains(cause) && message.contains(fix),
        "{message}"
    );
}

#[test]
fn what_would_block_a_running_runtime_panics_at_the_line_of_the_caller() {
    on_a_runtime(|runtime| {
        let other = Runtime::new().unwrap();
        let remote = runtime.handle().spawn(|| async {});
        runtime.block_on(async {
            let cause = "a runtime runs on this thread";
            let message = panic_here(|| selio::run(async {}));
            assert_says(
                &message,
                "selio::run",
                cause,
                "await the future or `spawn` it",
            );
            let message = panic_here(|| other.block_on(async {}));
            assert_says(
                &message,
                "Runtime::block_on",
                cause,
                "await the future or `spawn`",
            );
            let message = panic_here(|| remote.join());
            assert_says(&message, "RemoteHandle::join", cause, "await the handle");
        });
        // Nothing is broken by it.
        assert_eq!(
            runtime.block_on(async { spawn(async { 7 }).await.unwrap() }),
            7
        );
        assert_eq!(other.block_on(async { 8 }), 8);
    });
}

#[test]
fn what_needs_a_runtime_panics_without_one_at_the_line_of_the_caller() {
    let (cause, fix) = (
        "no runtime runs on this thread",
        "`selio::run` or `Runtime::block_on`",
    );
    let (a, _b) = UnixStream::pair().unwrap();
    let message = panic_here(|| spawn(async {}));
    assert_says(&message, "selio::spawn", cause, fix);
    assert_says(&message, "selio::spawn", cause, "`Handle`");
    let message = panic_here(|| spawn_named("it", async {}));
    assert_says(&message, "selio::spawn_named", cause, fix);
    let message = panic_here(|| stats());
    assert_says(&message, "selio::stats", cause, fix);
    let message = panic_here(|| Handle::current());
    assert_says(&message, "Handle::current", cause, fix);
    let message = panic_here(|| Source::new(&a));
    assert_says(&message, "Source::new", cause, fix);
}

#[test]
fn what_is_awaited_without_a_runtime_names_the_line_on_which_it_was_made() {
    let fix = "`selio::run` or `Runtime::block_on`";
    let polled = |future: &mut (dyn Future<Output = ()> + Unpin)| {
        panic_of(|| poll_with(future, Waker::noop())).message
    };
    let check = |message: String, call: &str, line: u32| {
        let place = format!("{call} at {}:{line}:", file!());
        assert!(
            message.starts_with(&place),
            "{message:?} is not from {place}"
        );
        assert!(
            message.contains("no runtime runs on this thread"),
            "{message}"
        );
        assert!(message.contains(fix), "{message}");
    };
    let (mut it, line) = (sleep(Duration::from_secs(1)), line!());
    check(polled(&mut it), "selio::sleep", line);
    let (it, line) = (timeout(Duration::from_secs(1), pending::<()>()), line!());
    let mut it = Box::pin(async { it.await.unwrap() });
    check(polled(&mut it), "selio::timeout", line);
    let mut interval = selio::interval(Duration::from_secs(1));
    let (it, line) = (interval.tick(), line!());
    let mut it = Box::pin(async { _ = it.await });
    check(polled(&mut it), "Interval::tick", line);
    let (it, line) = (TcpStream::connect("127.0.0.1:1"), line!());
    let mut it = Box::pin(async { drop(it.await) });
    check(polled(&mut it), "TcpStream::connect", line);
}

// Order.

#[test]
fn tasks_run_in_the_order_in_which_they_were_spawned() {
    on_a_runtime(|runtime| {
        let log = Log::new();
        runtime.block_on(async {
            for i in 0..100 {
                let log = log.clone();
                spawn(async move { log.note(i) });
            }
            assert_eq!(log.len(), 0, "nobody runs before main waits");
            yield_now().await;
        });
        assert_eq!(log.take(), (0..100).collect::<Vec<_>>());
    });
}

#[test]
fn a_task_spawned_by_a_task_runs_in_the_next_turn() {
    on_a_runtime(|runtime| {
        let log = Log::new();
        runtime.block_on(async {
            let parent_log = log.clone();
            spawn(async move {
                parent_log.note("parent");
                let child_log = parent_log.clone();
                spawn(async move { child_log.note("child") });
            });
            let sibling_log = log.clone();
            spawn(async move { sibling_log.note("sibling") });
            yield_now().await;
            assert_eq!(log.take(), ["parent", "sibling"]);
            yield_now().await;
            assert_eq!(log.take(), ["child"]);
        });
    });
}

#[test]
fn a_task_that_wakes_itself_takes_turns_with_all_others() {
    on_a_runtime(|runtime| {
        let log = Log::new();
        runtime.block_on(async {
            let tasks: Vec<_> = (0..11)
                .map(|i| {
                    let log = log.clone();
                    spawn(async move {
                        for _ in 0..50 {
                            log.note(i);
                            yield_now().await;
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        });
        let rounds = log.take();
        assert_eq!(rounds.len(), 11 * 50);
        for round in rounds.chunks(11) {
            assert_eq!(round, (0..11).collect::<Vec<_>>());
        }
    });
}

#[test]
fn main_that_wakes_itself_lets_every_task_run_between() {
    on_a_runtime(|runtime| {
        let count = Rc::new(Cell::new(0));
        runtime.block_on(async {
            let counter = Rc::clone(&count);
            spawn(async move {
                loop {
                    counter.set(counter.get() + 1);
                    yield_now().await;
                }
            });
            for turn in 0..1000 {
                assert_eq!(count.get(), turn);
                yield_now().await;
            }
        });
    });
}

#[test]
fn a_hundred_pairs_that_wake_each_other_leave_a_yielding_task_its_turns() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            for _ in 0..100 {
                let (to, from) = (async_channel::bounded(1), async_channel::bounded(1));
                to.0.try_send(()).unwrap();
                for (receive, send) in [(to.1, from.0), (from.1, to.0)] {
                    spawn(async move {
                        while receive.recv().await.is_ok() && send.send(()).await.is_ok() {}
                    });
                }
            }
            yield_now().await;
            let before = stats();
            for _ in 0..500 {
                yield_now().await;
            }
            let after = stats();
            assert_eq!(after.turns - before.turns, 500, "one turn for each");
            assert!(after.polls - before.polls >= 500 * 100, "and the pairs run");
        });
    });
}

#[test]
fn a_task_that_is_always_ready_starves_neither_timers_nor_sockets() {
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            for _ in 0..11 {
                spawn(async {
                    loop {
                        yield_now().await;
                    }
                });
            }
            let (mut near, far) = UnixStream::pair().unwrap();
            let far = Source::new(far).unwrap();
            for _ in 0..20 {
                let before = stats().polls;
                near.write_all(b"x").unwrap();
                far.readable().await.unwrap();
                far.get_ref().read_exact(&mut [0]).unwrap();
                selio::sleep_until(std::time::Instant::now()).await;
                let polls = stats().polls - before;
                assert!(polls <= 2 * 256, "{polls} polls between two looks");
            }
        });
    });
}

#[test]
fn a_main_future_woken_by_a_task_runs_before_the_loop_sleeps() {
    on_each_runtime(|runtime| {
        let before = runtime.stats().selects;
        runtime.block_on(async {
            let place: Rc<RefCell<Option<Waker>>> = Rc::default();
            let waker = Rc::clone(&place);
            spawn(async move {
                let waker: Waker = waker.take().expect("main waits");
                waker.wake();
            });
            let mut has_waited = false;
            poll_fn(|cx| {
                if has_waited {
                    return Poll::Ready(());
                }
                has_waited = true;
                place.replace(Some(cx.waker().clone()));
                Poll::Pending
            })
            .await;
        });
        assert_eq!(runtime.stats().selects, before);
    });
}

// Handles.

#[test]
fn dropping_the_handle_detaches_the_task() {
    on_a_runtime(|runtime| {
        let log = Log::new();
        runtime.block_on(async {
            let task_log = log.clone();
            drop(spawn(async move {
                yield_now().await;
                task_log.note("ended");
            }));
            for _ in 0..3 {
                yield_now().await;
            }
            assert_eq!(log.take(), ["ended"]);
            assert_eq!(stats().tasks, 0);
        });
    });
}

#[test]
fn the_output_of_a_detached_task_is_dropped_with_the_task() {
    on_a_runtime(|runtime| {
        let ledger = Ledger::new();
        let entry = ledger.entry();
        runtime.block_on(async move {
            drop(spawn(async move { entry }));
            yield_now().await;
        });
        assert_eq!(ledger.alive(), 0);
    });
}

#[test]
fn is_finished_turns_true_with_the_end_and_not_before() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let task = spawn(yield_now());
            assert!(!task.is_finished());
            yield_now().await;
            assert!(!task.is_finished());
            yield_now().await;
            assert!(task.is_finished());
            task.await.unwrap();
        });
    });
}

#[test]
fn ids_are_unique_and_names_are_kept() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let mut ids = Vec::new();
            for _ in 0..100 {
                // Each ends before the next begins, so that they share a slot.
                let task = spawn(async {});
                ids.push(task.id());
                assert_eq!(task.name(), format!("task-{}", task.id()));
                task.await.unwrap();
            }
            let sorted = {
                let mut sorted = ids.clone();
                sorted.sort_unstable();
                sorted.dedup();
                sorted
            };
            assert_eq!(ids, sorted, "in the order of their spawning");

            let task = spawn_named("reader", async {});
            assert_eq!(task.name(), "reader");
            assert_eq!(
                format!("{task:?}"),
                "JoinHandle { task: \"reader\", is_finished: false }"
            );
        });
    });
}

#[test]
fn of_two_who_poll_a_handle_the_last_is_woken() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let mut task = spawn(yield_now());
            let (first, first_waker) = Spy::new();
            let (last, last_waker) = Spy::new();
            assert!(poll_with(&mut task, &first_waker).is_pending());
            assert!(poll_with(&mut task, &last_waker).is_pending());
            for _ in 0..3 {
                yield_now().await;
            }
            assert_eq!((first.wakes(), last.wakes()), (0, 1));
            assert!(poll_with(&mut task, &last_waker).is_ready());
        });
    });
}

#[test]
fn a_handle_panics_when_it_is_polled_after_its_result() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let mut task = spawn(async {});
            (&mut task).await.unwrap();
            let panic = panic_of(|| poll_with(&mut task, Waker::noop()));
            assert!(panic.message.contains("awaited again"), "{}", panic.message);
        });
    });
}

#[test]
fn a_task_that_has_ended_may_be_awaited_in_another_runtime() {
    on_each_runtime(|runtime| {
        let other = Runtime::new().unwrap();
        let task = other.block_on(async {
            let task = spawn(async { 7 });
            yield_now().await;
            task
        });
        assert_eq!(runtime.block_on(task).unwrap(), 7);
    });
}
