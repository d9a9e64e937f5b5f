//! Wakers of those who wait for the same, for one direction of one source above all: nearly always
//! none or one, sometimes thousands.
//!
//! One waker takes no heap. Of thousands, each comes and leaves without a look at the others, and who
//! has waited longest is woken first: tasks that read from one socket in a loop take turns.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};
use std::iter;
use std::mem;
use std::num::NonZeroU16;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{RawWakerVTable, Waker};

use super::Reactor;

/// Names one who waits, so that it can come back with another waker, or leave, without disturbing the
/// others. Who has the smaller one has waited longer.
///
/// A number of 48 bits: a hundred thousand a second are new for 89 years. With all 64, an idle connection
/// would take 24 bytes more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(Rust, packed(2))]
pub(crate) struct Ticket {
    upper: NonZeroU16,
    lower: u32,
}

impl Ticket {
    /// The ticket of strangers: they come through a `poll` function, such as
    /// [`Source::poll_io`](super::Source::poll_io), and have no place to keep a ticket. They are told
    /// apart by their wakers.
    pub(crate) const STRANGER: Self = Self::numbered(0);

    /// A ticket that nobody else on this thread has or has had.
    #[inline]
    pub(crate) fn draw() -> Self {
        DRAWN.set(DRAWN.get() + 1);
        Self::numbered(DRAWN.get())
    }

    const fn numbered(number: u64) -> Self {
        Self {
            upper: NonZeroU16::MIN.saturating_add((number >> 32) as u16),
            lower: number as u32,
        }
    }
}

thread_local! {
    /// How many tickets were drawn.
    static DRAWN: Cell<u64> = const { Cell::new(0) };
}

/// A waker for each who waits.
///
/// Whenever one is called or dropped, the set is in order, so that what it runs may come back in.
#[derive(Default)]
pub(crate) struct WakerSet(Cell<Wakers>);

#[derive(Default)]
enum Wakers {
    #[default]
    Nobody,
    One(Ticket, Waker),
    Many(Box<Crowd>),
}

impl WakerSet {
    /// Adds a waker, or replaces the one that came with this ticket.
    #[inline]
    pub(crate) fn insert(&self, ticket: Ticket, waker: Waker) {
        match self.0.take() {
            Wakers::Nobody => self.put(Wakers::One(ticket, waker)),
            Wakers::One(other, old) => self.insert_beside(other, old, ticket, waker),
            Wakers::Many(crowd) => self.insert_among(crowd, ticket, waker),
        }
    }

    #[cold]
    fn insert_beside(&self, other: Ticket, old: Waker, ticket: Ticket, waker: Waker) {
        if other == ticket && (ticket != Ticket::STRANGER || old.will_wake(&waker)) {
            self.put(Wakers::One(ticket, waker));
            return; // `old` is dropped only now.
        }
        let mut crowd = Box::<Crowd>::default();
        crowd.insert(other, old, &mut Vec::new());
        self.insert_among(crowd, ticket, waker);
    }

    #[cold]
    fn insert_among(&self, mut crowd: Box<Crowd>, ticket: Ticket, waker: Waker) {
        let mut woken = Vec::new();
        let superfluous = crowd.insert(ticket, waker, &mut woken);
        self.put(Wakers::Many(crowd));
        drop(superfluous);
        wake_all(&mut woken);
    }

    /// Drops the waker that came with this ticket, if it is still here.
    #[inline]
    pub(crate) fn remove(&self, ticket: Ticket) {
        match self.0.take() {
            Wakers::Nobody => {}
            Wakers::One(it, waker) if it == ticket => drop(waker),
            Wakers::One(it, waker) => self.put(Wakers::One(it, waker)),
            Wakers::Many(crowd) => self.remove_from(crowd, ticket),
        }
    }

    #[cold]
    fn remove_from(&self, mut crowd: Box<Crowd>, ticket: Ticket) {
        let superfluous = crowd.wakers.remove(&ticket);
        if !crowd.wakers.is_empty() {
            self.put(Wakers::Many(crowd));
        }
        drop(superfluous);
    }

    /// Puts them into the set, which is empty.
    #[inline]
    fn put(&self, wakers: Wakers) {
        let nobody = self.0.replace(wakers);
        debug_assert!(matches!(nobody, Wakers::Nobody));
        mem::forget(nobody); // To drop it would be a call.
    }

    /// Moves all wakers to `woken`: who has waited longest is the first. Returns whether there were
    /// any.
    #[inline]
    pub(super) fn take(&self, woken: &mut Vec<Waker>) -> bool {
        match self.0.take() {
            Wakers::Nobody => return false,
            Wakers::One(_, waker) => woken.push(waker),
            Wakers::Many(mut crowd) => crowd.take(woken),
        }
        true
    }

