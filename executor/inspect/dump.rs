//! A picture of all tasks: who waits for what.
//!
//! The tasks know nothing of it. Whoever waits has left its waker where it waits: in the reactor, or
//! with the task that it awaits; the dump looks there for the wakers of the tasks. Debug mode also knows
//! what was told when they began to wait: at which line, for what else, and whose the wakers are that
//! are not a task's own.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::mem;
use std::panic::Location;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Waker;
use std::time::{Duration, Instant};

use super::debug::{Record, Thing};
use crate::executor::key::TaskKey;
use crate::executor::slot::Joiner;
use crate::executor::task_ref::{Label, TaskRef};
use crate::executor::{Executor, run_queue};
use crate::reactor::{Direction, OneLine, TaskId, Wait};

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
    let dump = Executor::current().map(|executor| executor.dump());
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

/// What each task waits for, in words; that of `None` is the future that `block_on` runs.
type Waits = HashMap<Option<TaskId>, Vec<String>>;

enum State {
    Running,
    Ready,
    Waiting(Vec<String>),
}

impl Executor {
    /// The picture of this moment.
    pub(in crate::executor) fn dump(self: &Rc<Self>) -> Dump {
        let now = Instant::now();
        let mut waits = self.waits(now);
        let polled = self.polled.get().map(|(key, _)| key);
        let mut ready: HashSet<_> = run_queue::keys().into_iter().collect();
        if self.is_main_ready.get() {
            ready.insert(TaskKey::MAIN);
        }
        let alive = self.task_refs(|slot| !slot.has_ended);
        let tasks = self.tasks.borrow();
        let mut entry = |key: TaskKey, label: Option<Label>| {
            let debug = self.debug.as_ref();
            let record = debug.map_or_else(Record::default, |debug| debug.record(key.id()));
            let state = if polled == Some(key) {
                State::Running
            } else if ready.contains(&key) {
                State::Ready
            } else {
                let mut waits = waits.remove(&key.id()).unwrap_or_default();
                let things = record.things();
                waits.extend(things.iter().map(|thing| self.wait_for(thing, &alive)));
                State::Waiting(waits)
            };
            let slot = tasks.get(key.slot()); // None for main.
            Entry {
                label,
                parent: slot.and_then(|slot| TaskKey::parent(slot.parent)),
                polls: slot.map(|slot| slot.polls),
                state,
                since: record.since.map(|it| now.saturating_duration_since(it)),
            }
        };
        let main = Some(entry(TaskKey::MAIN, None));
        let of_task = |task: &TaskRef| entry(task.key, Some(task.label.clone()));
        let tasks = alive.iter().map(of_task).collect();
        Dump { main, tasks }
    }

    /// What is waited for in the reactor, and which tasks are awaited.
    fn waits(&self, now: Instant) -> Waits {
        let tasks = self.tasks.borrow();
        let of_tasks = tasks.iter().filter_map(|(place, slot)| {
            let key = TaskKey::new(place as u32, slot.generation);
            Some((slot.waker()?.data(), key.id()))
        });
        let main = Arc::as_ptr(&self.main).cast();
        let owners: HashMap<_, _> = of_tasks.chain([(main, None)]).collect();
        let debug = self.debug.as_ref();
        let owner = |waker: &Waker| {
            // Those of `gather`, say, have wakers of their own.
            let parent = || debug?.parent(waker);
            owners.get(&waker.data()).copied().or_else(parent)
        };

        let mut waits = Waits::new();
        self.reactor.each_wait(|waker: &Waker, wait| {
            let owner = owner(waker);
            let waiting = debug.and_then(|debug| debug.waiting(wait, owner));
            // What other crates poll may have wakers of its own too.
            let Some(task) = owner.or(waiting.map(|it| it.task)) else {
                return;
            };
            let what = match wait {
                Wait::Handle { fd, direction } => match direction {
                    Direction::Read => format!("to read fd {fd}"),
                    Direction::Write => format!("to write fd {fd}"),
                },
                Wait::Timer { deadline } => {
                    let left = deadline.saturating_duration_since(now);
                    format!("for a timer {left:.1?} from now")
                }
            };
            let site = waiting.and_then(|it| it.site);
            waits.entry(task).or_default().push(at(what, site));
        });

        for (_, slot) in tasks.iter().filter(|(_, slot)| !slot.has_ended) {
            let joiner = match &slot.joiner {
                Joiner::Task(TaskKey::MAIN) => Some(None),
                // Nobody is no task.
                Joiner::Task(key) => tasks.contains(key.slot()).then(|| key.id()),
                Joiner::Future(waker) => owner(waker),
            };
            if let Some(joiner) = joiner {
                let what = format!("for {} to end", OneLine(&self.label(slot).name()));
                waits.entry(joiner).or_default().push(what);
            }
        }
        waits
    }

    /// What is neither a handle nor a timer nor a task.
    fn wait_for(&self, thing: &Thing, alive: &[TaskRef]) -> String {
        let what = match thing.holder {
            None => format!("for a {}", thing.what),
            Some(holder) => {
                let place = alive.binary_search_by_key(&holder, |task| task.label.id);
                let name = match place {
                    Ok(place) => OneLine(&alive[place].name()).to_string(),
                    Err(_) => format!("task-{holder}"),
                };
                format!("for a {} that {name} has", thing.what)
            }
        };
        at(what, thing.site)
    }
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
    use std::future::{Future, poll_fn};
    use std::pin::pin;
    use std::task::Context;

    use super::*;
    use crate::executor::{Builder, spawn};
    use crate::reactor::sleep;

    #[test]
    fn a_destructor_that_polls_after_a_panic_leaves_no_record_behind() {
        struct PollsAtItsEnd;
        impl Drop for PollsAtItsEnd {
            fn drop(&mut self) {
                let mut cx = Context::from_waker(Waker::noop());
                assert!(
                    pin!(sleep(Duration::from_secs(1)))
                        .poll(&mut cx)
                        .is_pending()
                );
            }
        }
        let runtime = Builder::new().debug(true).build();
        runtime.expect("there is a selector").block_on(async {
            let guard = PollsAtItsEnd;
            let task = spawn(poll_fn(move |_| -> std::task::Poll<()> {
                let _owned = &guard;
                panic!("told");
            }));
            let id = task.id();
            assert!(task.await.is_err_and(|error| error.is_panic()));
            let executor = Executor::current().expect("it runs");
            let debug = executor.debug.as_ref().expect("it was asked for");
            let record = debug.record(Some(id));
            assert!(record.last_await.is_none());
        });
    }
}
