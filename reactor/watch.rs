//! One source as the reactor sees it: what it is armed for, and who waits for it.

use std::cell::Cell;
use std::os::fd::{BorrowedFd, RawFd};
use std::rc::{Rc, Weak};
use std::task::Waker;

use super::selector::{self, Interest, lend};
use super::waker_set::WakerSet;
use super::{Direction, Reactor, wake_all};

/// What the reactor knows of one [`Source`](super::Source), and the key of its events.
///
/// An event never finds the watch of another source that has got the same number since: each is
/// dispatched before any other code runs.
pub(crate) struct Watch {
    /// While the watch is armed, the selector of this reactor holds it: a cycle, which disarming
    /// breaks, and at the latest `Reactor::forget`.
    pub(super) reactor: Rc<Reactor>,
    pub(super) fd: RawFd,
    /// What the selector watches the descriptor for.
    pub(super) armed: Cell<Option<Interest>>,
    /// The last read took less than it could have: nothing was left.
    pub(super) is_drained: Cell<bool>,
    readers: WakerSet,
    writers: WakerSet,
}

impl Watch {
    pub(super) fn new(reactor: Rc<Reactor>, fd: RawFd) -> Self {
        Self {
            reactor,
            fd,
            armed: Cell::new(None),
            is_drained: Cell::new(false),
            readers: WakerSet::default(),
            writers: WakerSet::default(),
        }
    }

    pub(super) fn is_armed(&self, direction: Direction) -> bool {
        let armed = self.armed.get();
        armed.is_some_and(|armed| armed.contains(direction.interest()))
    }

    /// Who waits for this direction.
    #[inline]
    pub(super) fn waiting(&self, direction: Direction) -> &WakerSet {
        match direction {
            Direction::Read => &self.readers,
            Direction::Write => &self.writers,
        }
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
        let unread = event.readable && !self.readers.take(woken);
        let unwritten = event.writable && !self.writers.take(woken);
        match (unread, unwritten) {
            (false, false) => None,
            (true, false) => Some(Interest::READABLE),
            (false, true) => Some(Interest::WRITABLE),
            (true, true) => Some(Interest::BOTH),
        }
    }

    /// The wakers of all who wait, in either direction.
    pub(super) fn take_waiting(&self) -> Vec<Waker> {
        let mut wakers = Vec::new();
        self.readers.take(&mut wakers);
        self.writers.take(&mut wakers);
        wakers
    }
}

/// A way to the descriptor of a source that does not keep it open, as a `Weak` is to an `Rc`: for
/// whoever looks after connections that others serve, and has to be able to shut them down. It ends
/// when the source is dropped, or gives its descriptor away.
#[derive(Clone)]
pub(crate) struct Loan(pub(super) Weak<Watch>);

impl Loan {
    /// Whether there is a source, and its runtime is [ours](Reactor::is_ours).
    pub(crate) fn is_ours(&self) -> bool {
        let watch = self.0.upgrade();
        watch.is_some_and(|watch| watch.reactor.is_ours())
    }

    /// [`Source::change`](super::Source::change), unless the source is gone.
    pub(crate) fn change<R>(&self, act: impl FnOnce(BorrowedFd<'_>) -> R) -> Option<R> {
        // A source gives up its watch before its descriptor, and the selector has let go of it by
        // then: as long as there is a watch, the descriptor is open.
        let watch = self.0.upgrade()?;
        let result = act(lend(watch.fd));
        let mut woken = watch.take_waiting();
        drop(watch); // Who is woken may drop the source.
        wake_all(&mut woken);
        Some(result)
    }
}
