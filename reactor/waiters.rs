//! Who waits for one source: almost always one task for each direction, sometimes many.

use std::mem;
use std::num::NonZeroU32;
use std::task::Waker;

use super::Direction;

/// Tells apart who waits for the same direction of the same source, so that each can come back
/// with another waker, or leave, without disturbing the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket(NonZeroU32);

impl Ticket {
    /// The ticket of those who come through a `poll` function and cannot keep one. They are told
    /// apart by their wakers.
    pub(super) const NONE: Self = Self(NonZeroU32::MIN);

    /// The next one. When all four billion have been used they start again: who has waited so long
    /// on the same source would have to be very patient.
    pub(super) fn next(self) -> Self {
        Self(
            self.0
                .checked_add(1)
                .unwrap_or(NonZeroU32::MIN.saturating_add(1)),
        )
    }
}

#[derive(Debug, Default)]
pub(super) struct Waiters {
    /// The first reader and the first writer.
    first: [Option<Waiter>; 2],
    /// All further ones. Boxed, because a connection hardly ever has any, and there are many
    /// connections.
    #[expect(
        clippy::box_collection,
        reason = "a thin pointer in every connection's slot"
    )]
    rest: Option<Box<Vec<(Direction, Waiter)>>>,
}

#[derive(Debug)]
struct Waiter {
    ticket: Ticket,
    waker: Waker,
}

impl Waiter {
    fn is_same(&self, other: &Self) -> bool {
        let is_known = self.ticket != Ticket::NONE || self.waker.will_wake(&other.waker);
        self.ticket == other.ticket && is_known
    }
}

impl Waiters {
    /// Adds a waiter, or gives one that is here already its new waker. Returns the waker that has
    /// become superfluous, to be dropped once all borrows have ended.
    #[inline]
    pub(super) fn enrol(
        &mut self,
        direction: Direction,
        ticket: Ticket,
        waker: Waker,
    ) -> Option<Waker> {
        let waiter = Waiter { ticket, waker };
        match &mut self.first[direction as usize] {
            first @ None if self.rest.is_none() => *first = Some(waiter),
            _ => return self.enrol_among_others(direction, waiter),
        }
        None
    }

    #[cold]
    fn enrol_among_others(&mut self, direction: Direction, new: Waiter) -> Option<Waker> {
        if let Some(old) = self.of(direction).find(|old| old.is_same(&new)) {
            return Some(mem::replace(&mut old.waker, new.waker));
        }
        match &mut self.first[direction as usize] {
            first @ None => *first = Some(new),
            Some(_) => self.rest.get_or_insert_default().push((direction, new)),
        }
        None
    }

    /// Removes a waiter, if it is still here.
    #[inline]
    pub(super) fn dismiss(&mut self, direction: Direction, ticket: Ticket) -> Option<Waker> {
        let first = &mut self.first[direction as usize];
        if let Some(waiter) = first.take_if(|waiter| waiter.ticket == ticket) {
            return Some(waiter.waker);
        }
        let rest = self.rest.as_mut()?;
        let place = rest
            .iter()
            .position(|(of, it)| *of == direction && it.ticket == ticket)?;
        Some(rest.remove(place).1.waker)
    }

    pub(super) fn contains(&mut self, direction: Direction, ticket: Ticket) -> bool {
        self.of(direction).any(|waiter| waiter.ticket == ticket)
    }

    /// Moves the wakers of all who wait for this direction to `woken`. Whether there were any.
    #[inline]
    pub(super) fn take(&mut self, direction: Direction, woken: &mut Vec<Waker>) -> bool {
        let before = woken.len();
        if let Some(waiter) = self.first[direction as usize].take() {
            woken.push(waiter.waker);
        }
        if let Some(rest) = &mut self.rest {
            woken.extend(
                rest.extract_if(.., |(of, _)| *of == direction)
                    .map(|(_, it)| it.waker),
            );
            self.rest.take_if(|rest| rest.is_empty());
        }
        woken.len() > before
    }

    fn of(&mut self, direction: Direction) -> impl Iterator<Item = &mut Waiter> {
        let rest = self.rest.iter_mut().flat_map(|rest| rest.iter_mut());
        let rest = rest
            .filter(move |(of, _)| *of == direction)
            .map(|(_, waiter)| waiter);
        self.first[direction as usize].iter_mut().chain(rest)
    }
}
