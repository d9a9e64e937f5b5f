//! The measured pictures of README.md: each is there, is small, says what it shows, and stands by itself.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The SVGs that a page of Markdown shows, by `<img src="...">` or by `![...](...)`.
fn shown(page: &str) -> Vec<&str> {
    let quoted = page.split("src=\"").skip(1).map(|rest| rest.split('"'));
    let quoted: Vec<_> = quoted.filter_map(|mut parts| parts.next()).collect();
    let linked = page.split("](").skip(1).map(|rest| rest.split(')'));
    let linked = linked.filter_map(|mut parts| parts.next());
    let files = quoted.into_iter().chain(linked);
    files.filter(|file| file.ends_with(".svg")).collect()
}

#[test]
fn the_pictures_of_the_readme_are_in_the_repository() {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let files = shown(&readme);
    assert!(files.len() >= 4, "{files:?}");
    for file in &files {
        let svg = fs::read_to_string(root().join(file));
        let svg = svg.unwrap_or_else(|error| panic!("README.md shows {file}: {error}"));
        assert!(svg.starts_with("<svg "), "{file}");
    }
    // A picture without words says nothing to those who cannot see it.
    let without_words = readme.split("<img ").skip(1).filter(|tag| {
        let tag = tag.split('>').next().unwrap_or_default();
        !tag.contains("alt=\"") || tag.contains("alt=\"\"")
    });
    assert_eq!(without_words.count(), 0);
}

#[test]
fn measured_pictures_are_small_need_no_network_and_run_nothing() {
    let files = fs::read_dir(root().join("guide/measured")).unwrap();
    let files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    assert!(files.len() >= 4, "{files:?}");
    for file in files {
        let svg = fs::read_to_string(&file).unwrap();
        let file = file.display();
        assert!(svg.len() < 40_000, "{file}: {} bytes", svg.len());
        // The name of SVG itself is an address that nobody asks.
        assert_eq!(svg.matches("://").count(), 1, "{file}");
        for word in ["<script", "href", "onload", "<image", "@import"] {
            assert!(!svg.contains(word), "{file}: {word}");
        }
    }
}

#[test]
fn what_reads_a_page_finds_both_kinds_of_pictures() {
    let page = "<img alt=\"a\" src=\"one.svg\"> ![b](two.svg) [c](three.md)";
    assert_eq!(shown(page), ["one.svg", "two.svg"]);
}
