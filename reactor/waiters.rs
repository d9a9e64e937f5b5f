//! Who waits for one direction of one source: nearly always nobody or one task, sometimes many.

use std::mem;
use std::num::NonZeroU32;
use std::task::Waker;

/// Names one of several waiters, so that it can come back with another waker, or leave, without
/// disturbing the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ticket(NonZeroU32);

impl Ticket {
    /// The ticket of strangers: they come through [`Source::poll_io`](super::Source::poll_io), and
    /// have no place to keep a ticket. They are told apart by their wakers.
    pub(super) const STRANGER: Self = Self(NonZeroU32::MIN);

    /// The next one. They start again after four billion, more than anybody waits through.
    pub(super) fn next(self) -> Self {
        Self(
            self.0
                .checked_add(1)
                .unwrap_or(NonZeroU32::MIN.saturating_add(1)),
        )
    }
}

/// How many strangers may gather before those that are gone are sorted out.
const STRANGERS: usize = 32;

/// What [`Waiters::enrol`] has done, and what is left to the caller.
pub(super) enum Enrolled {
    New,
    /// The waiter was here already; its former waker is to be dropped.
    Again(Waker),
    /// There were too many strangers: these were taken out, and are to be woken. Those that still
    /// wait will come again.
    InsteadOf(Vec<Waker>),
}

/// Who waits, with a waker each.
///
/// No method calls or drops a waker: superfluous ones are returned, to be dropped when nothing is
/// borrowed any more.
#[derive(Default)]
pub(super) enum Waiters {
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
                *self = Self::One(ticket, waker);
                Ok(())
            }
            _ => Err(waker),
        }
    }

    /// Adds a waiter, or replaces the waker of one that is here already. `look` counts how often
    /// the selector was asked.
    pub(super) fn enrol(&mut self, ticket: Ticket, waker: Waker, look: u64) -> Enrolled {
        let here = self.iter_mut().find(|(other, old)| {
            **other == ticket && (ticket != Ticket::STRANGER || old.will_wake(&waker))
        });
        if let Some((_, old)) = here {
            return Enrolled::Again(mem::replace(old, waker));
        }
        let mut crowd = match mem::take(self) {
            Self::Nobody => Box::default(),
            Self::One(other, old) => Box::new(Crowd {
                all: vec![(other, old)],
                ..Crowd::default()
            }),
            Self::Many(crowd) => crowd,
        };
        let gone = crowd.sort_out(look);
        crowd.all.push((ticket, waker));
        *self = Self::Many(crowd);
        if gone.is_empty() {
            Enrolled::New
        } else {
            Enrolled::InsteadOf(gone)
        }
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
            Self::Many(mut crowd) => {
                let (_, waker) = crowd.all.remove(place);
                if !crowd.all.is_empty() {
                    *self = Self::Many(crowd);
                }
                Some(waker)
            }
        }
    }

    /// Whether a waiter is still here.
    pub(super) fn contains(&mut self, ticket: Ticket) -> bool {
        self.iter_mut().any(|(other, _)| *other == ticket)
    }

    /// Moves the wakers of all to `woken`, in the order in which they came. Returns whether there
    /// were any.
    #[inline]
    pub(super) fn take(&mut self, woken: &mut Vec<Waker>) -> bool {
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
            woken.extend(crowd.all.into_iter().map(|(_, waker)| waker));
        }
    }

    /// Whether anybody waits.
    pub(super) fn is_awaited(&self) -> bool {
        !matches!(self, Self::Nobody)
    }

    /// Calls `each` with the waker of each waiter.
    pub(super) fn each(&mut self, mut each: impl FnMut(&Waker)) {
        self.iter_mut().for_each(|(_, waker)| each(waker));
    }

    fn iter_mut(&mut self) -> impl Iterator<Item = (&mut Ticket, &mut Waker)> {
        let (one, many) = match self {
            Self::Nobody => (None, [].iter_mut()),
            Self::One(ticket, waker) => (Some((ticket, waker)), [].iter_mut()),
            Self::Many(crowd) => (None, crowd.all.iter_mut()),
        };
        one.into_iter()
            .chain(many.map(|(ticket, waker)| (ticket, waker)))
    }
}

/// Several waiters, or what is left of them.
pub(super) struct Crowd {
    all: Vec<(Ticket, Waker)>,
    /// How many strangers may gather.
    limit: usize,
    /// At which look they were last sorted out.
    sorted_out: Option<u64>,
}

impl Crowd {
    /// A stranger leaves without a word: no destructor tells that it no longer waits. So when too
    /// many have gathered, all are taken out, to be woken, and those that still wait come back at
    /// once. If they are too many again by then, all of them wait, and the limit grows.
    fn sort_out(&mut self, look: u64) -> Vec<Waker> {
        let is_stranger = |(ticket, _): &(Ticket, Waker)| *ticket == Ticket::STRANGER;
        let strangers = self.all.iter().filter(|it| is_stranger(it)).count();
        if strangers < self.limit {
            return Vec::new();
        }
        if self
            .sorted_out
            .is_some_and(|last| look.wrapping_sub(last) <= 2)
        {
            self.limit = 2 * strangers;
            return Vec::new();
        }
        self.sorted_out = Some(look);
        let gone = self.all.extract_if(.., |it| is_stranger(it));
        gone.map(|(_, waker)| waker).collect()
    }
}

impl Default for Crowd {
    fn default() -> Self {
        Self {
            all: Vec::new(),
            limit: STRANGERS,
            sorted_out: None,
        }
    }
}
