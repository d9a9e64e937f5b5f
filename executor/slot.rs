//! What the executor knows of a task, apart from its future: a slot of 72 bytes.

use std::panic::Location;
use std::rc::Rc;
use std::task::Waker;

use super::TaskId;
use super::key::TaskKey;
use super::task::BoxedTask;
use super::task_ref::Label;

pub(super) struct Slot {
    /// Taken out while the task is polled or dropped.
    pub(super) task: Option<BoxedTask>,
    pub(super) joiner: Joiner,
    /// Where it was spawned.
    pub(super) site: &'static Location<'static>,
    pub(super) name: Option<Rc<String>>,
    pub(super) id: TaskId,
    /// The slot of the task that spawned it, unless that is a younger one's by now.
    pub(super) parent: u32,
    pub(super) polls: u32,
    /// The turn of the loop in which it was polled last.
    pub(super) turn: u64,
}

impl Slot {
    /// Whether its outcome waits for the handle, or was taken.
    #[inline]
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.joiner, Joiner::Task(TaskKey::ENDED | TaskKey::TAKEN))
    }

    /// Whether its handle is gone: nobody will ask for its outcome.
    #[inline]
    pub(super) fn is_detached(&self) -> bool {
        matches!(self.joiner, Joiner::Task(TaskKey::DETACHED | TaskKey::OWN))
    }

    /// Whether it is the library's own: nobody who ends all tasks means this one.
    #[inline]
    pub(super) fn is_own(&self) -> bool {
        matches!(self.joiner, Joiner::Task(TaskKey::OWN))
    }

    /// Takes the task out, if it is there and has not ended.
    #[inline]
    pub(super) fn take_unended(&mut self) -> Option<BoxedTask> {
        match self.has_ended() {
            true => None,
            false => self.task.take(),
        }
    }

    pub(super) fn label(&self) -> Label {
        Label {
            id: self.id,
            name: self.name.clone(),
            site: self.site,
        }
    }

    /// Its waker, if it has been polled and is not being polled.
    pub(super) fn waker(&self) -> Option<&Waker> {
        self.task.as_ref()?.as_ref().waker()
    }
}

/// Who awaits the handle of a task.
pub(super) enum Joiner {
    /// A task of this executor: its key is enough to wake it. Or no task, but why there is none.
    Task(TaskKey),
    /// Any other future.
    Future(Waker),
}

impl Joiner {
    pub(super) const NOBODY: Self = Self::Task(TaskKey::NOBODY);
}
