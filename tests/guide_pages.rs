//! The guide holds together: its links lead on, in the repository and in the documentation, its
//! pictures are shown, and the lines that it counts are as many.
//!
//! When a picture was changed, or files have grown, `SELIO_BLESS=1 cargo test --test guide_pages` writes
//! it out, and counts anew.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

const WRITTEN_OUT: &str = "guide/pictures/written_out.md";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The files of a folder with this ending, by name.
fn files(folder: &str, ending: &str) -> Vec<String> {
    let entries = fs::read_dir(root().join(folder)).unwrap();
    let names = entries.map(|it| it.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<_> = names.filter(|it| it.ends_with(ending)).collect();
    names.sort();
    names
}

/// Whether files are to be written, instead of compared.
fn is_blessing() -> bool {
    env::var_os("SELIO_BLESS").is_some()
}

/// What stands in lines such as `[01]: 01_blocking.md`.
fn definitions(text: &str) -> BTreeMap<&str, &str> {
    let lines = text.lines().filter_map(|it| it.strip_prefix('['));
    lines.filter_map(|it| it.split_once("]: ")).collect()
}

/// Where `[text][label]` and `![text][label]` lead to.
fn labels(text: &str) -> Vec<&str> {
    let parts = text.split("][").skip(1);
    parts.filter_map(|it| Some(it.split_once(']')?.0)).collect()
}

/// Each module of the guide that this macro makes, with its text: `chapter_01`, `01_blocking.md`.
fn modules(of: &str) -> Vec<(String, String)> {
    let code = read("guide/mod.rs");
    let (_, list) = code.split_once(&format!("\n{of}! {{\n")).unwrap();
    let lines = list.lines().take_while(|&it| it != "}");
    lines
        .map(|line| line.trim().trim_end_matches('"').split_once(" \"").unwrap())
        .map(|(name, text)| (name.to_owned(), text.to_owned()))
        .collect()
}

#[test]
fn every_link_leads_to_a_file_and_to_its_module() {
    let code = read("guide/mod.rs").replace('"', "\n").replace("\\n", "\n");
    let in_documentation = definitions(&code);
    let written_out = read(WRITTEN_OUT);
    let pictures = definitions(&written_out);
    let tables = modules("tables");
    let modules = [modules("chapters"), tables.clone()].concat();
    let mut count = 0;
    // Tables have the links of the documentation.
    let has_definitions = |file: &&String| tables.iter().all(|(_, text)| text != *file);
    for file in files("guide", ".md").iter().filter(has_definitions) {
        let text = read(&format!("guide/{file}"));
        let definitions = definitions(&text);
        for label in labels(&text) {
            assert!(definitions.contains_key(label), "{file}: [{label}]");
            count += 1;
        }
        for (label, target) in definitions {
            assert!(
                root().join("guide").join(target).exists(),
                "{file}: {target}"
            );
            if target.ends_with(".svg") {
                assert!(pictures.contains_key(label), "{file}: {target}");
                continue;
            }
            let module = modules.iter().find(|(_, text)| text == target);
            let expected = match module {
                Some((name, _)) => format!("crate::guide::{name}"),
                None => "crate::guide".to_owned(), // Its README.md
            };
            assert_eq!(
                in_documentation.get(label),
                Some(&&*expected),
                "{file}: [{label}]"
            );
        }
    }
    assert!(count > 60, "{count}");
}

#[test]
fn each_chapter_leads_to_the_next_one() {
    let chapters = modules("chapters");
    let chapters: Vec<_> = chapters
        .iter()
        .filter(|(it, _)| it.starts_with("chapter"))
        .collect();
    assert_eq!(chapters.len(), 12);
    for pair in chapters.windows(2) {
        let text = read(&format!("guide/{}", pair[0].1));
        let (_, next) = text.rsplit_once("\nNext: [").unwrap();
        let [label] = labels(next)[..] else {
            panic!("{}: one link", pair[0].1);
        };
        assert_eq!(definitions(&text)[label], pair[1].1);
    }
}

/// A picture as an address that holds it, for pages beside which no file lies.
fn written_out(picture: &str) -> String {
    let mut address = "data:image/svg+xml,".to_owned();
    for byte in read(&format!("guide/pictures/{picture}")).bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => address.push(char::from(byte)),
            _ if b"-._~:/=,;".contains(&byte) => address.push(char::from(byte)),
            _ => address += &format!("%{byte:02X}"),
        }
    }
    address
}

#[test]
fn every_picture_is_shown_with_a_description_and_written_out() {
    let pictures = files("guide/pictures", ".svg");
    assert!(pictures.len() >= 8);
    let texts: Vec<_> = files("guide", ".md")
        .iter()
        .map(|file| read(&format!("guide/{file}")))
        .collect();
    let mut expected = String::new();
    for picture in &pictures {
        let name = picture.strip_suffix(".svg").unwrap();
        let end = format!("][{name}]\n");
        let text = texts.iter().find(|it| it.contains(&end));
        let text = text.unwrap_or_else(|| panic!("nobody shows {picture}"));
        let (before, _) = text.split_once(&end).unwrap();
        let (_, description) = before.rsplit_once("![").unwrap();
        assert!(description.len() > 60, "{picture}: {description}");
        expected += &format!("[{name}]: {}\n", written_out(picture));
    }
    if is_blessing() {
        return fs::write(root().join(WRITTEN_OUT), expected).unwrap();
    }
    let is_same = read(WRITTEN_OUT) == expected;
    assert!(is_same, "{WRITTEN_OUT} is of other pictures: SELIO_BLESS=1");
}

