//! What `spawn` returns: the way to a task's result, and to its end.

use std::any::Any;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use super::key::TaskKey;
use super::slot::Slot;
use super::task::{BoxedTask, Outcome, Payload};
use super::task_ref::{Label, TaskRef};
use super::{Executor, TaskId};

/// A task that was spawned. Await it for its result.
///
/// Dropping the handle detaches the task, which goes on: so does a [`timeout`](crate::timeout) around
/// it, unlike in asyncio. To end the task too, keep the handle, `timeout(d, &mut task)`, and
/// [`cancel`](Self::cancel) it. asyncio's counterpart is
/// [`Task`](https://docs.python.org/3/library/asyncio-task.html#asyncio.Task).
///
/// # Cancel safety
///
/// Nothing is lost, as long as the handle is kept: it can be awaited again.
///
/// # Panics
///
/// When it is polled again after it has given its result, and when it has to wait in another runtime
/// than that of its task.
///
/// # Examples
///
/// ```
/// selio::run(async {
///     let answer = selio::spawn(async { 6 * 7 });
///     assert_eq!(answer.await?, 42);
///
///     let endless = selio::spawn(std::future::pending::<()>());
///     endless.cancel();
///     assert!(endless.await.unwrap_err().is_cancelled());
///     Ok::<(), selio::JoinError>(())
/// })
/// # .unwrap();
/// ```
#[doc(alias = "Task")]
pub struct JoinHandle<T> {
    pub(super) executor: Rc<Executor>,
    /// The slot is kept for as long as there is this handle.
    pub(super) key: TaskKey,
    pub(super) output: PhantomData<T>,
}

// Nothing of the task is in it.
impl<T> Unpin for JoinHandle<T> {}

impl<T> JoinHandle<T> {
    /// Ends the task. Its future is dropped before this returns; that of a task that cancels itself
    /// is dropped right after the current poll, unless that poll ends it.
    ///
    /// The handle then gives a [`JoinError`] that [is cancelled](JoinError::is_cancelled). A task
    /// that has ended is left as it is.
    ///
    /// Destructors run on the stack of the caller: of tasks each of which cancels the next one in
    /// its destructor, there is room for a chain of about a thousand.
    #[doc(alias = "abort")]
    pub fn cancel(&self) {
        self.executor.cancel_from_anywhere(self.key);
    }

    /// Whether the task has ended: awaiting the handle would not wait.
    #[must_use]
    #[doc(alias = "done")]
    pub fn is_finished(&self) -> bool {
        self.executor.has_ended(self.key)
    }

    /// The number of the task.
    #[must_use]
    pub fn id(&self) -> TaskId {
        self.label().id
    }

    /// The name that was given to [`spawn_named`](crate::spawn_named), else `task-` and the number.
    #[must_use]
    #[doc(alias = "get_name")]
    pub fn name(&self) -> String {
        self.label().name()
    }

    /// The task as others see it: a reference to clone, and to hand to those who may cancel it.
    #[must_use]
    pub fn task(&self) -> TaskRef {
        TaskRef::new(&self.executor, self.key, self.label())
    }

    fn label(&self) -> Label {
        let label = self.executor.label(self.key);
        label.expect("a handle keeps the slot of its task")
    }

    /// Panics if a runtime runs here that is not the one of the task: nobody would end the wait.
    #[track_caller]
    pub(crate) fn refuse_elsewhere(&self) {
        self.executor.refuse_elsewhere(self.key);
    }

    /// Looks at the outcome of a task that has ended, if it is still there.
    pub(crate) fn peek(&self, is_meant: fn(&Outcome<T>) -> bool) -> Option<bool>
    where
        T: 'static,
    {
        let peek = |slot: &mut Slot| {
            let outcome = outcome_of(slot.task.as_mut()?)?;
            Some(is_meant(outcome.as_ref()?))
        };
        self.executor.slot(self.key, peek)?
    }

    fn error(&self, panic: Option<Payload>) -> JoinError {
        JoinError::new(self.label().to_string(), panic)
    }
}

/// Where a task that has ended and gives a `T` keeps its outcome.
pub(super) fn outcome_of<T: 'static>(task: &mut BoxedTask) -> Option<&mut Option<Outcome<T>>> {
    task.as_mut().outcome()?.downcast_mut()
}

impl<T: 'static> Future for JoinHandle<T> {
    type Output = Result<T, JoinError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let outcome = ready!(self.executor.poll_take(self.key, cx));
        // Only a runtime that could not end has no outcome: it has forgotten its tasks.
        Poll::Ready(
            outcome
                .unwrap_or(Err(None))
                .map_err(|panic| self.error(panic)),
        )
    }
}

impl<T> Drop for JoinHandle<T> {
    fn drop(&mut self) {
        self.executor.detach(self.key);
    }
}

impl<T> fmt::Debug for JoinHandle<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinHandle")
            .field("task", &self.name())
            .field("is_finished", &self.is_finished())
            .finish()
    }
}

/// Why a task has no result: it was cancelled, or it panicked.
#[doc(alias = "CancelledError")]
pub struct JoinError(Box<Failure>);

struct Failure {
    task: String,
    /// In a lock only to be `Sync`, as errors should be.
    panic: Option<Mutex<Payload>>,
}

impl JoinError {
    pub(crate) fn new(task: String, panic: Option<Payload>) -> Self {
        Self(Box::new(Failure {
            task,
            panic: panic.map(Mutex::new),
        }))
    }

    /// Whether the task was cancelled, by [`JoinHandle::cancel`] or by the end of its runtime.
    #[must_use]
    #[doc(alias = "cancelled")]
    pub fn is_cancelled(&self) -> bool {
        self.0.panic.is_none()
    }

    /// Whether the task panicked.
    #[must_use]
    pub fn is_panic(&self) -> bool {
        self.0.panic.is_some()
    }

    /// What the task panicked with, for [`resume_unwind`](std::panic::resume_unwind).
    ///
    /// # Errors
    ///
    /// The error itself if the task was cancelled.
    pub fn into_panic(mut self) -> Result<Box<dyn Any + Send + 'static>, Self> {
        let panic = self.0.panic.take().ok_or(self)?;
        Ok(panic.into_inner().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Failure { task, panic } = &*self.0;
        let Some(panic) = panic else {
            return write!(f, "{task} was cancelled");
        };
        // A copy: nothing is locked while the text is written, to whomever.
        match message_of(panic) {
            Some(message) => write!(f, "{task} panicked: {message}"),
            None => write!(f, "{task} panicked"),
        }
    }
}

fn message_of(panic: &Mutex<Payload>) -> Option<String> {
    let panic = panic.lock().unwrap_or_else(PoisonError::into_inner);
    let text = panic.downcast_ref::<&str>().map(|&text| text.to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
}

impl fmt::Debug for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JoinError({self})")
    }
}

impl Error for JoinError {}

impl From<JoinError> for std::io::Error {
    fn from(error: JoinError) -> Self {
        std::io::Error::other(error)
    }
}
