//! Those who stand in line, and those who have been notified and were not polled since.
//!
//! Nearly always that is one, whose place is in the line itself: no heap, no links. The others are a
//! ring in a slab, so that to leave costs the same everywhere in it.

use std::cell::{Cell, RefCell};
use std::mem;

use slab::Slab;

use crate::executor::wakee::Wakee;

/// No method wakes or drops anybody.
pub(super) struct Line {
    /// How many wait.
    waiting: Cell<usize>,
    /// Taken by who finds nobody waiting, and so the first of all who wait.
    front: Cell<State>,
    /// The others. Entry 0 is nobody's: it stands between the last one and the first.
    ring: RefCell<Slab<Entry>>,
}

/// Somebody in the ring. Who has been notified has no neighbours any more.
struct Entry {
    state: State,
    before: usize,
    after: usize,
}

pub(super) enum State {
    Vacant,
    Waiting(Wakee),
    Notified(Notified),
}

/// How somebody was notified.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Notified {
    /// Instead of anybody else: it has a claim.
    Alone,
    /// With all who waited, as the one at this place in the line, counted from 0.
    WithAll(usize),
    /// With all who waited: what they waited for will not come.
    InVain,
}

impl Line {
    /// The key that nobody has.
    pub(super) const NOBODY: usize = 0;

    /// Another one.
    pub(super) const ENDED: usize = usize::MAX;

    /// The key of the one in front.
    const FRONT: usize = usize::MAX - 1;

    pub(super) const fn new() -> Self {
        Self {
            waiting: Cell::new(0),
            front: Cell::new(State::Vacant),
            ring: RefCell::new(Slab::new()),
        }
    }

    /// How many wait.
    #[inline]
    pub(super) fn waiting(&self) -> usize {
        self.waiting.get()
    }

    /// Adds somebody to the end of the line. Gives its key.
    #[inline]
    pub(super) fn push(&self, wakee: Wakee) -> usize {
        let waiting = self.waiting.get();
        self.waiting.set(waiting + 1);
        if waiting > 0 {
            return self.push_behind(wakee);
        }
        match self.front.replace(State::Waiting(wakee)) {
            State::Vacant => Self::FRONT,
            // Who is there was notified, and has not been polled since.
            notified => match self.front.replace(notified) {
                State::Waiting(wakee) => self.push_behind(wakee),
                _ => unreachable!("who has just come waits"),
            },
        }
    }

    /// Notifies the first of those who wait, of whom there is one.
    #[inline]
    pub(super) fn take_first(&self, how: Notified) -> Wakee {
        self.waiting.set(self.waiting.get() - 1);
        match self.front.replace(State::Notified(how)) {
            State::Waiting(wakee) => wakee,
            front => {
                self.front.set(front);
                self.take_first_behind(how)
            }
        }
    }

    /// How somebody was notified, who is forgotten then; `None` if it waits.
    #[inline]
    pub(super) fn take_notified(&self, key: usize) -> Option<Notified> {
        if key != Self::FRONT {
            return self.take_notified_behind(key);
        }
        match self.front.replace(State::Vacant) {
            State::Notified(how) => Some(how),
            waiting => {
                self.front.set(waiting);
                None
            }
        }
    }

    /// Has another one woken for somebody, if it waits. Gives who is not to be woken any more.
    pub(super) fn exchange(&self, key: usize, wakee: Wakee) -> Wakee {
        if key != Self::FRONT {
            return self.ring.borrow_mut()[key].state.exchange(wakee);
        }
        let mut front = self.front.replace(State::Vacant);
        let former = front.exchange(wakee);
        self.front.set(front);
        former
    }

    /// Forgets somebody.
    pub(super) fn remove(&self, key: usize) -> State {
        let state = match key {
            Self::FRONT => self.front.replace(State::Vacant),
            _ => self.remove_behind(key),
        };
        if let State::Waiting(_) = state {
            self.waiting.set(self.waiting.get() - 1);
        }
        state
    }

    #[cold]
    fn push_behind(&self, wakee: Wakee) -> usize {
        let ring = &mut *self.ring.borrow_mut();
        if ring.is_empty() {
            ring.insert(Entry {
                state: State::Vacant,
                before: 0,
                after: 0,
            });
        }
        let last = ring[0].before;
        let key = ring.insert(Entry {
            state: State::Waiting(wakee),
            before: last,
            after: 0,
        });
        ring[last].after = key;
        ring[0].before = key;
        key
    }

    #[cold]
    fn take_first_behind(&self, how: Notified) -> Wakee {
        let ring = &mut *self.ring.borrow_mut();
        let first = ring[0].after;
        let after = ring[first].after;
        join(ring, 0, after);
        match mem::replace(&mut ring[first].state, State::Notified(how)) {
            State::Waiting(wakee) => wakee,
            _ => unreachable!("who stands in the line waits"),
        }
    }

    #[cold]
    fn take_notified_behind(&self, key: usize) -> Option<Notified> {
        let ring = &mut *self.ring.borrow_mut();
        let State::Notified(how) = ring.get(key)?.state else {
            return None;
        };
        ring.remove(key);
        Some(how)
    }

    #[cold]
    fn remove_behind(&self, key: usize) -> State {
        let ring = &mut *self.ring.borrow_mut();
        let Entry {
            state,
            before,
            after,
        } = ring.remove(key);
        if let State::Waiting(_) = state {
            join(ring, before, after);
        }
        state
    }
}

/// Makes two neighbours.
fn join(ring: &mut Slab<Entry>, before: usize, after: usize) {
    ring[before].after = after;
    ring[after].before = before;
}

impl State {
    fn exchange(&mut self, wakee: Wakee) -> Wakee {
        match self {
            Self::Waiting(former) => mem::replace(former, wakee),
            _ => wakee,
        }
    }
}
