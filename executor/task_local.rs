//! Tasks that inherit the task-locals of those who spawn them.

use std::any::Any;
use std::pin::Pin;
use std::task::{Poll, Waker};

use super::Executor;
use super::key::TaskKey;
use super::task::{BoxedTask, Payload, Run, swallow};
use crate::task_local::{Bindings, current, enter};

pub(super) use crate::task_local::{is_bound, leave};

/// A task that was spawned where task-locals have values: it runs and ends where they hold.
///
/// Around the task and not around its future, whose `poll` would then be called at two places, and
/// inlined at neither.
struct Inheriting {
    task: Option<BoxedTask>,
    bindings: Bindings,
}

/// Lets a task inherit the values that hold here.
pub(super) fn inherit(task: BoxedTask) -> BoxedTask {
    Box::pin(Inheriting {
        task: Some(task),
        bindings: current(),
    })
}

impl Inheriting {
    fn task(self: Pin<&mut Self>) -> Pin<&mut dyn Run> {
        let task = self.get_mut().task.as_mut();
        task.expect("it is there until the end").as_mut()
    }

    fn task_ref(self: Pin<&Self>) -> Pin<&dyn Run> {
        let task = self.get_ref().task.as_ref();
        task.expect("it is there until the end").as_ref()
    }

    /// The task has ended, and its outcome may wait for long. If it is the last that has a value whose
    /// destructor panics, that is no panic of the task, and must not keep its end from being told.
    fn let_go(&mut self) {
        let bindings = self.bindings.take();
        swallow(|| drop(bindings));
    }
}

impl Run for Inheriting {
    fn run(mut self: Pin<&mut Self>, executor: &Executor, key: TaskKey) -> Poll<()> {
        let entered = enter(&self.bindings);
        let poll = self.as_mut().task().run(executor, key);
        drop(entered);
        if poll.is_ready() {
            self.let_go();
        }
        poll
    }

    fn abandon(mut self: Pin<&mut Self>, panic: Option<Payload>) {
        let entered = enter(&self.bindings);
        self.as_mut().task().abandon(panic);
        drop(entered);
        self.let_go();
    }

    fn restart(self: Pin<&mut Self>, _: &mut dyn Any) -> bool {
        false
    }

    fn outcome(self: Pin<&mut Self>) -> Option<&mut dyn Any> {
        self.task().outcome()
    }

    fn take_panic(self: Pin<&mut Self>) -> Option<Payload> {
        self.task().take_panic()
    }

    fn waker(self: Pin<&Self>) -> Option<&Waker> {
        self.task_ref().waker()
    }

    fn references(self: Pin<&Self>) -> Option<usize> {
        self.task_ref().references()
    }
}

impl Drop for Inheriting {
    fn drop(&mut self) {
        let _entered = enter(&self.bindings);
        self.task = None;
    }
}
