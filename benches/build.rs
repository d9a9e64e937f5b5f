//! Tells the benchmarks which compiler has built them, for the captions of the pictures.

use std::env;
use std::process::Command;

fn main() {
    let rustc = env::var_os("RUSTC").expect("cargo tells build scripts the compiler");
    let told = Command::new(rustc).arg("--version").output();
    let told = told.expect("the compiler that compiles this tells its version");
    let told = String::from_utf8_lossy(&told.stdout);
    // `rustc 1.95.0 (59807616e 2026-04-14)`
    let version = told.split(' ').nth(1).unwrap_or("of unknown version");
    println!("cargo::rustc-env=RUSTC_VERSION={version}");
    println!("cargo::rerun-if-changed=build.rs");
}
