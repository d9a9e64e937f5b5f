//! How a task is awaited, and what becomes of its outcome.
//!
//! A task that has ended stays in its slot, and its outcome in the task, until the handle takes the
//! outcome or is dropped. Then the slot is free.

use std::mem;
use std::task::{Context, Poll, ready};

use super::key::TaskKey;
use super::slot::{Joiner, Slot};
use super::task::{BoxedTask, swallow};
use super::{Executor, JoinError, run_queue};
use crate::reactor::count;

impl Executor {
    /// Waits until a task has ended, and then takes it. `None`: the runtime has ended, and given it
    /// up. Nothing need be compared: a slot is not free as long as there is a handle.
    // Inlined always: the call alone would be 50 of the 1,000 instructions of a spawn and its await.
    #[inline(always)]
    pub(super) fn poll_take(&self, key: TaskKey, cx: &Context<'_>) -> Poll<Option<BoxedTask>> {
        let mut tasks = self.tasks.borrow_mut();
        let slot = &mut tasks[key.slot()];
        if slot.has_ended() {
            return Poll::Ready(tasks.remove(key.slot()).task);
        }
        match (self.polled_with(cx.waker()), &mut slot.joiner) {
            (Some(task), Joiner::Task(joiner)) => {
                *joiner = task;
                drop(tasks);
                if self.is_observed {
                    self.tell_join(key);
                }
                Poll::Pending
            }
            _ => {
                drop(tasks);
                self.join_with_waker(key, cx)
            }
        }
    }

    /// [`poll_take`](Self::poll_take) with a waker that is not that of the task being polled: a
    /// combinator's, or another executor's.
    #[cold]
    fn join_with_waker(&self, key: TaskKey, cx: &Context<'_>) -> Poll<Option<BoxedTask>> {
        ready!(self.poll_end(key, cx)); // Cloning a foreign waker may have ended it.
        self.poll_take(key, cx)
    }

    /// Waits until a task has ended, and leaves it where it is.
    ///
    /// # Panics
    ///
    /// As [`refuse_elsewhere`](Self::refuse_elsewhere).
    pub(super) fn poll_end(&self, key: TaskKey, cx: &Context<'_>) -> Poll<()> {
        let joiner = Joiner::Future(cx.waker().clone());
        let superfluous = self.slot(key, |slot| match slot.has_ended() {
            true => joiner,
            false => mem::replace(&mut slot.joiner, joiner),
        });
        drop(superfluous);
        if self.has_ended(key) {
            Poll::Ready(())
        } else {
            self.refuse_elsewhere(key);
            Poll::Pending
        }
    }

    /// Panics if another runtime runs on this thread: nobody would end a wait for a task of this one.
    #[track_caller]
    pub(super) fn refuse_elsewhere(&self, key: TaskKey) {
        let is_elsewhere = !self.reactor.is_current() && Executor::current().is_some();
        let name = || self.slot(key, |slot| self.label(slot).name());
        assert!(
            !is_elsewhere,
            "JoinHandle of {}: its task belongs to a runtime that does not run on this thread, and \
             the wait would never end; await the handle in that runtime",
            name().unwrap_or_default()
        );
    }

    pub(super) fn has_ended(&self, key: TaskKey) -> bool {
        self.slot(key, |slot| slot.has_ended()).unwrap_or(true)
    }

    /// Wakes the joiner of a task that has ended.
    #[inline]
    pub(super) fn wake_joiner(&self, joiner: Joiner, ended: TaskKey) {
        match joiner {
            Joiner::Task(TaskKey::NOBODY) => {}
            Joiner::Task(key) => {
                run_queue::push(key);
                if self.is_observed {
                    self.tell_wake_by(key, ended);
                }
            }
            Joiner::Future(waker) => swallow(|| waker.wake()),
        }
    }

    /// Nobody will ask for the outcome of this task. If it is there already, it is dropped.
    pub(super) fn detach(&self, key: TaskKey) {
        let mut tasks = self.tasks.borrow_mut();
        let Some(slot) = tasks.get_mut(key.slot()) else {
            return;
        };
        let has_ended = slot.has_ended();
        let joiner = mem::replace(&mut slot.joiner, Joiner::Task(TaskKey::DETACHED));
        let ended = has_ended.then(|| tasks.remove(key.slot()));
        drop(tasks);
        swallow(|| drop(joiner)); // A foreign waker may panic.
        if let Some(slot) = ended {
            self.discard(slot);
        }
    }

    /// Drops the outcome of a task that nobody awaits. A panic is told of, and may end `block_on`.
    pub(super) fn discard(&self, mut slot: Slot) {
        let mut task = slot.task.take();
        if let Some(panic) = task.as_mut().and_then(|task| task.as_mut().take_panic()) {
            count(&self.panics, 1);
            let error = JoinError::new(self.label(&slot).to_string(), Some(panic));
            swallow(|| eprintln!("selio: {error}; nobody awaited it"));
            swallow(|| match &self.unhandled {
                Some(unhandled) => drop(unhandled.replace(error.into_panic().ok())),
                None => drop(error),
            });
        }
        // If the destructor of the outcome panics, that is no panic of the task.
        swallow(|| drop(task));
    }
}
