//! What the reactor tells an observer.
//!
//! It stands apart from the code that it tells of, and is never inlined there: without an observer,
//! an event costs one comparison.

use std::os::fd::RawFd;
use std::panic::Location;
use std::time::{Duration, Instant};

use super::{Direction, Event, Reactor, Watch, caller};

impl Reactor {
    /// Tells the observer, if there is one.
    #[inline]
    pub(crate) fn observe<'a>(&self, event: impl FnOnce() -> Event<'a>) {
        if self.is_observed() {
            self.tell(event);
        }
    }

    #[cold]
    #[inline(never)]
    fn tell<'a>(&self, event: impl FnOnce() -> Event<'a>) {
        if let Some(observer) = &self.observer {
            observer.event(&event());
        }
    }

    #[inline]
    pub(crate) fn is_observed(&self) -> bool {
        self.observer.is_some()
    }

    #[cold]
    pub(super) fn tell_select(
        &self,
        timeout: Option<Duration>,
        since: Instant,
        ready: Vec<(RawFd, bool, bool)>,
    ) {
        let events = ready.len();
        for (fd, readable, writable) in ready {
            self.observe(move || Event::Ready {
                fd,
                readable,
                writable,
            });
        }
        let backend = self.backend();
        self.observe(move || Event::Selected {
            backend,
            timeout,
            since,
            events,
        });
    }

    /// Tells that the selector is about to sleep, unless a timer is due. The observer may wake a
    /// task when it hears that: the caller looks after this.
    #[cold]
    pub(crate) fn tell_sleep(&self) {
        let timeout = self.until_next_timer(None);
        if timeout != Some(Duration::ZERO) {
            let backend = self.backend();
            self.observe(move || Event::Sleeps { backend, timeout });
        }
    }

    #[cold]
    pub(super) fn tell_would_block(
        &self,
        watch: &Watch,
        direction: Direction,
        site: Option<&'static Location<'static>>,
    ) {
        let fd = watch.fd;
        self.observe(move || Event::WouldBlock {
            fd,
            direction,
            site: site.or_else(caller),
        });
    }
}
