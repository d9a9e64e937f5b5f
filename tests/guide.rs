//! The guide tells the truth: the functions that it names are where it says, and what it quotes is
//! what really happens.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod common;
#[path = "common/example.rs"]
mod example;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[cfg(all(target_os = "linux", target_arch = "x86_64"))] // What strace sees there.
use {
    example::{Server, example},
    std::io::{Read, Write},
    std::net::TcpStream,
    std::thread,
    std::time::Duration,
};

/// The files of the guide, by name.
fn guide() -> Vec<(String, String)> {
    let folder = root().join("guide");
    let mut texts: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|it| it == "md"))
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect();
    texts.sort();
    assert!(texts.len() > 12);
    texts
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// What stands between backticks, with what comes right after it if that is another one: for
/// `net/tcp.rs` `TcpStream::read` both.
fn names(text: &str) -> Vec<(&str, Option<&str>)> {
    let mut names = Vec::new();
    for paragraph in text.split("\n\n") {
        let parts: Vec<_> = paragraph.split('`').collect();
        for (at, &name) in parts.iter().enumerate().skip(1).step_by(2) {
            let is_next = parts.get(at + 1).is_some_and(|it| it.trim().is_empty());
            let next = if is_next { parts.get(at + 2) } else { None };
            names.push((name, next.copied()));
        }
    }
    names
}

/// Whether this file defines `read`, `TcpStream` or, within what belongs to it,
/// `TcpStream::read`.
fn defines(code: &str, name: &str) -> bool {
    let is_defined = |code: &str, name: &str| {
        ["fn", "struct", "enum", "trait", "type", "const", "mod"]
            .iter()
            .any(|kind| {
                let definition = format!("{kind} {name}");
                code.match_indices(&definition).any(|(at, _)| {
                    let after = code[at + definition.len()..].chars().next();
                    after.is_some_and(|it| !it.is_alphanumeric() && it != '_')
                })
            })
    };
    match name.split_once("::") {
        None => is_defined(code, name),
        Some((owner, name)) => code.split("\nimpl").skip(1).any(|part| {
            let (head, body) = part.split_once('{').unwrap_or_default();
            let is_owner = |word: &str| word == owner;
            let body = body.split("\n}").next().unwrap_or_default();
            head.split(|it: char| !it.is_alphanumeric() && it != '_')
                .any(is_owner)
                && is_defined(body, name)
        }),
    }
}

#[test]
fn what_is_named_is_where_the_text_says() {
    let mut texts = guide();
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    texts.push(("README.md".to_owned(), readme));
    let mut count = 0;
    for (file, text) in &texts {
        for (path, name) in names(text) {
            let is_ours = path.contains('/') && path.ends_with(".rs") && !path.contains(' ');
            if !is_ours {
                continue;
            }
            let code = fs::read_to_string(root().join(path));
            let code = code.unwrap_or_else(|_| panic!("{file}: there is no {path}"));
            if let Some(name) = name {
                assert!(defines(&code, name), "{file}: `{path}` has no `{name}`");
                count += 1;
            }
        }
    }
    assert!(count > 80, "{count}");
}

#[test]
fn what_reads_names_can_tell_a_wrong_one() {
    let code =
        "\nimpl<T> Source<T> {\n    pub fn poll_io(\n}\n\nimpl Drop for Waiter {\n    fn drop(";
    assert!(defines(code, "Source::poll_io") && defines(code, "Waiter::drop"));
    assert!(!defines(code, "Source::poll") && !defines(code, "Waiter::poll_io"));
    let text = "`a/b.rs` `X::y` and `c` or `d`\n`e`";
    let expected = [
        ("a/b.rs", Some("X::y")),
        ("X::y", None),
        ("c", None),
        ("d", Some("e")),
        ("e", None),
    ];
    assert_eq!(names(text), expected);
}

/// The blocks of the guide that begin with this line, with the chapters that they stand in.
fn blocks<'a>(guide: &'a [(String, String)], first: &str) -> Vec<(&'a str, &'a str)> {
    let blocks = guide.iter().flat_map(|(file, text)| {
        let inside = text.split("\n```").skip(1).step_by(2);
        inside.map(move |block| (&**file, block))
    });
    let begins = |block: &str| block.lines().nth(1).is_some_and(|it| it.starts_with(first));
    blocks.filter(|(_, block)| begins(block)).collect()
}

