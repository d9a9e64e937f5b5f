//! Starts tasks.

use std::future::Future;
use std::panic::Location;
use std::rc::Rc;

use super::{Executor, JoinHandle};

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
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future + 'static,
{
    let site = Location::caller();
    Executor::expect_current("selio::spawn", |executor| {
        executor.spawn(future, None, site)
    })
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
    Executor::expect_current("selio::spawn_named", |executor| {
        executor.spawn(future, name, site)
    })
}

/// [`spawn`] on behalf of a call at `site`. `None` outside of a runtime.
pub(crate) fn spawn_at<F>(
    site: &'static Location<'static>,
    future: F,
) -> Option<JoinHandle<F::Output>>
where
    F: Future + 'static,
{
    Executor::with_current(|executor| executor.spawn(future, None, site))
}
