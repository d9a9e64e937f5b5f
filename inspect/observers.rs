//! All who watch a runtime, and what becomes of one that panics.
//!
//! Observers are called in the middle of things: a panic that went on from there would leave a task
//! neither ended nor waiting, or the selector half asked. So it stops here, and as nobody knows what
//! the observer has left undone, it is told nothing more.

use std::cell::Cell;
use std::rc::Rc;

use crate::executor::{contain, swallow};
use crate::reactor::{Event, Observer};

/// One observer that tells all of these, if there are any.
pub(crate) fn telling_all(observers: Vec<Rc<dyn Observer>>) -> Option<Rc<dyn Observer>> {
    if observers.is_empty() {
        return None;
    }
    let watching = |observer| Watching {
        observer,
        has_panicked: Cell::new(false),
    };
    let all: Vec<_> = observers.into_iter().map(watching).collect();
    Some(Rc::new(All(all)))
}

struct All(Vec<Watching>);

/// An observer, until it panics.
struct Watching {
    observer: Rc<dyn Observer>,
    has_panicked: Cell<bool>,
}

impl Observer for All {
    fn event(&self, event: &Event<'_>) {
        self.0.iter().for_each(|watching| watching.tell(event));
    }
}

impl Watching {
    fn tell(&self, event: &Event<'_>) {
        if self.has_panicked.get() {
            return;
        }
        if let Err(panic) = contain(|| self.observer.event(event)) {
            self.has_panicked.set(true);
            swallow(|| drop(panic));
            swallow(|| eprintln!("selio: an observer has panicked, and is told nothing more"));
        }
    }
}
