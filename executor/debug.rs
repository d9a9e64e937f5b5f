//! Debug mode: what every task does, written down, and slow polls reported.
//!
//! It is an observer like any other, which the dump of the tasks asks. asyncio's counterpart is its
//! [debug mode](https://docs.python.org/3/library/asyncio-dev.html#debug-mode).

use std::cell::{Cell, RefCell, RefMut};
use std::collections::HashMap;
use std::panic::Location;
use std::rc::Rc;
use std::time::{Duration, Instant};

use super::task::swallow;
use super::task_ref::Label;
use crate::reactor::{Event, Observer, TaskId};

/// What is written down about each task; that of `None` is the future that `block_on` runs.
pub(super) struct Debug {
    records: RefCell<HashMap<Option<TaskId>, Record>>,
    polled: Cell<Option<TaskId>>,
    /// Whether it still is. What a destructor does after a poll is of no task: of one that has ended,
    /// it would leave a record that nobody removes.
    is_polling: Cell<bool>,
    began: Cell<Instant>,
    /// How long a poll may take before it is reported.
    slow_poll: Duration,
}

#[derive(Clone, Default)]
pub(super) struct Record {
    label: Option<Label>,
    /// Since when it waits.
    pub(super) since: Option<Instant>,
    /// The line that awaits.
    pub(super) last_await: Option<&'static Location<'static>>,
    /// The locks, queues and other things of `sync` that it waits for, and who holds them.
    pub(super) locks: Vec<(&'static str, Option<TaskId>)>,
}

impl Debug {
    pub(super) fn new(slow_poll: Duration) -> Self {
        Self {
            records: RefCell::default(),
            polled: Cell::new(None),
            is_polling: Cell::new(false),
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
                record.locks.clear();
                self.polled.set(task);
                self.is_polling.set(true);
                self.began.set(Instant::now());
            }
            Event::PollEnds { task, .. } => self.poll_has_ended(task),
            // The line where it has begun to wait.
            Event::WouldBlock { site, .. } | Event::TimerSet { site, .. } => {
                if let Some(mut record) = self.polled() {
                    record.last_await = Some(site);
                }
            }
            Event::Waits { what, holder, site } => {
                if let Some(mut record) = self.polled() {
                    record.last_await = Some(site);
                    record.locks.push((what, holder));
                }
            }
            Event::Done { task, .. } | Event::Cancelled { task } => {
                self.records.borrow_mut().remove(&Some(task));
            }
            _ => {}
        }
    }
}
