//! Processes that nobody waits for any more, and that must not stay zombies.

use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::{Mutex, MutexGuard, PoisonError};

use rustix::process::Pid;

use super::reaper::{self, Reaper};
use crate::executor::spawn_own;

/// Those whose runtime has ended before them. Processes belong to the whole program, so this does
/// too.
static ORPHANS: Mutex<Vec<Orphan>> = Mutex::new(Vec::new());

struct Orphan {
    pid: Pid,
    /// Without it, the next owner of the number might be taken for this one.
    pidfd: Option<OwnedFd>,
}

/// Sees to it that a process which nobody holds any more is reaped: now if it has ended, by a task
/// if it runs. Without a runtime to spawn that in, it becomes an orphan.
pub(super) fn leave(reaper: Rc<Reaper>) {
    // An error: its status was taken by others, and there is nothing left to reap.
    if let Ok(None) = reaper.try_wait()
        && reaper.is_at_home()
    {
        let (name, site) = (format!("reaper of process {}", reaper.pid()), reaper.site());
        spawn_own(Some(name), site, async move { reaper.wait_at(site).await });
    }
}

/// Takes in a process that has not ended, or not yet been found so.
pub(super) fn adopt(pid: Pid, pidfd: Option<OwnedFd>) {
    orphans().push(Orphan { pid, pidfd });
    reap();
}

/// Reaps those that have ended meanwhile.
pub(super) fn reap() {
    orphans().retain(|it| matches!(reaper::reap(it.pid, it.pidfd.as_ref()), Ok(None)));
}

fn orphans() -> MutexGuard<'static, Vec<Orphan>> {
    ORPHANS.lock().unwrap_or_else(PoisonError::into_inner)
}
