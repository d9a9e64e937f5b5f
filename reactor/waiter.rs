//! One call that waits: where `await` meets the selector. It does one operation after the other on a
//! source, waits between them when it has to, and takes its waker with it when it is dropped.

use std::io;
use std::panic::Location;
use std::task::{Context, Poll, ready};

use super::{Direction, Source, Ticket};

pub(crate) struct Waiter<'a, T> {
    pub(super) source: &'a Source<T>,
    pub(super) direction: Direction,
    /// Drawn when it first has to wait.
    pub(super) ticket: Option<Ticket>,
    /// The line that waits, for an observer.
    pub(super) site: Option<&'static Location<'static>>,
}

impl<'a, T> Waiter<'a, T> {
    pub(crate) fn source(&self) -> &'a Source<T> {
        self.source
    }

    pub(crate) fn site(&self) -> Option<&'static Location<'static>> {
        self.site
    }

    /// Tries the operation, and waits when it would block.
    pub(crate) fn poll_io<R>(
        &mut self,
        cx: &mut Context<'_>,
        mut op: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        let watch = self.source.watch();
        // After a read that took all there was, another try would only cost an EAGAIN. The selector
        // is level-triggered: it will report whatever has come meanwhile. But if its runtime does
        // not run, it is never asked.
        let is_worth_a_try = self.direction == Direction::Write
            || !watch.is_drained.replace(false)
            || !watch.reactor.is_current();
        if is_worth_a_try {
            ready!(watch.reactor.spend(cx));
            loop {
                match op(self.source.get_ref()) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    result => return Poll::Ready(result),
                }
            }
        }
        self.wait(cx)
    }

    /// Waits for an event, without trying anything.
    pub(super) fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let watch = self.source.watch();
        // An event takes the waker away.
        let waiting = watch.waiting(self.direction);
        if self.ticket.take_if(|it| !waiting.contains(*it)).is_some() {
            if self.direction == Direction::Read {
                watch.is_drained.set(false); // Reading is worth a try.
            }
            return Poll::Ready(Ok(()));
        }
        self.wait(cx)
    }

    // Inlined always: else a message would cost 30 instructions more.
    #[inline(always)]
    fn wait<R>(&mut self, cx: &Context<'_>) -> Poll<io::Result<R>> {
        let watch = self.source.watch();
        let ticket = *self.ticket.get_or_insert_with(Ticket::draw);
        let (direction, site) = (self.direction, self.site);
        (watch.reactor).wait_for(watch, direction, ticket, site, cx.waker())?;
        Poll::Pending
    }
}

impl<T> Drop for Waiter<'_, T> {
    #[inline]
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            self.source.watch().waiting(self.direction).remove(ticket);
        }
    }
}
