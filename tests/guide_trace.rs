//! The traces that chapter 10 of the guide and README.md show are those that selio writes.
//!
//! When a change makes them others, this writes the new ones into both; what the table of the chapter
//! says about them is then to be read again:
//!
//! ```text
//! cargo build --examples && SELIO_BLESS=1 cargo test --test guide_trace
//! ```

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod common;
#[path = "common/example.rs"]
mod example;

use std::fs;
use std::io::{BufRead, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use common::{deadline, each_backend};
use example::{Server, example};
use selio::selector::Backend;

const CHAPTER: &str = "guide/10_one_read.md";
const PATIENCE: Duration = Duration::from_secs(60);

/// The trace of one client's task, from the line that spawns it to the one that says that it is
/// done: the client connects, says hello, and leaves, and each time waits until the server does.
fn life(name: &str, backend: Backend) -> Vec<String> {
    let mut command = example(name);
    command.arg("127.0.0.1:0").env("SELIO_TRACE", "stderr");
    command.env("SELIO_SELECTOR", backend.name());
    // A machine that is busy makes polls slow, and to be told so would be true, but not the same.
    command.env("SELIO_DEBUG", "0");
    let (mut server, trace) = Server::start_and_listen(&mut command);
    let mut trace = trace.lines().map(Result::unwrap);
    let mut lines = vec![trace.next().unwrap()];
    let mut until = |who: &str, does: &str| {
        for line in trace.by_ref() {
            lines.push(line);
            if event(&lines[lines.len() - 1]) == (who, does) {
                return;
            }
        }
        panic!("no `{who}` `{does}`: {lines:#?}");
    };

    // What is shown had better sleep for a moment; the order does not need it.
    let pause = || thread::sleep(Duration::from_millis(if is_blessing() { 250 } else { 0 }));

    until("main", "poll-ends");
    let mut client = TcpStream::connect(server.address()).unwrap();
    until("task-1", "poll-ends");
    pause();
    client.write_all(b"hello\n").unwrap();
    client.read_exact(&mut [0; 6]).unwrap();
    until("task-1", "poll-ends");
    pause();
    drop(client);
    until("task-1", "done");

    let spawned = lines.iter().position(|it| event(it) == ("main", "spawn"));
    lines.drain(1..spawned.unwrap());
    lines
}

/// Who does what, of a line.
fn event(line: &str) -> (&str, &str) {
    let mut words = line.split_whitespace().skip(1);
    (words.next().unwrap_or(""), words.next().unwrap_or(""))
}

/// What README.md has room for: one read, from the poll that would block to the one that goes on.
fn one_read(life: &[String]) -> Vec<String> {
    let mut polls = (1..life.len()).filter(|&at| event(&life[at]) == ("task-1", "poll"));
    let (first, second) = (polls.next().unwrap(), polls.next().unwrap());
    let read = &life[first..=second];
    life[..1].iter().chain(read).cloned().collect()
}

/// A trace without its times, and with names for the numbers of handles, which others may have
/// opened: the first one is A.
fn reduced(lines: &[String]) -> String {
    let mut handles = Vec::new();
    let mut reduce = |line: &String| {
        let mut is_handle = false;
        let words = line.trim_start().split(' ').map(|word| {
            let was_handle = std::mem::replace(&mut is_handle, word == "fd");
            if was_handle {
                let place = handles.iter().position(|it| it == word);
                let place = place.unwrap_or_else(|| {
                    handles.push(word.to_owned());
                    handles.len() - 1
                });
                return char::from(b'A' + place as u8).to_string();
            }
            let is_time = word.contains('.') && word.parse::<f64>().is_ok();
            if is_time { "_" } else { word }.to_owned()
        });
        words.collect::<Vec<_>>().join(" ") + "\n"
    };
    lines.iter().map(&mut reduce).collect()
}

/// Asserts that the file shows this trace of the example; or writes it there.
#[track_caller]
fn assert_shows(file: &str, name: &str, trace: &[String]) {
    let path = root().join(file);
    let text = fs::read_to_string(&path).unwrap();
    let command = format!("\n$ SELIO_TRACE=stderr cargo run --example {name}\n");
    let begin = text.find(&command).expect(&command) + command.len();
    let end = begin + text[begin..].find("```").unwrap();
    if is_blessing() {
        let trace = trace.join("\n");
        let text = [&text[..begin], &trace, "\n", &text[end..]].concat();
        return fs::write(path, text).unwrap();
    }
    let shown: Vec<_> = text[begin..end].lines().map(str::to_owned).collect();
    let (shown, trace) = (reduced(&shown), reduced(trace));
    assert!(
        shown == trace,
        "{file} shows:\n{shown}\nselio writes:\n{trace}\nif it is to be so: SELIO_BLESS=1"
    );
}

/// Whether the files are to be written, instead of compared.
fn is_blessing() -> bool {
    std::env::var_os("SELIO_BLESS").is_some()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

#[test]
fn the_guide_shows_the_trace_of_a_client() {
    let _turn = common::turn();
    deadline(PATIENCE, || {
        assert_shows(CHAPTER, "09_await", &life("09_await", Backend::Epoll));
    });
}

#[test]
fn readme_shows_the_trace_of_one_read() {
    let _turn = common::turn();
    deadline(PATIENCE, || {
        let trace = one_read(&life("echo", Backend::Epoll));
        assert!(trace.len() <= 12, "README.md is to be short");
        assert_shows("README.md", "echo", &trace);
    });
}

#[test]
fn the_trace_is_the_same_on_every_backend_but_for_its_name() {
    let with_epoll = reduced(&life("09_await", Backend::Epoll));
    each_backend(|backend| {
        let trace = reduced(&life("09_await", backend));
        let trace = trace.replace(&format!(" {backend}, for"), " epoll, for");
        assert_eq!(trace, with_epoll);
    });
}

#[test]
fn the_chapter_explains_each_line_of_the_trace() {
    let text = fs::read_to_string(root().join(CHAPTER)).unwrap();
    let (_, shown) = text.split_once("\n$ SELIO_TRACE=stderr ").unwrap();
    let (shown, rest) = shown.split_once("```").unwrap();
    let events: Vec<_> = shown.lines().skip(2).map(event).collect();
    let rows = rest.lines().skip_while(|line| !line.starts_with("| `"));
    let rows: Vec<_> = rows
        .take_while(|line| line.starts_with("| `"))
        .map(|row| row.split('`').nth(1).unwrap())
        .map(|line| line.split_once(' ').unwrap())
        .collect();
    assert!(events.len() > 15);
    assert_eq!(rows, events);
}
