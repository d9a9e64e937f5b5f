//! Which reactor runs on this thread.

use std::cell::RefCell;
use std::mem::ManuallyDrop;
use std::panic::Location;
use std::rc::Rc;

use super::Reactor;

thread_local! {
    /// Without a destructor, it is there to the very end of the thread: a runtime may run in that of
    /// another thread-local. Nothing leaks: it is empty unless a runtime runs.
    static CURRENT: RefCell<ManuallyDrop<Option<Rc<Reactor>>>> =
        const { RefCell::new(ManuallyDrop::new(None)) };
}

fn replace(current: Option<Rc<Reactor>>) -> Option<Rc<Reactor>> {
    let former = CURRENT.with(|place| place.replace(ManuallyDrop::new(current)));
    ManuallyDrop::into_inner(former)
}

/// Why a call means nothing here, and what to do about it.
pub(crate) const OUTSIDE: &str =
    "no runtime runs on this thread; call it inside of `selio::run` or `Runtime::block_on`";

impl Reactor {
    /// Whether its runtime runs on this thread.
    pub(crate) fn is_current(&self) -> bool {
        self.is_current.get()
    }

    /// Makes this the reactor of the thread, until the guard is dropped.
    pub(crate) fn enter(self: &Rc<Self>) -> Entered {
        Entered {
            former: replace(Some(Rc::clone(self))),
            reactor: Rc::clone(self),
            was_current: self.is_current.replace(true),
        }
    }

    /// Does something with the reactor of the runtime that runs on this thread.
    #[inline]
    pub(super) fn with_current<R>(with: impl FnOnce(&Rc<Self>) -> R) -> Option<R> {
        CURRENT.with(|current| current.borrow().as_ref().map(with))
    }

    /// The reactor of the runtime that runs on this thread.
    pub(crate) fn current() -> Option<Rc<Self>> {
        Self::with_current(Rc::clone)
    }

    /// The current reactor, for a call that means nothing without one.
    #[track_caller]
    pub(crate) fn expect_current(call: &str) -> Rc<Self> {
        // No closure: it would have a place of its own, instead of the caller's.
        match Self::current() {
            Some(reactor) => reactor,
            None => panic!("{call}: {OUTSIDE}"),
        }
    }

    /// The current reactor, for a future that was made at `site` and is polled only now.
    pub(crate) fn expect_current_at(call: &str, site: &Location<'_>) -> Rc<Self> {
        Self::current().unwrap_or_else(|| panic!("{call} at {site}: {OUTSIDE}"))
    }
}

/// Makes the former reactor of the thread the current one again when it is dropped.
pub(crate) struct Entered {
    reactor: Rc<Reactor>,
    was_current: bool,
    former: Option<Rc<Reactor>>,
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.reactor.is_current.set(self.was_current);
        drop(replace(self.former.take()));
    }
}
