//! One source as the reactor sees it: what it is armed for, and who waits for it.

use std::cell::{Cell, RefCell, RefMut};
use std::os::fd::RawFd;
use std::rc::Rc;
use std::task::Waker;

use super::selector::{self, Interest};
use super::{Direction, Reactor, Waiters};

/// What the reactor knows of one [`Source`](super::Source), and the key of its events.
///
/// An event never finds the watch of another source that has got the same number since: each is
/// dispatched before any other code runs.
pub(crate) struct Watch {
    /// While the watch is armed, the selector of this reactor holds it: a cycle, which disarming
    /// breaks, and at the latest `Reactor::forget`.
    reactor: Rc<Reactor>,
    pub(super) fd: RawFd,
    /// What the selector watches the handle for.
    pub(super) armed: Cell<Option<Interest>>,
    /// The last read took less than it could have: it emptied the handle.
    pub(super) is_drained: Cell<bool>,
    pub(super) waiters: RefCell<[Waiters; 2]>,
}

impl Watch {
    pub(super) fn new(reactor: Rc<Reactor>, fd: RawFd) -> Self {
        Self {
            reactor,
            fd,
            armed: Cell::new(None),
            is_drained: Cell::new(false),
            waiters: RefCell::default(),
        }
    }

    pub(super) fn reactor(&self) -> &Rc<Reactor> {
        &self.reactor
    }

    pub(super) fn is_armed(&self, direction: Direction) -> bool {
        let armed = self.armed.get();
        armed.is_some_and(|armed| armed.contains(direction.interest()))
    }

    /// Moves the wakers of all who wait for this event to `woken`; their direction stays armed.
    /// Returns what nobody waits for: that has to be disarmed, or every select would report it
    /// again.
    #[inline(always)]
    pub(super) fn dispatch<K>(
        &self,
        event: selector::Event<K>,
        woken: &mut Vec<Waker>,
    ) -> Option<Interest> {
        let [readers, writers] = &mut *self.waiters.borrow_mut();
        let unread = event.readable && !readers.take(woken);
        let unwritten = event.writable && !writers.take(woken);
        match (unread, unwritten) {
            (false, false) => None,
            (true, false) => Some(Interest::READABLE),
            (false, true) => Some(Interest::WRITABLE),
            (true, true) => Some(Interest::BOTH),
        }
    }

    /// The wakers of all who wait, in either direction.
    pub(super) fn take_waiters(&self) -> Vec<Waker> {
        let mut wakers = Vec::new();
        for waiters in self.waiters.borrow_mut().iter_mut() {
            waiters.take(&mut wakers);
        }
        wakers
    }

    #[inline]
    pub(super) fn waiters(&self, direction: Direction) -> RefMut<'_, Waiters> {
        RefMut::map(self.waiters.borrow_mut(), |waiters| {
            &mut waiters[direction as usize]
        })
    }
}
