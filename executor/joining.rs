//! Who awaits a task, and what becomes of its outcome.
//!
//! A task that has ended stays in its slot, and its outcome in the task, until its handle takes it
//! or is dropped. The slot is free then.

use std::cell::RefMut;
use std::mem;
use std::task::{Context, Poll};

use slab::Slab;

use super::key::TaskKey;
use super::slot::{Joiner, Slot};
use super::task::{BoxedTask, swallow};
use super::{Executor, JoinError, run_queue};
use crate::reactor::count;

impl Executor {
    /// Waits until a task has ended, and then takes it. `None`: the end of the runtime has
    /// forgotten it.
    #[inline(always)]
    pub(super) fn poll_ended(&self, key: TaskKey, cx: &Context<'_>) -> Poll<Option<BoxedTask>> {
        let mut tasks = self.tasks.borrow_mut();
        let Some(slot) = tasks.get_mut(key.slot()) else {
            return Poll::Ready(None);
        };
        if slot.has_ended {
            let Slot { task, joiner, .. } = tasks.remove(key.slot());
            drop(tasks);
            drop(joiner);
            return Poll::Ready(task);
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

    /// [`poll_ended`](Self::poll_ended) for a future that has a waker of its own, and not that of
    /// the task which polls it, or which is polled by another executor.
    #[cold]
    fn join_with_waker(&self, key: TaskKey, cx: &Context<'_>) -> Poll<Option<BoxedTask>> {
        let joiner = Joiner::Future(cx.waker().clone());
        let former = self.slot(key, |slot| {
            (mem::replace(&mut slot.joiner, joiner), slot.has_ended)
        });
        match former {
            Some((_, false)) => Poll::Pending,
            _ => self.poll_ended(key, cx), // A foreign waker has cancelled it.
        }
    }

    /// Waits until a task has ended, and leaves it where it is.
    pub(super) fn poll_end(&self, key: TaskKey, cx: &Context<'_>) -> Poll<()> {
        let joiner = Joiner::Future(cx.waker().clone());
        let former = self.slot(key, |slot| mem::replace(&mut slot.joiner, joiner));
        drop(former);
        if self.has_ended(key) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    pub(super) fn has_ended(&self, key: TaskKey) -> bool {
        self.slot(key, |slot| slot.has_ended).unwrap_or(true)
    }

    /// Wakes who has awaited a task that has ended.
    #[inline]
    pub(super) fn wake_joiner(&self, mut tasks: RefMut<'_, Slab<Slot>>, ended: TaskKey) {
        match mem::replace(&mut tasks[ended.slot()].joiner, Joiner::NOBODY) {
            Joiner::Task(key) => {
                let is_new = self.set_woken(&mut tasks, key);
                drop(tasks);
                if is_new {
                    run_queue::push(key);
                    if self.is_observed {
                        self.tell_wake_by(key, ended);
                    }
                }
            }
            Joiner::Future(waker) => {
                drop(tasks);
                swallow(|| waker.wake());
            }
        }
    }

    /// Marks a task, or the future of `block_on`, as woken by its key. Whether it was not.
    #[inline]
    pub(super) fn set_woken(&self, tasks: &mut Slab<Slot>, key: TaskKey) -> bool {
        match tasks.get_mut(key.slot()) {
            Some(slot) if slot.generation == key.generation() => {
                !mem::replace(&mut slot.is_woken, true)
            }
            _ => key == TaskKey::MAIN && self.main.queue(),
        }
    }

    /// Nobody will ask for the outcome of this task. If it is there already, it is dropped.
    pub(super) fn detach(&self, key: TaskKey) {
        let mut tasks = self.tasks.borrow_mut();
        let Some(slot) = tasks.get_mut(key.slot()) else {
            return;
        };
        slot.is_detached = true;
        let joiner = mem::replace(&mut slot.joiner, Joiner::NOBODY);
        let ended = slot.has_ended.then(|| tasks.remove(key.slot()));
        drop(tasks);
        drop(joiner);
        if let Some(slot) = ended {
            self.discard(slot);
        }
    }

    /// Drops the outcome of a task that nobody awaits, but no panic without a word.
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
        // If the destructor of the outcome panics, that is not the task's any more.
        swallow(|| drop(task));
    }
}
