//! Claims about `guide/asyncio.md` and `guide/tokio.md`: every name of asyncio has its row, and every
//! row of both leads somewhere.
//!
//! Whether a link leads to the very item that it names is for rustdoc to say, which knows paths and
//! types; here it is enough that there is such a name, so that a row that has lost its counterpart
//! is red without a build of the documentation.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

#[path = "common/library.rs"]
mod library;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

/// The public names of asyncio, page by page.
const NAMES: &str = include_str!("asyncio_names.txt");
const ASYNCIO: &str = include_str!("../guide/asyncio.md");
const PAGES: [(&str, &str); 2] = [
    ("guide/asyncio.md", ASYNCIO),
    ("guide/tokio.md", include_str!("../guide/tokio.md")),
];

struct Row {
    line: usize,
    /// The names of asyncio, or of another.
    theirs: Vec<&'static str>,
    selio: &'static str,
}

/// The rows of all tables of a page, without their heads.
fn rows(page: &'static str) -> Vec<Row> {
    let lines = page.lines().enumerate();
    let rows = lines.filter(|(_, line)| line.starts_with("| `"));
    rows.map(|(at, line)| {
        let cells: Vec<_> = line.trim_matches('|').split(" | ").map(str::trim).collect();
        let [theirs, selio] = cells[..] else {
            panic!("line {}: {} cells: {line}", at + 1, cells.len());
        };
        Row {
            line: at + 1,
            theirs: theirs
                .split(", ")
                .map(|name| name.trim_matches('`'))
                .collect(),
            selio,
        }
    })
    .collect()
}

