//! Those who stand in line, and those who have been notified and were not polled since.
//!
//! Nearly always that is one, whose place is in the line itself: no heap, no links. The others are a
//! ring in a slab, so that to leave costs the same everywhere in it.

use std::cell::{Cell, RefCell};
use std::mem;

use slab::Slab;

use crate::executor::Wakee;

/// No method wakes or drops anybody.
pub(super) struct Line {
    /// How many wait.
    waiting: Cell<usize>,
    /// Taken by who finds nobody waiting, and so the first of all who wait.
    front: Place,
    /// The others. Entry 0 is nobody's: it stands between the last one and the first.
    ring: RefCell<Slab<Entry>>,
}

/// Where somebody waits, and stays from when it is notified until it is polled. Two cells: who asks
/// how it was notified need not move who is to be woken.
pub(super) struct Place {
    /// Who waits.
    wakee: Cell<Option<Wakee>>,
    /// How it was notified.
    pub(super) notified: Cell<Option<Notified>>,
}

/// A place in the ring. Who has been notified has no neighbours any more.
struct Entry {
    place: Place,
    before: usize,
    after: usize,
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
    /// The key of the one in front, which nobody else can have.
    const FRONT: usize = 0;

    /// A key that nobody has.
    pub(super) const NOBODY: usize = usize::MAX - 1;

    /// Another one.
    pub(super) const ENDED: usize = usize::MAX;

    /// Whether somebody may have this key.
    #[inline]
    pub(super) fn is_key(key: usize) -> bool {
        key < Self::NOBODY
    }

    pub(super) const fn new() -> Self {
        Self {
            waiting: Cell::new(0),
            front: Place::of(None),
            ring: RefCell::new(Slab::new()),
        }
    }

    /// How many wait.
    #[inline]
    pub(super) fn waiting(&self) -> usize {
        self.waiting.get()
    }

    /// Adds somebody to the end of the line, made where it is to stay. Gives its key.
    #[inline]
    pub(super) fn push(&self, wakee: impl FnOnce() -> Wakee) -> usize {
        let waiting = self.waiting.get();
        self.waiting.set(waiting + 1);
        // Whoever was notified in front, and was not polled since, is there still.
        if waiting > 0 || self.front.notified.get().is_some() {
            return self.push_behind(wakee());
        }
        mem::forget(self.front.wakee.replace(Some(wakee()))); // Nobody was there.
        Self::FRONT
    }

    /// Notifies the first of those who wait, of whom there is one.
    #[inline]
    pub(super) fn take_first(&self, how: Notified) -> Wakee {
        self.waiting.set(self.waiting.get() - 1);
        match self.front.wakee.take() {
            Some(wakee) => {
                self.front.notified.set(Some(how));
                wakee
            }
            None => self.take_first_behind(how),
        }
    }

    /// How somebody was notified, who is forgotten then; `None` if it waits.
    #[inline]
    pub(super) fn take_notified(&self, key: usize) -> Option<Notified> {
        match key {
            Self::FRONT => self.front.notified.take(),
            _ => self.take_notified_behind(key),
        }
    }

    /// Whether somebody was notified.
    pub(super) fn is_notified(&self, key: usize) -> bool {
        self.with_place(key, |place| place.notified.get().is_some())
    }

    /// Has another one woken for somebody who waits. Gives who is not to be woken any more.
    pub(super) fn exchange(&self, key: usize, wakee: Wakee) -> Option<Wakee> {
        self.with_place(key, |place| match place.notified.get() {
            None => place.wakee.replace(Some(wakee)),
            Some(_) => Some(wakee),
        })
    }

    /// Forgets somebody.
    pub(super) fn remove(&self, key: usize) -> Place {
        let place = match key {
            Self::FRONT => self.front.take(),
            _ => self.remove_behind(key),
        };
        if place.notified.get().is_none() {
            self.waiting.set(self.waiting.get() - 1);
        }
        place
    }

    fn with_place<R>(&self, key: usize, with: impl FnOnce(&Place) -> R) -> R {
        match key {
            Self::FRONT => with(&self.front),
            _ => with(&self.ring.borrow()[key].place),
        }
    }

    #[cold]
    fn push_behind(&self, wakee: Wakee) -> usize {
        let ring = &mut *self.ring.borrow_mut();
        if ring.is_empty() {
            ring.insert(Entry {
                place: Place::of(None),
                before: 0,
                after: 0,
            });
        }
        let last = ring[0].before;
        let key = ring.insert(Entry {
            place: Place::of(Some(wakee)),
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
        let place = &ring[first].place;
        place.notified.set(Some(how));
        place.wakee.take().expect("who stands in the ring waits")
    }

    #[cold]
    fn take_notified_behind(&self, key: usize) -> Option<Notified> {
        let ring = &mut *self.ring.borrow_mut();
        let how = ring.get(key)?.place.notified.take()?;
        ring.remove(key);
        Some(how)
    }

    #[cold]
    fn remove_behind(&self, key: usize) -> Place {
        let ring = &mut *self.ring.borrow_mut();
        let Entry {
            place,
            before,
            after,
        } = ring.remove(key);
        if place.notified.get().is_none() {
            join(ring, before, after);
        }
        place
    }
}

/// Makes two neighbours.
fn join(ring: &mut Slab<Entry>, before: usize, after: usize) {
    ring[before].after = after;
    ring[after].before = before;
}

impl Place {
    const fn of(wakee: Option<Wakee>) -> Self {
        Self {
            wakee: Cell::new(wakee),
            notified: Cell::new(None),
        }
    }

    fn take(&self) -> Self {
        Self {
            wakee: Cell::new(self.wakee.take()),
            notified: Cell::new(self.notified.take()),
        }
    }
}
