//! What the executor tells an observer.
//!
//! It stands apart from the code that it tells of: without an observer, an event costs one comparison.

use std::future::Future;
use std::panic::{Location, resume_unwind};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::key::TaskKey;
use super::task::{BoxedTask, Payload, contain};
use super::{Executor, run_queue};
use crate::reactor::{By, Event, TaskId, caller};

impl Executor {
    #[cold]
    pub(super) fn tell_spawn(
        &self,
        task: TaskId,
        parent: TaskKey,
        name: Option<&String>,
        site: &'static Location<'static>,
    ) {
        let parent = self.id(parent);
        self.reactor.observe(|| Event::Spawned {
            task,
            parent,
            name: name.map(String::as_str),
            site,
        });
    }

    /// Polls a task.
    #[cold]
    pub(super) fn run_observed(
        &self,
        key: TaskKey,
        task: &mut BoxedTask,
    ) -> Result<Poll<()>, Payload> {
        self.tell_poll(key);
        let poll = contain(|| task.as_mut().run(self, key));
        let is_ready = !matches!(poll, Ok(Poll::Pending));
        self.tell_end_of_poll(key, is_ready);
        if let Some(task) = self.id(key).filter(|_| is_ready) {
            let has_panicked = poll.is_err();
            self.reactor.observe(|| Event::Done { task, has_panicked });
        }
        poll
    }

    /// Polls the future of `block_on`.
    #[cold]
    pub(super) fn run_main_observed<F: Future>(
        &self,
        main: Pin<&mut F>,
        cx: &mut Context<'_>,
    ) -> Poll<F::Output> {
        self.tell_poll(TaskKey::MAIN);
        let poll = contain(|| main.poll(cx));
        let is_ready = !matches!(poll, Ok(Poll::Pending));
        self.tell_end_of_poll(TaskKey::MAIN, is_ready);
        poll.unwrap_or_else(|panic| resume_unwind(panic))
    }

    fn tell_poll(&self, key: TaskKey) {
        let task = self.id(key);
        self.reactor.observe(|| Event::PollBegins { task });
    }

    fn tell_end_of_poll(&self, key: TaskKey, is_ready: bool) {
        let task = self.id(key);
        self.reactor.observe(|| Event::PollEnds { task, is_ready });
    }

    #[cold]
    pub(super) fn tell_cancel(&self, key: TaskKey) {
        if let Some(task) = self.id(key) {
            self.reactor.observe(|| Event::Cancelled { task });
        }
    }

    /// The task that is being polled waits for another one to end.
    #[cold]
    pub(super) fn tell_join(&self, key: TaskKey) {
        if let Some(task) = self.id(key) {
            self.reactor.observe(|| Event::Joins { task });
        }
    }

    /// The loop is about to sleep. Returns for how long at most: not at all if the observer, when
    /// it hears that, wakes a task, as one does that sends what it hears to a task.
    #[inline]
    pub(super) fn tell_sleep(&self) -> Option<Duration> {
        if !self.is_observed {
            return None;
        }
        self.reactor.tell_sleep();
        (!self.is_idle()).then_some(Duration::ZERO)
    }

    /// A waker was called on this thread.
    pub(super) fn tell_wake(&self, key: TaskKey) {
        let by = match self.polled.get() {
            None => By::Reactor,
            Some((waking, _)) => self.id(waking).map_or(By::Main, By::Task),
        };
        self.tell_woken(key, by);
    }

    /// This task has awaited another one, which has ended.
    #[cold]
    pub(super) fn tell_wake_by(&self, key: TaskKey, ended: TaskKey) {
        self.tell_woken(key, self.id(ended).map_or(By::Main, By::Task));
    }

    /// A waker was called on another thread.
    pub(super) fn tell_foreign_wake(&self, key: TaskKey, thread: Option<Box<str>>) {
        if let Some(thread) = thread {
            self.tell_woken(key, By::Thread(&thread));
        }
    }

    fn tell_woken(&self, key: TaskKey, by: By<'_>) {
        let task = self.id(key);
        if task.is_some() || key == TaskKey::MAIN {
            self.reactor.observe(|| Event::Woken { task, by });
        }
    }
}

/// The task that is being polled waits for what is neither a descriptor nor a timer nor a task, at this
/// line; `None` as for [`Source::poll_io_at`](crate::Source::poll_io_at).
#[inline]
pub(crate) fn tell_wait(
    what: &'static str,
    holder: Option<TaskId>,
    site: Option<&'static Location<'static>>,
) {
    if run_queue::is_observed() {
        tell_observed_wait(what, holder, site);
    }
}

#[cold]
#[inline(never)]
fn tell_observed_wait(
    what: &'static str,
    holder: Option<TaskId>,
    site: Option<&'static Location<'static>>,
) {
    let site = site.or_else(caller);
    if let Some(executor) = Executor::current() {
        executor
            .reactor
            .observe(|| Event::Waits { what, holder, site });
    }
}
