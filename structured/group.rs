//! Tasks that end together: `TaskGroup`.
//!
//! A group is a scope and not an object with `spawn` and `join`, because only a scope cannot be
//! left the wrong way. With an object, a `?` between the two calls leaves tasks behind that nobody
//! awaits, and a task that fails does not reach its owner as long as that one waits for something
//! else, the next connection, say. Here the body is a member like the tasks: whoever fails first
//! cancels all the others, and when the scope is over, so is everything that was started in it.
//!
//! ```text
//!            body ends                all tasks have ended
//!   open --------------> open, joining ------------------> closed: what the body gave
//!     |                     |
//!     |  an error, a panic  |  the same                    all tasks have ended
//!     +---------------------+-----> failed: cancel all ---------------------> closed: all failures
//!     |
//!     +---- the scope is dropped: cancel all -----------> closed: nobody is there to be told
//! ```
//!
//! Cancelling drops a future, which takes no time: unlike asyncio's, a group that has failed has
//! nobody to wait for, except a task that is being polled further up the stack.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::rc::Rc;

use slab::Slab;

use super::group_error::{Failure, GroupError};
use super::members::{Child, Scope};
use crate::executor::{Executor, JoinError, JoinHandle, Payload, TaskId, TaskRef, Wakee};

/// A way into a scope whose tasks end together: see [`scope`](Self::scope).
///
/// Clones belong to the same group. A task that is given one may spawn siblings.
#[doc(alias = "JoinSet")]
#[doc(alias = "nursery")]
#[doc(alias = "TaskTracker")]
pub struct TaskGroup<E>(pub(super) Rc<Group<E>>);

pub(super) struct Group<E> {
    /// The tasks that have not ended. `None`: is being spawned.
    tasks: RefCell<Slab<Option<TaskRef>>>,
    pub(super) failures: RefCell<Vec<Failure<E>>>,
    pub(super) phase: Cell<Phase>,
    /// The body has ended: the scope is over with the last task.
    pub(super) is_joining: Cell<bool>,
    /// The tasks are being cancelled further up the stack, those that are spawned meanwhile too.
    is_cancelling: Cell<bool>,
    /// Who awaits the scope.
    pub(super) owner: Cell<Option<Wakee>>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Phase {
    Open,
    Failed,
    Closed,
}

impl<E: 'static> TaskGroup<E> {
    /// Runs `body`, which may spawn tasks into the group that it is given, and waits until all of them
    /// have ended, and all that these have spawned.
    ///
    /// All members give a `Result` with the same type of error, which is best named where the body
    /// ends: `io::Result::Ok(())`. A future that cannot fail becomes a member with an `Ok` behind it:
    /// `group.spawn(async { tick().await; Ok(()) })`.
    ///
    /// The first member that fails, a task or the body, cancels all the others. What
    /// [`spawn`](Self::spawn) returns need not be awaited: an error or a panic reaches the group in any
    /// case. To end a group early, let a member return an error; or drop the scope, as
    /// [`timeout`](crate::timeout()) and [`race`](crate::race) do.
    ///
    /// asyncio's counterpart is
    /// [`async with TaskGroup()`](https://docs.python.org/3/library/asyncio-task.html#asyncio.TaskGroup).
    ///
    /// # Errors
    ///
    /// All errors and panics of the members in the order in which they happened, if there are any. To
    /// be cancelled, by [`JoinHandle::cancel`], is none.
    ///
    /// # Panics
    ///
    /// A panic of the body goes on here, and cancels the tasks.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future cancels all tasks, which are dropped when that returns, and drops the body;
    /// there is nothing to wait for. Errors that have happened before are lost with it.
    ///
    /// # Examples
    ///
    /// ```
    /// use selio::{TaskGroup, sleep};
    /// use std::{io, time::Duration};
    ///
    /// async fn fetch(number: u64) -> io::Result<u64> {
    ///     sleep(Duration::from_millis(number)).await;
    ///     Ok(number)
    /// }
    ///
    /// # fn main() -> io::Result<()> {
    /// selio::run(async {
    ///     let sum = TaskGroup::scope(async |group| {
    ///         let two = group.spawn(fetch(2));
    ///         let three = group.spawn(fetch(3));
    ///         group.spawn(fetch(1)); // is waited for too
    ///         io::Result::Ok(two.await? + three.await?)
    ///     })
    ///     .await?;
    ///     assert_eq!(sum, 5);
    ///     Ok(())
    /// })
    /// # }
    /// ```
    #[track_caller]
    pub fn scope<B, T>(
        body: impl FnOnce(TaskGroup<E>) -> B,
    ) -> impl Future<Output = Result<T, GroupError<E>>>
    where
        B: Future<Output = Result<T, E>>,
    {
        let group = Rc::new(Group {
            tasks: RefCell::default(),
            failures: RefCell::default(),
            phase: Cell::new(Phase::Open),
            is_joining: Cell::new(false),
            is_cancelling: Cell::new(false),
            owner: Cell::new(None),
        });
        let site = Location::caller();
        Scope::new(body, group, site)
    }

