//! What happens in a runtime, told to whoever wants to watch: the events, and the trait that takes
//! them.
//!
//! All layers tell through it. A runtime without an observer pays one comparison for
//! each event that it does not tell.

use std::cell::Cell;
use std::fmt::{self, Write as _};
use std::panic::Location;
use std::time::{Duration, Instant};

use super::Direction;
use super::selector::{Backend, Interest};

/// The number of a task. No two tasks of one thread ever have the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub(crate) u64);

impl fmt::Display for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskId({})", self.0)
    }
}

/// Watches a runtime: [`Builder::observer`](crate::Builder::observer).
///
/// It is called in the middle of things, on the thread of the runtime: it may write down what it is
/// told, and ask [who runs](crate::task::current), [who waits](crate::task::dump) and the
/// [figures](crate::stats()), but must neither await nor make, drop or use sockets and timers. One
/// that panics is told nothing more, with a word on stderr; the runtime goes on.
///
/// # Examples
///
/// ```
/// use selio::trace::{Event, Observer};
/// use std::{cell::Cell, rc::Rc};
///
/// struct Polls(Rc<Cell<u32>>);
///
/// impl Observer for Polls {
///     fn event(&self, event: &Event<'_>) {
///         if let Event::PollBegins { .. } = event {
///             self.0.set(self.0.get() + 1);
///         }
///     }
/// }
///
/// let polls = Rc::new(Cell::new(0));
/// let runtime = selio::Builder::new().observer(Polls(Rc::clone(&polls))).build()?;
/// runtime.block_on(selio::yield_now());
/// assert_eq!(polls.get(), 2);
/// # Ok::<(), std::io::Error>(())
/// ```
pub trait Observer {
    /// Something has happened.
    fn event(&self, event: &Event<'_>);
}

/// What happens in a runtime. `None` for a task is the future that `block_on` runs.
///
/// What a task does, it does between its [`PollBegins`](Self::PollBegins) and its
/// [`PollEnds`](Self::PollEnds); what the loop does, it does between two polls.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// A task was made, and is ready to run.
    Spawned {
        /// Its number.
        task: TaskId,
        /// The task that spawned it.
        parent: Option<TaskId>,
        /// The name that it was given.
        name: Option<&'a str>,
        /// The line that spawned it.
        site: &'static Location<'static>,
    },
    /// The executor polls a task.
    PollBegins {
        /// Which one.
        task: Option<TaskId>,
    },
    /// The poll is over.
    PollEnds {
        /// Whose poll it was.
        task: Option<TaskId>,
        /// Whether the task has come to its end: if not, it waits.
        is_ready: bool,
    },
    /// A task has come to its end with a result, or with a panic.
    Done {
        /// Which one.
        task: TaskId,
        /// Whether it was a panic.
        has_panicked: bool,
    },
    /// A task was cancelled: its future is gone.
    Cancelled {
        /// Which one.
        task: TaskId,
    },
    /// A task is ready to run again.
    Woken {
        /// Which one.
        task: Option<TaskId>,
        /// Who woke it.
        by: By<'a>,
    },
    /// The task that is being polled waits for another one to end.
    Joins {
        /// For which one.
        task: TaskId,
    },
    /// The task that is being polled would block, and waits for a descriptor.
    WouldBlock {
        /// The number of the descriptor.
        fd: i32,
        /// To read, or to write.
        direction: Direction,
        /// The line that awaits, if it is known: who comes through a trait of futures-io, as the
        /// wrappers of other crates do, has none.
        site: Option<&'static Location<'static>>,
    },
    /// The selector was told to watch a descriptor for this: more than before.
    Armed {
        /// The number of the descriptor.
        fd: i32,
        /// All that it is watched for now.
        interest: Interest,
    },
    /// The selector was told to watch a descriptor for less, or no longer. Not told of a descriptor
    /// that is closed, or given away: its registration ends with it.
    Disarmed {
        /// The number of the descriptor.
        fd: i32,
        /// What it is watched for now.
        interest: Option<Interest>,
    },
    /// Nobody is ready: the loop is about to sleep in the selector. What it answers is told by
    /// [`Selected`](Self::Selected), as is what it answers to a question that may not sleep.
    Sleeps {
        /// In which selector.
        backend: Backend,
        /// For how long at most; `None`: for ever.
        timeout: Option<Duration>,
    },
    /// The selector was asked, and has answered.
    Selected {
        /// Which selector.
        backend: Backend,
        /// How long it was allowed to sleep; `None`: for ever.
        timeout: Option<Duration>,
        /// When it was asked.
        since: Instant,
        /// How many events it has reported.
        events: usize,
    },
    /// The selector has reported a descriptor. All of them come after [`Selected`](Self::Selected).
    Ready {
        /// The number of the descriptor.
        fd: i32,
        /// Reading would not block.
        readable: bool,
        /// Writing would not block.
        writable: bool,
    },
    /// The task that is being polled waits for something else: a lock, a queue or another thing of
    /// [`sync`](crate::sync), another thread, room in a buffer, or the end of a server, say.
    Waits {
        /// What it is.
        what: &'static str,
        /// The task that holds it, if one does.
        holder: Option<TaskId>,
        /// The line that awaits, if it is known, as for [`WouldBlock`](Self::WouldBlock). Of what is a
        /// future itself, the line that made it: of a [`oneshot`](crate::sync::oneshot) channel, and
        /// of what is spawned [on another thread](crate::Handle::spawn).
        site: Option<&'static Location<'static>>,
    },
    /// The task that is being polled waits for an instant.
    TimerSet {
        /// For which one.
        deadline: Instant,
        /// The line that made the timer.
        site: &'static Location<'static>,
    },
    /// The deadline of a timer has passed.
    TimerFired,
}

/// Who wakes a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum By<'a> {
    /// A task, while it is polled: it has sent something, released a lock, yielded, or ended.
    Task(TaskId),
    /// The future that `block_on` runs, while it is polled.
    Main,
    /// The loop: a descriptor is ready, or a deadline has passed.
    Reactor,
    /// Another thread; or this one, while the runtime did not run.
    Thread(&'a str),
}

/// The name of a task, or of a thread, in one line of text. Part of it may come from a peer: what
/// would begin another line, or speak to the terminal, is told by its number.
pub(crate) struct OneLine<'a>(pub(crate) &'a str);

impl fmt::Display for OneLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for letter in self.0.chars() {
            match letter.is_control() {
                true => write!(f, "{}", letter.escape_default())?,
                false => f.write_char(letter)?,
            }
        }
        Ok(())
    }
}

thread_local! {
    static CALLER: Cell<Option<&'static Location<'static>>> = const { Cell::new(None) };
}

/// Polls on behalf of a call at `site`, if anybody knows that: what is called through a trait of
/// another crate is not told who calls. Nobody but an observer asks for it.
pub(crate) fn on_behalf_of<R>(
    site: impl Into<Option<&'static Location<'static>>>,
    poll: impl FnOnce() -> R,
) -> R {
    struct Former(Option<&'static Location<'static>>);

    impl Drop for Former {
        fn drop(&mut self) {
            CALLER.set(self.0);
        }
    }

    let _former = Former(CALLER.replace(site.into()));
    poll()
}

/// The line of the call that is being polled, if anybody has said it.
pub(crate) fn caller() -> Option<&'static Location<'static>> {
    CALLER.get()
}
