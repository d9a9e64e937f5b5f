//! A task: a future, and the place where its outcome is left for the handle.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::mem;
use std::panic::{AssertUnwindSafe, Location, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use pin_project_lite::pin_project;

use super::JoinError;
use super::waker::TaskWaker;

/// Names a task for the life of the process: no two tasks of a thread have the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId(pub(super) u64);

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

/// What a panic leaves behind.
pub(super) type Payload = Box<dyn Any + Send>;

/// Runs code of the user so that its panic stops here.
pub(super) fn contain<R>(code: impl FnOnce() -> R) -> Result<R, Payload> {
    catch_unwind(AssertUnwindSafe(code))
}

/// Who a task is, for messages.
#[derive(Debug)]
pub(super) struct Identity {
    pub(super) id: TaskId,
    pub(super) name: Option<Box<str>>,
    pub(super) site: &'static Location<'static>,
}

impl Identity {
    pub(super) fn name(&self) -> String {
        match &self.name {
            Some(name) => name.to_string(),
            None => format!("task-{}", self.id),
        }
    }
}

/// What a task and its handle share.
pub(super) struct Join<T> {
    pub(super) identity: Identity,
    outcome: RefCell<Outcome<T>>,
}

enum Outcome<T> {
    /// Not there yet; whom to wake when it is.
    Awaited(Option<Waker>),
    There(Result<T, JoinError>),
    Taken,
}

impl<T> Join<T> {
    pub(super) fn new(identity: Identity) -> Rc<Self> {
        Rc::new(Self {
            identity,
            outcome: RefCell::new(Outcome::Awaited(None)),
        })
    }

    /// Leaves the outcome for the handle, if there still is one, and wakes who awaits it.
    fn complete(self: &Rc<Self>, result: Result<T, JoinError>) {
        if Rc::strong_count(self) == 1 {
            return; // Detached: nobody will ask.
        }
        let former = self.outcome.replace(Outcome::There(result));
        if let Outcome::Awaited(Some(waker)) = former {
            // Its panic is not the task's, whose result is there.
            let _ = contain(|| waker.wake());
        }
    }

    pub(super) fn poll(&self, cx: &Context<'_>) -> Poll<Result<T, JoinError>> {
        let mut outcome = self.outcome.borrow_mut();
        match &mut *outcome {
            Outcome::Awaited(Some(waker)) if waker.will_wake(cx.waker()) => Poll::Pending,
            Outcome::Awaited(_) => {
                drop(outcome);
                let former = self
                    .outcome
                    .replace(Outcome::Awaited(Some(cx.waker().clone())));
                drop(former);
                Poll::Pending
            }
            Outcome::There(_) => match mem::replace(&mut *outcome, Outcome::Taken) {
                Outcome::There(result) => Poll::Ready(result),
                _ => unreachable!("it was there a line ago"),
            },
            Outcome::Taken => panic!("JoinHandle was awaited again after it had given its result"),
        }
    }

    pub(super) fn is_finished(&self) -> bool {
        !matches!(*self.outcome.borrow(), Outcome::Awaited(_))
    }
}

pin_project! {
    /// What the executor runs.
    pub(super) struct Task<F: Future> {
        #[pin]
        future: Option<F>,
        join: Rc<Join<F::Output>>,
        wakers: Option<Wakers>,
    }
}

impl<F: Future> Task<F> {
    pub(super) fn new(future: F, join: Rc<Join<F::Output>>, wakers: Wakers) -> Self {
        Self {
            future: Some(future),
            join,
            wakers: Some(wakers),
        }
    }
}

/// The waker of a task, with and without its type.
pub(super) struct Wakers {
    pub(super) typed: Arc<TaskWaker>,
    pub(super) waker: Waker,
}

/// A task whose type the executor has forgotten.
pub(super) trait Run {
    /// Goes on with the task. When it ends, its future is dropped and its result left for the
    /// handle before this returns.
    fn run(self: Pin<&mut Self>) -> Poll<()>;

    /// Ends the task without a result: drops its future, and says why. `None`: it was cancelled.
    fn abandon(self: Pin<&mut Self>, panic: Option<Payload>);

    /// Takes its wakers, when it has ended.
    fn take_wakers(self: Pin<&mut Self>) -> Option<Wakers>;
}

impl<F: Future> Run for Task<F> {
    fn run(self: Pin<&mut Self>) -> Poll<()> {
        let mut this = self.project();
        let (Some(future), Some(wakers)) = (this.future.as_mut().as_pin_mut(), this.wakers) else {
            return Poll::Ready(());
        };
        wakers.typed.unqueue();
        match future.poll(&mut Context::from_waker(&wakers.waker)) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(output) => {
                this.future.set(None);
                this.join.complete(Ok(output));
                Poll::Ready(())
            }
        }
    }

    fn abandon(self: Pin<&mut Self>, panic: Option<Payload>) {
        let mut this = self.project();
        // A future whose destructor panics was not cancelled in good order: its handle says so.
        let panic_in_drop = contain(|| this.future.set(None)).err();
        let error = match panic.or(panic_in_drop) {
            None => JoinError::cancelled(&this.join.identity),
            Some(payload) => JoinError::panicked(&this.join.identity, payload),
        };
        this.join.complete(Err(error));
    }

    fn take_wakers(self: Pin<&mut Self>) -> Option<Wakers> {
        self.project().wakers.take()
    }
}

/// Counts the tasks of this thread.
pub(super) fn next_id() -> TaskId {
    thread_local! {
        static LAST: Cell<u64> = const { Cell::new(0) };
    }
    LAST.with(|last| {
        last.set(last.get() + 1);
        TaskId(last.get())
    })
}
