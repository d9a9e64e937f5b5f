//! A picture of all tasks: who waits for what.
//!
//! The tasks know nothing of it. Whoever waits has left its waker where it waits: in the reactor, or
//! with the task that it awaits; the dump looks there for the wakers of the tasks. Debug mode also knows
//! what was told when they began to wait: at which line, for what else, and whose the wakers are that
//! are not a task's own.

use std::collections::HashMap;
use std::fmt;
use std::mem;
use std::panic::Location;
use std::time::{Duration, Instant};

use super::debug::{Debug, Record, Thing};
use crate::executor::{Executor, JoinedBy, Label, Snapshot};
use crate::reactor::{Awaited, Direction, OneLine, TaskId};

/// How many of the things that one task waits for are told.
const MANY: usize = 16;

/// Who waits for what in the current runtime. Outside of a runtime, there is nobody.
///
/// [`Display`](fmt::Display) draws the tree of the tasks, each below the one that spawned it. What
/// only debug mode writes down is left out without it: since when a task waits, at which line, and for
/// which lock or queue. See [`Builder::debug`](crate::Builder::debug). With the cargo feature
/// `signal`, a program can be asked from outside: `SELIO_DUMP=SIGUSR1` in its environment makes
/// `kill -USR1` print this.
///
/// # Examples
///
/// ```
/// selio::run(async {
///     selio::spawn_named("idle", std::future::pending::<()>());
///     selio::yield_now().await;
///     println!("{}", selio::task::dump());
/// });
/// ```
#[must_use]
#[doc(alias = "print_stack")]
#[doc(alias = "print_call_graph")]
pub fn dump() -> Dump {
    let dump = Executor::current().map(|executor| Dump::of(&executor));
    dump.unwrap_or(Dump {
        main: None,
        tasks: Vec::new(),
    })
}

/// The tasks of a runtime at one moment: from [`dump`].
pub struct Dump {
    main: Option<Entry>,
    /// In the order of their numbers.
    tasks: Vec<Entry>,
}

struct Entry {
    label: Option<Label>,
    parent: Option<TaskId>,
    polls: Option<u32>,
    state: State,
    since: Option<Duration>,
}

enum State {
    Running,
    Ready,
    /// For each of these, in words.
    Waiting(Vec<String>),
}

impl Dump {
    /// The picture of this moment.
    pub(super) fn of(executor: &Executor) -> Self {
        let now = executor.reactor.now();
        let all = executor.snapshot();
        let debug = executor.extensions.get::<Debug>();
        let debug = debug.as_deref();
        let mut waits = waits(executor, &all, debug, now);
        let entry = |task: &Snapshot| {
            let record = debug.map_or_else(Record::default, |debug| debug.record(task.id()));
            let state = if task.is_polled {
                State::Running
            } else if task.is_queued {
                State::Ready
            } else {
                let mut waits = waits.remove(&task.id()).unwrap_or_default();
                let things = record.things();
                waits.extend(things.iter().map(|thing| for_thing(thing, &all)));
                State::Waiting(waits)
            };
            Entry {
                label: task.label.clone(),
                parent: task.parent,
                polls: task.polls,
                state,
                since: record.since.map(|it| now.saturating_duration_since(it)),
            }
        };
        let mut entries = all.iter().map(entry);
        let main = entries.next();
        Self {
            main,
            tasks: entries.collect(),
        }
    }
}

/// What each task waits for in the reactor, and which tasks it awaits, in words; that of `None` is the
/// future that `block_on` runs.
fn waits(
    executor: &Executor,
    all: &[Snapshot],
    debug: Option<&Debug>,
    now: Instant,
) -> HashMap<Option<TaskId>, Vec<String>> {
    let wakers = all.iter().filter_map(|task| Some((task.waker?, task.id())));
    let owners: HashMap<_, _> = wakers.collect();
    let owner = |waker: *const ()| {
        // Those of `gather`, say, have wakers of their own.
        let parent = || debug?.parent(waker);
        owners.get(&waker).copied().or_else(parent)
    };

    let mut waits: HashMap<_, Vec<_>> = HashMap::new();
    executor.reactor.each_waker(|waker, awaited| {
        let owner = owner(waker.data());
        let awaiter = debug.and_then(|debug| debug.awaiter(awaited, owner));
        // What other crates poll may have wakers of its own too.
        let Some(task) = owner.or(awaiter.map(|it| it.task)) else {
            return;
        };
        let what = match awaited {
            Awaited::Fd { fd, direction } => match direction {
                Direction::Read => format!("to read fd {fd}"),
                Direction::Write => format!("to write fd {fd}"),
            },
            Awaited::Timer { deadline } => {
                let left = deadline.saturating_duration_since(now);
                format!("for a timer {left:.1?} from now")
            }
        };
        let site = awaiter.and_then(|it| it.site);
        waits.entry(task).or_default().push(at(what, site));
    });

    for task in all {
        let joiner = match task.joiner {
            Some(JoinedBy::Task(joiner)) => Some(joiner),
            Some(JoinedBy::Waker(waker)) => owner(waker),
            None => None,
        };
        if let (Some(joiner), Some(label)) = (joiner, &task.label) {
            let what = format!("for {} to end", OneLine(&label.name()));
            waits.entry(joiner).or_default().push(what);
        }
    }
    waits
}

