//! `run`, and the other ways to make a runtime.

use std::future::Future;
use std::io;

use super::Builder;
use crate::executor::{Runtime, refuse_nesting};

/// Runs a future, and everything that it spawns, on this thread.
///
/// When `main` ends, what it has spawned and not awaited is cancelled, as
/// [`asyncio.run`](https://docs.python.org/3/library/asyncio-runner.html#asyncio.run) does; when
/// this returns, no task is alive. Ctrl-C ends the process on the spot, without any destructor;
/// [`signal::run_until_ctrl_c`](crate::signal) cancels everything first.
///
/// # Panics
///
/// Inside of a runtime; and when none can be made, because the process has no file descriptor
/// left, `SELIO_SELECTOR` names no selector of this platform, `SELIO_TRACE` no place for a trace, or
/// `SELIO_DUMP` no signal that can be listened to.
/// [`Builder::build`] gives errors instead. A panic of `main` goes on here.
///
/// # Examples
///
/// ```
/// let answer = selio::run(async { 6 * 7 });
/// assert_eq!(answer, 42);
/// ```
#[track_caller]
pub fn run<F: Future>(main: F) -> F::Output {
    refuse_nesting("selio::run");
    match Runtime::new() {
        Ok(runtime) => runtime.block_on(main),
        Err(error) => panic!("selio::run: {error}"),
    }
}

impl Runtime {
    /// A runtime with the defaults of [`Builder`].
    ///
    /// # Errors
    ///
    /// Those of [`Builder::build`].
    pub fn new() -> io::Result<Self> {
        Builder::new().build()
    }

    /// Makes a runtime that differs from the default one.
    #[must_use]
    pub fn builder() -> Builder {
        Builder::new()
    }
}
