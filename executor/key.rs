//! Who is who: the number of a task, which users see, and its key, which leads to its slot.

use std::cell::Cell;

use crate::reactor::TaskId;

/// Names the slot of a task until the slot is free: a wake that comes too late finds another
/// generation there, and does nothing. (Exactly four billion tasks later it would wake in vain.)
///
/// The upper half is the index of the slot. The lower half is the generation, and that is the lower
/// half of the task's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct TaskKey(u64);

impl TaskKey {
    /// The future that `block_on` runs.
    pub(super) const MAIN: Self = Self((u32::MAX as u64) << 32);

    // The rest is of no task, for there is no such slot. It says in a `Joiner` why nobody awaits a
    // task: as variants of that, each slot would be eight bytes larger.

    /// Nobody awaits it.
    pub(super) const NOBODY: Self = Self(u64::MAX);

    /// Nobody will: its handle is gone.
    pub(super) const DETACHED: Self = Self(u64::MAX - 1);

    /// Nobody will: it never had a handle, it is the library's own.
    pub(super) const OWN: Self = Self(u64::MAX - 2);

    /// Nobody need: it has ended.
    pub(super) const ENDED: Self = Self(u64::MAX - 3);

    /// Nobody can: it has ended, and its outcome was taken.
    pub(super) const TAKEN: Self = Self(u64::MAX - 4);

    pub(super) fn new(slot: u32, id: TaskId) -> Self {
        Self(u64::from(slot) << 32 | u64::from(id.0 as u32))
    }

    pub(super) fn slot(self) -> usize {
        (self.0 >> 32) as usize
    }

    /// Whether this task has that slot.
    #[inline]
    pub(super) fn is_of(self, id: TaskId) -> bool {
        self.0 as u32 == id.0 as u32
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
    pub(crate) static LAST: Cell<u64> = const { Cell::new(0) };
}

/// A number that no other task of this thread has.
#[inline]
pub(super) fn next_id() -> TaskId {
    LAST.with(|last| {
        last.set(last.get() + 1);
        TaskId(last.get())
    })
}
