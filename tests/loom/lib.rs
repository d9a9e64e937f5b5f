//! Every order in which other threads can meet the executor, tried out by loom.
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test --release --manifest-path tests/loom/Cargo.toml
//! ```
//!
//! What is run is the executor that ships, file by file: `build.rs` copies it and exchanges its
//! locks, atomics and `Arc`s for those of `sync.rs`. Only the reactor is another one, which can
//! sleep and be notified: `reactor.rs`. The queue is that of the crate `concurrent-queue`, which
//! knows loom.
//!
//! - `models/` holds the claims. Each is a program of one or two runtimes and up to three threads,
//!   and has to hold in all orders with up to 3 preemptions.
//! - `mutants.rs` holds the executors with one fault each. A model has to fail for each of them.
//!
//! To look into a failure, set `LOOM_LOG=trace` and `LOOM_LOCATION=1`; `LOOM_MAX_PREEMPTIONS`
//! widens or narrows the search. `-- --show-output` prints how many orders were tried.

#![cfg(loom)]

mod reactor;
mod sync;

include!(concat!(env!("OUT_DIR"), "/variants.rs"));

/// Tells a process that it is the child that runs the model.
#[cfg(test)]
const CHILD: &str = "SELIO_LOOM_CHILD";

/// Runs a model in a process of its own, which ends with the first panic: unwinding would drop a
/// runtime when loom is gone already, and so panic again. Returns what it printed, or how it failed.
#[cfg(test)]
fn run(test: &str, model: fn()) -> Result<String, String> {
    use std::process::{Command, exit};

    if std::env::var_os(CHILD).is_some() {
        std::panic::set_hook(Box::new(|panic| {
            eprintln!("{panic}");
            exit(1);
        }));
        model();
        exit(0);
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let printed = [child.stdout, child.stderr].concat();
    let printed = String::from_utf8_lossy(&printed).into_owned();
    match child.status.success() {
        true => Ok(printed),
        false => Err(printed),
    }
}

/// The executor that ships keeps what a claim promises.
#[cfg(test)]
fn holds(claim: &str, model: fn()) {
    match run(&format!("holds::{claim}"), model) {
        Ok(printed) => {
            let orders = printed
                .lines()
                .find_map(|line| line.split_once(" orders, "));
            let (claim, time) = orders.expect("the child has run the model");
            println!("{claim} orders, {time}");
        }
        Err(panic) => panic!("{panic}"),
    }
}

/// With that fault in it, the claim is false, and loom says why.
#[cfg(test)]
fn fails(mutant: &str, model: fn(), expected: &str) {
    match run(&format!("fails::{mutant}"), model) {
        Ok(_) => panic!("no order was found in which it fails"),
        Err(panic) => assert!(panic.contains(expected), "not for \"{expected}\": {panic}"),
    }
}

#[cfg(test)]
mod holds {
    macro_rules! holds {
        ($($claim:ident)*) => {$(
            #[test]
            fn $claim() {
                crate::holds(stringify!($claim), crate::shipped::models::$claim);
            }
        )*};
    }

    holds! {
        a_wake_that_is_not_posted_anew_brings_its_news
        two_wakes_at_once_are_not_lost_and_bring_their_news
        a_wake_during_the_poll_is_not_lost
        no_message_lies_there_while_the_loop_sleeps_and_one_notify_ends_a_sleep
        a_wake_while_the_loop_is_awake_does_not_notify
        a_late_wake_neither_reaches_nor_robs_the_heir_of_the_waker
        the_last_of_two_clones_does_not_reach_the_heir_either
        a_wake_of_a_cancelled_task_does_not_reach_the_heir_of_its_slot
        a_wake_at_the_end_of_the_runtime_leaves_nothing_behind
        a_spawn_at_the_end_of_the_runtime_is_run_or_cancelled
        join_returns_when_the_task_has_ended
        cancel_ends_a_task_that_waits_for_ever
        a_task_that_is_cancelled_as_it_ends_has_one_outcome
        an_await_across_two_runtimes_ends
    }
}
