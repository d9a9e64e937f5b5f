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
pub(super) enum Wakee {
    /// A task, or the future of `block_on`.
    Task(Rc<Executor>, TaskKey),
    /// Any other future.
    Future(Waker),
}

impl Wakee {
    /// Calls `with` with the task that is being polled, if this is its own waker.
    #[inline]
    pub(super) fn with_task<R>(waker: &Waker, with: impl FnOnce(Self) -> R) -> Option<R> {
        let executor = Executor::current()?;
        let key = executor.polled_with(waker)?;
        Some(with(Self::Task(executor, key)))
    }

    /// Who is polled with this waker.
    pub(super) fn of(waker: &Waker) -> Self {
        Self::with_task(waker, |task| task).unwrap_or_else(|| Self::Future(waker.clone()))
    }

    /// Wakes it. If a foreign waker panics, that stops here.
    #[inline]
    pub(super) fn wake(self) {
        match self {
            Self::Task(executor, key) => executor.wake_task(key),
            Self::Future(waker) => wake(waker),
        }
    }
}

#[cold]
fn wake(waker: Waker) {
    swallow(|| waker.wake());
}

impl Executor {
    fn wake_task(self: Rc<Self>, key: TaskKey) {
        let is_new = || self.set_woken(&mut self.tasks.borrow_mut(), key);
        if !run_queue::push_if_here(&self.mailbox, || is_new().then_some(key)) {
            self.park(key);
        }
    }

    /// Another runtime runs on this thread, or none: this one finds the key when it goes on.
    #[cold]
    fn park(&self, key: TaskKey) {
        if self.set_woken(&mut self.tasks.borrow_mut(), key) {
            let mut parked = self.parked.take();
            parked.push(key);
            self.parked.set(parked);
        }
    }
}
