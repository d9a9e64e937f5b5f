//! All selectors against one model, at random.
//!
//! Sockets and pipes are written, read, filled, shut down, duplicated and closed in random order,
//! while four selectors, one on each backend, watch the same handles. The model is a page of plain
//! Rust without a kernel: it knows who holds unread bytes, who has no room, and who has hung up,
//! and says what every select must report. Nothing less (a lost event is a program that hangs), and
//! nothing more (a spurious one is a program that spins).
//!
//! ```text
//! cargo test --test selector_model                              fresh sequences each time
//! SELIO_SEED=17 cargo test --test selector_model                these again
//! SELIO_SEQUENCES=5000000 cargo test --release --test selector_model
//! ```
//!
//! For Linux only: which end is told what when the other one shuts down differs between kernels.

#![cfg(target_os = "linux")]

mod common;
#[path = "selector_model/model.rs"]
mod model;
#[path = "selector_model/world.rs"]
mod world;

use std::env;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use common::{Random, watched};
use world::{Op, World};

/// How many sequences run unless `SELIO_SEQUENCES` says otherwise, as `.ci/run` does.
const SEQUENCES: u64 = 10_000;

#[test]
fn all_selectors_report_what_the_model_does() {
    let first = Random::from_environment().seed();
    let sequences = match env::var("SELIO_SEQUENCES") {
        Ok(count) => count.parse().expect("SELIO_SEQUENCES is a number"),
        Err(_) => SEQUENCES,
    };
    let workers = thread::available_parallelism().map_or(1, usize::from);
    // What each worker is at, for the case that a selector never returns.
    let at: Vec<_> = (0..workers).map(|_| AtomicU64::new(first)).collect();
    let circumstances = || format!(" with one of SELIO_SEED={at:?}");
    // Far more than it takes.
    let limit = Duration::from_secs(300) + Duration::from_millis(10) * sequences as u32;
    watched(circumstances, limit, || {
        let next = AtomicU64::new(0);
        thread::scope(|scope| {
            for at in &at {
                scope.spawn(|| {
                    loop {
                        let place = next.fetch_add(1, Ordering::Relaxed);
                        if place >= sequences {
                            break;
                        }
                        let seed = first.wrapping_add(place);
                        at.store(seed, Ordering::Relaxed);
                        let ops = sequence(&mut Random::new(seed));
                        if World::run(&ops).is_err() {
                            next.store(sequences, Ordering::Relaxed);
                            report(seed, ops);
                        }
                    }
                });
            }
        });
    });
}

/// A sequence of 8 to 30 operations.
fn sequence(random: &mut Random) -> Vec<Op> {
    let length = 8 + random.below(23);
    (0..length).map(|_| Op::random(random)).collect()
}

/// Panics with a shorter sequence that still fails, as a story.
fn report(seed: u64, ops: Vec<Op>) -> ! {
    let story = World::tell(&shrink(ops));
    panic!(
        "a selector and the model disagree:\n\n{story}\n\nto see it again: \
         SELIO_SEED={seed} SELIO_SEQUENCES=1 cargo test --test selector_model\n"
    );
}

/// Leaves out one operation after the other, as long as it fails without them.
fn shrink(mut ops: Vec<Op>) -> Vec<Op> {
    loop {
        let before = ops.len();
        for place in (0..before).rev() {
            let mut fewer = ops.clone();
            fewer.remove(place);
            if World::run(&fewer).is_err() {
                ops = fewer;
            }
        }
        if ops.len() == before {
            return ops;
        }
    }
}
