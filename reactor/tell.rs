//! What the reactor tells an observer, and whoever asks who waits here.
//!
//! It stands apart from the code that it tells of: without an observer, an event costs one
//! comparison.

use std::io;
use std::os::fd::RawFd;
use std::panic::Location;
use std::task::Waker;
use std::time::{Duration, Instant};

use super::selector::Registration;
use super::{Direction, Event, Found, Reactor, Watch, caller};

/// What somebody waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Awaited {
    Fd { fd: RawFd, direction: Direction },
    Timer { deadline: Instant },
}

impl Reactor {
    /// Calls `each` with the waker of everybody who waits here, and what for.
    pub(crate) fn each_waker(&self, mut each: impl FnMut(&Waker, Awaited)) {
        for Registration { fd, key, .. } in self.selector.borrow().registrations() {
            for direction in [Direction::Read, Direction::Write] {
                let waiting = key.waiting(direction);
                waiting.for_each(|waker| each(waker, Awaited::Fd { fd, direction }));
            }
        }
        let timers = self.timers.borrow();
        timers.each(|deadline, waker| each(waker, Awaited::Timer { deadline }));
    }

    /// Whether anybody waits here, for anything but this descriptor.
    pub(crate) fn is_awaited(&self, but: Option<RawFd>) -> bool {
        let mut is_awaited = !self.timers.borrow().is_empty();
        if !is_awaited {
            self.each_waker(|_, it| {
                is_awaited |= matches!(it, Awaited::Fd { fd, .. } if Some(fd) != but);
            });
        }
        is_awaited
    }

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

    /// Asks the selector, wakes those who waited for what it found, and tells of it.
    #[cold]
    pub(super) fn select_observed(
        &self,
        timeout: Option<Duration>,
        woken: &mut Vec<Waker>,
    ) -> io::Result<()> {
        let since = self.clock.now();
        let mut found = Found::default();
        let mut ready = Vec::new();
        let result = self.selector.borrow_mut().select_each(timeout, |event| {
            ready.push((event.key.fd, event.readable, event.writable));
            found.dispatch(event, woken);
        });
        // Only now that nothing is borrowed: an observer may ask who waits.
        let (backend, events) = (self.backend(), found.events);
        self.observe(move || Event::Selected {
            backend,
            timeout,
            since,
            events,
        });
        for (fd, readable, writable) in ready {
            self.observe(move || Event::Ready {
                fd,
                readable,
                writable,
            });
        }
        self.settle(found);
        result
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
