//! How a runtime is to be, and all that it is made of, put together.
//!
//! ```text
//!   Builder::build:  Selector --> Reactor --> Executor --> Runtime
//!                                    ^            ^
//!                                    |            +-- Threads, Debug, the signal: its extensions
//!                                    +-- the observers: trace, Debug, and those of the program
//! ```
//!
//! It stands above these parts because it names all of them; its one rule: **none of them knows it.**

mod run;

use std::env;
use std::fmt;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use crate::executor::{Executor, Runtime};
use crate::inspect::{self, Debug};
use crate::reactor::selector::{Backend, Selector};
use crate::reactor::{Monotonic, Observer, Reactor};
use crate::signals::SignalKind;
use crate::threads::Threads;

pub use self::run::run;

/// Makes a [`Runtime`] that differs from the default one.
///
/// # Examples
///
/// ```
/// use selio::{Builder, selector::Backend};
///
/// let runtime = Builder::new().backend(Backend::Poll).build()?;
/// assert_eq!(runtime.backend(), Backend::Poll);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Default)]
#[doc(alias = "loop_factory")]
#[doc(alias = "new_event_loop")]
pub struct Builder {
    backend: Option<Backend>,
    ends_on_panic: bool,
    max_threads: Option<usize>,
    debug: Option<bool>,
    slow_poll: Option<Duration>,
    /// Which signal has the tasks told, and who asks for it.
    dump_signal: Option<(SignalKind, &'static str)>,
    observers: Vec<Rc<dyn Observer>>,
}

/// How long a poll may take in debug mode before it is reported, as in asyncio.
const SLOW_POLL: Duration = Duration::from_millis(100);

impl Builder {
    /// Starts with the defaults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Chooses the selector. By default it is the one that the environment variable
    /// `SELIO_SELECTOR` names, else the best one of the platform.
    #[must_use]
    pub fn backend(mut self, backend: Backend) -> Self {
        self.backend = Some(backend);
        self
    }

    /// Whether the panic of a task that nobody awaits ends [`Runtime::block_on`], which then panics
    /// in its turn. By default it is told on stderr and counted in
    /// [`Stats::panics`](crate::Stats::panics), and the others go on.
    ///
    /// # Examples
    ///
    /// ```should_panic
    /// let runtime = selio::Builder::new().end_on_panic(true).build().unwrap();
    /// runtime.block_on(async {
    ///     selio::spawn(async { panic!("nobody would have noticed") });
    ///     std::future::pending::<()>().await;
    /// });
    /// ```
    #[must_use]
    #[doc(alias = "set_exception_handler")]
    pub fn end_on_panic(mut self, ends_on_panic: bool) -> Self {
        self.ends_on_panic = ends_on_panic;
        self
    }

    /// Says how many threads [`to_thread`](crate::to_thread) may use. Look-ups of names may use as
    /// many of their own. By default, it is 4 more than the machine has processors, and at most 32.
    ///
    /// # Panics
    ///
    /// If it is 0: nothing would ever be called.
    #[must_use]
    #[track_caller]
    #[doc(alias = "set_default_executor")]
    pub fn max_threads(mut self, threads: usize) -> Self {
        assert!(
            threads > 0,
            "Builder::max_threads: with no thread, nothing would ever be called; give at least 1"
        );
        self.max_threads = Some(threads);
        self
    }

    /// Whether to write down what every task does, for [`task::dump`](crate::task::dump), and to
    /// report on stderr who has held the thread for too long. By default it is done if the
    /// environment variable `SELIO_DEBUG` is `1`, and in debug builds unless it is `0`.
    ///
    /// asyncio's counterpart is its
    /// [debug mode](https://docs.python.org/3/library/asyncio-dev.html#debug-mode).
    #[must_use]
    #[doc(alias = "set_debug")]
    #[doc(alias = "PYTHONASYNCIODEBUG")]
    #[doc(alias = "get_debug")]
    pub fn debug(mut self, is_wanted: bool) -> Self {
        self.debug = Some(is_wanted);
        self
    }

    /// How long a poll may take in debug mode before it is reported: 100 ms by default.
    /// [`Duration::MAX`] is never.
    #[must_use]
    #[doc(alias = "slow_callback_duration")]
    pub fn slow_poll(mut self, limit: Duration) -> Self {
        self.slow_poll = Some(limit);
        self
    }

