//! How much a task may do before the others run.

use std::future::{Future, poll_fn};
use std::task::{Context, Poll, Waker};

use super::Reactor;

/// How many operations that never have to wait a task may do one after the other before it must let
/// the others run: a peer that sends without a pause cannot starve them. What is joined in one task,
/// readers say, may do as many each: none of them starves the next.
const BUDGET: u32 = 128;

/// The one that does not fit into the budget any more is counted too.
pub(super) const FULL: u32 = BUDGET + 1;

impl Reactor {
    /// Spends one operation of the task that is being polled. When it has none left it yields, and
    /// starts anew: under a foreign executor, which knows nothing of this, no more is lost than a
    /// moment.
    #[inline]
    pub(super) fn spend(&self, cx: &mut Context<'_>) -> Poll<()> {
        self.budget.update(|left| left - 1);
        if self.budget.get() > 0 {
            return Poll::Ready(());
        }
        self.yield_now(cx.waker());
        Poll::Pending
    }

    #[cold]
    fn yield_now(&self, waker: &Waker) {
        self.renew_budget();
        self.is_overdue.set(true);
        waker.wake_by_ref();
    }

    /// Whether to look at the selector soon, because a task has used up its budget.
    pub(crate) fn is_overdue(&self) -> bool {
        self.is_overdue.get()
    }

    /// The executor is about to poll another task.
    pub(crate) fn renew_budget(&self) {
        self.budget.set(FULL);
    }
}

/// One operation that never has to wait, and has no descriptor to spend it on.
pub(crate) fn poll_spend(cx: &mut Context<'_>) -> Poll<()> {
    Reactor::current().map_or(Poll::Ready(()), |reactor| reactor.spend(cx))
}

/// [`poll_spend`], awaited.
pub(crate) fn spend() -> impl Future<Output = ()> {
    poll_fn(poll_spend)
}
