//! `echo`: what a server's processor spends on one echoed message.
//!
//! Processor time and not throughput: on the loopback the client and the kernel cost more than any
//! runtime, so messages per second say little about a server. Each sample is a fresh server process
//! on one core and the load of this process on another; only the server is measured, between two
//! marks, after its warm-up. User and system time are counted together, because a runtime pays for
//! its system calls too.
//!
//! How the messages arrive is a choice. By default each connection runs its own closed loop, as
//! clients do; a faster server then finds fewer messages at each wait, and pays for more waits than
//! a slower one, which hides a part of its lead. In step, all connections send at once and the next
//! messages follow when all echoes are back: every server is given the same batches.

use crate::load::{Load, MESSAGE};
use crate::machine;
use crate::peers::{self, BY_HAND, OTHERS, Peer};
use crate::server::{Options, Server};
use crate::table::{Ratio, Table, rotated, thousands};
use std::io;
use std::time::Duration;

/// Longer than any healthy round by far: after it a lost message is an error.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// So many messages, over some of the open connections.
#[derive(Debug)]
pub struct Scenario {
    pub open: usize,
    pub busy: usize,
    pub messages: usize,
}

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        open: 50,
        busy: 50,
        messages: 40_000,
    },
    Scenario {
        open: 1_000,
        busy: 1_000,
        messages: 40_000,
    },
    Scenario {
        open: 5,
        busy: 5,
        messages: 20_000,
    },
    Scenario {
        open: 10_000,
        busy: 5,
        messages: 20_000,
    },
];

/// The last two of the scenarios: their quotient tells what idle connections cost the busy ones.
const FIVE_ALONE: usize = 2;
const FIVE_OF_MANY: usize = 3;

/// The peers that serve sockets.
pub fn servers() -> Vec<&'static Peer> {
    peers::ALL
        .iter()
        .filter(|peer| peer.serve.is_some())
        .collect()
}

pub const RATIOS: &[Ratio] = &[
    Ratio {
        title: "selio/by hand",
        of: &[BY_HAND],
    },
    Ratio {
        title: "selio/best other",
        of: OTHERS,
    },
];

/// Measures all scenarios, or only one with `connections` busy ones, and prints the table.
pub fn run(rounds: usize, connections: Option<usize>, in_step: bool) -> io::Result<()> {
    let only = connections.map(Scenario::all_busy);
    let scenarios = only.as_ref().map_or(SCENARIOS, std::slice::from_ref);
    let mut table = measure(&servers(), rounds, scenarios, in_step)?;
    if only.is_none() {
        table.divide("  over 5 alone", FIVE_OF_MANY, FIVE_ALONE);
    }
    table.print(RATIOS);
    Ok(())
}

/// Measures these peers in these scenarios.
pub fn measure(
    peers: &[&Peer],
    rounds: usize,
    scenarios: &[Scenario],
    in_step: bool,
) -> io::Result<Table> {
    let (server_core, client_core) = machine::cores()?;
    machine::pin(client_core)?;
    machine::raise_file_limit()?;

    let title = format!(
        "echo: server's processor time, microseconds per {MESSAGE}-byte message, median of {rounds} rounds; \
         server on core {server_core}, client on core {client_core}, {}",
        if in_step { "in step" } else { "closed loops" }
    );
    let mut table = Table::new(title, peers.iter().map(|peer| peer.name));
    for scenario in scenarios {
        machine::need_files(scenario.open + 100)?;
        let row = table.row(scenario.label());
        for round in 0..rounds {
            for column in rotated(peers.len(), round) {
                let cost = scenario.cost(peers[column], server_core, in_step)?;
                table.add(row, column, cost.as_secs_f64() * 1e6);
            }
        }
    }
    Ok(table)
}

impl Scenario {
    fn all_busy(connections: usize) -> Self {
        Self {
            open: connections,
            busy: connections,
            messages: 40_000,
        }
    }

    fn label(&self) -> String {
        match self.busy == self.open {
            true => format!("{} busy connections", thousands(self.open as f64)),
            false => {
                let open = thousands(self.open as f64);
                format!("{} busy of {open} connections", self.busy)
            }
        }
    }

    /// The processor time of one message.
    fn cost(&self, peer: &Peer, core: usize, in_step: bool) -> io::Result<Duration> {
        let server = Server::start(
            peer,
            &Options {
                core: Some(core),
                ..Options::default()
            },
        )?;
        let mut load = Load::new(server.address, PATIENCE)?;
        load.open(self.open)?;
        load.run(self.busy, self.messages / 10)?;

        let before = server.cpu_time()?;
        let messages = if in_step {
            let steps = self.messages.div_ceil(self.busy);
            load.run_in_step(self.busy, steps)?;
            steps * self.busy
        } else {
            load.run(self.busy, self.messages)?;
            self.messages
        };
        let spent = server.cpu_time()? - before;

        // The server goes first, so that the ports that linger in TIME_WAIT are on its side: the
        // next server has another port, and the client's ports stay free.
        drop(server);
        Ok(spent / messages as u32)
    }
}
