//! Deadlines that move: `Deadline`, and whose time was up when several are nested.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/dropping.rs"]
mod dropping;
#[path = "common/tasks.rs"]
mod tasks;

use std::cell::Cell;
use std::future::{pending, ready};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use selio::{Deadline, Elapsed, gather, sleep, spawn, stats, timeout, timeout_at, yield_now};

use crate::dropping::drop_at_each_pending;
use crate::tasks::{Ledger, Spy, on_a_runtime, panic_of, poll_once, poll_with};

const HOUR: Duration = Duration::from_secs(3600);
const SOON: Duration = Duration::from_millis(2);

/// A test inside of a runtime, at whose end nothing is alive.
#[track_caller]
fn inside(test: impl AsyncFn()) {
    on_a_runtime(|runtime| {
        runtime.block_on(test());
        assert_eq!((runtime.stats().tasks, runtime.stats().timers), (0, 0));
    });
}

#[test]
fn a_deadline_that_nobody_moves_is_a_timeout() {
    inside(async || {
        let start = Instant::now();
        let deadline = Deadline::after(SOON);
        assert_eq!(deadline.scope(ready(7)).await, Ok(7));
        assert!(!deadline.expired());
        deadline.scope(pending::<()>()).await.unwrap_err();
        assert!(start.elapsed() >= SOON && deadline.expired());
        let deadline = Deadline::at(start);
        assert_eq!(deadline.when(), Some(start));
        assert_eq!(deadline.scope(ready(7)).await, Ok(7), "a result wins");
        deadline.scope(pending::<()>()).await.unwrap_err();
    });
}

#[test]
fn a_deadline_that_is_moved_to_a_later_time_lets_its_future_go_on() {
    inside(async || {
        let deadline = Deadline::after(SOON);
        let start = Instant::now();
        let result = deadline.scope(async {
            for _ in 0..5 {
                deadline.reschedule_after(10 * SOON);
                sleep(2 * SOON).await;
            }
            deadline.reschedule(start + 20 * SOON);
            pending::<()>().await;
        });
        result.await.unwrap_err();
        assert!(start.elapsed() >= 20 * SOON && deadline.expired());
    });
}

#[test]
fn to_move_a_deadline_to_a_later_time_touches_no_timer_and_wakes_nobody() {
    inside(async || {
        let deadline = Deadline::after(HOUR);
        let (spy, waker) = Spy::new();
        let mut scope = Box::pin(deadline.scope(pending::<()>()));
        assert!(poll_with(&mut scope, &waker).is_pending());
        for hours in 2..1000 {
            deadline.reschedule_after(hours * HOUR);
            assert!(poll_with(&mut scope, &waker).is_pending());
        }
        deadline.reschedule(None);
        assert_eq!((spy.wakes(), stats().timers), (0, 1));
        assert!(poll_with(&mut scope, &waker).is_pending());
        assert_eq!(stats().timers, 0, "there is nothing to wait for any more");
        drop(scope);
        drop(waker);
        assert_eq!(Arc::strong_count(&spy), 1, "it keeps no waker");
    });
}

#[test]
fn another_task_may_move_a_deadline_to_an_earlier_time() {
    inside(async || {
        for mut far in [Deadline::after(HOUR), Deadline::never()] {
            for moved in [Instant::now(), Instant::now() + SOON] {
                let deadline = Rc::new(far);
                let limited = spawn({
                    let deadline = Rc::clone(&deadline);
                    async move { deadline.scope(pending::<()>()).await }
                });
                yield_now().await;
                deadline.reschedule(moved);
                limited.await.unwrap().unwrap_err();
                assert!(deadline.expired() && Instant::now() >= moved);
                far = Deadline::after(Duration::MAX);
                assert_eq!(far.when(), None);
            }
        }
    });
}

#[test]
fn a_future_may_move_its_own_deadline_to_an_earlier_time() {
    inside(async || {
        let deadline = Deadline::never();
        let result = deadline.scope(async {
            deadline.reschedule_after(HOUR);
            yield_now().await;
            deadline.reschedule_after(SOON);
            pending::<()>().await;
        });
        assert!(result.await.is_err());
    });
}

#[test]
fn a_deadline_that_has_passed_still_lets_the_others_run() {
    inside(async || {
        let deadline = Deadline::never();
        let count = Rc::new(Cell::new(0));
        let other = spawn({
            let count = Rc::clone(&count);
            async move { count.set(1) }
        });
        let result = deadline.scope(async {
            deadline.reschedule(Instant::now() - HOUR);
            pending::<()>().await;
        });
        result.await.unwrap_err();
        assert_eq!(count.get(), 1);
        other.await.unwrap();
    });
}

#[test]
fn of_nested_deadlines_expired_tells_which_it_was() {
    inside(async || {
        let (short, long) = (Deadline::after(SOON), Deadline::after(HOUR));
        let result = long.scope(short.scope(pending::<()>())).await;
        assert!(matches!(result, Ok(Err(_))));
        assert!(short.expired() && !long.expired());

        short.reschedule_after(SOON);
        assert!(!short.expired());
        let result = short.scope(long.scope(pending::<()>())).await;
        assert!(result.is_err());
        assert!(short.expired() && !long.expired());

        // The inner one may outlast its outer one, which then ends both.
        short.reschedule_after(SOON);
        let result = short.scope(async {
            long.reschedule_after(2 * HOUR);
            long.scope(pending::<()>()).await
        });
        assert!(result.await.is_err());
        assert!(!long.expired());
    });
}

