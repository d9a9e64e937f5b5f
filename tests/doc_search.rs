//! Who knows asyncio, tokio or smol finds their names in the search of the documentation: they are
//! names here too, or aliases of what does the same.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

#[path = "common/library.rs"]
mod library;

use std::collections::BTreeSet;
use std::fs;

/// What does the same is no item of selio, but of the standard library, the language or a crate.
const ELSEWHERE: [&str; 11] = [
    "Task.exception",
    "Task.remove_done_callback",
    "iscoroutine",
    "iscoroutinefunction",
    "isfuture",
    "loop.getnameinfo",
    "loop.remove_reader",
    "loop.remove_writer",
    "loop.shutdown_default_executor",
    "loop.stop",
    "loop.time",
];

/// The same of tokio and smol.
const ELSEWHERE_OF_TOKIO: [&str; 18] = [
    "#[tokio::main]",
    "#[tokio::test]",
    "Async",
    "AsyncReadExt",
    "AsyncWriteExt",
    "DelayQueue",
    "LocalExecutor",
    "RwLock",
    "Task::fallible",
    "codec::Framed",
    "io::copy",
    "io::copy_bidirectional",
    "or",
    "pin!",
    "task::coop",
    "time::Instant",
    "tokio::fs",
    "zip",
];

/// A name as the search compares it.
fn searched(name: &str) -> String {
    name.replace('_', "").to_lowercase()
}

/// What follows one of these words in a line of code, if it is a name.
fn name_after<'a>(line: &'a str, words: &[&str]) -> Option<&'a str> {
    let rest = words.iter().find_map(|word| line.strip_prefix(word))?;
    let end = rest.find(|it: char| !it.is_alphanumeric() && it != '_');
    Some(&rest[..end.unwrap_or(rest.len())])
}

/// Public names and aliases in all files of the library.
fn found() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for file in library::files() {
        for line in fs::read_to_string(file).unwrap().lines() {
            let line = line.trim_start();
            let public = line.strip_prefix("pub ").and_then(|line| {
                let line = line.strip_prefix("const ").unwrap_or(line);
                let line = line.strip_prefix("async ").unwrap_or(line);
                name_after(
                    line,
                    &["fn ", "struct ", "enum ", "trait ", "type ", "mod ", ""],
                )
            });
            let alias = name_after(line, &["#[doc(alias = \""]);
            found.extend(public.into_iter().chain(alias).map(searched));
        }
    }
    found
}

/// The names of a page that the search does not find, of those that have a counterpart.
fn missing(page: &'static str) -> BTreeSet<&'static str> {
    let found = found();
    let mut missing = BTreeSet::new();
    for line in page.lines().filter(|line| line.starts_with("| `")) {
        let (names, counterpart) = line.split_once(" | ").unwrap();
        if counterpart.starts_with("none") {
            continue;
        }
        // What stands between two backticks.
        for name in names.split('`').skip(1).step_by(2) {
            let last = name.rsplit(['.', ':']).next().unwrap();
            if !found.contains(&searched(last.trim_end_matches('!'))) {
                missing.insert(name);
            }
        }
    }
    missing
}

// What is found after all leaves its list, which so remains one of names that nobody can find.

#[test]
fn the_names_of_asyncio_are_found_by_the_search() {
    let missing = missing(include_str!("../guide/asyncio.md"));
    assert_eq!(missing, BTreeSet::from(ELSEWHERE));
}

#[test]
fn the_names_of_tokio_and_smol_are_found_by_the_search() {
    let missing = missing(include_str!("../guide/tokio.md"));
    assert_eq!(missing, BTreeSet::from(ELSEWHERE_OF_TOKIO));
}
