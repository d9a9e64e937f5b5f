//! The bridge to the crate `tracing`: a span for each task, and an event for all that happens.
//!
//! A program that collects its logs and spans with `tracing` has one place to look at: what a task
//! logs stands in the task's span, with its name, and what the loop does stands beside it. Nothing
//! is kept here but the spans of the tasks that are alive; who collects them, and what is left out,
//! is the subscriber's business.
//!
//! A span is a root of its own, and follows from the one that spawned it: a task may outlive that
//! one, and a chain of tasks that each spawn the next one must not keep all of them in memory.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::panic::Location;
use std::time::Instant;

use ::tracing::field::{debug, display};
use ::tracing::span::EnteredSpan;
use ::tracing::{Span, debug, error, info_span, trace};

use super::lanes::Directions;
use crate::reactor::{By, Event, Observer, OneLine, TaskId};

/// Tells the subscribers of the crate `tracing` what happens in a runtime: from [`to_tracing`], for
/// [`Builder::observer`](crate::Builder::observer).
pub struct Tracing {
    /// The spans of the tasks that are alive, but for the one that is being polled.
    spans: RefCell<HashMap<Option<TaskId>, Span>>,
    /// Who is being polled, in its span.
    polled: Cell<Option<(Option<TaskId>, EnteredSpan)>>,
}

/// A span of the crate [`tracing`](https://docs.rs/tracing) for each task, and an event for all else
/// that happens, with the cargo feature `tracing`. The target of all of them is `selio`.
///
/// | level | what |
/// |---|---|
/// | info | the spans: `task`, with its `id`, its `name` and the line that spawned it, `at`; and `main` |
/// | error | `panic`, in the span of the task |
/// | debug | `cancelled`, in the span of the task |
/// | trace | the other events, by the words that [`to_stderr`](super::to_stderr) uses |
///
/// A span is entered while its task is polled, so whatever the task logs is found there. The span
/// of a task has no parent, and follows from the one that was current when it was spawned; that of
/// `main`, which is the future of `block_on`, stands in the current one.
///
/// # Examples
///
/// With a subscriber of the crate `tracing-subscriber`, this prints
/// `INFO task{id=1 name="greeter" at=src/main.rs:5:9}: hello`:
///
/// ```
/// let runtime = selio::Builder::new().observer(selio::trace::to_tracing()).build()?;
/// runtime.block_on(async {
///     selio::spawn_named("greeter", async {
///         tracing::info!("hello");
///     })
///     .await
/// })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use]
pub fn to_tracing() -> Tracing {
    Tracing {
        spans: RefCell::default(),
        polled: Cell::new(None),
    }
}

impl Tracing {
    /// Makes the span of a task.
    fn spawned(&self, id: TaskId, name: Option<&str>, site: &Location<'_>) {
        let (id_field, at) = (display(id), display(site));
        let span = info_span!(target: "selio", parent: None, "task", id = id_field, name, at);
        span.follows_from(Span::current());
        self.keep(Some(id), span);
    }

    fn keep(&self, task: Option<TaskId>, span: Span) {
        let former = self.spans.borrow_mut().insert(task, span);
        drop(former);
    }

    /// Takes out the span of a task. No subscriber is called meanwhile.
    fn take(&self, task: Option<TaskId>) -> Option<Span> {
        self.spans.borrow_mut().remove(&task)
    }

    fn enter(&self, task: Option<TaskId>) {
        let span = self.take(task);
        let span = span.unwrap_or_else(|| info_span!(target: "selio", "main"));
        self.polled.set(Some((task, span.entered())));
    }

    /// The poll is over. The span of a task stays until its end is told.
    fn leave(&self, is_ready: bool) {
        if let Some((task, entered)) = self.polled.take() {
            let span = entered.exit();
            if task.is_some() || !is_ready {
                self.keep(task, span);
            }
        }
    }
}

impl Observer for Tracing {
    fn event(&self, event: &Event<'_>) {
        match *event {
            Event::Spawned {
                task, name, site, ..
            } => self.spawned(task, name, site),
            Event::PollBegins { task } => self.enter(task),
            Event::PollEnds { is_ready, .. } => self.leave(is_ready),
            Event::Done { task, has_panicked } => {
                let span = self.take(Some(task));
                if has_panicked {
                    error!(target: "selio", parent: &span.unwrap_or_else(Span::none), "panic");
                }
            }
            Event::Cancelled { task } => {
                let span = self.take(Some(task)).unwrap_or_else(Span::none);
                debug!(target: "selio", parent: &span, "cancelled");
            }
            _ => tell(event),
        }
    }
}

/// What stands in whatever span is current.
fn tell(event: &Event<'_>) {
    let to = display(Directions::of(event));
    match *event {
        Event::Woken { task, by } => {
            let (task, by) = (task.map(display), display(Waking(by)));
            trace!(target: "selio", task, by, "wake");
        }
        Event::Joins { task } => trace!(target: "selio", task = display(task), "join"),
        Event::WouldBlock { fd, site, .. } => {
            trace!(target: "selio", fd, to, at = site.map(display), "would-block");
        }
        Event::Armed { fd, .. } => trace!(target: "selio", fd, to, "arm"),
        Event::Disarmed { fd, interest } => {
            trace!(target: "selio", fd, to = interest.map(|_| to), "disarm");
        }
        Event::Ready { fd, .. } => trace!(target: "selio", fd, to, "ready"),
        Event::Sleeps { backend, timeout } => {
            let (backend, timeout) = (display(backend), timeout.map(debug));
            trace!(target: "selio", backend, timeout, "sleep");
        }
        Event::Selected {
            backend,
            timeout,
            since,
            events,
        } => {
            let (backend, timeout) = (display(backend), timeout.map(debug));
            let took = debug(since.elapsed());
            trace!(target: "selio", backend, timeout, took, events, "select");
        }
        Event::Waits { what, holder, site } => {
            let (holder, at) = (holder.map(display), site.map(display));
            trace!(target: "selio", what, holder, at, "wait");
        }
        Event::TimerSet { deadline, site } => {
            let left = debug(deadline.saturating_duration_since(Instant::now()));
            trace!(target: "selio", left, at = display(site), "timer");
        }
        Event::TimerFired => trace!(target: "selio", "timer-fired"),
        // Those of `Observer::event`, which have a span.
        Event::Spawned { .. }
        | Event::PollBegins { .. }
        | Event::PollEnds { .. }
        | Event::Done { .. }
        | Event::Cancelled { .. } => {}
    }
}

/// Who wakes.
struct Waking<'a>(By<'a>);

impl fmt::Display for Waking<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            By::Task(id) => write!(f, "task {id}"),
            By::Main => f.write_str("main"),
            By::Reactor => f.write_str("loop"),
            By::Thread(name) => write!(f, "thread {}", OneLine(name)),
        }
    }
}

impl fmt::Debug for Tracing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tracing").finish_non_exhaustive()
    }
}