/// All lines of these files, and those of them that are code.
fn count<S: AsRef<str>>(files: impl IntoIterator<Item = S>) -> (usize, usize) {
    let mut count = (0, 0);
    for file in files {
        for line in read(file.as_ref()).lines().map(str::trim) {
            count.0 += 1;
            count.1 += usize::from(!line.is_empty() && !line.starts_with("//"));
        }
    }
    count
}

/// The Rust files of a folder and of those in it.
fn sources(folder: &str) -> Vec<String> {
    let paths = files(folder, "")
        .into_iter()
        .map(|name| format!("{folder}/{name}"));
    let (folders, files): (Vec<_>, Vec<_>) = paths.partition(|it| root().join(it).is_dir());
    let below = folders.iter().flat_map(|folder| sources(folder));
    let here = files.into_iter().filter(|it| it.ends_with(".rs"));
    here.chain(below).collect()
}

/// A number as texts have it: `12,600`.
fn number(text: &str) -> Option<usize> {
    text.replace(',', "").parse().ok()
}

/// The same the other way round, to the next ten, or beyond a thousand to the next hundred.
fn rounded(number: usize) -> String {
    let unit = if number < 1_000 { 10 } else { 100 };
    let number = (number + unit / 2) / unit * unit;
    match number {
        ..1_000 => number.to_string(),
        _ => format!("{},{:03}", number / 1_000, number % 1_000),
    }
}

/// What the guide says about lines to read, with each number as it really is: those of the rows, then
/// three sums, and then those of the folders in the list, without what stands in a row.
fn recounted(text: &str) -> String {
    let rows = text.lines().filter(|it| it.starts_with("| `"));
    let heart: Vec<_> = rows.filter_map(|row| row.split('`').nth(1)).collect();
    let mut all = ["lib.rs", "net/tcp.rs"].map(str::to_owned).to_vec();
    all.extend(["reactor", "executor"].into_iter().flat_map(sources));
    assert!(heart.len() > 12 && heart.iter().all(|it| all.iter().any(|file| file == it)));

    let each = heart.iter().map(|file| count([file]).0);
    let (lines, code) = count(&heart);
    let rooms = text.lines().filter_map(|it| it.strip_prefix("- `"));
    let rooms = rooms.filter_map(|it| Some(it.split_once("/`")?.0));
    let besides = |room| {
        let files = sources(room).into_iter();
        count(files.filter(|it| !heart.contains(&it.as_str()))).0
    };
    let sums = [lines, code, count(&all).0];
    let mut counts = each.chain(sums).chain(rooms.map(besides));
    let words = text.split_inclusive([' ', '\n']).map(|word| {
        let count = number(word.trim()).and_then(|_| counts.next());
        count.map_or(word.to_owned(), |it| rounded(it) + " ")
    });
    words.collect()
}

#[test]
fn the_lines_to_read_are_as_many_as_the_guide_says() {
    let text = read("guide/README.md");
    let begin = text.find("\n## Reading the source\n").unwrap();
    let end = begin + text[begin..].find("\n[01]: ").unwrap();
    let (said, counted) = (&text[begin..end], recounted(&text[begin..end]));
    if is_blessing() {
        let text = [&text[..begin], &counted, &text[end..]].concat();
        return fs::write(root().join("guide/README.md"), text).unwrap();
    }
    for (said, counted) in said.lines().zip(counted.lines()) {
        let numbers = |line: &str| -> Vec<_> { line.split(' ').filter_map(number).collect() };
        for (one, other) in numbers(said).into_iter().zip(numbers(counted)) {
            let is_near = one.abs_diff(other) <= (other / 20).max(20);
            assert!(is_near, "{said}\nis now\n{counted}\nSELIO_BLESS=1");
        }
    }
}

/// What a newcomer reads, by file.
fn texts() -> Vec<(String, String)> {
    let mut paths = vec!["README.md".to_owned()];
    for (folder, ending) in [
        ("guide", ".md"),
        ("examples", ".rs"),
        ("examples/ladder", ""),
    ] {
        let names = files(folder, ending).into_iter();
        paths.extend(names.map(|name| format!("{folder}/{name}")));
    }
    let texts = paths.into_iter().map(|path| (path.clone(), read(&path)));
    texts.collect()
}

/// Whether Cargo.toml and the files know this example, called by this line.
fn is_example(manifest: &str, name: &str, line: &str) -> bool {
    let quoted = format!("name = \"{name}\"");
    let Some(entry) = manifest.split("[[").find(|it| it.contains(&quoted)) else {
        return root().join(format!("examples/{name}.rs")).exists();
    };
    match entry.split_once("required-features = [\"") {
        None => true,
        Some((_, rest)) => {
            let feature = rest.split('"').next().unwrap();
            line.contains(&format!("--features {feature}"))
        }
    }
}

#[test]
fn every_command_names_what_there_is() {
    let manifest = read("Cargo.toml");
    let texts = texts();
    let lines = texts
        .iter()
        .flat_map(|(file, text)| text.lines().map(move |line| (file, line)));
    let (mut examples, mut paths) = (0, 0);
    for (file, line) in lines {
        for rest in line.split("--example ").skip(1) {
            let name = rest
                .split(|it: char| !it.is_alphanumeric() && it != '_')
                .next();
            assert!(is_example(&manifest, name.unwrap(), line), "{file}: {line}");
            examples += 1;
        }
        let words = line
            .strip_prefix("$ ")
            .unwrap_or_default()
            .split_whitespace();
        for path in words.filter(|it| it.ends_with(".rs") || it.ends_with(".toml")) {
            assert!(root().join(path).exists(), "{file}: {line}");
            paths += 1;
        }
    }
    assert!(examples > 40 && paths > 4, "{examples} {paths}");
}
