//! What happens in a runtime, written down or told live.
//!
//! Any program shows its own life, without a change:
//!
//! | environment | what it gives |
//! |---|---|
//! | `SELIO_TRACE=stderr` | a line for each event, in columns |
//! | `SELIO_TRACE=life.html` | one page for any browser: a lane for each task, the selector below |
//! | `SELIO_TRACE=life.json` | a file for [Perfetto](https://ui.perfetto.dev) and `chrome://tracing` |
//!
//! A file is complete after each poll, also when the program is killed: at worst, in the middle of a
//! write, with its last entry torn, which the page and Perfetto leave out. The first runtime of a
//! process writes to `life.json`, the next ones to `life-2.json` and so on; one that another process
//! still writes to is left alone.
//!
//! One `read` that has to wait is `would-block`, `arm`, `select`, `ready`, `wake`, `poll`. A
//! program may also ask for this by itself, with [`to_stderr`] or [`to_file`] and
//! [`Builder::observer`](crate::Builder::observer), or listen with an [`Observer`] of its own. With
//! the cargo feature `tracing`, `to_tracing` hands it to the crate of that name: a span for each
//! task.
//!
//! ```text
//!             who, since when       +--> stderr.rs   aligned columns, for the eye
//!   Event ---> Trace, lanes.rs -----+
//!                                   +--> json.rs     the trace events of Chrome and Perfetto
//!                                          +--> html.rs   the same in a page that draws them
//! ```
//!
//! A trace is an observer like any other: nothing in the executor knows of it but the builder, which
//! asks the environment. Its one rule: **it never fails a program.** What cannot be written ends the
//! trace, with one word on stderr.

mod environment;
mod html;
mod json;
mod lanes;
mod stderr;
#[cfg(feature = "tracing")]
mod tracing;

use std::cell::RefCell;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, OFlags, flock};
use rustix::io::Errno;

pub(crate) use self::environment::from_environment;
use self::lanes::Lanes;
#[cfg(feature = "signal")]
pub(crate) use self::stderr::write_to_stderr;
#[cfg(feature = "tracing")]
pub use self::tracing::{Tracing, to_tracing};
pub use crate::reactor::{By, Event, Observer};

/// Writes down what happens in a runtime: from [`to_stderr`] or [`to_file`], for
/// [`Builder::observer`](crate::Builder::observer).
pub struct Trace {
    began: Instant,
    /// `None`: it could not be written any more.
    writing: RefCell<Option<Writing>>,
}

struct Writing {
    lanes: Lanes,
    form: Box<dyn Form>,
}

/// What a trace looks like.
trait Form {
    /// Writes down what has happened, `at` so long after the beginning.
    fn write(&mut self, at: Duration, event: &Event<'_>, lanes: &Lanes) -> io::Result<()>;

    /// Writes down what it has kept back.
    fn flush(&mut self) -> io::Result<()>;
}

/// A trace on stderr, one line for each event: the microseconds since it was made, who does it, and
/// what. It is coloured on a terminal, unless the environment has
/// [`NO_COLOR`](https://no-color.org).
///
/// `SELIO_TRACE=stderr` does the same for a program that does not ask for it.
///
/// # Examples
///
/// ```
/// let runtime = selio::Builder::new().observer(selio::trace::to_stderr()).build()?;
/// runtime.block_on(selio::yield_now());
/// # Ok::<(), std::io::Error>(())
/// ```
#[must_use]
pub fn to_stderr() -> Trace {
    Trace::new(Box::new(stderr::Columns::new()))
}

/// A trace in a file, which is overwritten: one that ends with `.json` for
/// [Perfetto](https://ui.perfetto.dev) and `chrome://tracing`, one that ends with `.html` for any
/// browser. The page needs neither network nor server.
///
/// The file is complete after each poll, and so also when the program is killed. That of `.json`
/// grows as long as the runtime runs; a page ends after 500,000 entries, and says so.
///
/// `SELIO_TRACE=path` does the same for a program that does not ask for it.
///
/// # Errors
///
/// The name ends with neither, the file cannot be created, or (`ResourceBusy`) another trace is
/// being written into it.
///
/// # Examples
///
/// ```
/// # let folder = std::env::temp_dir().join(format!("selio-doc-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder)?;
/// # let path = folder.join("life.html");
/// let trace = selio::trace::to_file(&path)?;
/// let runtime = selio::Builder::new().observer(trace).build()?;
/// runtime.block_on(selio::yield_now());
/// # drop(runtime);
/// # std::fs::remove_dir_all(&folder)?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn to_file(path: impl AsRef<Path>) -> io::Result<Trace> {
    let path = path.as_ref();
    let result = Kind::of(path).and_then(|kind| {
        let file = open(path)?;
        if !is_ours(&file) {
            return Err(in_use(path));
        }
        kind.begin(file, path)
    });
    result.map_err(|error| io::Error::new(error.kind(), format!("trace::to_file: {error}")))
}

