//! What the executor knows of a task, apart from its future: a slot of 72 bytes.

use std::panic::Location;
use std::rc::Rc;
use std::task::Waker;

use super::key::TaskKey;
use super::task::{BoxedTask, swallow};

pub(super) struct Slot {
    /// Taken out while the task is polled or dropped.
    pub(super) task: Option<BoxedTask>,
    pub(super) joiner: Joiner,
    /// Where it was spawned.
    pub(super) site: &'static Location<'static>,
    pub(super) name: Option<Rc<String>>,
    pub(super) generation: u32,
    /// The generation of the task that spawned it.
    pub(super) parent: u32,
    pub(super) polls: u32,
    /// The turn of the loop in which it was polled last.
    pub(super) turn: u64,
    /// It was cancelled during its current poll, and has to end after it.
    pub(super) is_cancelled: bool,
    /// Its handle is gone: nobody will ask for its outcome.
    pub(super) is_detached: bool,
    /// Its outcome waits for the handle.
    pub(super) has_ended: bool,
    /// It is the library's own: nobody who ends all tasks means this one.
    pub(super) is_own: bool,
}

impl Slot {
    /// Its waker, if it has been polled and is not being polled.
    pub(super) fn waker(&self) -> Option<&Waker> {
        self.task.as_ref()?.as_ref().waker()
    }
}

/// Who awaits the handle of a task.
pub(super) enum Joiner {
    /// A task of this executor: its key is enough to wake it.
    Task(TaskKey),
    /// Any other future.
    Future(Waker),
}

impl Joiner {
    pub(super) const NOBODY: Self = Self::Task(TaskKey::NOBODY);

    /// Drops it. If a foreign waker panics, that stops here: the slot may be another task's by now,
    /// and the handle has still to learn that it is no longer its own.
    #[inline]
    pub(super) fn forget(self) {
        if let Self::Future(waker) = self {
            forget(waker);
        }
    }
}

#[cold]
fn forget(waker: Waker) {
    swallow(|| drop(waker));
}
