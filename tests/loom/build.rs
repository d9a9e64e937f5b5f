//! Copies the executor that ships, once as it is and once for each mutant.
//!
//! Only what it takes from std is exchanged, by [`IN_THE_HANDS_OF_LOOM`]. A text that is not found
//! breaks the build: no mutant turns into the original unnoticed. Nor is a claim left out: the tests
//! are made from what stands in `models/`.

use std::path::{Path, PathBuf};
use std::{env, fs};

#[path = "mutants.rs"]
mod mutants;

use mutants::{Edit, MUTANTS, Mutant, VARIANTS};

/// The files that are copied: those that make up the loop and the ways into it from other threads.
/// What stands upon them is left out of `mod.rs` too.
const CORE: &[&str] = &[
    "builder",
    "executor/current",
    "executor/extensions",
    "executor/inbox",
    "executor/join",
    "executor/joining",
    "executor/key",
    "executor/mailbox",
    "executor/mod",
    "executor/run_queue",
    "executor/runtime",
    "executor/shut_down",
    "executor/slot",
    "executor/snapshot",
    "executor/spawn",
    "executor/task",
    "executor/task_local",
    "executor/task_ref",
    "executor/tell",
    "executor/waker",
    "executor/yield_now",
    "inspect",
    "task_local/mod",
    "threads/handle",
    "threads/mod",
    "threads/pool",
    "threads/remote",
    "threads/to_thread",
];

/// These are ours: they ask the reactor for what ours does not have.
const OURS: &[&str] = &["builder", "inspect"];

/// The modules that these make.
const PARTS: &[&str] = &["builder", "executor", "inspect", "task_local", "threads"];

/// What the copies have instead of what is in the library. `self` may be an `Arc` of std only.
const IN_THE_HANDS_OF_LOOM: &[(&str, &str)] = &[
    ("use std::sync::", "use crate::sync::"),
    ("use std::thread;", "use crate::sync::thread;"),
    ("use std::task::Wake;", "use crate::sync::Wake;"),
    ("impl Wake for TaskWaker", "impl Wake for Arc<TaskWaker>"),
    ("self: Arc<Self>", "self"),
    ("self: &Arc<Self>", "&self"),
    ("thread_local! {", "crate::sync::local! {"),
    // Two models and a mutant have a closer look at these.
    ("mod inbox;", "pub(crate) mod inbox;"),
    ("mod mailbox;", "pub(crate) mod mailbox;"),
];

fn main() {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    for input in [
        "../../executor",
        "../../task_local",
        "../../threads",
        "models",
        "mutants.rs",
        "builder.rs",
        "inspect.rs",
    ] {
        println!("cargo::rerun-if-changed={}", here.join(input).display());
    }

    let mut modules = variant("shipped", &[], &here, &out);
    let (mut holds, mut fails) = (String::new(), String::new());
    for claim in claims(&here.join("models")) {
        let call = format!("crate::holds(\"{claim}\", crate::shipped::models::{claim});");
        holds += &format!("#[test] fn {claim}() {{ {call} }}\n");
    }
    for &(name, edits, model) in VARIANTS {
        modules += &variant(name, edits, &here, &out);
        let call = format!("crate::holds(\"{name}\", crate::{name}::models::{model});");
        holds += &format!("#[test] fn {name}() {{ {call} }}\n");
    }
    for mutant in MUTANTS {
        let Mutant {
            name, model, panic, ..
        } = mutant;
        modules += &variant(name, mutant.edits, &here, &out);
        let call = format!("crate::fails(\"{name}\", crate::{name}::models::{model}, {panic:?});");
        fails += &format!("#[test] fn {name}() {{ {call} }}\n");
    }
    modules += &format!("#[cfg(test)] mod holds {{\n{holds}}}\n");
    modules += &format!("#[cfg(test)] mod fails {{\n{fails}}}\n");
    fs::write(out.join("variants.rs"), modules).expect("OUT_DIR is ours");
}

