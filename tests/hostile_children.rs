//! Other code of the program that takes the status of our children.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod common;
#[path = "common/tasks.rs"]
mod tasks;

use std::fs;
use std::time::Duration;

use rustix::process::{Pid, WaitOptions, waitpid};
use selio::process::Command;
use selio::{run, timeout};
use tasks::in_a_process_of_its_own;

/// Only where the numbers of processes can be chosen: as root.
#[test]
fn a_status_is_never_that_of_the_next_owner_of_the_number() {
    const NAME: &str = "a_status_is_never_that_of_the_next_owner_of_the_number";
    const LAST: &str = "/proc/sys/kernel/ns_last_pid";
    in_a_process_of_its_own(NAME, || {
        run(async {
            for _ in 0..50 {
                let mut old = Command::new("true").spawn().unwrap();
                waitpid(Pid::from_raw(old.id() as i32), WaitOptions::empty()).unwrap();
                if fs::write(LAST, (old.id() - 1).to_string()).is_err() {
                    eprintln!("cannot choose the numbers of processes here");
                    return;
                }
                let mut new = Command::shell("exit 7").spawn().unwrap();
                // Another process of this system may have been faster.
                if new.id() == old.id() {
                    let status = timeout(Duration::from_secs(20), old.wait()).await.unwrap();
                    let message = status.unwrap_err().to_string();
                    assert!(message.contains("was taken by other code"), "{message}");
                    assert_eq!(new.wait().await.unwrap().code(), Some(7));
                    return;
                }
            }
            eprintln!("others were always faster");
        });
    });
}
