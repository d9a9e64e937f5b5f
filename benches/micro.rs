//! `micro`: nanoseconds per operation of the executor, the timers and the wakers.
//!
//! No socket is involved. What each operation is, in code, stands in the files of `peers`.

use crate::machine;
use crate::peers::{self, OTHERS, Program, Programs};
use crate::table::{Ratio, Table, rotated};
use std::io;

struct Case {
    label: &'static str,
    /// Operations per round: enough that the clock is read in vain, few enough for many rounds.
    times: usize,
    program: fn(&Programs) -> Option<Program>,
}

const CASES: [Case; 9] = [
    Case {
        label: "spawn and await one task",
        times: 100_000,
        program: |p| p.spawn_await,
    },
    Case {
        label: "the same by the main future",
        times: 100_000,
        program: |p| p.spawn_await_main,
    },
    Case {
        label: "spawn 200,000, then await them",
        times: 200_000,
        program: |p| p.spawn_all,
    },
    Case {
        label: "yield_now, 10 tasks",
        times: 1_000_000,
        program: |p| p.yield_now,
    },
    Case {
        label: "async-channel, there and back",
        times: 100_000,
        program: |p| p.ping_pong,
    },
    Case {
        label: "timeout, ready at the first poll",
        times: 200_000,
        program: |p| p.timeout_ready,
    },
    Case {
        label: "timeout, ready at the second poll",
        times: 100_000,
        program: |p| p.timeout_pending,
    },
    Case {
        label: "100,000 sleeping tasks",
        times: 100_000,
        program: |p| p.sleeps,
    },
    Case {
        label: "wake from another thread and back",
        times: 5_000,
        program: |p| p.wake,
    },
];

pub const RATIOS: &[Ratio] = &[Ratio {
    title: "selio/best",
    of: OTHERS,
}];

/// Measures all cases whose label contains `only`.
pub fn measure(rounds: usize, only: &str) -> io::Result<Table> {
    let (core, _) = machine::cores()?;
    machine::pin(core)?;

    let peers: Vec<_> = peers::ALL
        .iter()
        .filter(|peer| peer.programs.spawn_await.is_some())
        .collect();
    let title =
        format!("micro: nanoseconds per operation, median of {rounds} rounds, all on core {core}");
    let mut table = Table::new(title, peers.iter().map(|peer| peer.name));
    for case in CASES.iter().filter(|case| case.label.contains(only)) {
        let row = table.row(case.label);
        // The first round warms the caches and the heap up and does not count.
        for round in 0..=rounds {
            for column in rotated(peers.len(), round) {
                let Some(program) = (case.program)(&peers[column].programs) else {
                    continue;
                };
                let took = program(case.times)?;
                if round > 0 {
                    table.add(row, column, took.as_secs_f64() * 1e9 / case.times as f64);
                }
            }
        }
    }
    Ok(table)
}