/// What is neither a descriptor nor a timer nor a task.
fn for_thing(thing: &Thing, all: &[Snapshot]) -> String {
    let what = match thing.holder.as_ref().and_then(|it| it.get()) {
        None => format!("for a {}", thing.what),
        Some(holder) => {
            let place = all.binary_search_by_key(&Some(holder), Snapshot::id).ok();
            let label = place.and_then(|place| all[place].label.as_ref());
            let name = label.map_or_else(|| format!("task-{holder}"), Label::name);
            format!("for a {} that {} has", thing.what, OneLine(&name))
        }
    };
    at(what, thing.site)
}

/// What is awaited, and at which line.
fn at(what: String, site: Option<&Location<'_>>) -> String {
    match site {
        Some(site) => format!("{what} at {site}"),
        None => what,
    }
}

/// How far the tree grows to the right: tasks further down stand below each other.
const DEEPEST: usize = 40;

impl Dump {
    /// Draws the tasks, each below the one that spawned it. However many there are, and however long
    /// the chain of those who spawned each other: each is looked at once, and without recursion.
    fn draw(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Those of main, which also has those of tasks that have ended, then those of each task. The
        // last one is the first: they are taken from the back.
        let mut children = vec![Vec::new(); 1 + self.tasks.len()];
        for (place, entry) in self.tasks.iter().enumerate().rev() {
            let above = entry.parent.and_then(|parent| self.place(parent));
            children[above.map_or(0, |above| 1 + above)].push(place);
        }
        let mut indent = String::new();
        let mut levels = vec![(0, mem::take(&mut children[0]))];
        while let Some((width, siblings)) = levels.last_mut() {
            indent.truncate(*width);
            let Some(place) = siblings.pop() else {
                levels.pop();
                continue;
            };
            let (branch, below) = match siblings.is_empty() {
                true => ("└─ ", "   "),
                false => ("├─ ", "│  "),
            };
            write!(f, "\n{indent}{branch}{}", self.tasks[place])?;
            if levels.len() < DEEPEST {
                indent += below;
            }
            levels.push((indent.len(), mem::take(&mut children[1 + place])));
        }
        Ok(())
    }

    /// Where a task stands, if it has not ended.
    fn place(&self, task: TaskId) -> Option<usize> {
        let id = |entry: &Entry| entry.label.as_ref().map(|label| label.id);
        self.tasks.binary_search_by_key(&Some(task), id).ok()
    }
}

impl fmt::Display for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.main {
            None => f.write_str("no runtime runs on this thread"),
            Some(main) => {
                main.fmt(f)?;
                self.draw(f)
            }
        }
    }
}

impl fmt::Debug for Dump {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.label {
            Some(label) => label.fmt(f)?,
            None => f.write_str("main")?,
        }
        match &self.state {
            State::Running => f.write_str(": runs")?,
            State::Ready => f.write_str(": is ready")?,
            State::Waiting(waits) if waits.is_empty() => f.write_str(": waits")?,
            State::Waiting(waits) => {
                let (first, others) = waits.split_at(waits.len().min(MANY));
                write!(f, ": waits {}", first.join(", "))?;
                if !others.is_empty() {
                    write!(f, ", and {} others", others.len())?;
                }
            }
        }
        if let Some(since) = self.since {
            write!(f, ", since {since:.1?}")?;
        }
        match self.polls {
            Some(1) => f.write_str("; 1 poll"),
            Some(polls) => write!(f, "; {polls} polls"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::dump;
    use crate::builder::Builder;
    use crate::executor::{LAST, all_tasks, current, spawn_named, yield_now};

    #[test]
    fn a_task_has_its_number_and_its_children_when_four_billion_were_spawned_since() {
        let runtime = Builder::new().build();
        runtime.expect("there is a selector").block_on(async {
            let old = spawn_named("old", async {
                yield_now().await;
                let _child = spawn_named("child", std::future::pending::<()>());
                (current(), dump().to_string())
            });
            LAST.with(|last| last.set(last.get() + (1 << 32)));
            let task = old.task();
            assert!(all_tasks().contains(&task));
            let (current, tree) = old.await.expect("it ends");
            assert_eq!(current, Some(task));
            assert!(tree.contains("\n   └─ child (spawned at"), "{tree}");
        });
    }

    #[test]
    fn a_reference_to_a_task_cancels_no_stranger_with_the_same_half_of_its_number() {
        let runtime = Builder::new().build();
        runtime.expect("there is a selector").block_on(async {
            let gone = spawn_named("gone", async {});
            let reference = gone.task();
            gone.await.expect("it ends");
            LAST.with(|last| last.set(last.get() + u64::from(u32::MAX)));
            let stranger = spawn_named("stranger", yield_now());
            assert_eq!(stranger.id().0, reference.id().0 + (1 << 32));
            reference.cancel();
            assert!(reference.is_finished());
            stranger.await.expect("nobody has cancelled it");
        });
    }
}
