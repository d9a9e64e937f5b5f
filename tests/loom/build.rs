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

/// The files of `executor` that are copied: those that make up the loop and the ways into it from
/// other threads. What stands upon them is left out of `mod.rs` too.
const CORE: &[&str] = &[
    "builder",
    "current",
    "debug",
    "elapsed",
    "handle",
    "inbox",
    "join",
    "joining",
    "key",
    "mailbox",
    "mod",
    "pool",
    "remote",
    "run_queue",
    "runtime",
    "shut_down",
    "slot",
    "spawn",
    "stats",
    "task",
    "task_local",
    "task_ref",
    "tell",
    "to_thread",
    "waker",
    "yield_now",
];

/// What the copies have instead of what is in `executor`. `self` may be an `Arc` of std only.
const IN_THE_HANDS_OF_LOOM: &[(&str, &str)] = &[
    ("use std::sync::", "use crate::sync::"),
    ("use std::thread;", "use crate::sync::thread;"),
    ("use std::task::Wake;", "use crate::sync::Wake;"),
    ("impl Wake for TaskWaker", "impl Wake for Arc<TaskWaker>"),
    ("self: Arc<Self>", "self"),
    ("self: &Arc<Self>", "&self"),
    ("thread_local! {", "crate::sync::local! {"),
    // No model needs what is built upon tasks.
    ("mod structured;", "#[cfg(any())] mod structured;"),
    (
        "pub use self::structured::",
        "#[cfg(any())] pub use self::structured::",
    ),
    // And two models have a closer look at this one.
    ("mod inbox;", "pub(crate) mod inbox;"),
];

fn main() {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    for input in [
        "../../executor",
        "models",
        "mutants.rs",
        "builder.rs",
        "stats.rs",
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
    fs::create_dir_all(&copy).expect("OUT_DIR is ours");
    let mut edited = 0;
    for core in CORE {
        let file_name = format!("{core}.rs");
        let path = here.join("../../executor").join(&file_name);
        let path = match file_name.as_str() {
            "builder.rs" | "stats.rs" => here.join(&file_name),
            _ => path,
        };
        let mut text = fs::read_to_string(path).expect("it can be read");
        for edit in edits.iter().filter(|edit| edit.file == file_name) {
            let times = text.matches(edit.find).count();
            assert_eq!(times, 1, "{name}: in {file_name}: {:?}", edit.find);
            text = text.replace(edit.find, edit.replace);
            edited += 1;
        }
        if *core == "mod" {
            text = without_the_rest(&text);
        }
        for (std, ours) in IN_THE_HANDS_OF_LOOM {
            text = text.replace(std, ours);
        }
        assert!(
            !text.contains("std::sync::"),
            "{file_name}: loom has no hand in all of it"
        );
        fs::write(copy.join(file_name), text).expect("OUT_DIR is ours");
    }
    assert_eq!(
        edited,
        edits.len(),
        "{name}: names a file that is not there"
    );
    let executor = copy.join("mod.rs");
    let models = here.join("models/mod.rs");
    format!(
        "#[allow(unused, unexpected_cfgs, clippy::all)]
         mod {name} {{
             #[path = {executor:?}] mod executor;
             #[path = {models:?}] pub(crate) mod models;
         }}\n"
    )
}

/// The text of `mod.rs` without the modules that are not copied, and what is exported of them.
fn without_the_rest(text: &str) -> String {
    let mut kept = String::new();
    let statements = text.split_inclusive(";\n");
    for statement in statements {
        let last = statement.rsplit("\n\n").next().unwrap_or(statement).trim();
        let name = [
            "mod ",
            "pub mod ",
            "pub use self::",
            "pub(crate) use self::",
        ]
        .iter()
        .find_map(|start| last.strip_prefix(start))
        .and_then(|rest| {
            rest.split(|c: char| !c.is_alphanumeric() && c != '_')
                .next()
        });
        match name {
            Some(name) if !CORE.contains(&name) => {
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
