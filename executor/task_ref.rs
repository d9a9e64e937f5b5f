//! Tasks as others see them: who they are, and a way to end them.

use std::fmt;
use std::panic::Location;
use std::rc::{Rc, Weak};

use super::key::TaskKey;
use super::slot::Slot;
use super::{Executor, TaskId};
use crate::reactor::OneLine;

/// The task that is being polled. `None` outside of tasks: the future that [`run`](crate::run) was
/// called with is none. A destructor that a cancellation runs is part of the task that cancels; if a
/// task cancels itself, of none.
///
/// asyncio's counterpart is
/// [`current_task`](https://docs.python.org/3/library/asyncio-task.html#asyncio.current_task).
///
/// # Examples
///
/// ```
/// selio::run(async {
///     assert!(selio::task::current().is_none());
///     let task = selio::spawn_named("reader", async {
///         selio::task::current().map(|task| task.name())
///     });
///     assert_eq!(task.await.unwrap().as_deref(), Some("reader"));
/// });
/// ```
#[must_use]
#[doc(alias = "current_task")]
pub fn current() -> Option<TaskRef> {
    let executor = Executor::current()?;
    let (key, _) = executor.polled.get()?;
    executor.task_ref(key)
}

/// The tasks of the current runtime that have not ended, in the order in which they were spawned.
/// Outside of a runtime there are none.
///
/// What a [`StreamWriter`](crate::StreamWriter) keeps is sent by a task that is not among them, as it
/// would be lost if that were cancelled: as in asyncio, where a transport sends it. Nor is the one among
/// them that waits for the end of a process whose [`Child`](crate::process::Child) was dropped.
///
/// asyncio's counterpart is
/// [`all_tasks`](https://docs.python.org/3/library/asyncio-task.html#asyncio.all_tasks).
///
/// # Examples
///
/// ```
/// selio::run(async {
///     let reader = selio::spawn_named("reader", std::future::pending::<()>());
///     for task in selio::task::all_tasks() {
///         println!("{task} does not end, and is cancelled");
///         task.cancel();
///     }
///     assert!(reader.await.unwrap_err().is_cancelled());
/// });
/// ```
#[must_use]
pub fn all_tasks() -> Vec<TaskRef> {
    let is_meant = |slot: &Slot| !slot.has_ended() && !slot.is_own();
    let all = Executor::current().map(|executor| executor.task_refs(is_meant));
    all.unwrap_or_default()
}

/// A task as others see it. It keeps neither the task nor its runtime alive.
///
/// From [`current`], [`all_tasks`] or [`JoinHandle::task`](crate::JoinHandle::task).
#[derive(Clone)]
#[doc(alias = "AbortHandle")]
pub struct TaskRef {
    executor: Weak<Executor>,
    pub(super) key: TaskKey,
    pub(super) label: Label,
}

impl TaskRef {
    pub(super) fn new(executor: &Rc<Executor>, key: TaskKey, label: Label) -> Self {
        Self {
            executor: Rc::downgrade(executor),
            key,
            label,
        }
    }

    /// The number of the task.
    #[must_use]
    pub fn id(&self) -> TaskId {
        self.label.id
    }

    /// The name that was given to [`spawn_named`](crate::spawn_named), else `task-` and the number.
    #[must_use]
    pub fn name(&self) -> String {
        self.label.name()
    }

    /// Where it was spawned.
    #[must_use]
    #[doc(alias = "get_stack")]
    pub fn spawned_at(&self) -> &'static Location<'static> {
        self.label.site
    }

    /// Ends the task, as [`JoinHandle::cancel`](crate::JoinHandle::cancel) does.
    pub fn cancel(&self) {
        if let Some(executor) = self.executor() {
            executor.cancel_from_anywhere(self.key);
        }
    }

    /// Whether the task has ended.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.executor()
            .is_none_or(|executor| executor.has_ended(self.key))
    }

    /// The executor, as long as the task has its slot.
    fn executor(&self) -> Option<Rc<Executor>> {
        let executor = self.executor.upgrade()?;
        (executor.id(self.key) == Some(self.label.id)).then_some(executor)
    }
}

/// As in `reader (spawned at src/main.rs:7:5)`.
impl fmt::Display for TaskRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.label.fmt(f)
    }
}

impl fmt::Debug for TaskRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskRef({})", self.label)
    }
}

impl PartialEq for TaskRef {
    fn eq(&self, other: &Self) -> bool {
        self.label.id == other.label.id && self.executor.ptr_eq(&other.executor)
    }
}

impl Eq for TaskRef {}

impl Executor {
    /// The tasks that are meant, in the order in which they were spawned.
    pub(super) fn task_refs(self: &Rc<Self>, are_meant: impl Fn(&Slot) -> bool) -> Vec<TaskRef> {
        let keys = self.keys(are_meant);
        let tasks = keys.into_iter().filter_map(|key| self.task_ref(key));
        let mut tasks: Vec<_> = tasks.collect();
        tasks.sort_unstable_by_key(TaskRef::id);
        tasks
    }

    /// `None`: it is no task, or there is none any more.
    pub(super) fn task_ref(self: &Rc<Self>, key: TaskKey) -> Option<TaskRef> {
        Some(TaskRef::new(self, key, self.label(key)?))
    }

    pub(super) fn label(&self, key: TaskKey) -> Option<Label> {
        self.slot(key, |slot| slot.label())
    }
}

/// Who a task is, in all messages about it.
#[derive(Clone)]
pub(crate) struct Label {
    pub(crate) id: TaskId,
    // One pointer, for hardly any task has a name.
    pub(crate) name: Option<Rc<String>>,
    pub(crate) site: &'static Location<'static>,
}

impl Label {
    pub(crate) fn name(&self) -> String {
        match &self.name {
            Some(name) => name.to_string(),
            None => format!("task-{}", self.id),
        }
    }
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (spawned at {})", OneLine(&self.name()), self.site)
    }
}
