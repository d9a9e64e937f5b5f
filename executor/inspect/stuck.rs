//! Whether the loop is about to sleep for ever, because nobody is left who could wake a task.
//!
//! Debug mode only: it takes a look at each task. One whose waker nobody else holds waits for locks,
//! queues and tasks of this thread, which know its key, and which nobody will ever release, fill or
//! end. One whose waker anybody holds may be woken by another thread, and is given the benefit of
//! the doubt.

use std::rc::Rc;
use std::sync::Arc;

use crate::executor::Executor;
use crate::executor::task::swallow;

impl Executor {
    /// Says so, and who waits for what, if nobody can ever wake a task again.
    pub(in crate::executor) fn tell_if_stuck(self: &Rc<Self>) {
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
        // Our own two references are the waker's typed and its untyped half.
        let tasks = self.tasks.borrow();
        let mut alive = tasks.iter().filter(|(_, slot)| !slot.has_ended);
        Arc::strong_count(&self.main) == 2
            && alive.all(|(_, slot)| {
                let references = slot.task.as_ref().and_then(|it| it.as_ref().references());
                references.is_none_or(|references| references == 2)
            })
    }

    /// Whether no other thread has a way into this runtime.
    fn is_alone(&self) -> bool {
        let tasks = self.tasks.borrow();
        let of_tasks = tasks.iter().filter(|(_, slot)| slot.waker().is_some());
        let spare = self.spare_wakers.take();
        let ours = of_tasks.count() + usize::from(spare.is_some());
        self.spare_wakers.set(spare);
        // One for the executor, one for the future of `block_on`.
        Arc::strong_count(&self.mailbox) == 2 + ours
    }
}
