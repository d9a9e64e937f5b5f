//! The runtime: `block_on`, and `turn`, the loop.

use std::future::Future;
use std::panic::resume_unwind;
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use super::Executor;
use super::key::TaskKey;
use crate::reactor::count;
use crate::reactor::selector::Backend;

/// While tasks stay ready, sockets, timers and other threads are looked after between two turns as
/// soon as there were this many polls. A prime does not fall into step with a program that works in
/// rounds.
const LOOK_INTERVAL: usize = 61;

/// An executor, its reactor and their selector: everything that tasks need to live.
///
/// Several may exist on a thread, but only one can run at a time. Dropping it cancels its tasks,
/// and closes none of the sockets that others hold: those give an error when they would have to
/// wait.
///
/// After fork(2) a child process may drop all that it has, which ends none of the parent's connections,
/// or go on with the runtime by itself, by another `block_on`; parent and child must not both run it.
///
/// asyncio's counterpart is
/// [`Runner`](https://docs.python.org/3/library/asyncio-runner.html#asyncio.Runner).
///
/// # Examples
///
/// It may be used again: tasks that have not ended go on with the next `block_on`.
///
/// ```
/// let runtime = selio::Runtime::new()?;
/// let task = runtime.block_on(async { selio::spawn(async { 7 }) });
/// assert_eq!(runtime.block_on(task).unwrap(), 7);
/// # Ok::<(), std::io::Error>(())
/// ```
///
/// It cannot be dropped by what runs inside of it:
///
/// ```compile_fail
/// let runtime = selio::Runtime::new().unwrap();
/// runtime.block_on(async { drop(runtime) });
/// ```
#[doc(alias = "Runner")]
#[doc(alias = "EventLoop")]
#[doc(alias = "event_loop")]
pub struct Runtime {
    pub(crate) executor: Rc<Executor>,
}

impl Runtime {
    pub(crate) fn of(executor: Rc<Executor>) -> Self {
        Self { executor }
    }

    /// Runs a future to its end, and all tasks meanwhile. Tasks that have not ended by then stay as
    /// they are until the next call.
    ///
    /// # Panics
    ///
    /// Inside of a runtime, and when the selector fails. A panic of `main` goes on here, and that of
    /// a task if [`Builder::end_on_panic`](crate::Builder::end_on_panic) asks for it.
    #[track_caller]
    #[doc(alias = "run_until_complete")]
    #[doc(alias = "run_forever")]
    pub fn block_on<F: Future>(&self, main: F) -> F::Output {
        refuse_nesting("Runtime::block_on");
        let _entered = self.executor.enter();
        self.executor.reactor.claim();
        let mut main = pin!(main);
        let waker = Waker::from(Arc::clone(&self.executor.main));
        let mut cx = Context::from_waker(&waker);
        self.executor.is_main_ready.set(true);
        let mut polls = 0;
        let mut batch = Vec::new();
        loop {
            if self.executor.is_main_ready.take() {
                if let Poll::Ready(output) = self.executor.run_main(main.as_mut(), &mut cx) {
                    self.end_on_panic(); // Its destructors may have left one behind.
                    return output;
                }
                polls += 1;
            }
            polls = self.turn(polls, &mut batch);
            self.end_on_panic();
        }
    }

    /// Goes on with the panic of a task that nobody has awaited, if such a one is to end `block_on`.
    #[inline]
    fn end_on_panic(&self) {
        if let Some(panic) = self.executor.unhandled() {
            resume_unwind(panic);
        }
    }

    /// One turn of the loop, which is asyncio's `_run_once`:
    ///
    /// 1. Wait in the reactor: not at all if tasks are ready, else until the next deadline, else
    ///    for ever.
    /// 2. Wake what is due: for readiness events, for expired timers, and for other threads.
    /// 3. Run what is ready, and leave what gets ready meanwhile for the next turn.
    ///
    /// While tasks stay ready, the first two are due only after [`LOOK_INTERVAL`] polls, or when a
    /// task has spent its budget of operations. They never come in the middle of a batch: a
    /// level-triggered selector would report again each socket whose task was woken and has not run
    /// yet.
    ///
    /// `polls`, like the result, counts what came out of the ready queue since the last look, and
    /// the polls of `main`. `batch` gets the keys of those that run in this turn; it is kept for its
    /// memory.
    #[inline]
    fn turn(&self, mut polls: usize, batch: &mut Vec<TaskKey>) -> usize {
        let executor = &self.executor;
        count(&executor.turns, 1);
        if executor.is_idle() {
            self.wait();
            polls = 0;
        } else if polls >= LOOK_INTERVAL || executor.reactor.is_overdue() {
            self.look(Some(Duration::ZERO));
            polls = 0;
        }
        executor.run_ready(batch);
        polls + batch.len()
    }

    /// Sleeps until something happens.
    fn wait(&self) {
        let inbox = &self.executor.mailbox.inbox;
        let timeout = if inbox.fall_asleep() {
            self.executor.tell_sleep()
        } else {
            inbox.wake_up(); // We do not sleep after all: nobody needs to interrupt us.
            Some(Duration::ZERO)
        };
        self.look(timeout);
    }

    /// Looks after sockets and timers, for at most `timeout`, and then after other threads.
    fn look(&self, timeout: Option<Duration>) {
        let result = self.executor.reactor.poll(timeout);
        self.executor.mailbox.inbox.wake_up();
        self.executor.receive();
        if let Err(error) = result {
            panic!("the selector `{}` failed: {error}", self.backend());
        }
    }

    /// The selector in use.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.executor.reactor.backend()
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        let _entered = self.executor.enter();
        self.executor.shut_down();
    }
}

#[track_caller]
pub(crate) fn refuse_nesting(call: &str) {
    assert!(
        Executor::current().is_none(),
        "{call}: a runtime runs on this thread already, and would stand still meanwhile; await the \
         future or `spawn` it instead"
    );
}
