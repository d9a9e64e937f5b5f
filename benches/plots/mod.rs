//! `plots`: the figures of the other modes as pictures, for README.
//!
//! It measures what they measure, prints the same tables, and draws each as an SVG that says what
//! it was measured on and when. Nothing is drawn that was not measured in the same run.

mod bars;
mod lines;
mod picture;
#[cfg(test)]
mod tests;

use crate::echo::{self, Scenario, servers};
use crate::peers::Peer;
use crate::peers::python::Python;
use crate::{idle, machine, micro, selectors};
use bars::Bars;
use lines::Lines;
use picture::Picture;
use rustix::fs::{Access, access};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Where README looks for them.
const PICTURES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../guide/measured");

/// Two of the pictures fill the width of a page; the other two stand beside each other.
const WIDE: u32 = 880;
const HALF: u32 = 434;

/// The crates that stand in captions.
const RUNTIMES: &[&str] = &["tokio", "smol", "monoio"];

const NUMBERS: [usize; 7] = [10, 30, 100, 300, 1_000, 3_000, 9_000];

/// How often and how much is measured.
struct Effort {
    rounds: usize,
    micro_rounds: usize,
    idle_rounds: usize,
    scenarios: &'static [Scenario],
    idle_connections: usize,
    /// Stands in the caption of what should not be quoted.
    warning: Option<&'static str>,
}

const FULL: Effort = Effort {
    rounds: 5,
    micro_rounds: 15,
    idle_rounds: 3,
    scenarios: echo::SCENARIOS.split_at(2).0,
    idle_connections: 10_000,
    warning: None,
};

/// One round of everything: it tells that all of it works, and little about speed.
const QUICK: Effort = Effort {
    rounds: 1,
    micro_rounds: 1,
    idle_rounds: 1,
    scenarios: &[Scenario {
        open: 50,
        busy: 50,
        messages: 5_000,
    }],
    idle_connections: 1_000,
    warning: Some("A quick look: one round, so the figures are rough."),
};

/// What the command line asks for.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub out: Option<PathBuf>,
    pub is_quick: bool,
}

/// Measures, prints the table, and returns the picture.
type Measured = fn(&Run) -> io::Result<String>;

/// Every picture by its name, in an order that has the heap of this process untouched by sockets
/// when it matters.
const ALL: [(&str, Measured); 4] = [
    ("micro", Run::micro),
    ("selectors", Run::selectors),
    ("echo", Run::echo),
    ("idle", Run::idle),
];

/// Measures, prints the tables, and writes the pictures whose name contains `only`.
pub fn run(options: &Options, only: &str) -> io::Result<()> {
    let wanted = ALL.iter().filter(|(name, _)| name.contains(only));
    if wanted.clone().next().is_none() {
        let names = ALL.map(|(name, _)| name).join(", ");
        let what = format!("no picture's name contains `{only}`: they are {names}");
        return Err(io::Error::other(what));
    }
    let out = options.out.clone().unwrap_or_else(|| PICTURES.into());
    // Better now than when all has been measured.
    let out = fs::create_dir_all(&out)
        .and_then(|()| Ok(access(&out, Access::WRITE_OK | Access::EXEC_OK)?))
        .and_then(|()| out.canonicalize())
        .map_err(|error| unwritten(&out, &error))?;

    let run = Run {
        effort: if options.is_quick { QUICK } else { FULL },
        machine: machine::description()?,
    };
    for (name, picture) in wanted {
        let svg = picture(&run)?;
        let path = out.join(format!("{name}.svg"));
        fs::write(&path, &svg).map_err(|error| unwritten(&path, &error))?;
        println!("wrote {}: {} bytes\n", path.display(), svg.len());
    }
    Ok(())
}

fn unwritten(path: &Path, error: &io::Error) -> io::Error {
    let what = format!(
        "cannot write {}: {error}; name a folder that you may write to with --out DIR",
        path.display()
    );
    io::Error::new(error.kind(), what)
}

/// What all pictures of one run share.
struct Run {
    effort: Effort,
    machine: String,
}

impl Run {
    fn micro(&self) -> io::Result<String> {
        let table = micro::measure(self.effort.micro_rounds, "")?;
        table.print(micro::RATIOS);
        let bars = Bars {
            table: &table,
            across: 3,
        };
        let picture = Picture {
            title: "Tasks, timers and wakes, ns",
            subtitle: "nanoseconds per operation on one core; lower is better; each panel has its own scale",
            caption: self.caption(versions(RUNTIMES)),
            width: WIDE,
            height: bars.height(),
        };
        picture.paint(|area| bars.draw(area))
    }

    fn selectors(&self) -> io::Result<String> {
        let table = selectors::measure(self.effort.rounds, &NUMBERS)?;
        table.print(selectors::RATIOS);
        let lines = Lines {
            table: &table,
            names: &["epoll", "polling", "poll", "select"],
            numbers: &NUMBERS,
            counted: "registered sockets",
            early: "ends at 1,024",
        };
        let picture = Picture {
            title: "One call of a selector, 5 sockets ready",
            subtitle: "time of the call, both axes logarithmic; lower is better",
            caption: self.caption(versions(&["polling"]) + ", the crate, asks epoll here"),
            width: HALF,
            height: bars::height(2, servers().len()), // like `idle` beside it
        };
        picture.paint(|area| lines.draw(area))
    }

    fn echo(&self) -> io::Result<String> {
        let python = Python::find();
        let peers: Vec<&Peer> = servers().into_iter().chain(python.servers).collect();
        let table = echo::measure(&peers, self.effort.rounds, self.effort.scenarios, false)?;
        table.print(echo::RATIOS);
        if !python.missing.is_empty() {
            println!("{}", python.missing);
        }
        let bars = Bars {
            table: &table,
            across: self.effort.scenarios.len(),
        };
        let picture = Picture {
            title: "What a server spends on one echoed message, µs",
            subtitle: "microseconds of processor time, user and kernel, for 64 bytes; lower is better",
            caption: self.caption(versions(RUNTIMES) + &python.versions),
            width: WIDE,
            height: bars.height(),
        };
        picture.paint(|area| bars.draw(area))
    }

    fn idle(&self) -> io::Result<String> {
        let table = idle::measure(self.effort.idle_rounds, self.effort.idle_connections)?;
        table.print(idle::RATIOS);
        let bars = Bars {
            table: &table,
            across: 1,
        };
        let picture = Picture {
            title: "Memory of an idle connection, bytes",
            subtitle: "beyond a 4,096-byte buffer; streams and server need none",
            caption: self.caption(versions(RUNTIMES)),
            width: HALF,
            height: bars.height(),
        };
        picture.paint(|area| bars.draw(area))
    }

    /// The lines below a picture: the machine, what else took part, and how far to trust it.
    fn caption(&self, others: String) -> Vec<String> {
        let warning = self.effort.warning.map(str::to_string);
        [self.machine.clone(), others]
            .into_iter()
            .chain(warning)
            .collect()
    }
}

/// The crates as they are built into this program: `tokio 1.54.0, smol 2.0.2`.
fn versions(crates: &[&str]) -> String {
    let locked = include_str!("../Cargo.lock");
    let version = |name: &&str| {
        let (_, entry) = locked.split_once(&format!("name = \"{name}\"\nversion = \""))?;
        Some(format!("{name} {}", entry.split('"').next()?))
    };
    let versions: Vec<_> = crates.iter().filter_map(version).collect();
    versions.join(", ")
}
