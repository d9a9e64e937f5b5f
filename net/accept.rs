//! Accepting, whatever the family of the socket: who is gone already is skipped, and when the
//! process has run out of file descriptors or memory nothing is accepted for a while.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use super::listener::{PAUSE, is_exhausted, is_of_the_connection};
use crate::reactor::{Direction, Sleep, Source, Waiter, sleep_until};

/// A listening socket.
pub(super) struct Acceptor<L> {
    pub(super) source: Source<L>,
    /// When accepting goes on, after the process had run out of something.
    paused_until: Cell<Option<Instant>>,
}

impl<L> Acceptor<L> {
    pub(super) fn new(source: Source<L>) -> Self {
        Self {
            source,
            paused_until: Cell::new(None),
        }
    }

    pub(super) fn accept(&self) -> Accept<'_, L> {
        Accept {
            acceptor: self,
            pause: None,
            waiter: self.source.waiter(Direction::Read),
        }
    }
}

/// Somebody who accepts one connection after the other.
pub(super) struct Accept<'a, L> {
    acceptor: &'a Acceptor<L>,
    pause: Option<Sleep>,
    waiter: Waiter<'a, L>,
}

impl<'a, L> Accept<'a, L> {
    pub(super) fn source(&self) -> &'a Source<L> {
        &self.acceptor.source
    }

    pub(super) fn poll<R>(
        &mut self,
        cx: &mut Context<'_>,
        accept: impl Fn(&L) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        let paused_until = &self.acceptor.paused_until;
        loop {
            if let Some(until) = paused_until.get() {
                let pause = self.pause.get_or_insert_with(|| sleep_until(until));
                ready!(Pin::new(pause).poll(cx));
                self.pause = None;
                if paused_until.get() == Some(until) {
                    paused_until.set(None); // Nobody else has met the limit again.
                }
            }
            match ready!(self.waiter.poll_io(cx, &accept)) {
                Err(error) if is_of_the_connection(&error) => {}
                Err(error) if is_exhausted(&error) => {
                    paused_until.set(Some(Instant::now() + PAUSE));
                    return Poll::Ready(Err(error));
                }
                accepted => return Poll::Ready(accepted),
            }
        }
    }
}
