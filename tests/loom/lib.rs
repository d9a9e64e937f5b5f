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
//! `build.rs` makes a test of each of these.
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
