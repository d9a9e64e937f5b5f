//! One call that does one operation after the other on a source, and waits between them when it has
//! to. When it is dropped, it takes its waker with it.

use std::cell::RefMut;
use std::io;
use std::panic::Location;
use std::task::{Context, Poll};

use super::{Direction, Source, Ticket, Waiters};

pub(crate) struct Waiter<'a, T> {
    source: &'a Source<T>,
    direction: Direction,
    /// Drawn when it first has to wait.
    ticket: Option<Ticket>,
    /// The line that waits, for an observer.
    site: Option<&'static Location<'static>>,
}

impl<'a, T> Waiter<'a, T> {
    pub(super) fn new(
        source: &'a Source<T>,
        direction: Direction,
        site: Option<&'static Location<'static>>,
    ) -> Self {
        Self {
            source,
            direction,
            ticket: None,
            site,
        }
    }

    pub(crate) fn source(&self) -> &'a Source<T> {
        self.source
    }

    pub(crate) fn site(&self) -> Option<&'static Location<'static>> {
        self.site
    }

    /// [`Source::poll_io`].
    pub(crate) fn poll_io<R>(
        &mut self,
        cx: &mut Context<'_>,
        op: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.source
            .poll_ticketed(cx, self.direction, &mut self.ticket, self.site, op)
    }

    /// Waits for an event, without trying anything.
    pub(super) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_through() {
            self.ticket = None;
            if self.direction == Direction::Read {
                self.source.watch().is_drained.set(false); // Reading is worth a try.
            }
            return Poll::Ready(Ok(()));
        }
        self.source
            .wait(cx, self.direction, &mut self.ticket, self.site)
    }

    /// Whether it has waited, and an event has come: that took its waker away.
    fn is_through(&self) -> bool {
        self.ticket
            .is_some_and(|ticket| !self.waiters().contains(ticket))
    }

    fn waiters(&self) -> RefMut<'_, Waiters> {
        self.source.watch().waiters(self.direction)
    }
}

impl<T> Drop for Waiter<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            let superfluous = self.waiters().dismiss(ticket);
            drop(superfluous);
        }
    }
}
