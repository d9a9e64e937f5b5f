//! Starts tasks.

use std::future::Future;
use std::marker::PhantomData;
use std::panic::Location;
use std::rc::Rc;

use super::key::{TaskKey, next_id};
use super::slot::{Joiner, Slot};
use super::task::{self, BoxedTask};
use super::{Executor, JoinHandle, run_queue, task_local};

/// Starts a task on the current runtime. It runs in the next turn of the loop, whether its handle
/// is awaited or not, and need not be `Send`.
///
/// asyncio's counterpart is
/// [`create_task`](https://docs.python.org/3/library/asyncio-task.html#asyncio.create_task).
///
/// A panic of the task stays in its handle; the others go on. So does an error that it returns: if
/// the handle is dropped, nobody sees it, so handle errors inside of a task that is detached.
///
/// # Panics
///
/// Outside of a runtime. From another thread, use a [`Handle`](crate::Handle).
///
/// # Examples
///
/// ```
/// use std::{cell::Cell, rc::Rc};
///
/// let count = Rc::new(Cell::new(0));
/// selio::run(async {
///     let tasks: Vec<_> = (0..10)
///         .map(|_| {
///             let count = Rc::clone(&count);
///             selio::spawn(async move { count.set(count.get() + 1) })
///         })
///         .collect();
///     for task in tasks {
///         task.await.unwrap();
///     }
/// });
/// assert_eq!(count.get(), 10);
/// ```
#[track_caller]
#[doc(alias = "create_task")]
#[doc(alias = "ensure_future")]
#[doc(alias = "call_soon")]
#[doc(alias = "add_done_callback")]
#[doc(alias = "spawn_local")]
#[doc(alias = "LocalSet")]
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
{
    let site = Location::caller();
    Executor::expect_current("selio::spawn").spawn(future, None, site)
}

/// [`spawn`] with a name, which the task's [`JoinHandle`] and [`JoinError`](crate::JoinError) show.
///
/// # Panics
///
/// Outside of a runtime.
///
/// # Examples
///
/// ```
/// selio::run(async {
///     let task = selio::spawn_named("reader", std::future::pending::<()>());
///     task.cancel();
///     let error = task.await.unwrap_err().to_string();
///     assert!(error.starts_with("reader (spawned at "));
/// });
/// ```
#[track_caller]
#[doc(alias = "set_name")]
pub fn spawn_named<F>(name: impl Into<String>, future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
{
    let name = Some(Rc::new(name.into()));
    let site = Location::caller();
    Executor::expect_current("selio::spawn_named").spawn(future, name, site)
}

/// [`spawn_named`] on behalf of a call at `site`. `None` outside of a runtime.
pub(crate) fn spawn_named_at<F>(
    name: &str,
    site: &'static Location<'static>,
    future: F,
) -> Option<JoinHandle<F::Output>>
where
    F: Future + 'static,
{
    let name = Some(Rc::new(name.to_owned()));
    Some(Executor::current()?.spawn(future, name, site))
}

/// [`spawn`] on behalf of a call at `site`. `None` outside of a runtime.
pub(crate) fn spawn_at<F>(
    site: &'static Location<'static>,
    future: F,
) -> Option<JoinHandle<F::Output>>
where
    F: Future + 'static,
{
    Some(Executor::current()?.spawn(future, None, site))
}

/// Starts a task of the library's own on behalf of a call at `site`, and detaches it. It has none of
/// the values that hold here, for it may outlive all who are meant to have them. Nothing outside of a
/// runtime.
pub(crate) fn spawn_own<F>(name: Option<String>, site: &'static Location<'static>, future: F)
where
    F: Future + 'static,
{
    if let Some(executor) = Executor::current() {
        let _left = task_local::leave();
        let task = Rc::clone(&executor).spawn(future, name.map(Rc::new), site);
        let key = task.key;
        drop(task);
        executor.slot(key, |slot| slot.joiner = Joiner::Task(TaskKey::OWN));
    }
}

/// Up to which size, in bytes, a future is copied once more to save an allocation. A task that has
/// ended, and is no larger with all that is around it, is kept for that.
const SMALL: usize = 256;

impl Executor {
    pub(crate) fn spawn<F>(
        self: Rc<Self>,
        future: F,
        name: Option<Rc<String>>,
        site: &'static Location<'static>,
    ) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
    {
        let mut task = match self.spare_task.take() {
            Some(spare) if size_of::<F>() <= SMALL => task::again(spare, future),
            _ => task::new(future),
        };
        if task_local::is_bound() {
            task = task_local::inherit(task);
        }
        JoinHandle {
            key: self.insert(task, name, site),
            executor: self,
            output: PhantomData,
        }
    }

    /// Keeps a task whose outcome was taken, if it is small: the next one may run in its place.
    #[inline]
    pub(super) fn keep(&self, ended: BoxedTask) {
        if size_of_val(&*ended) <= SMALL {
            self.spare_task.set(Some(ended));
        }
    }

    fn insert(
        &self,
        task: BoxedTask,
        name: Option<Rc<String>>,
        site: &'static Location<'static>,
    ) -> TaskKey {
        let id = next_id();
        let parent = self
            .polled
            .get()
            .map_or(TaskKey::MAIN, |(parent, _)| parent);
        if self.is_observed {
            self.tell_spawn(id, parent, name.as_deref(), site);
        }
        let mut tasks = self.tasks.borrow_mut();
        if tasks.len() == tasks.capacity() {
            // Doubling would cost an idle server's connections up to a slot each.
            let more = tasks.len() / 8 + 64;
            tasks.reserve_exact(more);
        }
        let slot = tasks.insert(Slot {
            task: Some(task),
            joiner: Joiner::NOBODY,
            site,
            name,
            id,
            parent: parent.slot() as u32,
            polls: 0,
            turn: 0,
        }) as u32;
        self.alive.update(|alive| alive + 1);
        let key = TaskKey::new(slot, id);
        run_queue::push(key);
        key
    }
}
