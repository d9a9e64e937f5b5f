//! The end of a runtime: all of its tasks are cancelled, whatever their destructors do meanwhile.

use std::mem;

use super::key::TaskKey;
use super::task::swallow;
use super::{Executor, run_queue};

/// How many times in a row the end of a runtime may find tasks that were spawned by the destructors
/// of those it has just cancelled.
const LAST_ROUNDS: usize = 100_000;

impl Executor {
    /// Cancels all tasks, and those that their destructors spawn, until none is left.
    pub(super) fn shut_down(&self) {
        self.mailbox.inbox.close();
        while let Some(message) = self.mailbox.inbox.pop() {
            swallow(|| drop(message));
        }
        for _ in 0..LAST_ROUNDS {
            let unended = self.unended();
            if unended.is_empty() {
                break;
            }
            unended.into_iter().for_each(|key| self.cancel(key));
            // Those of the next round must not be looked for among the slots of all that there were.
            self.tasks.borrow_mut().shrink_to_fit();
        }
        run_queue::swap(&mut Vec::new());
        self.extensions.clear();
        let endless = self.unended();
        if !endless.is_empty() {
            self.give_up(endless);
        }
    }

    /// Leaves these as they are, so that nobody waits for them, and complains.
    fn give_up(&self, endless: Vec<TaskKey>) {
        for key in endless {
            mem::forget(self.take(key));
            self.retire(key, None);
        }
        assert!(
            std::thread::panicking(),
            "the runtime cannot end: its tasks spawn new ones in their destructors, {LAST_ROUNDS} \
             times in a row; check `is_finished` or a flag of yours before you spawn in a `Drop`",
        );
    }

    /// Those that have not ended, except those that are ending further up the stack: a task may
    /// own its runtime, whose end is then part of its own.
    fn unended(&self) -> Vec<TaskKey> {
        self.keys(|slot| !slot.has_ended() && slot.task.is_some())
    }
}
