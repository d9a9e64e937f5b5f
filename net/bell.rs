//! Tells tasks that something has changed; each looks by itself whether that concerns it.

use std::cell::Cell;
use std::mem;
use std::panic::Location;
use std::task::{Context, Poll, Waker};

use crate::executor::tell_wait;
use crate::reactor::{Ticket, WakerSet};

/// Rung for all who wait. Who comes later waits for the next time.
#[derive(Default)]
pub(super) struct Bell {
    rings: Cell<u32>,
    waiting: WakerSet,
}

impl Bell {
    pub(super) fn ring(&self) {
        self.rings.set(self.rings.get().wrapping_add(1));
        self.waiting.wake();
    }

    /// Wakes this one too at the next ring: for whoever comes through a `poll` function, and cannot
    /// keep a [`Listening`].
    pub(super) fn wake_later(&self, waker: &Waker) {
        let rings = self.rings.get();
        let waker = waker.clone();
        if self.rings.get() != rings {
            return waker.wake(); // Its own clone has rung.
        }
        self.waiting.insert(Ticket::STRANGER, waker);
    }

    /// Somebody who waits for `what`, at this line.
    pub(super) fn listener(
        &self,
        what: &'static str,
        site: &'static Location<'static>,
    ) -> Listening<'_> {
        Listening {
            bell: self,
            ticket: Ticket::draw(),
            heard: self.rings.get(),
            what,
            site,
        }
    }

    /// Waits until it is so, which the bell tells.
    pub(super) async fn wait_until(
        &self,
        what: &'static str,
        site: &'static Location<'static>,
        is_so: impl Fn() -> bool,
    ) {
        let mut listening = self.listener(what, site);
        while !is_so() {
            std::future::poll_fn(|cx| listening.poll_ring(cx)).await;
        }
    }
}

/// Somebody who waits for the bell, and leaves no waker behind.
pub(super) struct Listening<'a> {
    bell: &'a Bell,
    ticket: Ticket,
    /// How many rings there were when it last knew.
    heard: u32,
    /// For those who watch: what it waits for, in words, and the line that does.
    what: &'static str,
    site: &'static Location<'static>,
}

impl Listening<'_> {
    /// Waits for a ring since this was made, or since the last one that was told.
    pub(super) fn poll_ring(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // First of all: a foreign waker that is cloned may ring.
        let waker = cx.waker().clone();
        let rings = self.bell.rings.get();
        if mem::replace(&mut self.heard, rings) != rings {
            return Poll::Ready(());
        }
        tell_wait(self.what, None, Some(self.site));
        self.bell.waiting.insert(self.ticket, waker);
        Poll::Pending
    }
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        self.bell.waiting.remove(self.ticket);
    }
}