    /// Tells this observer what happens in the runtime. There may be several, besides the one that
    /// the environment variable `SELIO_TRACE` asks for: see [`trace`](crate::trace).
    #[must_use]
    pub fn observer(mut self, observer: impl Observer + 'static) -> Self {
        self.observers.push(Rc::new(observer));
        self
    }

    /// Tells the tasks on stderr, as [`task::dump`](crate::task::dump) does, whenever the process
    /// gets this signal, with the cargo feature `signal`. By default it is the one that the
    /// environment variable `SELIO_DUMP` names, as in `SELIO_DUMP=SIGUSR1`, if any.
    ///
    /// A runtime that sleeps is woken for it; one whose thread is held by a poll that does not end
    /// tells them after that poll, and one that does not run when it runs again. Each runtime that
    /// asks for it tells its own. As long as there is one, the signal does not do what it does by
    /// default, which for `SIGUSR1` is to end the process.
    ///
    /// [`build`](Self::build) gives an error for what cannot be listened to; see
    /// [`signal`](crate::signal::signal). It takes two file descriptors.
    ///
    /// # Examples
    ///
    /// After `kill -USR1`, this program says that `main` waits for a timer:
    ///
    /// ```no_run
    /// use selio::{Builder, signal::SignalKind, sleep};
    /// use std::time::Duration;
    ///
    /// let runtime = Builder::new().dump_on_signal(SignalKind::SIGUSR1).build()?;
    /// runtime.block_on(sleep(Duration::from_secs(3600)));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[cfg(feature = "signal")]
    #[must_use]
    #[doc(alias = "faulthandler")]
    pub fn dump_on_signal(mut self, kind: impl Into<SignalKind>) -> Self {
        self.dump_signal = Some((kind.into(), "Builder::dump_on_signal"));
        self
    }

    /// Makes the runtime.
    ///
    /// # Errors
    ///
    /// The selector is unknown or not available on this platform (the message lists those that
    /// are), the process has no file descriptor left, `SELIO_TRACE` asks for a trace that cannot be
    /// written, or `SELIO_DUMP` for a signal that cannot be listened to.
    pub fn build(self) -> io::Result<Runtime> {
        let dump_signal = match self.dump_signal {
            None => dump_signal_by_default()?,
            asked => asked,
        };
        let selector = match self.backend {
            Some(backend) => Selector::with_backend(backend)?,
            None => Selector::new()?,
        };
        let is_debug = self.debug.unwrap_or_else(is_debug_by_default);
        let debug = is_debug.then(|| Rc::new(Debug::new(self.slow_poll.unwrap_or(SLOW_POLL))));
        let mut observers = self.observers;
        let trace = crate::trace::from_environment()?;
        observers.extend(trace.map(|trace| Rc::new(trace) as Rc<dyn Observer>));
        observers.extend(debug.clone().map(|debug| debug as Rc<dyn Observer>));
        let reactor = Reactor::new(
            selector,
            Box::new(Monotonic),
            inspect::telling_all(observers),
        );
        let executor = Executor::new(reactor, self.ends_on_panic);
        executor
            .extensions
            .insert(Rc::new(Threads::new(self.max_threads)));
        if let Some(debug) = debug {
            executor.extensions.insert(debug);
        }
        if let Some((kind, call)) = dump_signal {
            inspect::dump_on_signal(&executor, kind, call)?;
        }
        Ok(Runtime::of(executor))
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("backend", &self.backend)
            .field("end_on_panic", &self.ends_on_panic)
            .field("max_threads", &self.max_threads)
            .field("debug", &self.debug)
            .field("slow_poll", &self.slow_poll)
            .field("dump_signal", &self.dump_signal.map(|(kind, _)| kind))
            .field("observers", &self.observers.len())
            .finish()
    }
}

/// The signal that the environment asks for, and who asks.
fn dump_signal_by_default() -> io::Result<Option<(SignalKind, &'static str)>> {
    const VARIABLE: &str = "SELIO_DUMP";
    let Some(value) = env::var_os(VARIABLE).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    match value.to_str().and_then(SignalKind::named) {
        Some(kind) => Ok(Some((kind, VARIABLE))),
        None => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!(
                "{VARIABLE}: `{}` is no signal; name one, as in SIGUSR1, or write its number",
                value.display()
            ),
        )),
    }
}

fn is_debug_by_default() -> bool {
    match env::var_os("SELIO_DEBUG") {
        Some(value) if value == "1" => true,
        Some(value) if value == "0" => false,
        _ => cfg!(debug_assertions),
    }
}
