//! What the executor knows of a task, apart from its future: a slot of 64 bytes.

use std::panic::Location;
use std::rc::Rc;
use std::task::Waker;

use super::task::{BoxedTask, id_of_generation};
use crate::reactor::TaskId;

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
    /// It has to end after its current poll.
    pub(super) is_cancelled: bool,
    /// Its handle is gone: nobody will ask for its outcome.
    pub(super) is_detached: bool,
    /// Its outcome waits for the handle.
    pub(super) has_ended: bool,
    /// It was put into the ready queue by its key, and not through its waker.
    pub(super) is_woken: bool,
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
}

/// Names a slot for the life of its task and its handle: a wake that comes too late finds another
/// generation there and does nothing.
///
/// The upper half is the number of the slot, the lower half the generation: the lower half of the
/// task's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TaskKey(u64);

impl TaskKey {
    /// The future that `block_on` runs.
    pub(super) const MAIN: Self = Self((u32::MAX as u64) << 32);

    const NOBODY: Self = Self(u64::MAX);

    pub(super) fn new(slot: u32, generation: u32) -> Self {
        Self(u64::from(slot) << 32 | u64::from(generation))
    }

    pub(super) fn slot(self) -> usize {
        (self.0 >> 32) as usize
    }

    pub(super) fn generation(self) -> u32 {
        self.0 as u32
    }

    /// The number of the task of this generation; 0 is that of the future of `block_on`.
    pub(super) fn parent(generation: u32) -> Option<TaskId> {
        (generation != Self::MAIN.generation()).then(|| id_of_generation(generation))
    }

    /// The number of this task, if it is one that exists.
    pub(super) fn id(self) -> Option<TaskId> {
        (self != Self::MAIN).then(|| id_of_generation(self.generation()))
    }

    pub(super) fn into_u64(self) -> u64 {
        self.0
    }

    pub(super) fn from_u64(key: u64) -> Self {
        Self(key)
    }
}
