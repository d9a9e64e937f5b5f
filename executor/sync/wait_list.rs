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
//! All that waits in this folder does so in [`Wait::poll`]. No waker is cloned, called or dropped
//! while a list is borrowed.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::iter;
use std::mem;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::line::{Line, Notified, State};
use crate::executor::task::swallow;
use crate::executor::tell::tell_wait;
use crate::executor::{TaskId, run_queue, task_ref};

pub(super) struct WaitList {
    /// What they wait for, in words.
    what: &'static str,
    /// The task that has claimed it, if only one can, and if anybody wants to know.
    holder: Cell<Option<TaskId>>,
    /// What can be claimed. None of it is while somebody waits for it.
    free: Cell<usize>,
    /// How many stand in the line.
    waiting: Cell<usize>,
    line: RefCell<Line>,
}

impl WaitList {
    pub(super) const fn new(what: &'static str, free: usize) -> Self {
        Self {
            what,
            holder: Cell::new(None),
            free: Cell::new(free),
            waiting: Cell::new(0),
            line: RefCell::new(Line::new()),
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
    #[track_caller]
    pub(super) fn wait_while<F: Fn() -> bool>(&self, condition: F) -> Wait<'_, F> {
        Wait {
            list: self,
            condition,
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
        let is_anybody = self.waiting.get() > 0;
        if is_anybody {
            wake(self.take_first(Notified::Alone));
        }
        is_anybody
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
        // All of them before the first one is woken, who may make others wait.
        let wakers: Vec<_> = hows
            .take(self.waiting())
            .map(|how| self.take_first(how))
            .collect();
        wakers.into_iter().for_each(wake);
    }

    /// How many wait and have not been notified.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.get()
    }

    #[inline]
    fn push(&self, waker: Waker) -> usize {
        let waiting = self.waiting.get();
        self.waiting.set(waiting + 1);
        self.line.borrow_mut().push(waker, waiting == 0)
    }

    /// Notifies the first, of those who wait.
    #[inline]
    fn take_first(&self, how: Notified) -> Waker {
        self.waiting.set(self.waiting.get() - 1);
        self.line.borrow_mut().take_first(how)
    }

    fn remove(&self, key: usize) -> State {
        let state = self.line.borrow_mut().remove(key);
        if let State::Waiting(_) = state {
            self.waiting.set(self.waiting.get() - 1);
        }
        state
    }
}

/// A waker that panics concerns neither who calls it here nor those who are woken after it.
fn wake(waker: Waker) {
    swallow(|| waker.wake());
}

/// The future of [`WaitList::wait_while`]. It gives how it was notified, `None` if it never waited.
///
/// Whoever was notified alone has to take what it has a claim to before anybody else runs.
pub(super) struct Wait<'a, F> {
    list: &'a WaitList,
    condition: F,
    /// Its entry in the line, or that of nobody.
    key: usize,
    /// The line that waits, for those who watch.
    site: &'static Location<'static>,
}

impl<F> Unpin for Wait<'_, F> {}

impl<F: Fn() -> bool> Future for Wait<'_, F> {
    type Output = Option<Notified>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Notified>> {
        if self.key != Line::NOBODY {
            return self.poll_notified(cx);
        }
        if !(self.condition)() {
            return Poll::Ready(None);
        }
        let waker = cx.waker().clone();
        // A foreign waker may have done anything meanwhile.
        if !(self.condition)() {
            return Poll::Ready(None);
        }
        self.key = self.list.push(waker);
        self.tell();
        Poll::Pending
    }
}

impl<F> Wait<'_, F> {
    #[inline]
    fn poll_notified(&mut self, cx: &Context<'_>) -> Poll<Option<Notified>> {
        let mut line = self.list.line.borrow_mut();
        if let State::Notified(how) = *line.state(self.key) {
            line.remove(self.key);
            self.key = Line::NOBODY;
            return Poll::Ready(Some(how));
        }
        drop(line);
        self.poll_again(cx)
    }

    /// Nobody has notified it: something else has woken its task, or it has moved to another one.
    #[cold]
    fn poll_again(&mut self, cx: &Context<'_>) -> Poll<Option<Notified>> {
        let waker = cx.waker().clone();
        let mut line = self.list.line.borrow_mut();
        let State::Waiting(former) = line.state(self.key) else {
            drop(line); // The clone of a foreign waker has done it.
            return self.poll_notified(cx);
        };
        let former = mem::replace(former, waker);
        drop(line);
        drop(former);
        self.tell();
        Poll::Pending
    }

    #[inline]
    fn tell(&self) {
        if run_queue::is_observed() {
            tell_wait(self.list.what, self.list.holder.get(), self.site);
        }
    }
}

impl<F> Drop for Wait<'_, F> {
    fn drop(&mut self) {
        if self.key == Line::NOBODY {
            return;
        }
        if let State::Notified(Notified::Alone) = self.list.remove(self.key) {
            self.list.release();
        }
    }
}