/// The names of all models.
fn claims(models: &Path) -> Vec<String> {
    let mut claims = Vec::new();
    for (file_name, path) in files(models) {
        let text = fs::read_to_string(path).expect("it can be read");
        let Some((_, models)) = text.split_once("models! {") else {
            assert_eq!(file_name, "mod.rs", "has no models");
            continue;
        };
        let heads = models
            .lines()
            .filter_map(|line| line.trim_start().strip_prefix("fn "));
        claims.extend(heads.map(|head| head.strip_suffix("() {").expect("a model").to_owned()));
    }
    claims
}

/// Writes one copy of the executor, and returns the module that joins it with the models.
fn variant(name: &str, edits: &[Edit], here: &Path, out: &Path) -> String {
    let copy = out.join(name);
    let mut edited = 0;
    for core in CORE {
        let file_name = format!("{core}.rs");
        let path = match OURS.contains(core) {
            true => here.join(&file_name),
            false => here.join("../..").join(&file_name),
        };
        let mut text = fs::read_to_string(path).expect("it can be read");
        for edit in edits.iter().filter(|edit| edit.file == file_name) {
            let times = text.matches(edit.find).count();
            assert_eq!(times, 1, "{name}: in {file_name}: {:?}", edit.find);
            text = text.replace(edit.find, edit.replace);
            edited += 1;
        }
        if let Some(folder) = core.strip_suffix("mod") {
            text = without_the_rest(folder, &text);
        }
        for (std, ours) in IN_THE_HANDS_OF_LOOM {
            text = text.replace(std, ours);
        }
        for part in PARTS {
            text = text.replace(&format!("crate::{part}"), &format!("crate::{name}::{part}"));
        }
        assert!(
            !text.contains("std::sync::"),
            "{file_name}: loom has no hand in all of it"
        );
        let path = copy.join(file_name);
        fs::create_dir_all(path.parent().expect("it is in a folder")).expect("OUT_DIR is ours");
        fs::write(path, text).expect("OUT_DIR is ours");
    }
    assert_eq!(
        edited,
        edits.len(),
        "{name}: names a file that is not there"
    );
    let models = here.join("models/mod.rs");
    let mut modules = format!("#[path = {models:?}] pub(crate) mod models;\n");
    for part in PARTS {
        let folder = copy.join(part).join("mod.rs");
        let path = if folder.exists() {
            folder
        } else {
            copy.join(format!("{part}.rs"))
        };
        modules += &format!("#[path = {path:?}] mod {part};\n");
    }
    format!("#[allow(unused, unexpected_cfgs, clippy::all)] mod {name} {{\n{modules}}}\n")
}

/// The text of a folder's `mod.rs` without the modules that are not copied, and what is exported of
/// them.
fn without_the_rest(folder: &str, text: &str) -> String {
    let is_copied = |name: &str| {
        let path = format!("{folder}{name}");
        let below = format!("{path}/");
        let mut core = CORE.iter();
        core.any(|core| *core == path || core.starts_with(&below))
    };
    let mut kept = String::new();
    let statements = text.split_inclusive(";\n");
    for statement in statements {
        let last = statement.rsplit("\n\n").next().unwrap_or(statement).trim();
        let item = match last.split_once("]\n") {
            Some((_attribute, item)) => item,
            None => last,
        };
        let name = [
            "mod ",
            "pub use self::",
            "pub(crate) use self::",
            "pub(super) use self::",
        ]
        .iter()
        .find_map(|start| item.strip_prefix(start))
        .and_then(|rest| {
            rest.split(|c: char| !c.is_alphanumeric() && c != '_')
                .next()
        });
        match name {
            Some(name) if !is_copied(name) => {
                kept += &statement[..statement.len() - last.len() - 1];
            }
            _ => kept += statement,
        }
    }
    kept
}

fn files(folder: &Path) -> impl Iterator<Item = (String, PathBuf)> {
    let files = fs::read_dir(folder).expect("it is there");
    files.map(|file| {
        let file = file.expect("it can be read");
        let name = file.file_name().into_string();
        (name.expect("we name files in ASCII"), file.path())
    })
}
