//! Task-locals: where they hold, who inherits them, and when they are dropped.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]
#![allow(
    clippy::async_yields_async,
    reason = "handles leave the scope that made them"
)]

mod common;
#[path = "common/tasks.rs"]
mod tasks;

use std::cell::Cell;
use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;

use selio::{TaskGroup, TaskLocal, gather, spawn, stats, yield_now};

use crate::tasks::{Entry, Ledger, Log, OnDrop, on_a_runtime, poll_once, quietly};

static NUMBER: TaskLocal<u64> = TaskLocal::new();
static NAME: TaskLocal<String> = TaskLocal::new();

/// A test inside of a runtime, at whose end nothing is alive and no value holds.
#[track_caller]
fn inside(test: impl AsyncFn()) {
    on_a_runtime(|runtime| {
        runtime.block_on(test());
        assert_eq!(runtime.stats().tasks, 0);
    });
    assert_eq!((number(), name()), (None, None));
}

fn number() -> Option<u64> {
    NUMBER.get().as_deref().copied()
}

fn name() -> Option<String> {
    NAME.get().as_deref().cloned()
}

#[test]
fn a_value_holds_in_its_scope_only() {
    inside(async || {
        assert_eq!(number(), None);
        let inner = NUMBER.scope(1, async {
            assert_eq!(number(), Some(1));
            yield_now().await;
            assert_eq!(NUMBER.scope(2, async { number() }).await, Some(2));
            number()
        });
        assert_eq!(number(), None, "it is not polled yet");
        assert_eq!(inner.await, Some(1));
        assert_eq!(number(), None);
    });
}

#[test]
fn two_task_locals_are_two_even_of_one_type() {
    static OTHER: TaskLocal<u64> = TaskLocal::new();
    inside(async || {
        let both = NUMBER.scope(1, OTHER.scope(2, async { (number(), OTHER.get()) }));
        assert_eq!(both.await, (Some(1), Some(Rc::new(2))));
    });
}

#[test]
fn futures_that_take_turns_see_their_own_values() {
    inside(async || {
        let each = (0..20).map(|i| {
            NUMBER.scope(i, async move {
                for _ in 0..i % 5 {
                    assert_eq!(number(), Some(i));
                    yield_now().await;
                }
                number()
            })
        });
        let seen = gather(each).await;
        assert!(seen.into_iter().eq((0..20).map(Some)));
    });
}

#[test]
fn a_task_inherits_what_holds_where_it_is_spawned_and_keeps_it() {
    inside(async || {
        let task = NUMBER
            .scope(7, async {
                spawn(async {
                    for _ in 0..3 {
                        yield_now().await;
                    }
                    // And its own tasks inherit it in turn.
                    (number(), spawn(async { number() }).await.unwrap())
                })
            })
            .await;
        // Its scope is over, and another one runs.
        let seen = NUMBER.scope(8, async { task.await.unwrap() }).await;
        assert_eq!(seen, (Some(7), Some(7)));
        assert_eq!(spawn(async { number() }).await.unwrap(), None);
    });
}

#[test]
fn a_scope_in_a_task_is_not_seen_by_its_parent_nor_by_its_siblings() {
    inside(async || {
        let sibling = NAME.scope("parent".into(), async {
            let child = spawn(NAME.scope("child".into(), async {
                yield_now().await;
                name()
            }));
            yield_now().await;
            let sibling = spawn(async { name() });
            assert_eq!(name().as_deref(), Some("parent"));
            assert_eq!(child.await.unwrap().as_deref(), Some("child"));
            sibling.await.unwrap()
        });
        assert_eq!(sibling.await.as_deref(), Some("parent"));
    });
}

#[test]
fn a_value_is_shared_and_not_copied() {
    static COUNT: TaskLocal<Cell<u32>> = TaskLocal::new();
    inside(async || {
        let count = COUNT.scope(Cell::new(0), async {
            let add = async || COUNT.get().unwrap().update(|count| count + 1);
            gather([spawn(add()), spawn(add())]).await;
            COUNT.get().unwrap().get()
        });
        assert_eq!(count.await, 2);
    });
}

