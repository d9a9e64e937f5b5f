//! `RemoteHandle::join_timeout`: what a thread that has only so much time is told.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/tasks.rs"]
mod tasks;

use std::future::pending;
use std::time::Duration;

use selio::{Elapsed, Handle, to_thread, yield_now};

use crate::tasks::{on_each_runtime, panic_here};

const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn join_timeout_gives_the_result_as_soon_as_it_is_there() {
    on_each_runtime(|runtime| {
        let handle = runtime.handle();
        let call = to_thread(move || {
            let mut task = handle.spawn(async || {
                yield_now().await;
                42
            });
            task.join_timeout(Duration::MAX)
        });
        assert_eq!(runtime.block_on(call).unwrap().unwrap(), 42);
    });
}

#[test]
fn join_timeout_gives_up_at_its_own_line_and_leaves_the_task_to_be_cancelled() {
    on_each_runtime(|runtime| {
        let call = async {
            let handle = Handle::current();
            to_thread(move || {
                let mut task = handle.spawn(pending::<()>);
                let elapsed: Elapsed = task.join_timeout(Duration::from_millis(1)).unwrap_err();
                assert_eq!(elapsed.location().line(), line!() - 1);
                assert!(!task.is_finished());
                task.cancel();
                task.join_timeout(PATIENCE)
            })
            .await
        };
        let result = runtime.block_on(call).unwrap();
        assert!(result.unwrap_err().is_cancelled());
    });
}

#[test]
fn join_timeout_of_nothing_gives_a_result_that_is_there_already() {
    on_each_runtime(|runtime| {
        let mut task = runtime.handle().spawn(async || 7);
        assert!(task.join_timeout(Duration::ZERO).is_err());
        runtime.block_on(async {
            while !task.is_finished() {
                yield_now().await;
            }
        });
        assert_eq!(task.join_timeout(Duration::ZERO).unwrap().unwrap(), 7);
    });
}

#[test]
fn join_timeout_inside_of_a_runtime_is_refused() {
    on_each_runtime(|runtime| {
        let mut task = runtime.handle().spawn(pending::<()>);
        runtime.block_on(async move {
            let message = panic_here(|| task.join_timeout(Duration::ZERO));
            let fix = "await it in `timeout` instead";
            assert!(message.starts_with("RemoteHandle::join_timeout: a runtime runs on"));
            assert!(message.ends_with(fix), "{message}");
        });
    });
}
