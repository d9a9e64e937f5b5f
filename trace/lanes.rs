//! Who does what: the lanes of a trace, their names, what each of them waits for, and what wakes it.
//!
//! Events carry numbers; people read names. Only tasks that are alive are remembered, so that a
//! server which is traced for a week needs no more memory than its tasks.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use crate::reactor::{By, Direction, Event, OneLine, TaskId};

/// Where something happens.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(super) enum Lane {
    /// Between two polls: the selector is asked, and wakes.
    #[default]
    Loop,
    /// The future that `block_on` runs.
    Main,
    Task(TaskId),
}

impl Lane {
    pub(super) fn of(task: Option<TaskId>) -> Self {
        task.map_or(Self::Main, Self::Task)
    }
}

/// What is remembered of a task.
#[derive(Default)]
struct Memory {
    name: Option<String>,
    /// What it has found that it would block on, in its last poll.
    waits: Vec<(i32, Direction)>,
    /// The number of the wake that its next poll answers.
    wake: Option<u64>,
}

#[derive(Default)]
pub(super) struct Lanes {
    memories: HashMap<Lane, Memory>,
    polled: Lane,
    /// How many wakes there were: the number of the last one.
    pub(super) wakes: u64,
    /// The number of the wake that the last poll to begin answers.
    pub(super) answered: Option<u64>,
    /// What the selector has reported at last: to read, and to write.
    ready: HashMap<i32, (bool, bool)>,
    /// Their ends were told, but whom they wake will be told next.
    ended: Vec<TaskId>,
}

impl Lanes {
    /// To be called before the event is written down.
    pub(super) fn before(&mut self, event: &Event<'_>) {
        match *event {
            Event::Spawned { task, name, .. } => {
                let memory = self.memories.entry(Lane::Task(task)).or_default();
                memory.name = name.map(str::to_owned);
            }
            Event::PollBegins { task } => {
                self.polled = Lane::of(task);
                let memory = self.memories.entry(self.polled).or_default();
                memory.waits.clear();
                self.answered = memory.wake.take();
                for ended in self.ended.drain(..) {
                    self.memories.remove(&Lane::Task(ended));
                }
            }
            Event::Woken { task, .. } => {
                self.wakes += 1;
                // A waker outlives its task, and may be called for ever after.
                if let Some(memory) = self.memories.get_mut(&Lane::of(task)) {
                    memory.wake = Some(self.wakes);
                }
            }
            Event::WouldBlock { fd, direction, .. } => {
                if let Some(memory) = self.memories.get_mut(&self.polled) {
                    memory.waits.push((fd, direction));
                }
            }
            Event::Selected { .. } => self.ready.clear(),
            Event::Ready {
                fd,
                readable,
                writable,
            } => {
                let ready = self.ready.entry(fd).or_default();
                *ready = (ready.0 | readable, ready.1 | writable);
            }
            _ => {}
        }
    }

    /// To be called when it is written down.
    pub(super) fn after(&mut self, event: &Event<'_>) {
        match *event {
            Event::PollEnds { .. } => self.polled = Lane::Loop,
            Event::Done { task, .. } | Event::Cancelled { task } => self.ended.push(task),
            _ => {}
        }
    }

    /// Where an event happens.
    pub(super) fn place(&self, event: &Event<'_>) -> Lane {
        match *event {
            Event::PollBegins { task } | Event::PollEnds { task, .. } => Lane::of(task),
            Event::Done { task, .. } | Event::Cancelled { task } => Lane::Task(task),
            Event::Spawned { parent, .. } => Lane::of(parent),
            Event::Woken { by, .. } => match by {
                By::Task(task) => Lane::Task(task),
                By::Main => Lane::Main,
                By::Reactor | By::Thread(_) => Lane::Loop,
            },
            _ => self.polled,
        }
    }

    /// The descriptor that has become ready and that this task waited for, if that is why it is woken.
    pub(super) fn reason(&self, task: Option<TaskId>, by: By<'_>) -> Option<i32> {
        if by != By::Reactor {
            return None;
        }
        let waits = &self.memories.get(&Lane::of(task))?.waits;
        let is_ready = |(fd, direction): &&(i32, Direction)| {
            let ready = self.ready.get(fd);
            ready.is_some_and(|&(readable, writable)| match direction {
                Direction::Read => readable,
                Direction::Write => writable,
            })
        };
        waits.iter().find(is_ready).map(|&(fd, _)| fd)
    }

    /// `loop`, `main`, `reader#7`, or `task-7` for a task without a name.
    pub(super) fn name(&self, lane: Lane) -> Cow<'static, str> {
        match lane {
            Lane::Loop => "loop".into(),
            Lane::Main => "main".into(),
            Lane::Task(id) => {
                let memory = self.memories.get(&lane);
                match memory.and_then(|memory| memory.name.as_ref()) {
                    Some(name) => format!("{}#{id}", OneLine(name)).into(),
                    None => format!("task-{id}").into(),
                }
            }
        }
    }

    pub(super) fn name_of(&self, task: TaskId) -> Cow<'static, str> {
        self.name(Lane::Task(task))
    }
}

/// As in `read, write`.
pub(super) struct Directions(bool, bool);

impl Directions {
    /// Those that an event tells of.
    pub(super) fn of(event: &Event<'_>) -> Self {
        match *event {
            Event::WouldBlock { direction, .. } => {
                let is_read = direction == Direction::Read;
                Self(is_read, !is_read)
            }
            Event::Armed { interest, .. }
            | Event::Disarmed {
                interest: Some(interest),
                ..
            } => Self(interest.is_readable(), interest.is_writable()),
            Event::Ready {
                readable, writable, ..
            } => Self(readable, writable),
            _ => Self(false, false),
        }
    }
}

impl fmt::Display for Directions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.0, self.1) {
            (true, true) => "read, write",
            (true, false) => "read",
            (false, true) => "write",
            (false, false) => "nothing",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::panic::Location;

    use super::*;

    #[test]
    fn a_task_that_has_ended_is_forgotten_even_if_it_is_woken_later() {
        let mut lanes = Lanes::default();
        let task = TaskId(7);
        let spawned = Event::Spawned {
            task,
            parent: None,
            name: Some("seven"),
            site: Location::caller(),
        };
        let done = Event::Done {
            task,
            has_panicked: false,
        };
        let next = Event::PollBegins { task: None };
        let woken = Event::Woken {
            task: Some(task),
            by: By::Main,
        };
        for event in [spawned, done, next, woken] {
            lanes.before(&event);
            lanes.after(&event);
        }
        assert!(!lanes.memories.contains_key(&Lane::Task(task)));
    }
}
