//! How much a task may do before the others run.

use std::task::{Context, Poll};

use super::Reactor;

/// How many operations on sockets that never have to wait a task may do before it must let the
/// others run: a peer that sends without a pause cannot starve them.
pub(super) const BUDGET: u32 = 128;

impl Reactor {
    /// Spends one operation of the task that is being polled. When it has none left it yields, and
    /// starts anew: under a foreign executor, which knows nothing of this, no more is lost than a
    /// moment.
    #[inline]
    pub(super) fn spend(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self.budget.get() {
            0 => {
                self.renew_budget();
                self.is_overdue.set(true);
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            left => {
                self.budget.set(left - 1);
                Poll::Ready(())
            }
        }
    }

    /// Whether to look at the selector soon, because a task has used up its budget.
    pub(crate) fn is_overdue(&self) -> bool {
        self.is_overdue.get()
    }

    /// The executor is about to poll another task.
    pub(crate) fn renew_budget(&self) {
        self.budget.set(BUDGET);
    }
}
