//! Tells tasks that something has changed; each looks by itself whether that concerns it.

use std::cell::{Cell, RefCell};
use std::mem;
use std::panic::Location;
use std::task::{Context, Poll, Waker};

use crate::executor::tell_wait;
use crate::reactor::{looks, wake_all};

/// How many strangers may gather at first before those who are gone are sorted out.
const MANY: usize = 32;

/// Rung for all who wait. Who comes later waits for the next time.
pub(super) struct Bell {
    rings: Cell<u32>,
    last_number: Cell<u32>,
    waiting: RefCell<Vec<(Who, Waker)>>,
    /// How many strangers may be among them.
    limit: Cell<usize>,
    /// At which look at the selector those were last sorted out.
    sorted_out: Cell<u64>,
}

impl Default for Bell {
    fn default() -> Self {
        Self {
            rings: Cell::new(0),
            last_number: Cell::new(0),
            waiting: RefCell::default(),
            limit: Cell::new(MANY),
            sorted_out: Cell::new(0),
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Who {
    /// It leaves when it does not wait any more.
    Listening(u32),
    /// It may be gone without a word.
    Stranger,
}

impl Bell {
    pub(super) fn ring(&self) {
        self.rings.set(self.rings.get().wrapping_add(1));
        self.limit.set(MANY);
        let waiting = self.waiting.take();
        wake_all(&mut waiting.into_iter().map(|(_, waker)| waker).collect());
    }

    /// Wakes this one too at the next ring: for whoever comes through a `poll` function, and cannot
    /// keep a [`Listening`].
    ///
    /// Those who do not wait any more cannot say so. So when too many have gathered, all of them are
    /// taken out and woken, and who still waits comes back. If they are too many again at once, all of
    /// them wait, and twice as many may gather until the next ring.
    pub(super) fn wake_later(&self, waker: &Waker) {
        // A foreign waker is neither cloned, called nor dropped while anything is borrowed.
        let rings = self.rings.get();
        let waker = waker.clone();
        if self.rings.get() != rings {
            return waker.wake(); // Its own clone has rung.
        }
        let mut gone = Vec::new();
        let mut waiting = self.waiting.borrow_mut();
        let strangers = || waiting.iter().filter(|(who, _)| *who == Who::Stranger);
        if strangers().any(|(_, old)| old.will_wake(&waker)) {
            return;
        }
        let number = strangers().count();
        if number >= self.limit.get() {
            let look = looks();
            if look.wrapping_sub(self.sorted_out.get()) <= 2 {
                self.limit.set(2 * number);
            } else {
                self.sorted_out.set(look);
                gone.extend(waiting.extract_if(.., |(who, _)| *who == Who::Stranger));
            }
        }
        waiting.push((Who::Stranger, waker));
        drop(waiting);
        wake_all(&mut gone.into_iter().map(|(_, waker)| waker).collect());
    }

    /// Somebody who waits for `what`, at this line.
    pub(super) fn listener(
        &self,
        what: &'static str,
        site: &'static Location<'static>,
    ) -> Listening<'_> {
        self.last_number.set(self.last_number.get().wrapping_add(1));
        Listening {
            bell: self,
            number: self.last_number.get(),
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
    number: u32,
    /// How many rings there were when it last knew.
    heard: u32,
    /// For those who watch: what it waits for, in words, and the line that does.
    what: &'static str,
    site: &'static Location<'static>,
}

impl Listening<'_> {
    fn who(&self) -> Who {
        Who::Listening(self.number)
    }

    /// Waits for a ring since this was made, or since the last one that was told.
    pub(super) fn poll_ring(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        // First of all: a foreign waker that is cloned may ring.
        let waker = cx.waker().clone();
        let rings = self.bell.rings.get();
        if mem::replace(&mut self.heard, rings) != rings {
            return Poll::Ready(());
        }
        tell_wait(self.what, None, Some(self.site));
        let mut waiting = self.bell.waiting.borrow_mut();
        let here = waiting.iter_mut().find(|(it, _)| *it == self.who());
        let former = match here {
            Some((_, old)) => Some(mem::replace(old, waker)),
            None => {
                waiting.push((self.who(), waker));
                None
            }
        };
        drop(waiting);
        drop(former);
        Poll::Pending
    }
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        let mut waiting = self.bell.waiting.borrow_mut();
        let place = waiting.iter().position(|(it, _)| *it == self.who());
        let waker = place.map(|place| waiting.remove(place));
        drop(waiting);
        drop(waker);
    }
}
