//! Who waits for a lock, a queue or a group of tasks, and is to be woken on this thread.
//!
//! Nearly always that is a task, polled with its own waker. Its key and its executor are then
//! enough to wake it: no atomic operation, and no call through a vtable.

use std::rc::Rc;
use std::task::Waker;

use super::key::TaskKey;
use super::task::swallow;
use super::{Executor, run_queue};

/// To be made, woken and dropped while nothing is borrowed: a foreign waker may do anything.
pub(crate) enum Wakee {
    Task(PolledTask),
    /// Any other future.
    Future(Waker),
}

impl Wakee {
    /// Who is polled with this waker.
    pub(crate) fn of(waker: &Waker) -> Self {
        PolledTask::with(waker).map_or_else(|| Self::Future(waker.clone()), Self::Task)
    }

    /// Wakes it. If a foreign waker panics, that stops here.
    #[inline]
    pub(crate) fn wake(self) {
        match self {
            Self::Task(task) => task.wake(),
            Self::Future(waker) => swallow(|| waker.wake()),
        }
    }
}

/// A task, or the future of `block_on`, that was polled with its own waker.
pub(crate) struct PolledTask {
    executor: Rc<Executor>,
    key: TaskKey,
}

impl PolledTask {
    /// The one that is being polled, if this is its waker.
    #[inline]
    pub(crate) fn with(waker: &Waker) -> Option<Self> {
        let executor = Executor::current()?;
        let key = executor.polled_with(waker)?;
        Some(Self { executor, key })
    }

    fn wake(self) {
        let Self { executor, key } = self;
        if !run_queue::push_if_here(&executor.mailbox, || Some(key)) {
            // Another runtime runs on this thread, or none: this one finds the key when it goes on.
            let mut parked = executor.parked.take();
            parked.push(key);
            executor.parked.set(parked);
        }
    }
}
