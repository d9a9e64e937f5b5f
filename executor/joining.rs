//! How a task is awaited, and what becomes of its outcome.
//!
//! A task that has ended stays in its slot, and its outcome in the task, until the handle takes the
//! outcome. The slot is free when the handle is dropped.

use std::mem;
use std::task::{Context, Poll, ready};

use super::join::outcome_of;
use super::key::TaskKey;
use super::slot::{Joiner, Slot};
use super::task::{Outcome, swallow};
use super::{Executor, JoinError, run_queue};
use crate::reactor::count;

impl Executor {
    /// Waits until the task of a handle has ended, and then takes its outcome. `None`: the runtime has
    /// ended, and given it up.
    ///
    /// # Panics
    ///
    /// If the outcome was taken before.
    // Inlined always: the call alone would be 50 of the 900 instructions of a spawn and its await.
    #[inline(always)]
    pub(super) fn poll_take<T: 'static>(
        &self,
        key: TaskKey,
        cx: &Context<'_>,
    ) -> Poll<Option<Outcome<T>>> {
        let mut tasks = self.tasks.borrow_mut();
        let slot = &mut tasks[key.slot()];
        match (&slot.joiner, self.polled_with(cx.waker())) {
            (Joiner::Task(TaskKey::ENDED), _) => {
                slot.joiner = Joiner::Task(TaskKey::TAKEN);
                let outcome = slot.task.as_mut().and_then(outcome_of);
                Poll::Ready(outcome.and_then(Option::take))
            }
            (Joiner::Task(TaskKey::TAKEN), _) => {
                let label = slot.label();
                drop(tasks);
                panic!("JoinHandle of {label} was awaited again after it had given its result")
            }
            (Joiner::Task(_), Some(task)) => {
                slot.joiner = Joiner::Task(task);
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
    fn join_with_waker<T: 'static>(
        &self,
        key: TaskKey,
        cx: &Context<'_>,
    ) -> Poll<Option<Outcome<T>>> {
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
        let name = || self.label(key).map(|label| label.name());
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

    /// The handle of this task is gone: nobody will ask for its outcome. If it is there already, it is
    /// dropped.
    #[inline]
    pub(super) fn detach(&self, key: TaskKey) {
        let mut tasks = self.tasks.borrow_mut();
        let joiner = &mut tasks[key.slot()].joiner;
        match joiner {
            Joiner::Task(TaskKey::TAKEN) => {
                let slot = tasks.remove(key.slot());
                drop(tasks);
                slot.task.into_iter().for_each(|task| self.keep(task));
            }
            Joiner::Task(TaskKey::ENDED) => {
                let slot = tasks.remove(key.slot());
                drop(tasks);
                self.discard(slot);
            }
            _ => {
                let joiner = mem::replace(joiner, Joiner::Task(TaskKey::DETACHED));
                drop(tasks);
                swallow(|| drop(joiner)); // A foreign waker may panic.
            }
        }
    }

    /// Drops the outcome of a task that nobody awaits. A panic is told of, and may end `block_on`.
    pub(super) fn discard(&self, mut slot: Slot) {
        let mut task = slot.task.take();
        if let Some(panic) = task.as_mut().and_then(|task| task.as_mut().take_panic()) {
            count(&self.panics, 1);
            let error = JoinError::new(slot.label().to_string(), Some(panic));
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
