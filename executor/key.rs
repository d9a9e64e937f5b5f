//! Who is who: the number of a task, which users see, and its key, which leads to its slot.

use std::cell::Cell;

use crate::reactor::TaskId;

/// Names the slot of a task until the slot is free: a wake that comes too late finds another
/// generation there, and does nothing.
///
/// The upper half is the index of the slot. The lower half is the generation, and that is the lower
/// half of the task's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct TaskKey(u64);

impl TaskKey {
    /// The future that `block_on` runs.
    pub(super) const MAIN: Self = Self((u32::MAX as u64) << 32);

    /// No task: there is no such slot.
    pub(super) const NOBODY: Self = Self(u64::MAX);

    pub(super) fn new(slot: u32, generation: u32) -> Self {
        Self(u64::from(slot) << 32 | u64::from(generation))
    }

    pub(super) fn slot(self) -> usize {
        (self.0 >> 32) as usize
    }

    pub(super) fn generation(self) -> u32 {
        self.0 as u32
    }

    /// The number of the task of this generation. `None` for the future of `block_on`: a task that
    /// it spawned has no parent.
    pub(super) fn parent(generation: u32) -> Option<TaskId> {
        (generation != Self::MAIN.generation()).then(|| id_of_generation(generation))
    }

    /// The number of this task, which must exist. `None` for the future of `block_on`.
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

thread_local! {
    /// The number of the last task that was made on this thread.
    static LAST: Cell<u64> = const { Cell::new(0) };
}

/// A number that no other task of this thread has.
#[inline]
pub(super) fn next_id() -> TaskId {
    LAST.with(|last| {
        last.set(last.get() + 1);
        TaskId(last.get())
    })
}

/// The number of a task that exists, from its lower half.
pub(super) fn id_of_generation(generation: u32) -> TaskId {
    let last = LAST.with(Cell::get);
    TaskId(last - u64::from((last as u32).wrapping_sub(generation)))
}
