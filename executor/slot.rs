//! What the executor knows of a task, apart from its future: a slot of at most 64 bytes.

use std::panic::Location;
use std::rc::Rc;
use std::task::Waker;

use super::TaskId;
use super::task::BoxedTask;

pub(super) struct Slot {
    /// Taken out while the task is polled or dropped.
    pub(super) task: Option<BoxedTask>,
    pub(super) joiner: Joiner,
    /// Where it was spawned.
    pub(super) site: &'static Location<'static>,
    pub(super) name: Option<Rc<String>>,
    pub(super) generation: u32,
    /// It has to end after its current poll.
    pub(super) is_cancelled: bool,
    /// Its handle is gone: nobody will ask for its outcome.
    pub(super) is_detached: bool,
    /// Its outcome waits for the handle.
    pub(super) has_ended: bool,
    /// It is in the ready queue because a task that it awaits has ended.
    pub(super) is_woken: bool,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TaskKey {
    pub(super) slot: u32,
    /// The lower half of the task's number.
    pub(super) generation: u32,
}

impl TaskKey {
    /// The future that `block_on` runs.
    pub(super) const MAIN: Self = Self {
        slot: u32::MAX,
        generation: 0,
    };

    const NOBODY: Self = Self {
        slot: u32::MAX,
        generation: 1,
    };

    pub(super) fn new(slot: u32, TaskId(id): TaskId) -> Self {
        Self {
            slot,
            generation: id as u32,
        }
    }

    pub(super) fn into_u64(self) -> u64 {
        u64::from(self.slot) << 32 | u64::from(self.generation)
    }

    pub(super) fn from_u64(key: u64) -> Self {
        Self {
            slot: (key >> 32) as u32,
            generation: key as u32,
        }
    }
}