#[test]
fn the_tasks_of_a_group_inherit_too() {
    inside(async || {
        let group = TaskGroup::scope(async |group| {
            let task = group.spawn(async { Ok::<_, ()>(number()) });
            Ok(task.await.unwrap())
        });
        assert_eq!(NUMBER.scope(7, group).await.unwrap(), Some(7));
    });
}

#[test]
fn a_destructor_sees_the_values_of_its_future_whoever_drops_it() {
    inside(async || {
        let log = Log::new();
        let noting = || {
            let log = log.clone();
            let noted = OnDrop::new(move || log.note((number(), name())));
            async move {
                let _noted = noted;
                pending::<()>().await;
            }
        };
        let inheriting = NUMBER.scope(1, async { spawn(noting()) }).await;
        let scoped = spawn(NUMBER.scope(2, noting()));
        yield_now().await;
        let cancel = NAME.scope("canceller".into(), async {
            inheriting.cancel();
            scoped.cancel();
            assert_eq!(name().as_deref(), Some("canceller"));
        });
        cancel.await;
        let [inherited, scoped] = <[_; 2]>::try_from(log.take()).unwrap();
        assert_eq!(inherited, (Some(1), None));
        assert_eq!(scoped.0, Some(2));
    });
}

#[test]
fn a_scope_that_moves_to_another_task_keeps_its_value_and_takes_the_rest_from_there() {
    inside(async || {
        let mut scope = Box::pin(NUMBER.scope(1, async {
            let before = name();
            yield_now().await;
            (number(), before, name())
        }));
        let there = NAME.scope("there".into(), async {
            assert!(poll_once(&mut scope).await.is_pending());
        });
        there.await;
        let here = NAME.scope("here".into(), scope).await;
        let words = (Some("there".into()), Some("here".into()));
        assert_eq!(here, (Some(1), words.0, words.1));
    });
}

#[test]
fn a_panic_ends_the_scope() {
    inside(async || {
        let mut scope = Box::pin(NUMBER.scope(1, async { panic!("a bug") as u32 }));
        let polled = poll_fn(|cx| {
            let poll = || scope.as_mut().poll(cx);
            Poll::Ready(std::panic::catch_unwind(std::panic::AssertUnwindSafe(poll)))
        });
        let mut polled = Box::pin(polled);
        let waker = std::task::Waker::noop();
        let Poll::Ready(result) = quietly(|| tasks::poll_with(&mut polled, waker)) else {
            panic!("it is ready");
        };
        assert!(result.is_err());
        assert_eq!(number(), None);
    });
}

#[test]
fn a_value_is_dropped_with_the_last_scope_and_task_that_has_it() {
    static ENTRY: TaskLocal<Entry> = TaskLocal::new();
    inside(async || {
        let ledger = Ledger::new();
        let task = ENTRY
            .scope(ledger.entry(), async { spawn(pending::<()>()) })
            .await;
        assert_eq!(ledger.alive(), 1);
        task.cancel();
        assert_eq!((ledger.alive(), stats().tasks), (0, 0));
    });
}

/// Each generation hides the value of the one before.
#[test]
fn tasks_that_spawn_each_other_in_scopes_for_ever_keep_one_value() {
    static ENTRY: TaskLocal<Entry> = TaskLocal::new();
    fn next(ledger: Ledger, left: u32) -> Pin<Box<dyn Future<Output = ()>>> {
        let entry = ledger.entry();
        Box::pin(ENTRY.scope(entry, async move {
            assert!(ledger.alive() <= 2, "{}", ledger.alive());
            if left > 0 {
                spawn(next(ledger, left - 1));
            }
        }))
    }
    inside(async || {
        let ledger = Ledger::new();
        spawn(next(ledger.clone(), 10_000));
        while stats().tasks > 0 {
            yield_now().await;
        }
        assert_eq!((ledger.alive(), ledger.dropped()), (0, 10_001));
    });
}

#[test]
fn the_values_of_a_future_that_is_polled_outside_of_a_runtime_hold_too() {
    let future = NUMBER.scope(7, async { number() });
    assert_eq!(futures_lite::future::block_on(future), Some(7));
}
