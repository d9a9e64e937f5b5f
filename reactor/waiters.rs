//! Who waits for the same, for one direction of one source above all: nearly always nobody or one
//! task, sometimes thousands.
//!
//! One waiter takes no heap. Of thousands, each comes and leaves without a look at the others, and who
//! has waited longest is woken first: tasks that read from one socket in a loop take turns.

use std::cell::Cell;
use std::iter;
use std::mem;
use std::num::NonZeroU32;
use std::task::Waker;

use super::crowd::{Crowd, Enrolled};

/// Names one of several waiters, so that it can come back with another waker, or leave, without
/// disturbing the others. Who has the smaller one has waited longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ticket(NonZeroU32);

impl Ticket {
    /// The ticket of strangers: they come through a `poll` function, such as
    /// [`Source::poll_io`](super::Source::poll_io), and have no place to keep a ticket. They are told
    /// apart by their wakers.
    pub(crate) const STRANGER: Self = Self(NonZeroU32::MIN);
}

/// The tickets that are left. They start again after four billion: who has waited through them all is
/// woken later than its turn, some day.
pub(crate) struct Tickets {
    last: Cell<Ticket>,
}

impl Tickets {
    /// A ticket that nobody else has.
    #[inline]
    pub(crate) fn draw(&self) -> Ticket {
        let next = self.last.get().0.checked_add(1);
        let first = NonZeroU32::MIN.saturating_add(1);
        self.last.set(Ticket(next.unwrap_or(first)));
        self.last.get()
    }
}

impl Default for Tickets {
    fn default() -> Self {
        Self {
            last: Cell::new(Ticket::STRANGER),
        }
    }
}

/// Who waits, with a waker each.
///
/// No method calls or drops a waker: superfluous ones are returned, to be dropped when nothing is
/// borrowed any more.
#[derive(Default)]
pub(crate) enum Waiters {
    #[default]
    Nobody,
    One(Ticket, Waker),
    Many(Box<Crowd>),
}

impl Waiters {
    /// Adds the only waiter. Gives the waker back if there are others.
    #[inline]
    pub(super) fn enrol_first(&mut self, ticket: Ticket, waker: Waker) -> Result<(), Waker> {
        match self {
            Self::Nobody => {
                mem::forget(mem::replace(self, Self::One(ticket, waker))); // Nobody was there.
                Ok(())
            }
            _ => Err(waker),
        }
    }

    /// Adds a waiter, or replaces the waker of one that is here already.
    pub(crate) fn enrol(&mut self, ticket: Ticket, waker: Waker, tickets: &Tickets) -> Enrolled {
        let mut crowd = match mem::take(self) {
            Self::Nobody => {
                *self = Self::One(ticket, waker);
                return Enrolled::New;
            }
            Self::One(other, old)
                if other == ticket && (ticket != Ticket::STRANGER || old.will_wake(&waker)) =>
            {
                *self = Self::One(ticket, waker);
                return Enrolled::Again(old);
            }
            Self::One(other, old) => Box::new(Crowd::of(other, old)),
            Self::Many(crowd) => crowd,
        };
        let enrolled = crowd.enrol(ticket, waker, tickets);
        *self = Self::Many(crowd);
        enrolled
    }

    /// Removes a waiter, if it is still here.
    #[inline]
    pub(crate) fn dismiss(&mut self, ticket: Ticket) -> Option<Waker> {
        match self {
            Self::Nobody => None,
            _ => self.dismiss_from_others(ticket),
        }
    }

    #[cold]
    fn dismiss_from_others(&mut self, ticket: Ticket) -> Option<Waker> {
        if let Self::Many(crowd) = self {
            let waker = crowd.all.remove(&ticket);
            if crowd.all.is_empty() {
                *self = Self::Nobody;
            }
            return waker;
        }
        match mem::take(self) {
            Self::One(it, waker) if it == ticket => Some(waker),
            others => {
                *self = others;
                None
            }
        }
    }

    /// Whether a waiter is still here.
    pub(super) fn contains(&self, ticket: Ticket) -> bool {
        match self {
            Self::Nobody => false,
            Self::One(it, _) => *it == ticket,
            Self::Many(crowd) => crowd.all.contains_key(&ticket),
        }
    }

    /// Moves the wakers of all to `woken`: who has waited longest is the first. Returns whether there
    /// were any.
    #[inline]
    pub(crate) fn take(&mut self, woken: &mut Vec<Waker>) -> bool {
        match self {
            Self::Nobody => return false,
            Self::One(..) => {
                if let Self::One(_, waker) = mem::take(self) {
                    woken.push(waker);
                }
            }
            Self::Many(_) => self.take_many(woken),
        }
        true
    }

    #[cold]
    fn take_many(&mut self, woken: &mut Vec<Waker>) {
        if let Self::Many(crowd) = mem::take(self) {
            woken.extend(crowd.all.into_values());
        }
    }

    /// Whether anybody waits.
    pub(super) fn is_awaited(&self) -> bool {
        !matches!(self, Self::Nobody)
    }

    /// Calls `each` with the waker of each waiter.
    pub(super) fn each(&self, each: impl FnMut(&Waker)) {
        match self {
            Self::Nobody => {}
            Self::One(_, waker) => iter::once(waker).for_each(each),
            Self::Many(crowd) => crowd.all.values().for_each(each),
        }
    }
}
