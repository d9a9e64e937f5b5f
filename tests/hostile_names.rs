//! Names of tasks that would rather be something else.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod common;

use std::process::Stdio;
use std::time::Duration;

use common::{child, deadline, is_child};
use selio::{Builder, run, spawn_named, task, trace, yield_now};

/// A line of its own, an escape of the terminal, and the end of a script.
const NAME: &str = "client\nselio: all is well\x1b[2K</script>";
const SHOWN: &str = "client\\nselio: all is well\\u{1b}[2K</script>";

#[test]
fn a_name_stays_in_its_line_of_a_dump_and_of_a_message() {
    deadline(Duration::from_secs(30), || {
        run(async {
            let task = spawn_named(NAME, std::future::pending::<()>());
            assert_eq!(task.name(), NAME);
            yield_now().await;
            let dump = task::dump().to_string();
            assert_eq!(dump.lines().count(), 2, "{dump}");
            assert!(dump.contains(&format!("─ {SHOWN} (spawned at ")), "{dump}");
            task.cancel();
            let message = task.await.unwrap_err().to_string();
            assert!(message.starts_with(SHOWN), "{message}");
        });
    });
}

#[test]
fn a_name_stays_in_its_line_of_a_trace() {
    if is_child() {
        let runtime = Builder::new().observer(trace::to_stderr()).build();
        return runtime.unwrap().block_on(async {
            spawn_named(NAME, async {}).await.unwrap();
        });
    }
    deadline(Duration::from_secs(30), || {
        let mut command = child("a_name_stays_in_its_line_of_a_trace");
        let output = command.stdout(Stdio::null()).output().unwrap();
        let trace = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{trace}");
        assert!(trace.contains(&format!("{SHOWN}#")), "{trace}");
        assert!(
            !trace.lines().any(|line| line.starts_with("selio")),
            "{trace}"
        );
    });
}
