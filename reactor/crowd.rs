//! Those who wait for the same, when they are several: each comes and leaves without a look at the
//! others.
//!
//! Who has a ticket stands where that says. Strangers have none, and do not say that they leave: a
//! `poll` function cannot know whether the one who calls it will come back. They are known by their
//! wakers, and sorted out from time to time.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::task::{RawWakerVTable, Waker};

use super::current::selects;
use super::waiters::{Ticket, Tickets};
use super::wake_all;

/// How many strangers may gather at first before those that are gone are sorted out.
const STRANGERS: usize = 32;

/// What [`Waiters::enrol`](super::Waiters::enrol) has done, and has left to do when nothing is borrowed any more.
#[must_use]
pub(crate) enum Enrolled {
    New,
    /// The waiter was here already: one of its two wakers is to be dropped.
    Again(Waker),
    /// These were taken out, because there were too many strangers, and are to be woken. Those that
    /// still wait will come again.
    InsteadOf(Vec<Waker>),
}

impl Enrolled {
    pub(crate) fn settle(self) {
        match self {
            Self::New => {}
            Self::Again(superfluous) => drop(superfluous),
            Self::InsteadOf(mut displaced) => wake_all(&mut displaced),
        }
    }
}

/// Several waiters, or what is left of them.
pub(crate) struct Crowd {
    /// Who has waited longest is the first.
    pub(super) all: BTreeMap<Ticket, Waker>,
    /// Those among them who came without a ticket, and the ones that were drawn for them.
    strangers: BTreeMap<Identity, Ticket>,
    /// How many strangers may gather before those that are gone are sorted out.
    limit: usize,
    /// How often the selector had been asked when they were last sorted out.
    sorted_out: Option<u64>,
}

/// Two wakers have the same one if [`Waker::will_wake`] says that they wake the same.
type Identity = (*const (), *const RawWakerVTable);

fn identity(waker: &Waker) -> Identity {
    (waker.data(), waker.vtable())
}

impl Crowd {
    /// Who was alone so far.
    pub(super) fn of(ticket: Ticket, waker: Waker) -> Self {
        let mut crowd = Self {
            all: BTreeMap::new(),
            strangers: BTreeMap::new(),
            limit: STRANGERS,
            sorted_out: None,
        };
        if ticket == Ticket::STRANGER {
            crowd.strangers.insert(identity(&waker), ticket);
        }
        crowd.all.insert(ticket, waker);
        crowd
    }

    pub(super) fn enrol(&mut self, ticket: Ticket, waker: Waker, tickets: &Tickets) -> Enrolled {
        if ticket == Ticket::STRANGER {
            return self.enrol_stranger(waker, tickets);
        }
        match self.all.insert(ticket, waker) {
            None => Enrolled::New,
            Some(former) => Enrolled::Again(former),
        }
    }

    fn enrol_stranger(&mut self, waker: Waker, tickets: &Tickets) -> Enrolled {
        let identity = identity(&waker);
        if self.strangers.contains_key(&identity) {
            return Enrolled::Again(waker);
        }
        let displaced = self.sort_out();
        let ticket = tickets.draw();
        self.strangers.insert(identity, ticket);
        self.all.insert(ticket, waker);
        Enrolled::InsteadOf(displaced)
    }

    /// When too many strangers have gathered, all are taken out, to be woken, and those that still wait
    /// come back at once. If they are too many again by then, all of them wait, and the limit grows.
    fn sort_out(&mut self) -> Vec<Waker> {
        let number = self.strangers.len();
        if number < self.limit {
            return Vec::new();
        }
        let selects = selects();
        if self
            .sorted_out
            .is_some_and(|last| selects.wrapping_sub(last) <= 2)
        {
            self.limit = 2 * number;
            return Vec::new();
        }
        self.sorted_out = Some(selects);
        let strangers: BTreeSet<_> = mem::take(&mut self.strangers).into_values().collect();
        let gone = strangers.iter().filter_map(|it| self.all.remove(it));
        gone.collect()
    }
}
