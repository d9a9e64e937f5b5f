//! Figures about a runtime: what is alive, and what happened so far.

use std::fmt;
use std::sync::atomic::Ordering;

use crate::executor::{Executor, Runtime};
use crate::threads::Threads;

/// A snapshot of a runtime's figures: from [`stats`] inside of it, from
/// [`Runtime::stats`](crate::Runtime::stats) otherwise.
///
/// The first four tell what is alive now, and so what leaks; the others count what happened since
/// the runtime was made, and so what spins.
#[doc(alias = "RuntimeMetrics")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Tasks that have not ended.
    pub tasks: usize,
    /// Sockets and other [sources](crate::Source).
    pub sources: usize,
    /// Timers that are set.
    pub timers: usize,
    /// Threads of [`to_thread`](crate::to_thread) and of look-ups of names.
    pub threads: usize,
    /// Turns of the loop.
    pub turns: u64,
    /// Questions to the selector: system calls, except that a wait that a signal interrupts, or of
    /// more than 24 days, takes several.
    pub selects: u64,
    /// Polls of tasks.
    pub polls: u64,
    /// Panics of tasks that nobody awaited.
    pub panics: u64,
    /// Events that the selector has reported.
    pub events: u64,
    /// How often the selector was told to watch a source for more: system calls with epoll and
    /// kqueue.
    pub arms: u64,
    /// How often the selector was told to watch a source for less, because of an event that nobody
    /// waited for.
    pub disarms: u64,
    /// How often another thread had to interrupt the selector.
    pub notifies: u64,
}

/// The figures of the current runtime.
///
/// # Panics
///
/// Outside of a runtime.
///
/// # Examples
///
/// ```
/// selio::run(async {
///     selio::spawn(std::future::pending::<()>());
///     assert_eq!(selio::stats().tasks, 1);
/// });
/// ```
#[must_use]
#[track_caller]
pub fn stats() -> Stats {
    of(&Executor::expect_current("selio::stats"))
}

impl Runtime {
    /// What is alive, and what happened so far.
    #[must_use]
    pub fn stats(&self) -> Stats {
        of(&self.executor)
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime")
            .field("backend", &self.backend())
            .field("stats", &self.stats())
            .finish()
    }
}

fn of(executor: &Executor) -> Stats {
    let reactor = &executor.reactor;
    let threads = executor.extensions.get::<Threads>();
    Stats {
        tasks: executor.alive.get(),
        sources: reactor.counters.sources.get(),
        timers: reactor.timers(),
        threads: threads.map_or(0, |threads| threads.count()),
        turns: executor.turns.get(),
        selects: reactor.counters.selects.get(),
        polls: executor.polls.get(),
        panics: executor.panics.get(),
        events: reactor.counters.events.get(),
        arms: reactor.counters.arms.get(),
        disarms: reactor.counters.disarms.get(),
        notifies: executor.mailbox.notifies.load(Ordering::Relaxed),
    }
}
