//! A result that crosses threads: one of them promises it, another one waits for it.
//!
//! The one who waits may be a task or block its thread; the one who works may be a task of another
//! runtime or a thread of a pool.

use std::fmt;
use std::future::{Future, poll_fn};
use std::mem;
use std::panic::{Location, resume_unwind};
use std::pin::{Pin, pin};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use crate::executor::{Executor, JoinError, Outcome, Payload, contain, swallow, tell_wait};
use crate::reactor::Elapsed;

/// A promise, and the handle that waits for it, on any two threads. `what` it is, is for those who
/// watch.
pub(super) fn remote<T: Send>(
    what: &'static str,
    site: &'static Location<'static>,
) -> (Promise<T>, RemoteHandle<T>) {
    let shared = Arc::new(Shared {
        state: Mutex::new(State {
            result: Progress::Awaited,
            handle: None,
            task: None,
            is_cancelled: false,
        }),
        is_done: Condvar::new(),
        what,
        site,
    });
    (Promise(Arc::clone(&shared)), RemoteHandle(shared))
}

struct Shared<T> {
    state: Mutex<State<T>>,
    is_done: Condvar,
    what: &'static str,
    site: &'static Location<'static>,
}

struct State<T> {
    result: Progress<T>,
    /// Who awaits it.
    handle: Option<Waker>,
    /// Who works on it.
    task: Option<Waker>,
    is_cancelled: bool,
}

enum Progress<T> {
    Awaited,
    There(Result<T, JoinError>),
    Taken,
}

impl<T> State<T> {
    /// The result, once it is there.
    fn take(&mut self) -> Option<Result<T, JoinError>> {
        match mem::replace(&mut self.result, Progress::Taken) {
            Progress::There(result) => Some(result),
            Progress::Awaited => {
                self.result = Progress::Awaited;
                None
            }
            Progress::Taken => {
                panic!("RemoteHandle was awaited again after it had given its result")
            }
        }
    }
}

impl<T> Shared<T> {
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, panic: Option<Payload>) -> JoinError {
        JoinError::new(format!("the task spawned at {}", self.site), panic)
    }
}

/// What has to be kept: dropped unkept, it tells the handle that the task was cancelled.
pub(super) struct Promise<T>(Arc<Shared<T>>);

impl<T> Promise<T> {
    /// Keeps it.
    pub(super) fn settle(&self, outcome: Outcome<T>) {
        let mut state = self.0.lock();
        if !matches!(state.result, Progress::Awaited) {
            return; // It is settled: this is the promise going away.
        }
        state.result = Progress::There(outcome.map_err(|panic| self.0.error(panic)));
        let waker = state.handle.take();
        drop(state);
        self.0.is_done.notify_all();
        if let Some(waker) = waker {
            // It may be a foreign one: if it panics, that is no panic of the task.
            swallow(|| waker.wake());
        }
    }

    /// Makes the future, runs it, and keeps the promise with its outcome.
    pub(super) async fn keep<F: Future<Output = T>>(self, make: impl FnOnce() -> F) {
        let was_cancelled = self.0.lock().is_cancelled;
        let outcome = match (!was_cancelled).then(|| contain(make)) {
            None => Err(None),
            Some(Err(panic)) => Err(Some(panic)),
            Some(Ok(future)) => {
                let mut future = pin!(Some(future));
                let outcome = poll_fn(|cx| {
                    let future = future.as_mut().as_pin_mut().expect("it has not ended yet");
                    let poll = contain(|| self.poll(future, cx));
                    poll.unwrap_or_else(|panic| Poll::Ready(Err(Some(panic))))
                })
                .await;
                // Its destructor may panic, which the handle should know.
                match (outcome, contain(|| future.set(None))) {
                    (Err(Some(panic)), _) | (_, Err(panic)) => Err(Some(panic)),
                    (outcome, Ok(())) => outcome,
                }
            }
        };
        match outcome {
            // The handle is gone. Then it is a panic like that of any other task that nobody awaits.
            Err(Some(panic)) if Arc::strong_count(&self.0) == 1 => resume_unwind(panic),
            outcome => self.settle(outcome),
        }
    }

    fn poll<F: Future<Output = T>>(
        &self,
        future: Pin<&mut F>,
        cx: &mut Context<'_>,
    ) -> Poll<Outcome<T>> {
        if self.0.lock().is_cancelled {
            return Poll::Ready(Err(None));
        }
        let poll = future.poll(cx).map(Ok);
        if poll.is_pending() {
            let waker = cx.waker().clone();
            let mut state = self.0.lock();
            if state.is_cancelled {
                drop(state);
                return Poll::Ready(Err(None));
            }
            let former = state.task.replace(waker);
            drop(state);
            drop(former);
        }
        poll
    }
}

