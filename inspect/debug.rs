//! Debug mode: what every task does, written down; polls that take long, and a program that is stuck,
//! reported.
//!
//! It is an observer like any other, which the dump of the tasks asks. asyncio's counterpart is its
//! [debug mode](https://docs.python.org/3/library/asyncio-dev.html#debug-mode).

use std::cell::{Cell, RefCell, RefMut};
use std::collections::HashMap;
use std::panic::Location;
use std::ptr;
use std::rc::Rc;
use std::task::Waker;
use std::time::{Duration, Instant};

use super::awaiters::{Awaiter, Awaiters};
use super::stuck::tell_if_stuck;
use crate::executor::{Executor, Label, is_observed, swallow};
use crate::reactor::{Awaited, Event, Observer, TaskId};

/// A line of the program.
type Site = &'static Location<'static>;

/// What is written down about each task; that of `None` is the future that `block_on` runs.
pub(crate) struct Debug {
    records: RefCell<HashMap<Option<TaskId>, Record>>,
    polled: Cell<Option<TaskId>>,
    /// Whether it still is. What a destructor does after a poll is of no task: of one that has ended,
    /// it would leave a record that nobody removes.
    is_polling: Cell<bool>,
    /// Which of its children is being polled.
    child: Cell<Child>,
    /// Whose children they are.
    parents: RefCell<HashMap<Child, Option<TaskId>>>,
    /// The number of the thing that somebody has begun to wait for last.
    last_number: Cell<u64>,
    awaiters: RefCell<Awaiters>,
    began: Cell<Instant>,
    /// How long a poll may take before it is reported.
    slow_poll: Duration,
}

#[derive(Clone, Default)]
pub(super) struct Record {
    label: Option<Label>,
    /// Since when it waits.
    pub(super) since: Option<Instant>,
    /// The line that has awaited last.
    pub(super) last_await: Option<Site>,
    /// The locks, queues and other things that its children, and the rest of it, wait for.
    things: HashMap<Child, Vec<Thing>>,
}

impl Record {
    /// What it waits for, in the order in which it began to.
    pub(super) fn things(&self) -> Vec<Thing> {
        let mut things: Vec<_> = self.things.values().flatten().cloned().collect();
        things.sort_unstable_by_key(|thing| thing.number);
        things
    }
}

/// Which task holds a thing, now and not when somebody began to wait for it.
pub(crate) type Holder = Rc<Cell<Option<TaskId>>>;

/// What is neither a descriptor nor a timer nor a task, who holds it, and the line that waits for it.
#[derive(Clone)]
pub(super) struct Thing {
    pub(super) what: &'static str,
    pub(super) holder: Option<Holder>,
    pub(super) site: Option<Site>,
    number: u64,
}

/// A future in a task that is polled only when it was woken itself, as those of `gather` are: what its
/// waker points to. Null is all the rest of the task.
type Child = *const ();

impl Debug {
    pub(crate) fn new(slow_poll: Duration) -> Self {
        Self {
            records: RefCell::default(),
            polled: Cell::new(None),
            is_polling: Cell::new(false),
            child: Cell::new(ptr::null()),
            parents: RefCell::default(),
            last_number: Cell::new(0),
            awaiters: RefCell::default(),
            began: Cell::new(Instant::now()),
            slow_poll,
        }
    }

    pub(super) fn record(&self, task: Option<TaskId>) -> Record {
        let records = self.records.borrow();
        records.get(&task).cloned().unwrap_or_default()
    }

    fn record_mut(&self, task: Option<TaskId>) -> RefMut<'_, Record> {
        let records = self.records.borrow_mut();
        RefMut::map(records, |records| records.entry(task).or_default())
    }

    /// That of the task that is being polled.
    fn polled(&self) -> Option<RefMut<'_, Record>> {
        let is_polling = self.is_polling.get();
        is_polling.then(|| self.record_mut(self.polled.get()))
    }

    /// Who has begun to wait for this last: among all, or whatever this task has done.
    pub(super) fn awaiter(
        &self,
        awaited: Awaited,
        task: Option<Option<TaskId>>,
    ) -> Option<Awaiter> {
        self.awaiters.borrow().last(awaited, task)
    }

    /// The task that is being polled waits for a descriptor or a timer.
    fn begin_wait(&self, awaited: Awaited, site: Option<Site>) {
        if self.is_polling.get() {
            let task = self.polled.get();
            let records = self.records.borrow();
            let mut awaiters = self.awaiters.borrow_mut();
            awaiters.add(awaited, Awaiter { task, site }, |it| {
                records.contains_key(it)
            });
        }
        self.set_last_await(site);
    }

    /// Which task has the child with this waker.
    pub(super) fn parent(&self, waker: Child) -> Option<Option<TaskId>> {
        self.parents.borrow().get(&waker).copied()
    }

    /// Begins anew to write down what a child waits for.
    fn forget_child(&self, child: Child) {
        let parent = self.parents.borrow_mut().remove(&child);
        let mut records = self.records.borrow_mut();
        if let Some(record) = parent.and_then(|parent| records.get_mut(&parent)) {
            record.things.remove(&child);
        }
    }

    fn set_last_await(&self, site: Option<Site>) {
        if let Some(mut record) = self.polled() {
            record.last_await = site.or(record.last_await);
        }
    }

    fn poll_has_ended(&self, task: Option<TaskId>) {
        let now = Instant::now();
        self.is_polling.set(false);
        let took = now.saturating_duration_since(self.began.get());
        self.record_mut(task).since = Some(now);
        if took >= self.slow_poll {
            let Record {
                label, last_await, ..
            } = self.record(task);
            let who = label.map_or("the main future".to_owned(), |label| label.to_string());
            let place = match last_await {
                Some(site) => format!("; its last await: {site}"),
                None => String::new(),
            };
            swallow(|| {
                eprintln!(
                    "selio: {who} has held the thread for {took:.0?}, and nobody else could run{place}"
                );
            });
        }
    }
}

