//! The end of a task, for those who do not take its outcome.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::key::TaskKey;
use super::{Executor, JoinHandle};

impl<T> JoinHandle<T> {
    /// Waits until the task has ended, and leaves its outcome where it is.
    pub(crate) fn end(&self) -> End {
        End {
            executor: Rc::clone(&self.executor),
            key: self.key,
        }
    }
}

/// The future of [`JoinHandle::end`].
pub(crate) struct End {
    executor: Rc<Executor>,
    key: TaskKey,
}

impl Future for End {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.executor.poll_end(self.key, cx)
    }
}
