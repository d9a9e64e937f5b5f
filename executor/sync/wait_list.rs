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
//! Whoever is notified alone has a **claim**: to a permit, to an item, to the lock, which stays
//! where it is until the future is polled. A newcomer may take only what nobody has a claim to, so
//! that it overtakes nobody; and nothing is lost with a future that is dropped, because nothing was
//! in it: its claim goes to the next in the line.
//!
//! The line is linked through the entries of a slab: to leave costs the same everywhere in it.
//! All that waits in this folder does so in [`Wait::poll`], and no waker is cloned, called or
//! dropped while a list is borrowed.

use std::cell::RefCell;
use std::future::Future;
use std::iter;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use slab::Slab;

use crate::executor::task::swallow;

pub(super) struct WaitList(RefCell<List>);

struct List {
    waiters: Slab<Waiter>,
    /// The ends of the line, in which stand those who have not been notified.
    first: Option<usize>,
    last: Option<usize>,
    /// How many stand there.
    waiting: usize,
    claims: usize,
}

struct Waiter {
    state: State,
    /// Its neighbours in the line.
    before: Option<usize>,
    after: Option<usize>,
}

enum State {
    Waiting(Waker),
    Notified(Notified),
}

/// How somebody was notified.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Notified {
    /// Instead of anybody else: it has a claim.
    Alone,
    /// With all who waited, as the one at this place in the line, counted from 0.
    WithAll(usize),
    /// With all who waited: what they waited for will not come.
    InVain,
}

impl WaitList {
    pub(super) const fn new() -> Self {
        Self(RefCell::new(List {
            waiters: Slab::new(),
            first: None,
            last: None,
            waiting: 0,
            claims: 0,
        }))
    }

    /// Waits until it is notified, but not at all unless the condition holds at the first poll.
    pub(super) fn wait_while<F: Fn() -> bool>(&self, condition: F) -> Wait<'_, F> {
        Wait {
            list: self,
            condition,
            key: None,
        }
    }

    /// Gives the first who waits a claim.
    #[inline]
    pub(super) fn notify(&self) {
        let waker = self.0.borrow_mut().notify_first(Notified::Alone);
        if let Some(waker) = waker {
            wake(waker);
        }
    }

    /// Gives the first `n` who wait a claim.
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
        let mut list = self.0.borrow_mut();
        // All of them before the first one is woken, who may make others wait.
        let wakers: Vec<_> = hows.map_while(|how| list.notify_first(how)).collect();
        drop(list);
        wakers.into_iter().for_each(wake);
    }

    /// How many claims have not been used or passed on.
    #[inline]
    pub(super) fn claims(&self) -> usize {
        self.0.borrow().claims
    }

    /// How many wait and have not been notified.
    pub(super) fn waiting(&self) -> usize {
        self.0.borrow().waiting
    }
}

/// A waker that panics concerns neither who calls it here nor those who are woken after it.
fn wake(waker: Waker) {
    swallow(|| waker.wake());
}

impl List {
    fn push(&mut self, waker: Waker) -> usize {
        let key = self.waiters.insert(Waiter {
            state: State::Waiting(waker),
            before: self.last,
            after: None,
        });
        match self.last.replace(key) {
            Some(last) => self.waiters[last].after = Some(key),
            None => self.first = Some(key),
        }
        self.waiting += 1;
        key
    }

    /// Takes somebody out of the line, whose entry stays.
    fn unlink(&mut self, key: usize) {
        let Waiter { before, after, .. } = self.waiters[key];
        match before {
            Some(before) => self.waiters[before].after = after,
            None => self.first = after,
        }
        match after {
            Some(after) => self.waiters[after].before = before,
            None => self.last = before,
        }
        self.waiting -= 1;
    }

    #[inline]
    fn notify_first(&mut self, how: Notified) -> Option<Waker> {
        let first = self.first?;
        self.unlink(first);
        if how == Notified::Alone {
            self.claims += 1;
        }
        match mem::replace(&mut self.waiters[first].state, State::Notified(how)) {
            State::Waiting(waker) => Some(waker),
            State::Notified(_) => unreachable!("the notified do not stand in the line"),
        }
    }

    fn remove(&mut self, key: usize) -> State {
        if let State::Waiting(_) = self.waiters[key].state {
            self.unlink(key);
        }
        let state = self.waiters.remove(key).state;
        if let State::Notified(Notified::Alone) = state {
            self.claims -= 1;
        }
        state
    }
}

/// The future of [`WaitList::wait_while`]. It gives how it was notified, `None` if it never waited.
///
/// Whoever was notified alone has to take what it has a claim to before anybody else runs.
pub(super) struct Wait<'a, F> {
    list: &'a WaitList,
    condition: F,
    /// Its entry in the list, while it has one.
    key: Option<usize>,
}

impl<F> Unpin for Wait<'_, F> {}

impl<F: Fn() -> bool> Future for Wait<'_, F> {
    type Output = Option<Notified>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Notified>> {
        let Some(key) = self.key else {
            if !(self.condition)() {
                return Poll::Ready(None);
            }
            let waker = cx.waker().clone();
            // A foreign waker may have done anything meanwhile.
            if !(self.condition)() {
                return Poll::Ready(None);
            }
            self.key = Some(self.list.0.borrow_mut().push(waker));
            return Poll::Pending;
        };
        let mut list = self.list.0.borrow_mut();
        match &list.waiters[key].state {
            State::Notified(how) => {
                let how = *how;
                list.remove(key);
                self.key = None;
                Poll::Ready(Some(how))
            }
            State::Waiting(waker) if waker.will_wake(cx.waker()) => Poll::Pending,
            State::Waiting(_) => {
                drop(list);
                self.change_waker(key, cx.waker().clone())
            }
        }
    }
}

impl<F: Fn() -> bool> Wait<'_, F> {
    /// The future was moved to another task.
    #[cold]
    fn change_waker(&mut self, key: usize, waker: Waker) -> Poll<Option<Notified>> {
        let mut list = self.list.0.borrow_mut();
        let how = match &mut list.waiters[key].state {
            State::Waiting(former) => {
                let former = mem::replace(former, waker);
                drop(list);
                drop(former);
                return Poll::Pending;
            }
            // By the clone of a foreign waker.
            State::Notified(how) => *how,
        };
        list.remove(key);
        self.key = None;
        Poll::Ready(Some(how))
    }
}

impl<F> Drop for Wait<'_, F> {
    fn drop(&mut self) {
        let Some(key) = self.key else {
            return;
        };
        let state = self.list.0.borrow_mut().remove(key);
        if let State::Notified(Notified::Alone) = state {
            self.list.notify();
        }
    }
}
