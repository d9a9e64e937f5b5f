//! The example `threads` counts what it says, with one thread and with many.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/example.rs"]
mod example;

use std::time::Duration;

use crate::common::deadline;
use crate::example::example;

#[test]
fn threads_count_the_primes() {
    deadline(Duration::from_secs(60), || {
        for (arguments, answer) in [
            (&["100000"][..], "9592 primes below 100000, threads: 4\n"),
            (&["100", "1"], "25 primes below 100, threads: 1\n"),
            (&["0", "0"], "0 primes below 0, threads: 1\n"),
            (&["200001", "9"], "17984 primes below 200001, threads: 9\n"),
        ] {
            let output = example("threads").args(arguments).output().unwrap();
            assert!(output.status.success());
            assert_eq!(String::from_utf8_lossy(&output.stdout), answer);
        }
    });
}

#[test]
fn threads_explain_wrong_arguments() {
    deadline(Duration::from_secs(30), || {
        let output = example("threads").arg("many").output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(
            error.starts_with("threads: `many` is no number\nusage: "),
            "{error}"
        );
    });
}
