//! Who waits, first come, first served: the one list under everything in this folder.
//!
//! ```text
//!           wait_while                notify                  poll
//!   future ------------> waiting -----------------> notified ------> it goes on
//!                           |                          |
//!                           | drop                     | drop: whoever was notified alone
//!                           v                          v       passes it on to the next
//!                         gone                       gone
//! ```
//!
//! What there is to get, permits, items, room for items, is counted here too: as long as some of it
//! is free, anybody may [claim](WaitList::try_claim) one. Whoever is notified alone has a claim
//! that was never free meanwhile: no newcomer overtakes those who wait. The thing itself stays where
//! it is until the future is polled, so nothing is lost with one that is dropped: its claim goes to
//! the next in the line.
//!
//! All that waits in this folder does so in [`Wait::poll`]. Nothing is borrowed while a waker is
//! cloned, called or dropped.

use std::cell::Cell;
use std::future::Future;
use std::iter;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use super::line::{Line, Notified, State};
use crate::executor::tell::tell_wait;
use crate::executor::wakee::Wakee;
use crate::executor::{TaskId, run_queue, task_ref};

pub(super) struct WaitList {
    /// What they wait for, in words.
    what: &'static str,
    /// The task that has claimed it, if only one can, and if anybody wants to know.
    holder: Cell<Option<TaskId>>,
    /// What can be claimed. None of it is while somebody waits for it.
    free: Cell<usize>,
    line: Line,
}

impl WaitList {
    pub(super) const fn new(what: &'static str, free: usize) -> Self {
        Self {
            what,
            holder: Cell::new(None),
            free: Cell::new(free),
            line: Line::new(),
        }
    }

    /// How much can be claimed.
    pub(super) fn free(&self) -> usize {
        self.free.get()
    }

    /// Claims one, if one is free.
    #[inline]
    pub(super) fn try_claim(&self) -> bool {
        let free = self.free.get();
        if free > 0 {
            self.free.set(free - 1);
        }
        free > 0
    }

    /// Makes one more, or one that was claimed: for the first who waits, else free.
    #[inline]
    pub(super) fn release(&self) {
        if !self.notify() {
            self.free.set(self.free.get() + 1);
        }
    }

    /// Waits until it is notified; not at all if the condition does not hold when this is polled
    /// first. It may be asked twice, but never again once it has not held: so it may claim something.
    ///
    /// Gives what `then` makes of how it was notified, `None` if it never waited. Whoever was notified
    /// alone has to take there what it has a claim to.
    #[inline]
    #[track_caller]
    pub(super) fn wait_while<C, F, R>(&self, condition: C, then: F) -> Wait<'_, C, F>
    where
        C: Fn() -> bool,
        F: FnMut(Option<Notified>) -> R,
    {
        Wait {
            list: self,
            condition,
            then,
            key: Line::NOBODY,
            site: Location::caller(),
        }
    }

    /// The task that is being polled has what only one can have.
    #[inline]
    pub(super) fn set_holder(&self) {
        if run_queue::is_observed() {
            self.holder.set(task_ref::current().map(|task| task.id()));
        }
    }

    /// Gives the first who waits a claim. Whether somebody does.
    #[inline]
    pub(super) fn notify(&self) -> bool {
        let is_anybody = self.waiting() > 0;
        if is_anybody {
            self.notify_first();
        }
        is_anybody
    }

    #[inline(never)]
    fn notify_first(&self) {
        self.line.take_first(Notified::Alone).wake();
    }

    /// Gives the first `n` who wait a claim, or all if they are less.
    pub(super) fn notify_many(&self, n: usize) {
        self.notify_each((0..n).map(|_| Notified::Alone));
    }

    /// Lets all who wait go on.
    pub(super) fn notify_all(&self) {
        self.notify_each((0..).map(Notified::WithAll));
    }

    /// Sends all who wait away.
    pub(super) fn refuse_all(&self) {
        self.notify_each(iter::repeat(Notified::InVain));
    }

    fn notify_each(&self, hows: impl Iterator<Item = Notified>) {
        // All of them before the first one is woken, who may make others wait. One takes no heap.
        let mut wakees = hows
            .take(self.waiting())
            .map(|how| self.line.take_first(how));
        let first = wakees.next();
        let others: Vec<_> = wakees.collect();
        first.into_iter().chain(others).for_each(Wakee::wake);
    }

    /// How many wait and have not been notified.
    #[inline]
    pub(super) fn waiting(&self) -> usize {
        self.line.waiting()
    }

    /// How somebody was notified; `None` if it goes on waiting.
    #[inline]
    fn take_notified(&self, key: usize, cx: &Context<'_>) -> Option<Notified> {
        let notified = self.line.take_notified(key);
        notified.or_else(|| self.go_on_waiting(key, cx))
    }

    /// Nobody has notified it: something else has woken its task, or it has moved to another one.
    #[cold]
    fn go_on_waiting(&self, key: usize, cx: &Context<'_>) -> Option<Notified> {
        assert!(
            key != Line::ENDED,
            "{}: a future was polled after its end",
            self.what
        );
        drop(self.line.exchange(key, Wakee::of(cx.waker())));
        self.line.take_notified(key) // A foreign waker may have done it just now.
    }

    /// Forgets somebody. Its claim, if it has been given one, goes to the next.
    #[cold]
    fn leave(&self, key: usize) {
        if let State::Notified(Notified::Alone) = self.line.remove(key) {
            self.release();
        }
    }
}

/// The future of [`WaitList::wait_while`].
pub(super) struct Wait<'a, C, F> {
    list: &'a WaitList,
    condition: C,
    then: F,
    /// Its entry in the line, or [`Line::NOBODY`] before it waits and [`Line::ENDED`] at its end.
    key: usize,
    /// The line that waits, for those who watch.
    site: &'static Location<'static>,
}

impl<C, F> Unpin for Wait<'_, C, F> {}

impl<C, F, R> Future for Wait<'_, C, F>
where
    C: Fn() -> bool,
    F: FnMut(Option<Notified>) -> R,
{
    type Output = R;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        let mut notified = None;
        if self.key != Line::NOBODY {
            notified = self.list.take_notified(self.key, cx);
            if notified.is_none() {
                self.tell();
                return Poll::Pending;
            }
        } else if (self.condition)() {
            let entered = Wakee::with_task(cx.waker(), |task| self.list.line.push(task));
            if let Some(key) = entered.or_else(|| self.enter_with_waker(cx)) {
                self.key = key;
                self.tell();
                return Poll::Pending;
            }
        }
        self.key = Line::ENDED;
        Poll::Ready((self.then)(notified))
    }
}

impl<C: Fn() -> bool, F> Wait<'_, C, F> {
    /// A foreign waker may do anything when it is cloned: the condition may not hold any more.
    #[cold]
    fn enter_with_waker(&self, cx: &Context<'_>) -> Option<usize> {
        let wakee = Wakee::of(cx.waker());
        (self.condition)().then(|| self.list.line.push(wakee))
    }
}

impl<C, F> Wait<'_, C, F> {
    #[inline]
    fn tell(&self) {
        if run_queue::is_observed() {
            tell_wait(self.list.what, self.list.holder.get(), self.site);
        }
    }
}

impl<C, F> Drop for Wait<'_, C, F> {
    #[inline]
    fn drop(&mut self) {
        if !matches!(self.key, Line::NOBODY | Line::ENDED) {
            self.list.leave(self.key);
        }
    }
}
