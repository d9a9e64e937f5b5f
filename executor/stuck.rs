//! Whether the loop is about to sleep for ever, because nobody is left who could wake a task.
//!
//! Debug mode only: it takes to know of each waker where it is. A task whose wakers are all in the
//! hands of locks and queues of this thread, which nobody will ever release or fill, is stuck; one
//! whose waker anybody else holds may be woken by another thread, and is given the benefit of the
//! doubt.

use std::rc::Rc;
use std::sync::Arc;

use super::Executor;
use super::task::{id_of_generation, swallow};

impl Executor {
    /// Says so, and who waits for what, if nobody can ever wake a task again.
    pub(super) fn tell_if_stuck(self: &Rc<Self>) {
        if self.debug.is_some() && self.is_stuck() {
            let dump = self.dump();
            swallow(|| {
                eprintln!(
                    "selio: stuck for ever: no task is ready, and nobody waits for a handle, a \
                     timer or another thread\n{dump}"
                );
            });
        }
    }

    fn is_stuck(&self) -> bool {
        if self.reactor.is_awaited(self.dump_handle()) || !self.is_alone() {
            return false;
        }
        let Some(debug) = &self.debug else {
            return false;
        };
        // Our own two references are the waker's typed and its untyped half.
        let locks = |task| debug.record(task).locks.len();
        let tasks = self.tasks.borrow();
        let mut alive = tasks.iter().filter(|(_, slot)| !slot.has_ended);
        Arc::strong_count(&self.main) == 2 + locks(None)
            && alive.all(|(_, slot)| {
                let id = id_of_generation(slot.generation);
                let references = slot.task.as_ref().and_then(|it| it.as_ref().references());
                references.is_none_or(|references| references == 2 + locks(Some(id)))
            })
    }

    /// Whether no other thread has a way into this runtime.
    fn is_alone(&self) -> bool {
        let tasks = self.tasks.borrow();
        let of_tasks = tasks.iter().filter(|(_, slot)| slot.waker().is_some());
        let spare = self.spare.take();
        let ours = of_tasks.count() + usize::from(spare.is_some());
        self.spare.set(spare);
        // One for the executor, one for the future of `block_on`.
        Arc::strong_count(&self.mailbox) == 2 + ours
    }
}
