//! Those who stand in line, and those who have been notified and were not polled since.
//!
//! Nearly always that is one, whose place is in the line itself: no heap, no links. The others are a
//! ring in a slab, so that to leave costs the same everywhere in it.

use std::mem;
use std::task::Waker;

use slab::Slab;

/// No method calls or drops a waker.
pub(super) struct Line {
    /// Taken by who finds the line empty, and so the first of all who wait.
    front: State,
    /// The others. Entry 0 is nobody's: it stands between the last one and the first.
    ring: Slab<Entry>,
}

/// Somebody in the ring. Who has been notified has no neighbours any more.
struct Entry {
    state: State,
    before: usize,
    after: usize,
}

pub(super) enum State {
    Vacant,
    Waiting(Waker),
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

    /// The key of the one in front.
    const FRONT: usize = usize::MAX;

    pub(super) const fn new() -> Self {
        Self {
            front: State::Vacant,
            ring: Slab::new(),
        }
    }

    /// Adds somebody to the end of the line. The caller knows whether the line is empty.
    #[inline]
    pub(super) fn push(&mut self, waker: Waker, is_empty: bool) -> usize {
        match self.front {
            State::Vacant if is_empty => {
                self.front = State::Waiting(waker);
                Self::FRONT
            }
            _ => self.push_behind(waker),
        }
    }

    #[cold]
    fn push_behind(&mut self, waker: Waker) -> usize {
        if self.ring.is_empty() {
            self.ring.insert(Entry {
                state: State::Vacant,
                before: 0,
                after: 0,
            });
        }
        let last = self.ring[0].before;
        let key = self.ring.insert(Entry {
            state: State::Waiting(waker),
            before: last,
            after: 0,
        });
        self.ring[last].after = key;
        self.ring[0].before = key;
        key
    }

    /// Notifies the first in the line, in which there is one.
    #[inline]
    pub(super) fn take_first(&mut self, how: Notified) -> Waker {
        let first = match self.front {
            State::Waiting(_) => &mut self.front,
            _ => self.first_behind(),
        };
        match mem::replace(first, State::Notified(how)) {
            State::Waiting(waker) => waker,
            _ => unreachable!("who stands in the line waits"),
        }
    }

    #[cold]
    fn first_behind(&mut self) -> &mut State {
        let first = self.ring[0].after;
        let after = self.ring[first].after;
        self.join(0, after);
        &mut self.ring[first].state
    }

    #[inline]
    pub(super) fn state(&mut self, key: usize) -> &mut State {
        match key {
            Self::FRONT => &mut self.front,
            _ => &mut self.ring[key].state,
        }
    }

    /// Forgets somebody.
    #[inline]
    pub(super) fn remove(&mut self, key: usize) -> State {
        match key {
            Self::FRONT => mem::replace(&mut self.front, State::Vacant),
            _ => self.remove_behind(key),
        }
    }

    #[cold]
    fn remove_behind(&mut self, key: usize) -> State {
        let Entry {
            state,
            before,
            after,
        } = self.ring.remove(key);
        if let State::Waiting(_) = state {
            self.join(before, after);
        }
        state
    }

    /// Makes two neighbours.
    fn join(&mut self, before: usize, after: usize) {
        self.ring[before].after = after;
        self.ring[after].before = before;
    }
}
