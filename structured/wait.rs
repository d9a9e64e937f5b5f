//! Waiting for several tasks at once, which go on whatever happens to whoever waits.

use std::fmt;
use std::future::Future;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::children::Children;
use crate::executor::{End, JoinHandle};
use crate::reactor::{Sleep, sleep};

/// Waits until all of these tasks have ended, and takes the handles of those that have out of the
/// list. Awaiting these does not wait any more.
///
/// [`first_completed`](Wait::first_completed) waits only for the first one,
/// [`first_error`](Wait::first_error) at the longest for the first one that fails, and
/// [`timeout`](Wait::timeout) sets an end to it. In each case the tasks that are still in the list
/// afterwards go on: nobody is cancelled. An empty list is no error, and nothing to wait for.
///
/// asyncio's counterpart is
/// [`wait`](https://docs.python.org/3/library/asyncio-task.html#asyncio.wait): what it returns is
/// what is done, what it leaves is what is pending. Between two calls others may be pushed into the
/// list, so that it does what tokio's `JoinSet` is for. Each call has to enrol with every task in the
/// list; to take the results of very many one by one, [`as_completed`](crate::as_completed) is
/// cheaper.
///
/// # Panics
///
/// Inside of another runtime than that of a task that has not ended.
///
/// # Cancel safety
///
/// Nothing is lost: until it ends, all handles are in the list, with their results.
///
/// # Examples
///
/// ```
/// use selio::{sleep, spawn, wait};
/// use std::time::Duration;
///
/// selio::run(async {
///     let mut tasks: Vec<_> = [20, 1]
///         .into_iter()
///         .map(|ms| spawn(async move { sleep(Duration::from_millis(ms)).await }))
///         .collect();
///     let done = wait(&mut tasks).first_completed().await;
///     assert_eq!((done.len(), tasks.len()), (1, 1));
///     for task in done {
///         task.await?; // says how it has ended, without a wait
///     }
///     assert_eq!(wait(&mut tasks).timeout(Duration::ZERO).await.len(), 0);
///     assert_eq!(wait(&mut tasks).await.len(), 1);
///     Ok::<(), selio::JoinError>(())
/// })
/// # .unwrap();
/// ```
#[track_caller]
#[doc(alias = "ALL_COMPLETED")]
#[doc(alias = "JoinSet")]
pub fn wait<T: 'static>(tasks: &mut Vec<JoinHandle<T>>) -> Wait<'_, T> {
    let unended = tasks.iter().filter(|task| !task.is_finished());
    unended.for_each(JoinHandle::refuse_elsewhere);
    Wait {
        ends: Children::new(tasks.iter().map(JoinHandle::end)),
        tasks,
        is_enough: |_| false,
        sleep: None,
    }
}

/// The future of [`wait`].
#[must_use = "futures do nothing unless you await them"]
pub struct Wait<'a, T> {
    tasks: &'a mut Vec<JoinHandle<T>>,
    ends: Children<End>,
    /// Whether this task, which has ended, ends the wait.
    is_enough: fn(&JoinHandle<T>) -> bool,
    sleep: Option<Sleep>,
}

impl<T: 'static> Wait<'_, T> {
    /// Waits until one of the tasks has ended. If several have, all of them are taken.
    #[doc(alias = "FIRST_COMPLETED")]
    pub fn first_completed(mut self) -> Self {
        self.is_enough = |_| true;
        self
    }

    /// Waits no longer than this, counted from now. Those that have ended by then are taken. A
    /// timeout of zero gives the tasks one turn of the loop; [`Duration::MAX`] is none.
    #[track_caller]
    pub fn timeout(mut self, duration: Duration) -> Self {
        self.sleep = Some(sleep(duration));
        self
    }
}

impl<T: 'static, E: 'static> Wait<'_, Result<T, E>> {
    /// Waits until one of the tasks has given an `Err`, has panicked or was cancelled; or until all
    /// have ended.
    #[doc(alias = "FIRST_EXCEPTION")]
    pub fn first_error(mut self) -> Self {
        self.is_enough = |task| task.peek(|outcome| !matches!(outcome, Ok(Ok(_)))) != Some(false);
        self
    }
}

impl<T: 'static> Future for Wait<'_, T> {
    type Output = Vec<JoinHandle<T>>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let (tasks, is_enough) = (&*this.tasks, this.is_enough);
        let enough = this
            .ends
            .poll(cx, |index, ()| match is_enough(&tasks[index]) {
                true => ControlFlow::Break(()),
                false => ControlFlow::Continue(()),
            });
        let is_over = |sleep: &mut Sleep| Pin::new(sleep).poll(cx).is_ready();
        if enough.is_ready() || this.sleep.as_mut().is_some_and(is_over) {
            let ended = this.tasks.extract_if(.., |task| task.is_finished());
            return Poll::Ready(ended.collect());
        }
        Poll::Pending
    }
}

impl<T> fmt::Debug for Wait<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wait").field("tasks", &self.tasks).finish()
    }
}
