//! Very many who wait for the same: debug mode, which writes all of them down, must not look at all
//! of them for each.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;

use std::future::pending;
use std::rc::Rc;
use std::time::{Duration, Instant};

use common::deadline;
use selio::sync::Mutex;
use selio::{Builder, Deadline, gather, spawn, yield_now};

/// It takes a second, or many minutes.
const PATIENCE: Duration = Duration::from_secs(100);

fn in_debug_mode(main: impl Future<Output = ()>) {
    let runtime = Builder::new().debug(true).build().unwrap();
    deadline(PATIENCE, || runtime.block_on(main));
}

#[test]
fn tasks_that_wait_for_the_same_instant_are_written_down_at_once() {
    in_debug_mode(async {
        let limit = Rc::new(Deadline::after(Duration::from_secs(3600)));
        let wait = |_| {
            let limit = Rc::clone(&limit);
            spawn(async move { limit.scope(pending::<()>()).await })
        };
        let tasks: Vec<_> = (0..20_000).map(wait).collect();
        yield_now().await;
        limit.reschedule(Instant::now());
        for task in tasks {
            assert!(task.await.unwrap().is_err());
        }
    });
}

#[test]
fn children_of_one_task_that_wait_for_one_lock_are_written_down_at_once() {
    in_debug_mode(async {
        let mutex = Mutex::new(0);
        let count = async |_| {
            let mut number = mutex.lock().await;
            yield_now().await;
            *number += 1;
        };
        gather((0..80_000).map(count)).await;
        assert_eq!(mutex.into_inner(), 80_000);
    });
}