    /// Starts a task in the group. An `Err` or a panic of it fails the group, and the handle then says
    /// that the task was cancelled. Dropping the handle leaves the task in the group.
    ///
    /// While the group is ending, a task is still waited for. When it has failed or has ended, the
    /// task is cancelled before its first poll: a destructor that spawns its like each time never
    /// comes to an end.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    ///
    /// # Examples
    ///
    /// A task that spawns siblings:
    ///
    /// ```
    /// use selio::TaskGroup;
    /// use std::convert::Infallible;
    ///
    /// async fn countdown(group: TaskGroup<Infallible>, from: u32) -> Result<(), Infallible> {
    ///     if from > 0 {
    ///         let next = countdown(group.clone(), from - 1);
    ///         group.spawn(Box::pin(next));
    ///     }
    ///     Ok(())
    /// }
    ///
    /// selio::run(TaskGroup::scope(|group| countdown(group, 10))).unwrap();
    /// ```
    #[track_caller]
    #[doc(alias = "create_task")]
    pub fn spawn<F, T>(&self, future: F) -> JoinHandle<T>
    where
        F: Future<Output = Result<T, E>> + 'static,
        T: 'static,
    {
        self.add("TaskGroup::spawn", future, None)
    }

    /// [`spawn`](Self::spawn) with a name, which the task's handle and errors show.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn spawn_named<F, T>(&self, name: impl Into<String>, future: F) -> JoinHandle<T>
    where
        F: Future<Output = Result<T, E>> + 'static,
        T: 'static,
    {
        let name = Some(Rc::new(name.into()));
        self.add("TaskGroup::spawn_named", future, name)
    }

    #[track_caller]
    fn add<F, T>(&self, call: &str, future: F, name: Option<Rc<String>>) -> JoinHandle<T>
    where
        F: Future<Output = Result<T, E>> + 'static,
        T: 'static,
    {
        let executor = Executor::expect_current(call);
        let place = self.0.tasks.borrow_mut().insert(None);
        let child = Child::new(future, Rc::clone(&self.0), place);
        let task = executor.spawn(child, name, Location::caller());
        self.0.tasks.borrow_mut()[place] = Some(task.task());
        if self.0.phase.get() != Phase::Open {
            self.0.cancel_all();
        }
        task
    }
}

impl<E> Group<E> {
    pub(super) fn fail(&self, failure: Failure<E>) {
        if self.phase.get() == Phase::Closed {
            return; // Nobody is there to be told.
        }
        self.failures.borrow_mut().push(failure);
        self.phase.set(Phase::Failed);
        self.cancel_all();
        self.wake();
    }

    /// Cancels the tasks in the order in which they were spawned, also those that their destructors
    /// spawn.
    pub(super) fn cancel_all(&self) {
        if self.is_cancelling.replace(true) {
            return;
        }
        let mut last = None;
        loop {
            let tasks = self.spawned_after(last);
            let Some(task) = tasks.last() else {
                break;
            };
            last = Some(task.id());
            tasks.iter().for_each(TaskRef::cancel);
            // Whoever comes now must not be looked for among the places of all who have left.
            self.tasks.borrow_mut().shrink_to_fit();
        }
        self.is_cancelling.set(false);
    }

    /// The tasks that were spawned after this one, or all, in the order in which they were spawned.
    fn spawned_after(&self, id: Option<TaskId>) -> Vec<TaskRef> {
        let tasks = self.tasks.borrow();
        let tasks = tasks.iter().filter_map(|(_, task)| task.as_ref());
        let mut tasks: Vec<_> = tasks.filter(|task| Some(task.id()) > id).cloned().collect();
        tasks.sort_unstable_by_key(TaskRef::id);
        tasks
    }

    /// A task has ended, and its future was dropped.
    pub(super) fn remove(&self, place: usize) {
        let mut tasks = self.tasks.borrow_mut();
        let task = tasks.remove(place);
        let is_last = tasks.is_empty();
        drop(tasks);
        drop(task);
        if is_last && self.is_joining.get() {
            self.wake();
        }
    }

    fn wake(&self) {
        if let Some(owner) = self.owner.take() {
            owner.wake();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tasks.borrow().is_empty()
    }

    /// Tells who awaits the group of the panic of a task. If nobody does any more, it comes back.
    pub(super) fn report(&self, place: usize, panic: Payload) -> Result<(), Payload> {
        if self.phase.get() == Phase::Closed {
            return Err(panic);
        }
        let tasks = self.tasks.borrow();
        let task = tasks[place].as_ref().map(TaskRef::to_string);
        drop(tasks);
        let task = task.expect("what panics was spawned");
        self.fail(Failure::Panic(JoinError::new(task, Some(panic))));
        Ok(())
    }
}

impl<E> Clone for TaskGroup<E> {
    fn clone(&self) -> Self {
        Self(Rc::clone(&self.0))
    }
}

impl<E> fmt::Debug for TaskGroup<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TaskGroup")
            .field("phase", &self.0.phase.get())
            .field("tasks", &self.0.spawned_after(None))
            .finish()
    }
}