/// What an echo server does for a client that says hello and leaves, from the moment that the
/// client is accepted, as strace sees it.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn traced(step: &str, pause: Duration) -> Option<Vec<String>> {
    let file = std::env::temp_dir().join(format!("selio-{}-{step}", std::process::id()));
    let path = example(step).get_program().to_owned();
    // The shell tells its number, which becomes the server's.
    let mut command = Command::new("strace");
    command.args(["-qq", "-o"]).arg(&file);
    command.args(["sh", "-c", "echo $$; exec \"$0\" 127.0.0.1:0"]);
    command.arg(path).env_remove("SELIO_SELECTOR");
    if Command::new("strace").arg("--version").output().is_err() {
        return None;
    }
    let mut server = Server::start(&mut command);
    let id = server.line().trim().to_owned();
    let address = server.address();
    thread::sleep(pause);
    let mut client = TcpStream::connect(address).unwrap();
    thread::sleep(pause);
    client.write_all(b"hello\n").unwrap();
    client.read_exact(&mut [0; 6]).unwrap();
    thread::sleep(pause);
    drop(client);
    thread::sleep(pause);
    Command::new("kill").arg(id).status().unwrap();
    server.wait();
    let trace = fs::read_to_string(&file).unwrap();
    fs::remove_file(file).unwrap();
    // What comes before is how a program starts, what comes after how it is killed.
    let mut calls: Vec<_> = trace.lines().filter_map(reduce).collect();
    let first = calls
        .iter()
        .position(|it| it.starts_with("accept4") && !it.ends_with("EAGAIN"));
    calls.drain(..first?);
    let last = calls.iter().position(|it| it.starts_with("close"));
    calls.truncate(last? + 1);
    Some(calls)
}

/// A line of strace's, without what does not matter here. `None`: all of it.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn reduce(line: &str) -> Option<String> {
    let (call, result) = line.rsplit_once(" = ")?;
    let (name, arguments) = call.trim_end().strip_suffix(')')?.split_once('(')?;
    let words: Vec<_> = arguments.split(", ").collect();
    let arguments = match name {
        "accept4" | "close" | "epoll_pwait" => words[0].to_owned(),
        "recvfrom" | "sendto" if words[1].starts_with('"') => words[..2].join(", "),
        "recvfrom" | "sendto" => words[0].to_owned(),
        "pselect6" => words[1..3].join(", "),
        "ppoll" => format!("{}]", arguments.split_once(']')?.0),
        "epoll_ctl" if words[1] == "EPOLL_CTL_DEL" => words[..3].join(", "),
        "epoll_ctl" => format!("{}}}", arguments.split_once(", data")?.0),
        _ => return None,
    };
    let result = match result.strip_prefix("-1 ") {
        Some(error) => error.split(' ').next()?.to_owned(),
        None if name == "epoll_pwait" => {
            // What it has found stands among the arguments.
            let (found, _) = call.split_once("}}]")?;
            let (_, events) = found.split_once('[')?;
            let (events, data) = events.split_once(", data={")?;
            let (_, data) = data.split_once("u64=")?;
            format!("{result} ([{events}, data={data}}}])")
        }
        None => result.to_owned(),
    };
    Some(format!("{name}({arguments}) = {result}"))
}

#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[test]
fn the_system_calls_that_it_quotes_are_those_that_strace_sees() {
    let guide = guide();
    let quoted = blocks(&guide, "$ strace ");
    assert_eq!(quoted.len(), 5);
    common::deadline(Duration::from_secs(120), || {
        for (file, block) in quoted {
            let mut lines = block.lines().skip(1);
            let command = lines.next().unwrap();
            let (_, step) = command.rsplit_once('/').unwrap();
            let expected: Vec<_> = lines.collect();
            // A pause is long enough if the server sleeps before the client goes on.
            for pause in [100, 400, 1_600] {
                let Some(calls) = traced(step, Duration::from_millis(pause)) else {
                    return eprintln!("not compared: there is no strace here");
                };
                if calls == expected {
                    break;
                }
                assert!(pause < 1_600, "{file}: {step} does\n{}", calls.join("\n"));
            }
        }
    });
}

#[test]
fn every_exercise_ends_with_the_test_that_its_solution_passes() {
    let guide = guide();
    let (_, text) = (guide.iter().find(|(name, _)| name == "exercises.md")).unwrap();
    let (exercises, solutions) = text.split_once("\n---\n").unwrap();
    let exercises: Vec<_> = exercises.split("\n## ").skip(1).collect();
    let solutions: Vec<_> = solutions.split("\n## ").skip(1).collect();
    assert_eq!(exercises.len(), solutions.len());
    for (exercise, solution) in exercises.iter().zip(solutions) {
        let (_, test) = exercise.trim_end().rsplit_once("```text\n").unwrap();
        let test = test.strip_suffix("\n```").unwrap();
        assert!(solution.contains(test), "{test}");
    }
}

#[test]
fn the_python_program_prints_what_the_rust_programs_do() {
    let guide = guide();
    let programs = blocks(&guide, "import asyncio");
    let [(_, program)] = programs[..] else {
        panic!("one program begins with its imports");
    };
    let program = program.strip_prefix("python\n").unwrap();
    let mut python = Command::new("python3");
    let Ok(output) = python.args(["-c", program]).output() else {
        return eprintln!("not compared: there is no python3 here");
    };
    assert_eq!(String::from_utf8_lossy(&output.stdout), "abcaca\n");
    assert_eq!(blocks(&guide, "abcaca").len(), 1);
}
