//! Processes that nobody waits for any more, and that must not stay zombies.

use std::rc::Rc;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::{Pid, WaitOptions, waitpid};

use super::reaper::Reaper;
use crate::executor::spawn_named;

/// Those whose runtime has ended before them. Processes belong to the whole program, so this does
/// too.
static ORPHANS: Mutex<Vec<Pid>> = Mutex::new(Vec::new());

/// Sees to it that a process which nobody holds any more is reaped: now if it has ended, by a task
/// if it runs. Without a runtime to spawn that in, it becomes an orphan.
pub(super) fn leave(reaper: Rc<Reaper>) {
    // An error: its status was taken by others, and there is nothing left to reap.
    if let Ok(None) = reaper.try_wait()
        && reaper.is_at_home()
    {
        let name = format!("reaper of process {}", reaper.pid());
        spawn_named(name, async move { reaper.wait_at(reaper.site()).await });
    }
}

/// Takes in a process that has not ended, or not yet been found so.
pub(super) fn adopt(pid: Pid) {
    orphans().push(pid);
    reap();
}

/// Reaps those that have ended meanwhile.
pub(super) fn reap() {
    orphans().retain(|&pid| matches!(waitpid(Some(pid), WaitOptions::NOHANG), Ok(None)));
}

fn orphans() -> MutexGuard<'static, Vec<Pid>> {
    ORPHANS.lock().unwrap_or_else(PoisonError::into_inner)
}
