//! Claims about the source text: who may use whom, where `unsafe` may stand, and what may not stand
//! anywhere.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

#[path = "common/library.rs"]
mod library;

use std::fs;
use std::path::Path;

/// The folders of the library, from the top to the bottom. Those of one row know nothing of each
/// other.
const PARTS: [&[&str]; 8] = [
    &["net"],
    &["structured", "sync"],
    &["builder"],
    &["inspect"],
    &["threads"],
    &["executor"],
    &["trace"],
    &["reactor", "signals", "task_local"],
];

/// A file of the library, without its `#[cfg(test)]` modules.
struct File {
    /// As in `net/tcp.rs`.
    name: String,
    /// All of its lines.
    lines: Vec<String>,
    /// The same without comments and without what stands between quotes.
    code: Vec<String>,
}

impl File {
    fn is_in(&self, folder: &str) -> bool {
        Path::new(&self.name).starts_with(folder)
    }

    /// Where a line of code has this word, as in `net/tcp.rs:7`.
    fn places(&self, is_meant: impl Fn(&str) -> bool) -> Vec<String> {
        let numbered = self.code.iter().enumerate();
        let places = numbered.filter(|(_, line)| is_meant(line));
        places
            .map(|(at, _)| format!("{}:{}", self.name, at + 1))
            .collect()
    }
}

/// `lib.rs` and all that it names.
fn library() -> Vec<File> {
    library::files().iter().map(|path| read(path)).collect()
}

fn read(path: &Path) -> File {
    let text = fs::read_to_string(path).unwrap();
    let tests = text.find("#[cfg(test)]\nmod ").unwrap_or(text.len());
    let lines: Vec<_> = text[..tests].lines().map(str::to_owned).collect();
    File {
        name: path
            .strip_prefix(library::root())
            .unwrap()
            .to_string_lossy()
            .replace('\\', "/"),
        code: code_of(&text[..tests]).lines().map(str::to_owned).collect(),
        lines,
    }
}

/// The text without comments and without the contents of string literals, line by line as it was.
fn code_of(text: &str) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let skip = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if rest.starts_with("/*") {
            rest.find("*/").map_or(rest.len(), |at| at + 2)
        } else if rest.starts_with("'\"'") {
            3
        } else if next == '"' {
            end_of_string(rest)
        } else {
            code.push(next);
            rest = &rest[next.len_utf8()..];
            continue;
        };
        code.extend(rest[..skip].chars().filter(|&it| it == '\n'));
        rest = &rest[skip..];
    }
    code
}

/// Where a literal that begins here ends.
fn end_of_string(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Whether the text has this word, which is not a part of a longer one.
fn has_word(text: &str, word: &str) -> bool {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    text.match_indices(word).any(|(at, _)| {
        !text[..at].ends_with(is_part) && !text[at + word.len()..].starts_with(is_part)
    })
}

/// What this line uses by its path in the crate. `pub(in crate::..)` uses nothing.
fn paths(line: &str) -> impl Iterator<Item = &str> {
    let starts = line.match_indices("crate::").map(|(at, _)| at);
    let used =
        starts.filter(|&at| !line[..at].ends_with(['$', '_']) && !line[..at].ends_with("(in "));
    used.map(|at| &line[at..])
}

#[test]
fn what_reads_the_code_skips_comments_and_literals() {
    let text = "a // unsafe\nb \"unsafe \\\" // \" c '\"' /* x\n y */ d\n";
    assert_eq!(code_of(text), "a \nb  c  \n d\n");
    assert_eq!(
        paths("use crate::x; pub(in crate::y) fn")
            .collect::<Vec<_>>()
            .len(),
        1
    );
    assert!(has_word("an unsafe {", "unsafe") && !has_word("unsafe_code", "unsafe"));
}

/// The one rule of `lib.rs`: calls go down, only wakers come up.
#[test]
fn every_part_uses_only_those_below_it() {
    let (mut rows, mut parts) = (PARTS.concat(), library::parts());
    rows.sort_unstable();
    parts.sort_unstable();
    assert_eq!(rows, parts, "each part that lib.rs names has its row");
    let mut offenders = Vec::new();
    for file in library() {
        let is_its = |row: &&[&str]| row.iter().any(|part| file.is_in(part));
        let Some(level) = PARTS.iter().position(is_its) else {
            continue;
        };
        let own = PARTS[level].iter().copied().filter(|part| file.is_in(part));
        let below = PARTS[level + 1..].concat();
        let known: Vec<_> = own
            .chain(below)
            .map(|it| format!("crate::{it}::"))
            .collect();
        // Anything else leads up, or around, as `use crate::{net, ..}` and `use crate::run` do.
        let is_foreign = |path: &str| !known.iter().any(|part| path.starts_with(part));
        offenders.extend(file.places(|line| paths(line).any(is_foreign)));
    }
    assert!(
        offenders.is_empty(),
        "these look up, or around: {offenders:?}"
    );
}

#[test]
fn the_selector_uses_nothing_of_the_crate() {
    let mut offenders = Vec::new();
    for file in library() {
        if !file.is_in("reactor/selector") {
            continue;
        }
        offenders.extend(file.places(|line| paths(line).next().is_some()));
        // One step up is the selector itself, except in its mod.rs.
        let up = if file.name.ends_with("/mod.rs") {
            "super::"
        } else {
            "super::super"
        };
        offenders.extend(file.places(|line| line.contains(up)));
    }
    assert!(offenders.is_empty(), "these use more: {offenders:?}");
}

#[test]
fn only_lib_rs_names_all_parts() {
    for file in library() {
        let code = file.code.join("\n");
        let names_all = PARTS.concat().iter().all(|part| {
            has_word(&code, &format!("mod {part}")) || code.contains(&format!("crate::{part}"))
        });
        assert_eq!(names_all, file.name == "lib.rs", "{}", file.name);
    }
}

#[test]
fn unsafe_stands_in_the_selector_only_with_its_reasons() {
    let mut blocks = 0;
    for file in library() {
        for (at, line) in file.code.iter().enumerate() {
            if !has_word(line, "unsafe") {
                continue;
            }
            let place = format!("{}:{}", file.name, at + 1);
            assert!(file.is_in("reactor/selector"), "{place}");
            assert!(
                !line.contains("unsafe fn") && !line.contains("unsafe impl"),
                "{place}"
            );
            blocks += line.matches("unsafe").count();
            let comment = file.lines[..at].iter().rev().map(|line| line.trim());
            let reasons = comment.take_while(|line| line.starts_with("//"));
            assert!(
                reasons
                    .last()
                    .is_some_and(|line| line.starts_with("// SAFETY: ")),
                "{place}: no `// SAFETY:` comment above"
            );
        }
    }
    assert!((1..=8).contains(&blocks), "{blocks} blocks");
}

#[test]
fn every_file_begins_with_what_it_is() {
    for file in library() {
        assert!(file.lines[0].starts_with("//! "), "{}", file.name);
    }
}

#[test]
fn nothing_is_unwrapped_or_left_to_do() {
    for file in library() {
        let unwraps = file.places(|line| line.contains(".unwrap()") || has_word(line, "todo!"));
        assert!(unwraps.is_empty(), "{unwraps:?}");
        for (at, line) in file.lines.iter().enumerate() {
            let is_left = ["TODO", "FIXME", "XXX"].iter().any(|it| has_word(line, it));
            assert!(!is_left, "{}:{}: {line}", file.name, at + 1);
        }
    }
}