/// What stands in links, as `net::TcpStream::read` in ``[`net::TcpStream::read`]``.
fn links(text: &'static str) -> Vec<&'static str> {
    let mut links = Vec::new();
    for part in text.split("[`").skip(1) {
        let (name, rest) = part.split_once("`]").unwrap();
        // With a target of its own, the name is just a text.
        let target = rest.strip_prefix('(').and_then(|rest| rest.split_once(')'));
        links.push(target.map_or(name, |(target, _)| target));
    }
    links
}

#[test]
fn every_public_name_of_asyncio_has_one_row() {
    let names = NAMES
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    let names: Vec<_> = names.collect();
    let expected: BTreeSet<_> = names.iter().copied().collect();
    assert_eq!(names.len(), expected.len(), "a name is there twice");
    assert!(names.len() > 200, "this is not all of asyncio");

    let mut seen = BTreeMap::new();
    for row in rows(ASYNCIO) {
        for name in row.theirs {
            let former = seen.insert(name, row.line);
            assert_eq!(former, None, "{name} has a second row in line {}", row.line);
        }
    }
    let seen: BTreeSet<_> = seen.into_keys().collect();
    let missing: Vec<_> = expected.difference(&seen).collect();
    assert!(missing.is_empty(), "these have no row: {missing:?}");
    let unknown: Vec<_> = seen.difference(&expected).collect();
    assert!(unknown.is_empty(), "asyncio has no such names: {unknown:?}");
}

#[test]
fn every_row_names_a_counterpart_or_says_why_there_is_none() {
    for (name, page) in PAGES {
        let rows = rows(page);
        assert!(rows.len() > 50, "{name} has {} rows", rows.len());
        for Row { line, selio, .. } in rows {
            let is_reasoned = selio.starts_with("none") && selio.len() > "none: because".len();
            let is_linked = !links(selio).is_empty();
            assert!(is_reasoned || is_linked, "{name}:{line}: {selio}");
        }
    }
}

#[test]
fn every_counterpart_is_there() {
    let library = Library::read();
    let mut missing = Vec::new();
    for (name, page) in PAGES {
        for (at, line) in page.lines().enumerate() {
            for link in links(line) {
                if !link.starts_with("std::") && !library.has(link) {
                    missing.push(format!("{name}:{}: {link}", at + 1));
                }
            }
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[test]
fn what_looks_for_counterparts_finds_no_others() {
    let library = Library::read();
    for link in ["spawn", "JoinHandle::cancel", "net::TcpStream::send_file"] {
        assert!(library.has(link), "{link}");
    }
    for link in [
        "spwan",
        "JoinHandle::abort",
        "net::TcpStream::sendfile",
        "tcp::TcpStream",
    ] {
        assert!(!library.has(link), "{link}");
    }
    assert_eq!(
        links("[`a::b`], `c`, [`D`](std::d::D)"),
        ["a::b", "std::d::D"]
    );
}

/// The public names in the text of the library.
#[derive(Default)]
struct Library {
    /// The code of `lib.rs`.
    root: String,
    /// Functions, types and modules.
    items: BTreeSet<String>,
    /// The methods and public fields of each type; under `""`, those that a macro makes.
    members: BTreeMap<String, BTreeSet<String>>,
    /// What an alias stands for.
    aliases: BTreeMap<String, String>,
}

impl Library {
    fn read() -> Self {
        let text = fs::read_to_string(library::root().join("lib.rs")).unwrap();
        let code = text.lines().filter(|line| !line.starts_with("//"));
        let mut library = Self {
            root: code.collect::<Vec<_>>().join("\n"),
            ..Self::default()
        };
        library.items.extend(library::parts());
        for file in library::files() {
            library.read_text(&fs::read_to_string(file).unwrap());
        }
        library
    }

    /// rustfmt has put each item where it is looked for here.
    fn read_text(&mut self, text: &str) {
        let mut owner = String::new();
        for line in text.lines() {
            let words = line.trim_start();
            let is_nested = words.len() < line.len();
            if !is_nested && !line.is_empty() && !line.starts_with(['}', ')', '/', '#']) {
                owner = owner_of(line);
            }
            let Some(public) = words.strip_prefix("pub ") else {
                continue;
            };
            let public = public
                .trim_start_matches("async ")
                .trim_start_matches("const ");
            let kinds = ["fn ", "struct ", "enum ", "trait ", "mod ", "type "];
            let item = kinds.iter().find_map(|kind| public.strip_prefix(kind));
            let end = |name: &str| name.find(|it: char| !it.is_alphanumeric() && it != '_');
            let name = |text: &str| text[..end(text).unwrap_or(text.len())].to_owned();
            if let Some((alias, target)) = public.split_once(" = ") {
                self.aliases
                    .insert(name(alias.trim_start_matches("type ")), name(target));
            }
            match item {
                Some(item) if !is_nested => drop(self.items.insert(name(item))),
                item => {
                    let members = self.members.entry(owner.clone()).or_default();
                    members.insert(name(item.unwrap_or(public)));
                }
            }
        }
    }

    fn has(&self, path: &str) -> bool {
        let mut names: Vec<_> = path.split("::").collect();
        let is_exported = has_word(&self.root, names[0]);
        let last = names.pop().unwrap();
        let is_type = |name: &&&str| name.starts_with(char::is_uppercase);
        let is_there = match names.last().filter(is_type) {
            None => self.items.contains(last),
            Some(&owner) => {
                let owner = self.aliases.get(owner).map_or(owner, String::as_str);
                let members = [owner, ""].map(|owner| self.members.get(owner));
                members.into_iter().flatten().any(|it| it.contains(last))
            }
        };
        is_exported && is_there
    }
}

/// Whose members the lines below this one are.
fn owner_of(line: &str) -> String {
    let Some(line) = line
        .strip_prefix("impl")
        .or(line.strip_prefix("pub struct "))
    else {
        return String::new();
    };
    let mut depth = 0;
    let words: String = line
        .chars()
        .filter(|&letter| {
            let was_inside = depth > 0;
            depth += i32::from(letter == '<') - i32::from(letter == '>');
            !was_inside && depth == 0
        })
        .collect();
    let subject = words.rsplit(" for ").next().unwrap();
    let name = subject
        .split([' ', '(', '{', ';'])
        .find(|it| !it.is_empty());
    name.unwrap_or_default()
        .rsplit("::")
        .next()
        .unwrap()
        .to_owned()
}

fn has_word(text: &str, word: &str) -> bool {
    text.split(|it: char| !it.is_alphanumeric() && it != '_')
        .any(|it| it == word)
}