    /// Wakes them all, and is empty then.
    pub(crate) fn wake(&self) {
        let mut woken = Vec::new();
        self.take(&mut woken);
        wake_all(&mut woken);
    }

    /// Whether the waker that came with this ticket is still here.
    pub(super) fn contains(&self, ticket: Ticket) -> bool {
        self.with(|wakers| match wakers {
            Wakers::Nobody => false,
            Wakers::One(it, _) => *it == ticket,
            Wakers::Many(crowd) => crowd.wakers.contains_key(&ticket),
        })
    }

    pub(super) fn for_each(&self, each: impl FnMut(&Waker)) {
        self.with(|wakers| match wakers {
            Wakers::Nobody => {}
            Wakers::One(_, waker) => iter::once(waker).for_each(each),
            Wakers::Many(crowd) => crowd.wakers.values().for_each(each),
        });
    }

    fn with<R>(&self, look: impl FnOnce(&Wakers) -> R) -> R {
        let wakers = self.0.take();
        let result = look(&wakers);
        self.put(wakers);
        result
    }
}

/// How many strangers may gather in any case before those that are gone are sorted out.
const FEW: usize = 32;

/// Several wakers, or what is left of them.
///
/// Strangers do not say that they leave: a `poll` function cannot know whether the one who calls it
/// will come back. So they are sorted out from time to time, and those that are gone do not add up.
#[derive(Default)]
struct Crowd {
    wakers: BTreeMap<Ticket, Waker>,
    /// Which of them are of strangers, with the tickets that were drawn for these.
    strangers: BTreeMap<Identity, Ticket>,
    /// Twice as many strangers as are known to wait: so many may gather.
    limit: usize,
    /// How often the selector had been asked when they were last sorted out.
    sorted_out: Option<u64>,
}

/// Two wakers have the same one if [`Waker::will_wake`] says that they wake the same.
type Identity = (*const (), *const RawWakerVTable);

impl Crowd {
    /// Returns a waker that has become superfluous. Those that are moved to `woken` are to be woken.
    fn insert(
        &mut self,
        mut ticket: Ticket,
        waker: Waker,
        woken: &mut Vec<Waker>,
    ) -> Option<Waker> {
        if ticket == Ticket::STRANGER {
            let identity: Identity = (waker.data(), waker.vtable());
            if self.strangers.contains_key(&identity) {
                return Some(waker);
            }
            self.sort_out(woken);
            ticket = Ticket::draw();
            self.strangers.insert(identity, ticket);
        }
        self.wakers.insert(ticket, waker)
    }

    /// If too many strangers have gathered, takes all of them out, to be woken: who still waits comes
    /// back at once, before the selector was asked three times more. If they are too many again by
    /// then, all of them wait, and more may gather.
    fn sort_out(&mut self, woken: &mut Vec<Waker>) {
        if self.strangers.len() < self.limit.max(FEW) {
            return;
        }
        let selects = Reactor::current().map_or(0, |it| it.counters.selects.get());
        let are_back = |last| selects.wrapping_sub(last) <= 2;
        if self.sorted_out.is_some_and(are_back) {
            self.limit = 2 * self.strangers.len();
            return;
        }
        self.sorted_out = Some(selects);
        let strangers: BTreeSet<_> = mem::take(&mut self.strangers).into_values().collect();
        woken.extend(strangers.iter().filter_map(|it| self.wakers.remove(it)));
    }

    #[cold]
    fn take(&mut self, woken: &mut Vec<Waker>) {
        woken.extend(mem::take(&mut self.wakers).into_values());
    }
}

/// Wakes them all in order, also after one that panics.
///
/// Wakers come from anywhere: a combinator, or another executor, may poll a future of ours with a
/// waker of its own. If that panics, the panic hook has said so, and the panic stops here: it must
/// not reach the wakers that come next, the loop, or the code that closes a socket.
pub(crate) fn wake_all(woken: &mut Vec<Waker>) {
    let mut rest = woken.drain(..);
    // Guarded together, and not one by one: each event comes through here.
    let mut wake_rest = || catch_unwind(AssertUnwindSafe(|| rest.by_ref().for_each(Waker::wake)));
    while let Err(payload) = wake_rest() {
        // What it panicked with may panic in its turn.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(payload))).map_err(mem::forget);
    }
}

#[cfg(test)]
mod tests {
    use super::{DRAWN, Ticket};

    #[test]
    fn tickets_go_on_in_order_after_four_billion() {
        DRAWN.set(u64::from(u32::MAX) - 2);
        let tickets: Vec<_> = (0..6).map(|_| Ticket::draw()).collect();
        assert!(tickets.is_sorted_by(|a, b| a < b), "{tickets:?}");
        assert!(Ticket::STRANGER < tickets[0]);
    }
}
