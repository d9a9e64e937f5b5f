//! Which executor runs on this thread.

use std::cell::Cell;
use std::mem::{self, ManuallyDrop};
use std::rc::Rc;

use super::{Executor, run_queue};
use crate::reactor::{self, OUTSIDE};

thread_local! {
    /// Without a destructor, it is there to the very end of the thread. Nothing leaks: it is empty
    /// unless a runtime runs.
    static CURRENT: Cell<ManuallyDrop<Option<Rc<Executor>>>> =
        const { Cell::new(ManuallyDrop::new(None)) };
}

fn replace(current: Option<Rc<Executor>>) -> Option<Rc<Executor>> {
    let former = CURRENT.with(|place| place.replace(ManuallyDrop::new(current)));
    ManuallyDrop::into_inner(former)
}

impl Executor {
    /// Makes this the executor of the thread, and its reactor the reactor, until the guard is
    /// dropped.
    pub(crate) fn enter(self: &Rc<Self>) -> Entered {
        let former = replace(Some(Rc::clone(self)));
        let queue = run_queue::enter(&self.mailbox, self.parked.take());
        Entered {
            ours: Rc::clone(self),
            former,
            queue,
            _reactor: self.reactor.enter(),
        }
    }

    /// The executor that runs on this thread.
    ///
    /// It is not lent: whoever has it may run user code, and with it another runtime.
    #[inline]
    pub(crate) fn current() -> Option<Rc<Self>> {
        CURRENT.with(|place| {
            let current = place.replace(ManuallyDrop::new(None));
            let clone = (*current).clone();
            place.set(current);
            clone
        })
    }

    /// The same, for a call that means nothing without one.
    #[inline]
    #[track_caller]
    pub(crate) fn expect_current(call: &str) -> Rc<Self> {
        // No closure: it would have a place of its own, instead of the caller's.
        match Self::current() {
            Some(executor) => executor,
            None => panic!("{call}: {OUTSIDE}, or use a `Handle` from another thread"),
        }
    }
}

/// Makes the former executor of the thread the current one again when it is dropped.
pub(crate) struct Entered {
    ours: Rc<Executor>,
    former: Option<Rc<Executor>>,
    queue: run_queue::Displaced,
    _reactor: reactor::Entered,
}

impl Drop for Entered {
    fn drop(&mut self) {
        let queue = mem::take(&mut self.queue);
        self.ours.parked.set(run_queue::leave(queue));
        let former = self.former.take();
        // Meanwhile it may have been entered a second time, which has left its new keys parked.
        if let Some(former) = &former {
            former.parked.take().into_iter().for_each(run_queue::push);
        }
        drop(replace(former));
    }
}
