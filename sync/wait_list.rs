//! Who waits, first come, first served: the one list under everything in this folder.
//!
//! ```text
//!              wait                   notify                  poll
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

use std::cell::{Cell, OnceCell};
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::line::{Line, Notified};
use crate::executor::{PolledTask, Wakee, current, is_observed, tell_wait};
use crate::inspect::{Holder, tell_holder};

pub(super) struct WaitList {
    /// What they wait for, in words.
    what: &'static str,
    /// The task that has claimed it, if only one can, and if anybody wants to know.
    holder: OnceCell<Holder>,
    /// What can be claimed. None of it is while somebody waits for it.
    free: Cell<usize>,
    line: Line,
}

impl WaitList {
    pub(super) const fn new(what: &'static str, free: usize) -> Self {
        Self {
            what,
            holder: OnceCell::new(),
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

    /// Waits until it is notified; not at all if the first attempt gives something, which is made
    /// with `None` when this is polled first. The second one is told how it was notified, and gives
    /// something; if that was alone, it has to take what it has a claim to.
    #[inline]
    #[track_caller]
    pub(super) fn wait<F, R>(&self, attempt: F) -> Wait<'_, F>
    where
        F: FnMut(Option<Notified>) -> Option<R>,
    {
        Wait {
            list: self,
            attempt,
            key: Line::NOBODY,
            site: Location::caller(),
        }
    }

    /// Whether somebody has a claim: it was notified, or one is free, which this claims.
    #[inline]
    pub(super) fn claims(&self, notified: Option<Notified>) -> bool {
        notified.is_some() || self.try_claim()
    }

    /// The task that is being polled has what only one can have.
    #[inline]
    pub(super) fn set_holder(&self) {
        if is_observed() {
            let holder = self.holder.get_or_init(Holder::default);
            holder.set(current().map(|task| task.id()));
        }
    }

    /// Gives the first who waits a claim. Returns whether somebody does.
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
        self.notify_each(n, |_| Notified::Alone);
    }

    /// Lets all who wait go on.
    pub(super) fn notify_all(&self) {
        self.notify_each(usize::MAX, Notified::WithAll);
    }

    /// Sends all who wait away.
    pub(super) fn refuse_all(&self) {
        self.notify_each(usize::MAX, |_| Notified::InVain);
    }

    /// `how`: the number of who is notified, from 0, decides it.
    fn notify_each(&self, most: usize, how: fn(usize) -> Notified) {
        // All of them before the first one is woken, who may make others wait. One takes no heap.
        let numbers = 0..most.min(self.waiting());
        let mut wakees = numbers.map(|number| self.line.take_first(how(number)));
        let first = wakees.next();
        let others: Vec<_> = wakees.collect();
        first.into_iter().chain(others).for_each(Wakee::wake);
    }

    /// How many wait and have not been notified.
    #[inline]
    pub(super) fn waiting(&self) -> usize {
        self.line.waiting()
    }

    /// Forgets somebody. Its claim, if it has been given one, goes to the next.
    #[cold]
    fn leave(&self, key: usize) {
        if self.line.remove(key).notified.get() == Some(Notified::Alone) {
            self.release();
        }
    }
}

/// The future of [`WaitList::wait`].
pub(super) struct Wait<'a, F> {
    list: &'a WaitList,
    attempt: F,
    /// Its entry in the line, or [`Line::NOBODY`] before it waits and [`Line::ENDED`] at its end.
    key: usize,
    /// The line that waits, for those who watch.
    site: &'static Location<'static>,
}

impl<F> Unpin for Wait<'_, F> {}

impl<F> Wait<'_, F> {
    /// The same for a call at another line.
    pub(super) fn made_at(mut self, site: &'static Location<'static>) -> Self {
        self.site = site;
        self
    }
}

impl<F, R> Future for Wait<'_, F>
where
    F: FnMut(Option<Notified>) -> Option<R>,
{
    type Output = R;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<R> {
        let this = &mut *self;
        let mut notified = None;
        if this.key != Line::NOBODY {
            notified = this.list.line.take_notified(this.key);
            if notified.is_none() {
                notified = this.go_on_waiting(cx);
                if notified.is_none() {
                    return Poll::Pending;
                }
            }
        }
        this.key = Line::ENDED; // It has no place in the line, whether the attempt panics or not.
        if let Some(result) = (this.attempt)(notified) {
            return Poll::Ready(result);
        }
        match PolledTask::with(cx.waker()) {
            Some(task) => this.key = this.list.line.push(|| Wakee::Task(task)),
            None => this.enter_with_waker(cx.waker()),
        }
        this.tell();
        Poll::Pending
    }
}

impl<F> Wait<'_, F> {
    /// A foreign waker may do anything when it is cloned, notify this one too: it has its place in the
    /// line before, and looks there after.
    #[cold]
    fn enter_with_waker(&mut self, waker: &Waker) {
        let Self { list, key, .. } = self;
        *key = list.line.push(|| Wakee::Future(Waker::noop().clone()));
        drop(list.line.exchange(*key, Wakee::of(waker)));
        if list.line.is_notified(*key) {
            waker.wake_by_ref();
        }
    }

    /// Nobody has notified it: something else has woken its task, or it has moved to another one.
    #[cold]
    fn go_on_waiting(&self, cx: &Context<'_>) -> Option<Notified> {
        let Self { list, key, .. } = self;
        assert!(
            *key != Line::ENDED,
            "{}: a future was polled after its end",
            list.what
        );
        drop(list.line.exchange(*key, Wakee::of(cx.waker())));
        let notified = list.line.take_notified(*key); // A foreign waker may have done it just now.
        if notified.is_none() {
            self.tell();
        }
        notified
    }

    #[inline]
    fn tell(&self) {
        if is_observed() {
            self.tell_observed();
        }
    }

    #[cold]
    fn tell_observed(&self) {
        let holder = self.list.holder.get();
        let who = holder.and_then(|it| it.get());
        tell_wait(self.list.what, who, Some(self.site));
        if let Some(holder) = holder {
            tell_holder(holder);
        }
    }
}

impl<F> Drop for Wait<'_, F> {
    #[inline]
    fn drop(&mut self) {
        if Line::is_key(self.key) {
            self.list.leave(self.key);
        }
    }
}
