//! Who waits here, and for what, for those who draw it: it wakes nobody.

use std::os::fd::RawFd;
use std::rc::Rc;
use std::task::Waker;
use std::time::Instant;

use super::watch::Watch;
use super::{Direction, Reactor};

/// What somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Awaited {
    Handle { fd: RawFd, direction: Direction },
    Timer { deadline: Instant },
}

impl Reactor {
    /// Whether anybody waits here, for anything but this handle.
    pub(crate) fn is_awaited(&self, but: Option<RawFd>) -> bool {
        let is_awaited = |watch: Rc<Watch>| {
            let [readers, writers] = &*watch.waiters.borrow();
            readers.is_awaited() || writers.is_awaited()
        };
        !self.timers.borrow().is_empty()
            || (self.selector.borrow().registrations())
                .any(|it| Some(it.key.fd) != but && is_awaited(it.key))
    }

    /// Calls `each` with the waker of everybody who waits here, and what for.
    pub(crate) fn each_waker(&self, mut each: impl FnMut(&Waker, Awaited)) {
        for registration in self.selector.borrow().registrations() {
            let watch = registration.key;
            for direction in [Direction::Read, Direction::Write] {
                let fd = watch.fd;
                let awaited = Awaited::Handle { fd, direction };
                watch.waiters(direction).each(|waker| each(waker, awaited));
            }
        }
        self.timers
            .borrow()
            .each(|deadline, waker| each(waker, Awaited::Timer { deadline }));
    }
}
