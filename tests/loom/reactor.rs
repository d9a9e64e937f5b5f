//! A reactor without sockets and timers: it can sleep, and be notified.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use self::selector::{Backend, Notifier, Selector};

pub(crate) use self::elapsed::Elapsed;
pub use self::observer::{By, Event, TaskId};
pub(crate) use self::observer::{OneLine, caller};

/// What tells of tasks is the one that ships.
#[allow(dead_code)]
#[path = "../../reactor/observer.rs"]
mod observer;

#[allow(dead_code)]
#[path = "../../reactor/elapsed.rs"]
mod elapsed;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Direction {}

pub(crate) mod selector {
    use std::io;

    use crate::sync::{Arc, Condvar, Mutex};

    #[derive(Clone, Copy, Debug)]
    pub(crate) enum Interest {}

    #[derive(Clone, Copy, Debug)]
    pub(crate) enum Backend {
        Loom,
    }

    impl std::fmt::Display for Backend {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("loom")
        }
    }

    pub(crate) struct Selector(pub(super) Notifier);

    impl Selector {
        pub(crate) fn new() -> io::Result<Self> {
            Ok(Self(Notifier(Arc::new(EventFd {
                count: Mutex::new(0),
                is_readable: Condvar::new(),
            }))))
        }
    }

    /// A notification is kept until somebody sleeps, or goes to sleep; it ends one sleep only.
    #[derive(Clone)]
    pub(crate) struct Notifier(Arc<EventFd>);

    struct EventFd {
        count: Mutex<u64>,
        is_readable: Condvar,
    }

    impl Notifier {
        pub(crate) fn notify(&self) -> io::Result<()> {
            *self.0.count.lock().unwrap() += 1;
            self.0.is_readable.notify_one();
            Ok(())
        }

        /// `is_long`: waits for a notification. Takes all that there are.
        pub(super) fn sleep(&self, is_long: bool) {
            let mut count = self.0.count.lock().unwrap();
            while is_long && *count == 0 {
                count = self.0.is_readable.wait(count).unwrap();
            }
            *count = 0;
        }
    }
}

pub(crate) struct Reactor {
    notifier: Notifier,
    pub(crate) selects: Cell<u64>,
}

pub(crate) fn count(counter: &Cell<u64>, more: usize) {
    counter.set(counter.get() + more as u64);
}

impl Reactor {
    pub(crate) fn new(selector: Selector) -> Rc<Self> {
        Rc::new(Self {
            notifier: selector.0,
            selects: Cell::default(),
        })
    }

    pub(crate) fn poll(&self, timeout: Option<Duration>) -> io::Result<()> {
        count(&self.selects, 1);
        self.notifier.sleep(timeout.is_none());
        Ok(())
    }

    pub(crate) fn notifier(&self) -> Notifier {
        self.notifier.clone()
    }

    pub(crate) fn backend(&self) -> Backend {
        Backend::Loom
    }

    pub(crate) fn renew_budget(&self) {}

    /// Nobody watches.
    pub(crate) fn is_observed(&self) -> bool {
        false
    }

    pub(crate) fn observe<'a>(&self, _: impl FnOnce() -> Event<'a>) {}

    pub(crate) fn tell_sleep(&self) {}

    /// Nobody awaits a handle in the wrong runtime here.
    pub(crate) fn is_current(&self) -> bool {
        true
    }

    pub(crate) fn is_overdue(&self) -> bool {
        false
    }

    /// Nobody forks here.
    pub(crate) fn claim(&self) {}

    pub(crate) fn enter(&self) -> Entered {
        Entered
    }
}

pub(crate) struct Entered;

pub(crate) const OUTSIDE: &str = "no runtime runs on this thread";
