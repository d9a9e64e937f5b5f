//! Copies the executor that ships, once as it is and once for each mutant.
//!
//! Only what it takes from std is exchanged, by [`IN_THE_HANDS_OF_LOOM`]; `inbox.rs` is taken over
//! to the letter, as it names loom itself. A text that is not found breaks the build: no mutant
//! turns into the original unnoticed.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

#[path = "mutants.rs"]
mod mutants;

use mutants::{MUTANTS, Mutant};

/// What the copies have instead of what is in `executor`. `self` may be an `Arc` of std only.
const IN_THE_HANDS_OF_LOOM: &[(&str, &str)] = &[
    ("use std::sync::", "use crate::sync::"),
    ("use std::task::Wake;", "use crate::sync::Wake;"),
    ("impl Wake for TaskWaker", "impl Wake for Arc<TaskWaker>"),
    ("self: Arc<Self>", "self"),
    ("self: &Arc<Self>", "&self"),
    ("thread_local! {", "crate::sync::local! {"),
];

fn main() {
    let here = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo sets it"));
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    let executor = here.join("../../executor");
    println!("cargo::rerun-if-changed={}", executor.display());
    println!("cargo::rerun-if-changed=mutants.rs");
    println!("cargo::rerun-if-changed=stats.rs");

    let mut modules = variant("shipped", &here, &executor, &out, None);
    let mut tests = String::new();
    for mutant in MUTANTS {
        modules += &variant(mutant.name, &here, &executor, &out, Some(mutant));
        let Mutant {
            name, model, panic, ..
        } = mutant;
        writeln!(
            tests,
            "#[test] fn {name}() {{
                 crate::fails(\"{name}\", crate::{name}::models::{model}, {panic:?});
             }}"
        )
        .expect("a string takes everything");
    }
    modules += &format!("#[cfg(test)] mod fails {{ {tests} }}");
    fs::write(out.join("variants.rs"), modules).expect("OUT_DIR is ours");
}

/// Writes one copy of the executor, and returns the module that joins it with the models.
fn variant(
    name: &str,
    here: &Path,
    executor: &Path,
    out: &Path,
    mutant: Option<&Mutant>,
) -> String {
    let copy = out.join(name);
    fs::create_dir_all(&copy).expect("OUT_DIR is ours");
    let files = fs::read_dir(executor).expect("the executor is beside us");
    for file in files.map(|file| file.expect("it can be read")) {
        let file_name = file.file_name();
        let file_name = file_name.to_str().expect("we name files in ASCII");
        let path = match file_name {
            "stats.rs" => here.join("stats.rs"),
            _ => file.path(),
        };
        let mut text = fs::read_to_string(path).expect("it can be read");
        for edit in mutant.iter().flat_map(|mutant| mutant.edits) {
            if edit.file == file_name {
                let times = text.matches(edit.find).count();
                assert_eq!(times, 1, "{name}: in {file_name}: {:?}", edit.find);
                text = text.replace(edit.find, edit.replace);
            }
        }
        for (std, ours) in IN_THE_HANDS_OF_LOOM {
            text = text.replace(std, ours);
        }
        fs::write(copy.join(file_name), text).expect("OUT_DIR is ours");
    }
    let (executor, inbox) = (copy.join("mod.rs"), copy.join("inbox.rs"));
    let models = here.join("models/mod.rs");
    format!(
        "#[allow(unused, clippy::all)]
         mod {name} {{
             #[path = {executor:?}] mod executor;
             #[path = {inbox:?}] mod inbox;
             #[path = {models:?}] pub(crate) mod models;
         }}\n"
    )
}
