//! Faults that a hostile reader found in task-locals: their values have destructors too.

#![allow(
    clippy::unwrap_used,
    clippy::async_yields_async,
    reason = "a test panics when it fails, and hands futures around"
)]

mod common;
#[path = "common/tasks.rs"]
mod tasks;

use std::future::pending;

use selio::{Runtime, TaskGroup, TaskLocal, spawn, yield_now};

use crate::tasks::{Ledger, on_a_runtime, quietly};

struct PanicsAtItsEnd;

impl Drop for PanicsAtItsEnd {
    fn drop(&mut self) {
        panic!("the end of a value");
    }
}

static VALUE: TaskLocal<PanicsAtItsEnd> = TaskLocal::new();

#[test]
fn a_value_that_panics_when_the_last_task_that_has_it_is_cancelled_keeps_nobody_waiting() {
    on_a_runtime(|runtime| {
        quietly(|| {
            runtime.block_on(async {
                let task = VALUE.scope(PanicsAtItsEnd, async { spawn(pending::<()>()) });
                let task = task.await;
                yield_now().await;
                task.cancel();
                assert!(task.await.unwrap_err().is_cancelled());
            });
        });
        assert_eq!(runtime.stats().tasks, 0);
    });
}

#[test]
fn a_value_that_panics_after_the_last_task_that_has_it_takes_no_result_away() {
    on_a_runtime(|runtime| {
        quietly(|| {
            runtime.block_on(async {
                let task = VALUE.scope(PanicsAtItsEnd, async { spawn(yield_now()) });
                assert!(task.await.await.is_ok());
            });
        });
    });
}

#[test]
fn a_value_that_panics_as_the_runtime_ends_keeps_no_other_task_alive() {
    on_a_runtime(|_| {
        let ledger = Ledger::new();
        let entry = ledger.entry();
        quietly(|| {
            let runtime = Runtime::new().unwrap();
            runtime.block_on(async {
                drop(
                    VALUE
                        .scope(PanicsAtItsEnd, async { spawn(pending::<()>()) })
                        .await,
                );
                drop(spawn(async move {
                    let _entry = entry;
                    pending::<()>().await;
                }));
                yield_now().await;
            });
            drop(runtime);
        });
        assert_eq!(ledger.alive(), 0);
    });
}

#[test]
fn a_value_that_panics_keeps_no_group_from_cancelling_the_others() {
    on_a_runtime(|runtime| {
        quietly(|| {
            let failed = runtime.block_on(TaskGroup::scope(async |group: TaskGroup<&str>| {
                let spawning = group.clone();
                let spawning = async move { spawning.spawn(pending::<Result<(), &str>>()) };
                drop(VALUE.scope(PanicsAtItsEnd, spawning).await);
                drop(group.spawn(pending::<Result<(), &str>>()));
                yield_now().await;
                Err::<(), _>("failed")
            }));
            assert!(failed.is_err());
        });
        assert_eq!(runtime.stats().tasks, 0);
    });
}
