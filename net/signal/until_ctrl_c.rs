//! `run`, and Ctrl-C as `asyncio.Runner` has it: the first one drops what runs, a second one kills.

use std::future::{Future, poll_fn};
use std::io::{self, Write};
use std::panic::Location;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use signal_hook::{flag, low_level};

use super::{SignalKind, signal};
use crate::executor::Runtime;
use crate::reactor::on_behalf_of;
use crate::signals::{Listener, is_ignored};

/// [`run`](crate::run), except that Ctrl-C ends `main` in good order.
///
/// The first Ctrl-C drops `main`, then all tasks, so that their destructors clean up; then the
/// process ends by `SIGINT`, as its parent expects it of a program that was interrupted (a shell
/// shows the status 130). A second one ends it at once, wherever it is. So does
/// [`asyncio.Runner`](https://docs.python.org/3/library/asyncio-runner.html#handling-keyboard-interruption),
/// whose `main` may await in its clean-up; where that is needed, race against
/// [`ctrl_c`](super::ctrl_c) in `main` instead.
///
/// It is for the program's main runtime: the process ends, whatever its other threads do.
///
/// A program that was started with Ctrl-C ignored, as a script starts what it runs with `&`, goes on
/// to ignore it, as it does in Python. (Linux tells; on other systems it is heeded nevertheless.)
///
/// # Panics
///
/// As [`run`](crate::run) does.
///
/// # Examples
///
/// ```no_run
/// use std::time::Duration;
///
/// struct Farewell;
///
/// impl Drop for Farewell {
///     fn drop(&mut self) {
///         println!("Ctrl-C: cleaned up");
///     }
/// }
///
/// selio::signal::run_until_ctrl_c(async {
///     let _farewell = Farewell;
///     selio::sleep(Duration::from_secs(3600)).await;
/// });
/// ```
#[track_caller]
#[doc(alias = "KeyboardInterrupt")]
pub fn run_until_ctrl_c<F: Future>(main: F) -> F::Output {
    match Runtime::new() {
        Ok(runtime) => runtime.run_until_ctrl_c(main),
        Err(error) => panic!("signal::run_until_ctrl_c: {error}"),
    }
}

impl Runtime {
    /// [`signal::run_until_ctrl_c`](run_until_ctrl_c) in a runtime of your own, which ends with it.
    ///
    /// # Panics
    ///
    /// Inside of a runtime, when the selector fails, and when the process has no file descriptor
    /// left. A panic of `main` goes on here.
    #[track_caller]
    pub fn run_until_ctrl_c<F: Future>(self, main: F) -> F::Output {
        match self.block_on(until_ctrl_c(main, Location::caller())) {
            Ok(Some(output)) => output,
            Ok(None) => {
                drop(self); // And with it all tasks.
                end_by_ctrl_c()
            }
            Err(error) => panic!("run_until_ctrl_c: cannot listen to Ctrl-C: {error}"),
        }
    }
}

/// `None`: Ctrl-C has come, and `main` was dropped.
async fn until_ctrl_c<F: Future>(
    main: F,
    site: &'static Location<'static>,
) -> io::Result<Option<F::Output>> {
    if is_ignored(SignalKind::SIGINT) {
        return Ok(Some(main.await));
    }
    let interrupts = signal(SignalKind::SIGINT)?;
    // The handler itself does this: a second Ctrl-C kills even if we never come to hear of the
    // first one, because `main` does not return.
    let _last = Listener::new("signal", SignalKind::SIGINT, |number, is_default| {
        flag::register(number, Arc::clone(is_default))
    })?;
    let mut main = pin!(main);
    poll_fn(|cx| match main.as_mut().poll(cx) {
        Poll::Ready(output) => Poll::Ready(Ok(Some(output))),
        Poll::Pending => on_behalf_of(site, || interrupts.poll_recv(cx)).map_ok(|()| None),
    })
    .await
}

fn end_by_ctrl_c() -> ! {
    // The end by a signal skips what std does at the end of a program.
    let _ = io::stdout().flush();
    let _ = low_level::emulate_default_handler(SignalKind::SIGINT.as_raw());
    unreachable!("SIGINT ends a process by default")
}