impl<T> Drop for Promise<T> {
    fn drop(&mut self) {
        self.settle(Err(None));
    }
}

/// A task that was spawned by a [`Handle`](crate::Handle). Await it, or [`join`](Self::join) it, for
/// its result, on any thread. Dropping it detaches the task, and forgets a panic that the task has
/// had before.
///
/// # Cancel safety
///
/// Whoever stops awaiting the handle loses nothing, as long as the handle is kept.
///
/// # Panics
///
/// When it is polled again after it has given its result.
#[doc(alias = "wrap_future")]
pub struct RemoteHandle<T>(Arc<Shared<T>>);

impl<T> RemoteHandle<T> {
    /// Blocks this thread until the task has ended. Not for the thread of its runtime, which would
    /// wait for itself.
    ///
    /// # Errors
    ///
    /// The task panicked or was cancelled.
    ///
    /// # Panics
    ///
    /// Inside of a runtime: await the handle instead.
    #[track_caller]
    #[doc(alias = "result")]
    pub fn join(self) -> Result<T, JoinError> {
        refuse_in_runtime("join", "await the handle instead");
        let result = self.result_by(None);
        result.expect("without a deadline, it waits for the result")
    }

    /// Blocks this thread until the task has ended, but not for longer than this. The task goes on
    /// after that: wait again, or [`cancel`](Self::cancel) it.
    ///
    /// asyncio's counterpart is the `future.result(timeout)` of
    /// [`run_coroutine_threadsafe`](https://docs.python.org/3/library/asyncio-task.html#asyncio.run_coroutine_threadsafe).
    ///
    /// # Errors
    ///
    /// [`Elapsed`] if the time is over, and inside, those of [`join`](Self::join).
    ///
    /// # Panics
    ///
    /// Inside of a runtime: use [`timeout`](crate::timeout()) instead. And when it is called again
    /// after it has given the result.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{future::pending, time::Duration};
    ///
    /// selio::run(async {
    ///     let handle = selio::Handle::current();
    ///     let result = selio::to_thread(move || {
    ///         let mut task = handle.spawn(pending::<()>);
    ///         if task.join_timeout(Duration::from_millis(5)).is_err() {
    ///             task.cancel();
    ///         }
    ///         task.join()
    ///     });
    ///     assert!(result.await.unwrap_err().is_cancelled());
    /// });
    /// ```
    #[track_caller]
    #[doc(alias = "result")]
    pub fn join_timeout(&mut self, limit: Duration) -> Result<Result<T, JoinError>, Elapsed> {
        refuse_in_runtime("join_timeout", "await it in `timeout` instead");
        // A limit that no clock reaches is none.
        let result = self.result_by(Instant::now().checked_add(limit));
        result.ok_or(Elapsed::new(Location::caller()))
    }

    /// `None`: the deadline has passed.
    fn result_by(&self, deadline: Option<Instant>) -> Option<Result<T, JoinError>> {
        let mut state = self.0.lock();
        loop {
            if let Some(result) = state.take() {
                return Some(result);
            }
            let is_done = &self.0.is_done;
            state = match deadline {
                None => is_done.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(deadline) => {
                    let left = deadline.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return None;
                    }
                    let waited = is_done.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Asks the runtime to end the task, which is dropped in its next turn.
    pub fn cancel(&self) {
        let mut state = self.0.lock();
        state.is_cancelled = true;
        let waker = state.task.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// Whether the task has ended: neither awaiting nor joining would wait.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        !matches!(self.0.lock().result, Progress::Awaited)
    }
}

#[track_caller]
fn refuse_in_runtime(call: &str, fix: &str) {
    assert!(
        Executor::current().is_none(),
        "RemoteHandle::{call}: a runtime runs on this thread, and would stand still meanwhile; {fix}"
    );
}

impl<T> Drop for RemoteHandle<T> {
    fn drop(&mut self) {
        let waker = self.0.lock().handle.take(); // Nobody waits any more.
        drop(waker);
    }
}

impl<T> Future for RemoteHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let waker = cx.waker().clone();
        let mut state = self.0.lock();
        if let Some(result) = state.take() {
            return Poll::Ready(result);
        }
        let former = state.handle.replace(waker);
        drop(state);
        drop(former);
        tell_wait(self.0.what, None, Some(self.0.site));
        Poll::Pending
    }
}

impl<T> fmt::Debug for RemoteHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RemoteHandle")
            .field("is_finished", &self.is_finished())
            .finish()
    }
}
