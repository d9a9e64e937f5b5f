//! `echo --instructions` and `echo --syscalls`: the server under callgrind and under strace.
//!
//! Processor time is noisy and mostly the kernel's. These two counts are a runtime's own, and
//! nearly the same in every run. Both come from two runs of different length, whose difference leaves only
//! what a message costs: the start, the connections and the end cancel out.

use crate::echo::{PATIENCE, servers};
use crate::load::Load;
use crate::machine;
use crate::peers::{BY_HAND, OTHERS, Peer};
use crate::server::{Options, Server};
use crate::table::{Ratio, Table, rotated};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{env, fs, process};

const CONNECTIONS: usize = 50;

/// A short and a long run, in messages per connection.
#[derive(Clone, Copy)]
struct Lengths {
    short: usize,
    long: usize,
}

const CALLGRIND: Lengths = Lengths {
    short: 400,
    long: 1_200,
};

/// strace makes each call a hundred times slower, and counts calls exactly.
const STRACE: Lengths = Lengths {
    short: 20,
    long: 60,
};

impl Lengths {
    /// What one message adds to a count.
    fn slope(&self, short: f64, long: f64) -> f64 {
        (long - short) / ((self.long - self.short) * CONNECTIONS) as f64
    }
}

/// User-space instructions per message.
pub fn instructions(rounds: usize) -> io::Result<()> {
    if !is_installed("valgrind") {
        println!("echo --instructions: skipped, valgrind is not installed");
        return Ok(());
    }
    let (server_core, client_core) = machine::cores()?;
    machine::pin(client_core)?;
    let peers = servers();
    let title = format!(
        "echo --instructions: user-space instructions per message by callgrind, median of {rounds} rounds; \
         {CONNECTIONS} connections in step"
    );
    let mut table = Table::new(title, peers.iter().map(|peer| peer.name));
    let row = table.row("instructions");
    for round in 0..rounds {
        for column in rotated(peers.len(), round) {
            let count = |steps| count_instructions(peers[column], server_core, steps);
            let (short, long) = (count(CALLGRIND.short)?, count(CALLGRIND.long)?);
            table.add(row, column, CALLGRIND.slope(short, long));
        }
    }
    table.print(&[
        Ratio {
            title: "selio/by hand",
            of: &[BY_HAND],
        },
        Ratio {
            title: "selio/tokio",
            of: &["tokio"],
        },
        Ratio {
            title: "selio/best other",
            of: OTHERS,
        },
    ]);
    Ok(())
}

/// System calls per message, by name.
pub fn system_calls() -> io::Result<()> {
    if !is_installed("strace") {
        println!("echo --syscalls: skipped, strace is not installed");
        return Ok(());
    }
    let (server_core, client_core) = machine::cores()?;
    machine::pin(client_core)?;
    let peers = servers();
    let mut slopes = Vec::new();
    let mut threads = Vec::new();
    for peer in &peers {
        let (short, _) = count_calls(peer, server_core, STRACE.short)?;
        let (long, alive) = count_calls(peer, server_core, STRACE.long)?;
        slopes.push(slope_by_name(&short, &long));
        threads.push(alive);
    }

    let title = format!(
        "echo --syscalls: system calls per message by strace, one round; \
         {CONNECTIONS} connections in step"
    );
    let mut table = Table::new(title, peers.iter().map(|peer| peer.name));
    let mut names: Vec<_> = slopes.iter().flat_map(BTreeMap::keys).collect();
    names.sort();
    names.dedup();
    for name in names {
        let row = table.row(name);
        for (column, slope) in slopes.iter().enumerate() {
            table.add(row, column, slope.get(name).copied().unwrap_or_default());
        }
    }
    let others = table.row("all but one recv and one send");
    let row = table.row("threads");
    for (column, slope) in slopes.iter().enumerate() {
        table.add(others, column, slope.values().sum::<f64>() - 2.0);
        table.add(row, column, threads[column] as f64);
    }
    table.print(&[]);
    Ok(())
}

fn count_instructions(peer: &Peer, core: usize, steps: usize) -> io::Result<f64> {
    callgrind(|tool| run_under(tool, peer, core, steps).map(drop))
}

/// The instructions of what `run` starts under the tool that it is given.
pub fn callgrind(run: impl FnOnce(&[&str]) -> io::Result<()>) -> io::Result<f64> {
    let file = Scratch::new("callgrind");
    let out = format!("--callgrind-out-file={}", file.path().display());
    run(&["valgrind", "--quiet", "--tool=callgrind", &out])?;
    let text = fs::read_to_string(file.path())?;
    let total = text.lines().find_map(|line| line.strip_prefix("summary:"));
    let total = total.and_then(|total| total.trim().parse().ok());
    total.ok_or_else(|| io::Error::other("callgrind wrote no summary"))
}

/// The calls by name, and the number of threads of the server.
fn count_calls(
    peer: &Peer,
    core: usize,
    steps: usize,
) -> io::Result<(BTreeMap<String, f64>, usize)> {
    let file = Scratch::new("strace");
    let out = file.path().display().to_string();
    let threads = run_under(&["strace", "-f", "-c", "-o", &out], peer, core, steps)?;

    // % time  seconds  usecs/call  calls  [errors]  name
    let mut calls = BTreeMap::new();
    for line in fs::read_to_string(file.path())?.lines() {
        let fields: Vec<_> = line.split_whitespace().collect();
        if let (Some(Ok(count)), Some(name)) = (fields.get(3).map(|f| f.parse()), fields.last())
            && *name != "total"
        {
            calls.insert(name.to_string(), count);
        }
    }
    Ok((calls, threads))
}

/// The calls per message; a name that only the start and the end of a server use is left out.
fn slope_by_name(
    short: &BTreeMap<String, f64>,
    long: &BTreeMap<String, f64>,
) -> BTreeMap<String, f64> {
    let slope = |(name, count): (&String, &f64)| {
        let before = short.get(name).copied().unwrap_or_default();
        (name.clone(), STRACE.slope(before, *count))
    };
    long.iter()
        .map(slope)
        .filter(|(_, slope)| *slope >= 0.005)
        .collect()
}

/// Serves `steps` messages per connection under a tool, until the clients leave and the server ends
/// by itself; returns the number of its threads.
fn run_under(tool: &[&str], peer: &Peer, core: usize, steps: usize) -> io::Result<usize> {
    let options = Options {
        core: Some(core),
        connections: Some(CONNECTIONS),
        heap: false,
    };
    let server = Server::start_under(tool, peer, &options)?;
    let mut load = Load::new(server.address, PATIENCE)?;
    load.open(CONNECTIONS)?;
    load.run_in_step(CONNECTIONS, steps)?;
    let threads = server.threads()?;
    drop(load);
    server.wait(PATIENCE)?;
    Ok(threads)
}

pub fn is_installed(tool: &str) -> bool {
    let quiet = || Stdio::null();
    Command::new(tool)
        .arg("--version")
        .stdout(quiet())
        .stderr(quiet())
        .status()
        .is_ok()
}

/// A file for a tool to write to, removed when dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        Self(env::temp_dir().join(format!("selio-bench-{name}-{}", process::id())))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
