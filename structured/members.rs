//! What the members of a task group run: the body in its scope, and the tasks.
//!
//! Both tell the group how they have ended, whichever way that is: with a value, an error or a panic,
//! or dropped in the middle.

use std::future::Future;
use std::panic::{Location, resume_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::group::{Group, Phase, TaskGroup};
use super::group_error::{Failure, GroupError};
use crate::executor::{Wakee, contain, tell_wait};

pin_project! {
    /// The future of a scope: runs the body, and then waits for the tasks.
    pub(super) struct Scope<B, T, E> {
        #[pin]
        body: Option<B>,
        // What the body gave, until the last task has ended.
        output: Option<T>,
        group: Rc<Group<E>>,
        // The line that waits, for those who watch.
        site: &'static Location<'static>,
    }

    impl<B, T, E> PinnedDrop for Scope<B, T, E> {
        fn drop(this: Pin<&mut Self>) {
            let group = &this.group;
            group.phase.set(Phase::Closed);
            let owner = group.owner.take();
            group.cancel_all();
            // It keeps a runtime, and whoever has a way into the group keeps the group. A foreign
            // waker may panic as it is dropped, when all tasks have ended.
            drop(owner);
        }
    }
}

impl<B, T, E> Scope<B, T, E> {
    /// A scope around what `body` makes. If it panics instead, the tasks that it has spawned end.
    pub(super) fn new(
        body: impl FnOnce(TaskGroup<E>) -> B,
        group: Rc<Group<E>>,
        site: &'static Location<'static>,
    ) -> Self {
        let way_in = TaskGroup(Rc::clone(&group));
        let mut scope = Self {
            body: None,
            output: None,
            group,
            site,
        };
        scope.body = Some(body(way_in));
        scope
    }
}

impl<B, T, E> Future for Scope<B, T, E>
where
    B: Future<Output = Result<T, E>>,
{
    type Output = Result<T, GroupError<E>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        let group = &**this.group;
        group.owner.set(Some(Wakee::of(cx.waker())));
        if let Some(body) = this.body.as_mut().as_pin_mut() {
            let has_failed = || group.phase.get() == Phase::Failed;
            let result = match has_failed() {
                true => Poll::Pending,
                false => body.poll(cx),
            };
            if result.is_pending() && !has_failed() {
                return Poll::Pending;
            }
            this.body.set(None);
            group.is_joining.set(true);
            match result {
                Poll::Pending => {}
                Poll::Ready(Ok(output)) => *this.output = Some(output),
                Poll::Ready(Err(error)) => group.fail(Failure::Error(error)),
            }
        }
        if !group.is_empty() {
            tell_wait("TaskGroup to end", None, Some(*this.site));
            return Poll::Pending;
        }
        group.phase.set(Phase::Closed);
        let failures = group.failures.take();
        Poll::Ready(match this.output.take() {
            Some(output) if failures.is_empty() => Ok(output),
            _ => Err(GroupError::new(failures)),
        })
    }
}

pin_project! {
    /// What a task of a group runs.
    pub(super) struct Child<F, E> {
        #[pin]
        future: Option<F>,
        group: Rc<Group<E>>,
        // Where it is among the tasks of the group.
        place: usize,
    }

    impl<F, E> PinnedDrop for Child<F, E> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let dropped = contain(|| this.future.set(None));
            let result = dropped.or_else(|panic| this.group.report(*this.place, panic));
            this.group.remove(*this.place);
            if let Err(panic) = result {
                resume_unwind(panic);
            }
        }
    }
}

impl<F, E> Child<F, E> {
    pub(super) fn new(future: F, group: Rc<Group<E>>, place: usize) -> Self {
        Self {
            future: Some(future),
            group,
            place,
        }
    }
}

impl<F, T, E> Future for Child<F, E>
where
    F: Future<Output = Result<T, E>>,
{
    type Output = T;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let this = self.project();
        let future = this.future.as_pin_mut().expect("it is there until the end");
        match contain(|| future.poll(cx)) {
            Ok(Poll::Pending) => {}
            Ok(Poll::Ready(Ok(output))) => return Poll::Ready(output),
            Ok(Poll::Ready(Err(error))) => this.group.fail(Failure::Error(error)),
            Err(panic) => {
                if let Err(panic) = this.group.report(*this.place, panic) {
                    resume_unwind(panic);
                }
            }
        }
        // The failure has cancelled this task too: it is dropped as soon as this returns.
        Poll::Pending
    }
}
