//! `selio-bench`: measures selio beside its peers, interleaved in one run.
//!
//! Each mode is a file. They share the peers (`peers`), a server as a child process (`server`), its
//! clients (`load`), and the table of medians and ratios (`table`).

mod echo;
mod heap;
mod idle;
mod load;
mod machine;
mod micro;
mod peers;
mod plots;
mod queues;
mod selectors;
mod server;
mod table;
mod traced;

use std::env;
use std::process::ExitCode;

const HELP: &str = "\
selio-bench: what selio costs, beside its peers, interleaved in one run

usage: selio-bench MODE [OPTION...]

  micro       nanoseconds per spawn, yield, message, timeout, sleep and wake
  echo        processor time of a server per echoed message
  idle        memory of a server per idle connection
  queues      nanoseconds per message from task to task, by queue
  selectors   time of one select, by backend and number of sockets
  plots       all of these but queues, as pictures (SVG) in guide/measured; takes some minutes
  help        this text

options:
  --rounds N        how often every peer is measured; the figures are medians
  --only TEXT       micro: only the lines that contain TEXT; plots: only the pictures
  --connections N   echo: one line with N busy connections; idle: the largest number (10000)
  --in-step         echo: all connections send at once, and again when all echoes are back
  --instructions    echo, queues: user-space instructions per message instead (needs valgrind)
  --syscalls        echo: system calls per message instead (needs strace)
  --out DIR         plots: write to this folder
  --quick           plots: a round of each, for a look at the pictures

`selio-bench serve PEER` is one echo server alone; the modes start it as a child process.
";

/// Everything that the command line can say.
#[derive(Debug, Default)]
struct Arguments {
    mode: String,
    peer: Option<String>,
    rounds: Option<usize>,
    only: String,
    in_step: bool,
    instructions: bool,
    syscalls: bool,
    plots: plots::Options,
    serve: server::Options,
}

fn main() -> ExitCode {
    let arguments = match parse(env::args().skip(1)) {
        Ok(arguments) => arguments,
        Err(message) => {
            eprintln!("selio-bench: {message}; see `selio-bench help`");
            return ExitCode::from(2);
        }
    };
    match run(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("selio-bench {}: {error}", arguments.mode);
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> std::io::Result<()> {
    let rounds = |default| arguments.rounds.unwrap_or(default);
    let connections = arguments.serve.connections;
    match arguments.mode.as_str() {
        "micro" => {
            micro::measure(rounds(15), &arguments.only)?.print(micro::RATIOS);
            Ok(())
        }
        "echo" if arguments.instructions || arguments.syscalls => {
            if arguments.instructions {
                traced::instructions(rounds(3))?;
            }
            if arguments.syscalls {
                traced::system_calls()?;
            }
            Ok(())
        }
        "echo" => echo::run(rounds(7), connections, arguments.in_step),
        "idle" => {
            idle::measure(rounds(3), connections.unwrap_or(10_000))?.print(idle::RATIOS);
            Ok(())
        }
        "queues" if arguments.instructions => queues::instructions(),
        "queues" => queues::run(rounds(15)),
        "queue" => queues::alone(arguments.peer.as_deref().unwrap_or_default()),
        "selectors" => {
            selectors::measure(rounds(15), selectors::SOCKETS)?.print(selectors::RATIOS);
            Ok(())
        }
        "plots" => plots::run(&arguments.plots, &arguments.only),
        "serve" => {
            let name = arguments.peer.as_deref().unwrap_or_default();
            let peer = echo::servers()
                .into_iter()
                .chain(peers::python::SERVERS)
                .find(|peer| peer.name == name);
            let missing =
                || std::io::Error::other(format!("there is no peer `{name}` that serves"));
            server::serve(peer.ok_or_else(missing)?, &arguments.serve)
        }
        _ => {
            print!("{HELP}");
            Ok(())
        }
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Result<Arguments, String> {
    let mut arguments = Arguments {
        mode: words.next().ok_or("a mode is missing")?,
        ..Arguments::default()
    };
    let allowed: &[&str] = match arguments.mode.as_str() {
        "micro" => &["--rounds", "--only"],
        "echo" => &[
            "--rounds",
            "--connections",
            "--in-step",
            "--instructions",
            "--syscalls",
        ],
        "idle" => &["--rounds", "--connections"],
        "queues" => &["--rounds", "--instructions"],
        "queue" => &[],
        "selectors" => &["--rounds"],
        "plots" => &["--only", "--out", "--quick"],
        "serve" => &["--core", "--connections", "--heap"],
        "help" | "--help" | "-h" => &[],
        mode => return Err(format!("there is no mode `{mode}`")),
    };
    if ["serve", "queue"].contains(&arguments.mode.as_str()) {
        let missing = || format!("{}: the name of a peer is missing", arguments.mode);
        arguments.peer = Some(words.next().ok_or_else(missing)?);
    }
    while let Some(word) = words.next() {
        if !allowed.contains(&word.as_str()) {
            return Err(format!("{} takes no `{word}`", arguments.mode));
        }
        let mut value = || words.next().ok_or(format!("{word}: a value is missing"));
        match word.as_str() {
            "--rounds" => arguments.rounds = Some(at_least_one(&word, &value()?)?),
            "--connections" => arguments.serve.connections = Some(at_least_one(&word, &value()?)?),
            "--core" => arguments.serve.core = Some(number(&word, &value()?)?),
            "--only" => arguments.only = value()?,
            "--out" => arguments.plots.out = Some(value()?.into()),
            "--quick" => arguments.plots.is_quick = true,
            "--in-step" => arguments.in_step = true,
            "--instructions" => arguments.instructions = true,
            "--syscalls" => arguments.syscalls = true,
            _ => arguments.serve.heap = true,
        }
    }
    Ok(arguments)
}

fn at_least_one(option: &str, value: &str) -> Result<usize, String> {
    match number(option, value)? {
        0 => Err(format!("{option}: zero is too few")),
        number => Ok(number),
    }
}

fn number(option: &str, value: &str) -> Result<usize, String> {
    let digits = value.replace('_', "");
    digits
        .parse()
        .map_err(|_| format!("{option}: `{value}` is not a whole number"))
}
