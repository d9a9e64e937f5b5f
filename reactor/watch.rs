//! One source as the reactor sees it: what it is armed for, and who waits for it.

use std::cell::{Cell, RefCell, RefMut};
use std::os::fd::RawFd;
use std::rc::Rc;
use std::task::Waker;

use super::selector::{Event, Interest};
use super::waiters::Waiters;
use super::{Direction, Reactor};

/// What the reactor knows of one [`Source`](super::Source), and the key of its events.
///
/// An event that was meant for a source that is gone, whose number may be another's by now, finds
/// the watch of the old one, and there nobody who waits.
pub(crate) struct Watch {
    /// While the watch is armed, the selector of this reactor holds it: a cycle, which
    /// `Reactor::forget` opens.
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

    /// Hands the wakers of all who wait for this event to `woken`: they will be woken, and the
    /// direction stays armed. Returns what nobody waits for: it has to be disarmed, or the selector
    /// would report it for ever.
    #[inline]
    pub(super) fn dispatch<K>(&self, event: Event<K>, woken: &mut Vec<Waker>) -> Option<Interest> {
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

    #[inline]
    pub(super) fn waiters(&self, direction: Direction) -> RefMut<'_, Waiters> {
        RefMut::map(self.waiters.borrow_mut(), |waiters| {
            &mut waiters[direction as usize]
        })
    }
}
