//! Who waits for one direction of one source: almost always nobody or one task, sometimes many.

use std::mem;
use std::num::NonZeroU32;
use std::task::Waker;

/// Tells apart who waits for the same thing, so that each can come back with another waker, or
/// leave, without disturbing the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket(NonZeroU32);

impl Ticket {
    /// The ticket of those who come through a `poll` function and cannot keep one. They are told
    /// apart by their wakers.
    pub(super) const NONE: Self = Self(NonZeroU32::MIN);

    /// The next one. After four billion they start again: to meet its double, a waiter would have
    /// to be very patient.
    pub(super) fn next(self) -> Self {
        Self(
            self.0
                .checked_add(1)
                .unwrap_or(NonZeroU32::MIN.saturating_add(1)),
        )
    }
}

/// How many wakers are kept of those who came without a ticket. They may be gone without a word, as
/// a `poll` function cannot tell; one more, and the oldest is woken and has to come again.
const STRANGERS: usize = 32;

/// What has become of somebody who came to wait.
pub(super) enum Enrolled {
    New,
    /// It was here already; its former waker is to be dropped.
    Again(Waker),
    /// It has displaced another one, who is to be woken.
    InsteadOf(Waker),
}

/// No method calls or drops a waker: those that have become superfluous are returned, to be dropped
/// when nothing is borrowed any more.
#[derive(Default)]
pub(super) enum Waiters {
    #[default]
    Nobody,
    One(Ticket, Waker),
    #[expect(
        clippy::box_collection,
        reason = "rare, and a thin pointer keeps connections small"
    )]
    Many(Box<Vec<(Ticket, Waker)>>),
}

impl Waiters {
    /// Adds a waiter, or gives one that is here already its new waker.
    #[inline]
    pub(super) fn enrol(&mut self, ticket: Ticket, waker: Waker) -> Enrolled {
        match self {
            Self::Nobody => {
                *self = Self::One(ticket, waker);
                Enrolled::New
            }
            _ => self.enrol_among_others(ticket, waker),
        }
    }

    #[cold]
    fn enrol_among_others(&mut self, ticket: Ticket, waker: Waker) -> Enrolled {
        let here = self.iter_mut().find(|(other, old)| {
            **other == ticket && (ticket != Ticket::NONE || old.will_wake(&waker))
        });
        if let Some((_, old)) = here {
            return Enrolled::Again(mem::replace(old, waker));
        }
        let mut all = match mem::take(self) {
            Self::Nobody => Box::default(),
            Self::One(other, old) => Box::new(vec![(other, old)]),
            Self::Many(all) => all,
        };
        all.push((ticket, waker));
        let is_stranger = |(ticket, _): &(Ticket, Waker)| *ticket == Ticket::NONE;
        let oldest = all.iter().position(is_stranger);
        let displaced = oldest
            .filter(|_| all.iter().filter(|it| is_stranger(it)).count() > STRANGERS)
            .map(|oldest| all.remove(oldest).1);
        *self = Self::Many(all);
        displaced.map_or(Enrolled::New, Enrolled::InsteadOf)
    }

    /// Removes a waiter, if it is still here.
    #[inline]
    pub(super) fn dismiss(&mut self, ticket: Ticket) -> Option<Waker> {
        match self {
            Self::Nobody => None,
            _ => self.dismiss_from_others(ticket),
        }
    }

    #[cold]
    fn dismiss_from_others(&mut self, ticket: Ticket) -> Option<Waker> {
        let place = self.iter_mut().position(|(other, _)| *other == ticket)?;
        match mem::take(self) {
            Self::Nobody => None,
            Self::One(_, waker) => Some(waker),
            Self::Many(mut all) => {
                let (_, waker) = all.remove(place);
                if !all.is_empty() {
                    *self = Self::Many(all);
                }
                Some(waker)
            }
        }
    }

    /// Whether a waiter is still here.
    pub(super) fn contains(&mut self, ticket: Ticket) -> bool {
        self.iter_mut().any(|(other, _)| *other == ticket)
    }

    /// Moves the wakers of all who wait to `woken`, in the order in which they came. Whether there
    /// were any.
    #[inline]
    pub(super) fn take(&mut self, woken: &mut Vec<Waker>) -> bool {
        match mem::take(self) {
            Self::Nobody => return false,
            Self::One(_, waker) => woken.push(waker),
            Self::Many(all) => take_many(*all, woken),
        }
        true
    }

    fn iter_mut(&mut self) -> impl Iterator<Item = (&mut Ticket, &mut Waker)> {
        let (one, many) = match self {
            Self::Nobody => (None, [].iter_mut()),
            Self::One(ticket, waker) => (Some((ticket, waker)), [].iter_mut()),
            Self::Many(all) => (None, all.iter_mut()),
        };
        one.into_iter()
            .chain(many.map(|(ticket, waker)| (ticket, waker)))
    }
}

#[cold]
fn take_many(all: Vec<(Ticket, Waker)>, woken: &mut Vec<Waker>) {
    woken.extend(all.into_iter().map(|(_, waker)| waker));
}
