//! What the tests of child processes share.
//!
//! A test uses it by `#[path = "common/children.rs"] mod children;`.

#![allow(dead_code, reason = "no test uses all of it")]

use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, WaitOptions, test_kill_process, waitpid};
use selio::process::{Child, Command, Stdio};
use selio::sleep;

/// A process that ends when its standard input does.
pub(crate) fn cat() -> Child {
    let mut command = Command::new("cat");
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    command.spawn().expect("there is a `cat`")
}

/// A process that does not end by itself, but for the case that a test leaves it behind.
pub(crate) fn endless() -> Child {
    let mut command = Command::new("sleep");
    command.arg("60").spawn().expect("there is a `sleep`")
}

/// The same, which does not read its standard input either.
pub(crate) fn endless_with_stdin() -> Child {
    let mut command = Command::new("sleep");
    command.arg("60").stdin(Stdio::piped());
    command.spawn().expect("there is a `sleep`")
}

pub(crate) fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id() as i32).expect("no process has the number 0")
}

/// Whether the system still knows the process, be it as a zombie.
pub(crate) fn exists(pid: Pid) -> bool {
    test_kill_process(pid).is_ok()
}

pub(crate) async fn until_gone(pid: Pid) {
    while exists(pid) {
        sleep(Duration::from_millis(1)).await;
    }
}

/// Whether this process has no child at all, which only a process of its own can ask.
pub(crate) fn no_children() -> bool {
    matches!(waitpid(None, WaitOptions::NOHANG), Err(Errno::CHILD))
}