/// What a file is to hold.
#[derive(Clone, Copy)]
enum Kind {
    Json,
    Html,
}

impl Kind {
    fn of(path: &Path) -> io::Result<Self> {
        let extension = path.extension().unwrap_or_default();
        if extension.eq_ignore_ascii_case("json") {
            Ok(Self::Json)
        } else if extension.eq_ignore_ascii_case("html") {
            Ok(Self::Html)
        } else {
            let problem = format!(
                "`{}` is no place for a trace; name a file that ends with .json or .html",
                path.display()
            );
            Err(io::Error::new(io::ErrorKind::InvalidInput, problem))
        }
    }

    /// Empties the file, and begins a trace in it.
    fn begin(self, file: File, path: &Path) -> io::Result<Trace> {
        let form = file.set_len(0).and_then(|()| match self {
            Self::Json => json::Entries::begin(file),
            Self::Html => html::begin(file),
        });
        let form = form.map_err(|error| cannot_create(path, &error))?;
        Ok(Trace::new(Box::new(form)))
    }
}

/// Opens a file, or creates it, and leaves alone what is in it.
fn open(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    // A named pipe would wait for somebody who reads it. It is refused, as whatever has no length.
    options.custom_flags(OFlags::NONBLOCK.bits() as i32);
    options
        .open(path)
        .map_err(|error| cannot_create(path, &error))
}

/// Locks the file until it is closed: neither another runtime, nor a child process, which has the same
/// environment, is to write between the lines.
fn is_ours(file: &File) -> bool {
    // A file system without locks is no reason not to trace.
    flock(file, FlockOperation::NonBlockingLockExclusive) != Err(Errno::WOULDBLOCK)
}

fn in_use(path: &Path) -> io::Error {
    let problem = format!(
        "another trace is being written into `{}`; give each runtime a file of its own",
        path.display()
    );
    io::Error::new(io::ErrorKind::ResourceBusy, problem)
}

fn cannot_create(path: &Path, error: &io::Error) -> io::Error {
    let problem = format!(
        "cannot create `{}`: {error}; name a file in a folder that exists and may be written",
        path.display()
    );
    io::Error::new(error.kind(), problem)
}

impl Trace {
    fn new(form: Box<dyn Form>) -> Self {
        let lanes = Lanes::default();
        Self {
            began: Instant::now(),
            writing: RefCell::new(Some(Writing { lanes, form })),
        }
    }

    /// Writes, unless that has failed before.
    fn attempt(&self, write: impl FnOnce(&mut Writing) -> io::Result<()>) {
        let mut writing = self.writing.borrow_mut();
        if let Some(Err(error)) = writing.as_mut().map(write) {
            *writing = None;
            // Not eprintln, which panics if stderr is closed.
            let _ = writeln!(io::stderr(), "selio: the trace ends here: {error}");
        }
    }
}

impl Observer for Trace {
    fn event(&self, event: &Event<'_>) {
        let at = self.began.elapsed();
        self.attempt(|writing| writing.event(at, event));
    }
}

impl Writing {
    fn event(&mut self, at: Duration, event: &Event<'_>) -> io::Result<()> {
        self.lanes.before(event);
        self.form.write(at, event, &self.lanes)?;
        self.lanes.after(event);
        Ok(())
    }
}

impl Drop for Trace {
    fn drop(&mut self) {
        self.attempt(|writing| writing.form.flush());
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace").finish_non_exhaustive()
    }
}

/// What an event is called, on stderr and in files.
fn word(event: &Event<'_>) -> &'static str {
    match event {
        Event::Spawned { .. } => "spawn",
        Event::PollBegins { .. } => "poll",
        Event::PollEnds { .. } => "poll-ends",
        Event::Done { .. } => "done",
        Event::Cancelled { .. } => "cancelled",
        Event::Woken { .. } => "wake",
        Event::Joins { .. } => "join",
        Event::WouldBlock { .. } => "would-block",
        Event::Armed { .. } => "arm",
        Event::Disarmed { .. } => "disarm",
        Event::Sleeps { .. } => "sleep",
        Event::Selected { .. } => "select",
        Event::Ready { .. } => "ready",
        Event::Waits { .. } => "wait",
        Event::TimerSet { .. } => "timer",
        Event::TimerFired => "timer-fired",
    }
}

/// Microseconds, to the nanosecond.
fn micros(time: Duration) -> f64 {
    time.as_nanos() as f64 / 1_000.0
}
