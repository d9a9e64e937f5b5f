//! Dumps of very many tasks: the loop stands still meanwhile, so it must not be for long.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod common;

use std::future::pending;
use std::rc::Rc;
use std::time::Duration;

use common::deadline;
use selio::sync::Mutex;
use selio::{Builder, run, spawn, stats, task, yield_now};

const MANY: usize = 10_000;

/// It takes a tenth of a second, or hours.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn a_dump_of_many_whose_parent_has_ended_takes_no_time_worth_a_word() {
    deadline(PATIENCE, || {
        run(async {
            let parent = spawn(async {
                for _ in 0..MANY {
                    spawn(pending::<()>());
                }
            });
            parent.await.unwrap();
            let dump = task::dump().to_string();
            assert_eq!(dump.lines().count(), MANY + 1);
        });
    });
}

#[test]
fn a_dump_of_a_long_chain_of_parents_needs_no_stack_and_does_not_grow_to_the_right() {
    fn begin(left: usize) {
        spawn(async move {
            if left > 1 {
                begin(left - 1);
            }
            pending::<()>().await;
        });
    }

    deadline(PATIENCE, || {
        run(async {
            begin(MANY);
            while stats().tasks < MANY {
                yield_now().await;
            }
            let dump = task::dump().to_string();
            assert_eq!(dump.lines().count(), MANY + 1);
            let widest = dump.lines().map(|line| line.chars().count()).max();
            assert!(widest < Some(300), "{widest:?}");
        });
    });
}

/// Who holds the lock is looked up for each who waits, and stands behind many others.
#[test]
fn a_dump_of_many_who_wait_for_one_lock_takes_no_time_worth_a_word() {
    deadline(PATIENCE, || {
        let runtime = Builder::new().debug(true).build().unwrap();
        runtime.block_on(async {
            for _ in 0..6 * MANY {
                spawn(pending::<()>());
            }
            let mutex = Rc::new(Mutex::new(()));
            for _ in 0..4 * MANY {
                let mutex = Rc::clone(&mutex);
                spawn(async move {
                    let _guard = mutex.lock().await;
                    pending::<()>().await;
                });
            }
            yield_now().await;
            yield_now().await;
            let dump = task::dump().to_string();
            let who_wait = dump.lines().filter(|line| line.contains("for a Mutex"));
            assert_eq!(who_wait.count(), 4 * MANY - 1);
        });
    });
}
