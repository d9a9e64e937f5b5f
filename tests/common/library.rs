//! The source of the library: `lib.rs`, and the folders of the modules that it names. A claim about
//! the source holds of a new folder too.
//!
//! A test uses it by `#[path = "common/library.rs"] mod library;`.

use std::fs;
use std::path::{Path, PathBuf};

/// The modules that are folders of the library. The guide is none: it is text.
pub(crate) fn parts() -> Vec<String> {
    let text = fs::read_to_string(root().join("lib.rs")).unwrap();
    let names = text.lines().filter_map(|line| {
        let name = line.trim_start_matches("pub ").strip_prefix("mod ")?;
        name.strip_suffix(';')
    });
    let parts = names.filter(|name| *name != "guide").map(str::to_owned);
    parts.collect()
}

/// All files.
pub(crate) fn files() -> Vec<PathBuf> {
    let mut files = vec![root().join("lib.rs")];
    let mut folders: Vec<_> = parts().iter().map(|part| root().join(part)).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|it| it == "rs") {
                files.push(path);
            }
        }
    }
    assert!(files.len() > 100, "this is not the whole library");
    files
}

pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
