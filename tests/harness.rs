//! What the other tests stand on: whoever they start ends when it is told to, and never outlives
//! them.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::process::{self, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process, test_kill_process};

use common::{
    child, child_that_ignores_ctrl_c, deadline, is_child, let_children_heed_ctrl_c, watched,
};

/// A process that is there for longer than a test.
fn sleeper() -> process::Child {
    let mut command = Command::new("sleep");
    command.arg("60").stdout(Stdio::null());
    command.spawn().unwrap()
}

#[test]
fn children_heed_ctrl_c_even_if_the_tests_ignore_it() {
    let name = "children_heed_ctrl_c_even_if_the_tests_ignore_it";
    deadline(Duration::from_secs(30), || {
        if !is_child() {
            let output = child_that_ignores_ctrl_c(name).output().unwrap();
            assert!(output.status.success(), "{output:?}");
            return;
        }
        let_children_heed_ctrl_c();
        let mut sleeper = sleeper();
        kill_process(Pid::from_child(&sleeper), Signal::INT).unwrap();
        assert_eq!(sleeper.wait().unwrap().signal(), Some(2));
    });
}

#[test]
fn a_deadline_leaves_no_children_behind() {
    if is_child() {
        watched(String::new, Duration::from_millis(100), || {
            let mut sleepers = [sleeper(), sleeper()];
            for sleeper in &sleepers {
                println!("> {}", sleeper.id());
            }
            sleepers[0].wait().unwrap();
        });
        return;
    }
    deadline(Duration::from_secs(30), || {
        let output = child("a_deadline_leaves_no_children_behind").output();
        let output = output.unwrap();
        assert_eq!(output.status.signal(), Some(6), "{output:?}");
        let said = String::from_utf8(output.stdout).unwrap();
        let ids = said.lines().filter_map(|line| line.split("> ").nth(1));
        let ids: Vec<i32> = ids.map(|id| id.parse().unwrap()).collect();
        assert_eq!(ids.len(), 2, "{said}");
        for id in ids {
            while is_alive(id) {
                std::thread::yield_now();
            }
        }
    });
}

/// Whether it still runs: where nobody waits for orphans, it stays as a zombie.
fn is_alive(id: i32) -> bool {
    match fs::read_to_string(format!("/proc/{id}/stat")) {
        Ok(stat) => !stat.contains(") Z "),
        Err(_) => test_kill_process(Pid::from_raw(id).unwrap()).is_ok(),
    }
}