#[test]
fn of_two_deadlines_that_pass_at_once_the_inner_one_has_expired() {
    inside(async || {
        let now = Instant::now();
        let (inner, outer) = (Deadline::at(now), Deadline::at(now));
        let result = outer.scope(inner.scope(pending::<()>())).await;
        assert!(matches!(result, Ok(Err(_))));
        assert!(inner.expired() && !outer.expired());
    });
}

#[test]
fn the_error_names_the_line_whose_limit_has_passed_even_as_an_io_error() {
    inside(async || {
        let line = line!() + 2;
        let nested = async || -> io::Result<()> {
            timeout(SOON, async {
                timeout_at(Instant::now() + HOUR, pending::<()>()).await?;
                io::Result::Ok(())
            })
            .await?
        };
        let error = nested().await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let place = format!("{}:{line}:13 has passed", file!());
        assert!(error.to_string().ends_with(&place), "{error}");

        let deadline = Deadline::after(SOON);
        let line = line!() + 1;
        let error: Elapsed = deadline.scope(pending::<()>()).await.unwrap_err();
        let place = error.location();
        assert_eq!((place.file(), place.line()), (file!(), line));
    });
}

#[test]
fn one_deadline_may_limit_several_scopes() {
    inside(async || {
        let deadline = Deadline::after(HOUR);
        let both = gather((
            deadline.scope(pending::<()>()),
            deadline.scope(pending::<()>()),
            async {
                yield_now().await;
                deadline.reschedule_after(SOON);
            },
        ));
        let (one, two, ()) = both.await;
        assert!(one.is_err() && two.is_err());
        deadline.reschedule_after(HOUR);
        assert_eq!(deadline.scope(ready(1)).await, Ok(1));
        assert_eq!(deadline.scope(ready(2)).await, Ok(2));
        assert!(!deadline.expired());
    });
}

#[test]
fn what_has_timed_out_is_dropped_with_its_scope_and_a_reference_survives() {
    inside(async || {
        let ledger = Ledger::new();
        let entry = ledger.entry();
        let deadline = Deadline::after(SOON);
        let held = deadline.scope(async move {
            let _entry = entry;
            pending::<()>().await;
        });
        held.await.unwrap_err();
        assert_eq!(ledger.alive(), 0);

        let mut task = spawn(async {
            sleep(20 * SOON).await;
            7
        });
        deadline.reschedule_after(SOON);
        deadline.scope(&mut task).await.unwrap_err();
        deadline.reschedule(None);
        assert_eq!(deadline.scope(&mut task).await.unwrap().unwrap(), 7);
    });
}

#[test]
fn of_two_who_poll_a_scope_the_last_is_woken() {
    inside(async || {
        let deadline = Deadline::after(HOUR);
        let ((first, one), (second, two)) = (Spy::new(), Spy::new());
        let mut scope = Box::pin(deadline.scope(pending::<()>()));
        assert!(poll_with(&mut scope, &one).is_pending());
        assert!(poll_with(&mut scope, &two).is_pending());
        deadline.reschedule(Instant::now());
        assert_eq!((first.wakes(), second.wakes()), (0, 1));
        assert!(scope.await.is_err());
    });
}

#[test]
fn a_scope_that_is_dropped_leaves_no_timer() {
    inside(async || {
        let deadline = Deadline::after(HOUR);
        let mut scope = Box::pin(deadline.scope(pending::<()>()));
        assert!(poll_once(&mut scope).await.is_pending());
        assert_eq!(stats().timers, 1);
        drop(scope);
        assert_eq!(stats().timers, 0);
        deadline.reschedule(Instant::now());
        assert!(!deadline.expired(), "it has ended nothing");
    });
}

#[test]
fn a_scope_that_waits_outside_of_a_runtime_is_refused_at_the_line_of_the_caller() {
    let deadline = Deadline::after(HOUR);
    let line = line!() + 2;
    let panic = panic_of(|| {
        let mut scope = pin!(deadline.scope(pending::<()>()));
        poll_with(&mut scope, std::task::Waker::noop())
    });
    assert!(panic.message.contains("Deadline::scope"), "{panic:?}");
    assert!(
        panic.message.contains(&format!("{}:{line}", file!())),
        "{panic:?}"
    );
}

#[test]
fn a_scope_that_is_dropped_at_any_pending_leaves_no_timer_and_no_place_in_its_deadline() {
    inside(async || {
        let pendings = drop_at_each_pending(
            async || Deadline::after(HOUR),
            async |deadline| {
                let moving = deadline.scope(async {
                    yield_now().await;
                    deadline.reschedule_after(SOON);
                    pending::<()>().await;
                });
                moving.await.unwrap_err();
            },
            async |deadline, ended| {
                assert_eq!((stats().timers, deadline.expired()), (0, ended.is_some()));
            },
        );
        assert!(pendings.await >= 2);
    });
}
