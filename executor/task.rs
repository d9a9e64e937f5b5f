//! A task: first a future, then its outcome, which its handle comes to fetch.

use std::any::Any;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;

use super::Executor;
use super::key::TaskKey;
use super::waker::TaskWaker;

/// What a panic leaves behind.
pub(crate) type Payload = Box<dyn Any + Send>;

/// Runs code of the user so that its panic stops here.
pub(crate) fn contain<R>(code: impl FnOnce() -> R) -> Result<R, Payload> {
    catch_unwind(AssertUnwindSafe(code))
}

/// The same for code whose panic nobody asks for. The payload may panic too, when it is dropped:
/// what that panics with is leaked.
pub(crate) fn swallow<R>(code: impl FnOnce() -> R) {
    if let Err(payload) = contain(code)
        && let Err(another) = contain(|| drop(payload))
    {
        std::mem::forget(another);
    }
}

/// What a task ends with: its result, or else that it panicked or (`None`) was cancelled.
pub(crate) type Outcome<T> = Result<T, Option<Payload>>;

/// The waker of a task, with and without its type.
pub(super) struct Wakers {
    pub(super) typed: Arc<TaskWaker>,
    pub(super) waker: Waker,
}

pin_project! {
    /// What the executor runs.
    #[project = TaskProjection]
    #[project_ref = TaskReference]
    enum Task<F: Future> {
        Running {
            #[pin]
            future: F,
            // Made at the first poll, not before: of many tasks that need one poll only, each
            // takes over the wakers of the one before.
            wakers: Option<Wakers>,
        },
        Ended { outcome: Option<Outcome<F::Output>> },
    }
}

impl<F: Future> Task<F> {
    fn new(future: F) -> Self {
        let wakers = None;
        Self::Running { future, wakers }
    }

    fn wakers(self: Pin<&Self>) -> Option<&Wakers> {
        match self.project_ref() {
            TaskReference::Running { wakers, .. } => wakers.as_ref(),
            TaskReference::Ended { .. } => None,
        }
    }
}

/// A task that is to run this future.
pub(super) fn new<F: Future + 'static>(future: F) -> BoxedTask {
    // Where it will stay from the first: a future may be as large as the buffers that it owns.
    let task = Box::write(Box::new_uninit(), Task::new(future));
    Box::into_pin(task)
}

/// The same, in the place of one whose outcome was taken, if that ran a future of this type too: it
/// saves an allocation.
pub(super) fn again<F: Future + 'static>(mut ended: BoxedTask, future: F) -> BoxedTask {
    let mut future = Some(future);
    if ended.as_mut().restart(&mut future) {
        return ended;
    }
    new(future.expect("nobody has taken it"))
}

pub(super) type BoxedTask = Pin<Box<dyn Run>>;

/// A task whose type the executor has forgotten.
pub(super) trait Run {
    /// Polls the task. When it ends, its future is dropped before this returns, and its wakers go
    /// back to the executor.
    fn run(self: Pin<&mut Self>, executor: &Executor, key: TaskKey) -> Poll<()>;

    /// Ends the task without a result: drops its future, and says why.
    fn abandon(self: Pin<&mut Self>, panic: Option<Payload>);

    /// Takes another future to run, out of an `Option<F>`, if its own was of this type. Its outcome
    /// was taken.
    fn restart(self: Pin<&mut Self>, future: &mut dyn Any) -> bool;

    /// Its outcome, once it has ended: an `Option<Outcome<T>>`, to be looked at or taken.
    fn outcome(self: Pin<&mut Self>) -> Option<&mut dyn Any>;

    /// What it has panicked with, if it has.
    fn take_panic(self: Pin<&mut Self>) -> Option<Payload>;

    /// Its waker, once it was polled.
    fn waker(self: Pin<&Self>) -> Option<&Waker>;

    /// How many references to its waker there are, once it was polled: two are its own.
    fn references(self: Pin<&Self>) -> Option<usize>;
}

impl<F> Run for Task<F>
where
    F: Future<Output: 'static> + 'static,
{
    fn run(mut self: Pin<&mut Self>, executor: &Executor, key: TaskKey) -> Poll<()> {
        let TaskProjection::Running { future, wakers } = self.as_mut().project() else {
            return Poll::Ready(());
        };
        let Wakers { typed, waker } = wakers.get_or_insert_with(|| executor.wakers(key));
        typed.unqueue();
        executor.set_polled(key, waker);
        let output = std::task::ready!(future.poll(&mut Context::from_waker(waker)));
        executor.spare_wakers.set(wakers.take());
        self.set(Self::Ended {
            outcome: Some(Ok(output)),
        });
        Poll::Ready(())
    }

    fn abandon(mut self: Pin<&mut Self>, panic: Option<Payload>) {
        // If the destructor of the future panics, the handle tells of that, not of a cancellation.
        let panic_in_drop = contain(|| self.set(Self::Ended { outcome: None })).err();
        let (first, second) = match panic {
            Some(_) => (panic, panic_in_drop),
            None => (panic_in_drop, None),
        };
        swallow(|| drop(second));
        let outcome = Some(Err(first));
        self.set(Self::Ended { outcome });
    }

    fn restart(mut self: Pin<&mut Self>, future: &mut dyn Any) -> bool {
        match future.downcast_mut().and_then(Option::take) {
            Some(future) => {
                self.set(Self::new(future));
                true
            }
            None => false,
        }
    }

    fn outcome(self: Pin<&mut Self>) -> Option<&mut dyn Any> {
        match self.project() {
            TaskProjection::Running { .. } => None,
            TaskProjection::Ended { outcome } => Some(outcome),
        }
    }

    fn take_panic(self: Pin<&mut Self>) -> Option<Payload> {
        match self.project() {
            TaskProjection::Ended {
                outcome: Some(Err(panic)),
            } => panic.take(),
            _ => None,
        }
    }

    fn waker(self: Pin<&Self>) -> Option<&Waker> {
        self.wakers().map(|wakers| &wakers.waker)
    }

    fn references(self: Pin<&Self>) -> Option<usize> {
        let wakers = self.wakers()?;
        Some(Arc::strong_count(&wakers.typed))
    }
}
