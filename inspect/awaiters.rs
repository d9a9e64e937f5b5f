//! Who has begun to wait for which descriptor or timer, and at which line. Whether it still does, only
//! the reactor knows.

use std::collections::{HashMap, HashSet};
use std::panic::Location;

use crate::reactor::{Awaited, Reactor, TaskId};

/// How much may be written down before what is over is sorted out.
const FEW: usize = 64;

#[derive(Default)]
pub(super) struct Awaiters {
    of: HashMap<Awaited, Lines>,
    /// How many descriptors and timers there may be before those that nobody awaits are sorted out.
    limit: usize,
}

/// The lines at which tasks have begun to wait for one descriptor or timer. They may be very many: nothing
/// here looks at all of them each time.
#[derive(Default)]
struct Lines {
    of: HashMap<Option<TaskId>, Option<&'static Location<'static>>>,
    last: Option<TaskId>,
    /// How many there may be before those of tasks that have ended are sorted out.
    limit: usize,
}

#[derive(Clone, Copy)]
pub(super) struct Awaiter {
    pub(super) task: Option<TaskId>,
    /// The line that waits, if it is known.
    pub(super) site: Option<&'static Location<'static>>,
}

impl Awaiters {
    /// A task has begun to wait.
    pub(super) fn add(
        &mut self,
        awaited: Awaited,
        Awaiter { task, site }: Awaiter,
        is_alive: impl Fn(&Option<TaskId>) -> bool,
    ) {
        if self.of.len() >= self.limit {
            self.sort_out();
        }
        let lines = self.of.entry(awaited).or_default();
        if lines.of.len() >= lines.limit {
            lines.of.retain(|task, _| is_alive(task));
            lines.limit = FEW.max(2 * lines.of.len());
        }
        lines.of.insert(task, site);
        lines.last = task;
    }

    fn sort_out(&mut self) {
        let mut awaited = HashSet::new();
        if let Some(reactor) = Reactor::current() {
            reactor.each_waker(|_, it| {
                awaited.insert(it);
            });
        }
        self.of.retain(|it, _| awaited.contains(it));
        self.limit = FEW.max(2 * self.of.len());
    }

    /// Who has begun to wait for this last: among all, or whatever this task has done.
    pub(super) fn last(&self, awaited: Awaited, task: Option<Option<TaskId>>) -> Option<Awaiter> {
        let lines = self.of.get(&awaited)?;
        let task = task.unwrap_or(lines.last);
        let site = *lines.of.get(&task)?;
        Some(Awaiter { task, site })
    }
}
