//! A process that has outlived its runtime, and whose number another one has got since.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod common;
#[path = "common/tasks.rs"]
mod tasks;

use std::fs;
use std::process;

use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, WaitOptions, kill_process, waitid, waitpid,
};
use selio::process::Command;
use selio::run;
use tasks::in_a_process_of_its_own;

/// Only where the numbers of processes can be chosen: as root.
#[test]
fn the_next_owner_of_an_orphans_number_is_left_to_its_own_parent() {
    const NAME: &str = "the_next_owner_of_an_orphans_number_is_left_to_its_own_parent";
    const LAST: &str = "/proc/sys/kernel/ns_last_pid";
    in_a_process_of_its_own(NAME, || {
        for _ in 0..50 {
            let id = run(async {
                let sleeper = Command::new("sleep").arg("60").spawn().unwrap();
                sleeper.id()
            });
            // Other code of the program takes the status.
            let orphan = Pid::from_raw(id as i32).unwrap();
            kill_process(orphan, Signal::KILL).unwrap();
            waitpid(Some(orphan), WaitOptions::empty()).unwrap();
            if fs::write(LAST, (id - 1).to_string()).is_err() {
                eprintln!("cannot choose the numbers of processes here");
                return;
            }
            let mut namesake = process::Command::new("sh");
            let mut namesake = namesake.args(["-c", "exit 7"]).spawn().unwrap();
            // Another process of this system may have been faster.
            if namesake.id() == id {
                let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
                waitid(WaitId::Pid(orphan), ended).unwrap();
                let next = run(async { Command::new("true").status().await });
                assert!(next.unwrap().success());
                assert_eq!(namesake.wait().unwrap().code(), Some(7));
                return;
            }
            namesake.wait().unwrap();
        }
        eprintln!("others were always faster");
    });
}