/// The poll of a child in the task that is being polled: what it waited for is over now, and not
/// whenever the task is polled.
pub(crate) struct ChildPoll {
    debug: Option<Rc<Debug>>,
    child: Child,
    /// Of which it is a child itself.
    outer: Child,
    is_pending: bool,
}

impl ChildPoll {
    #[inline]
    pub(crate) fn begin(waker: &Waker) -> Self {
        let mut poll = Self {
            debug: current(),
            child: waker.data(),
            outer: ptr::null(),
            is_pending: false,
        };
        if let Some(debug) = &poll.debug {
            debug.forget_child(poll.child);
            (debug.parents.borrow_mut()).insert(poll.child, debug.polled.get());
            poll.outer = debug.child.replace(poll.child);
        }
        poll
    }

    #[inline]
    pub(crate) fn end(mut self, is_pending: bool) {
        self.is_pending = is_pending;
    }

    /// A child with this waker is about to be dropped.
    pub(crate) fn forget(waker: &Waker) {
        if let Some(debug) = current() {
            debug.forget_child(waker.data());
        }
    }
}

impl Drop for ChildPoll {
    #[inline]
    fn drop(&mut self) {
        if let Some(debug) = &self.debug {
            debug.child.set(self.outer);
            if !self.is_pending {
                debug.forget_child(self.child); // It has ended, or panicked.
            }
        }
    }
}

/// Whoever this is at any time holds what the wait that was told last is for.
#[cold]
pub(crate) fn tell_holder(holder: &Holder) {
    if let Some(debug) = current()
        && let Some(mut record) = debug.polled()
        && let Some(things) = record.things.get_mut(&debug.child.get())
        && let Some(thing) = things.last_mut()
    {
        thing.holder = Some(Rc::clone(holder));
    }
}

/// That of the runtime of this thread.
#[inline]
fn current() -> Option<Rc<Debug>> {
    if !is_observed() {
        return None;
    }
    Executor::current()?.extensions.get()
}

impl Observer for Debug {
    fn event(&self, event: &Event<'_>) {
        match *event {
            Event::Spawned {
                task, name, site, ..
            } => {
                let name = name.map(|name| Rc::new(name.to_owned()));
                let id = task;
                self.record_mut(Some(id)).label = Some(Label { id, name, site });
            }
            Event::PollBegins { task } => {
                let mut record = self.record_mut(task);
                record.since = None;
                if let Some(things) = record.things.get_mut(&ptr::null()) {
                    things.clear();
                }
                self.polled.set(task);
                self.is_polling.set(true);
                self.began.set(Instant::now());
            }
            Event::PollEnds { task, .. } => self.poll_has_ended(task),
            Event::WouldBlock {
                fd,
                direction,
                site,
            } => {
                self.begin_wait(Awaited::Fd { fd, direction }, site);
            }
            Event::TimerSet { deadline, site } => {
                self.begin_wait(Awaited::Timer { deadline }, Some(site));
            }
            Event::Waits { what, site, .. } => {
                self.set_last_await(site);
                if let Some(mut record) = self.polled() {
                    let number = self.last_number.get() + 1;
                    self.last_number.set(number);
                    let things = record.things.entry(self.child.get()).or_default();
                    things.push(Thing {
                        what,
                        holder: None,
                        site,
                        number,
                    });
                }
            }
            Event::Sleeps { timeout: None, .. } => {
                if let Some(executor) = Executor::current() {
                    tell_if_stuck(&executor);
                }
            }
            Event::Done { task, .. } | Event::Cancelled { task } => {
                self.records.borrow_mut().remove(&Some(task));
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{Future, poll_fn};
    use std::pin::pin;
    use std::task::Context;

    use super::*;
    use crate::builder::Builder;
    use crate::executor::spawn;
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
            let debug = current().expect("it was asked for");
            let record = debug.record(Some(id));
            assert!(record.last_await.is_none());
        });
    }
}
