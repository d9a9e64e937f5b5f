//! The way into a runtime from other threads.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::sync::Arc;

use super::remote::{RemoteHandle, remote};
use crate::executor::{Executor, Mailbox, Message, Runtime};

/// Spawns tasks on a runtime from any thread.
///
/// Get it from [`Runtime::handle`](crate::Runtime::handle) or, inside of a runtime, from
/// [`Handle::current`]. It does not keep the runtime alive.
#[derive(Clone)]
#[doc(alias = "get_running_loop")]
pub struct Handle {
    mailbox: Arc<Mailbox>,
}

impl Runtime {
    /// A way into this runtime from other threads.
    #[must_use]
    #[doc(alias = "get_loop")]
    pub fn handle(&self) -> Handle {
        Handle::new(&self.executor)
    }
}

impl Handle {
    fn new(executor: &Executor) -> Self {
        Self {
            mailbox: Arc::clone(&executor.mailbox),
        }
    }

    /// The handle of the runtime that runs on this thread.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[must_use]
    #[track_caller]
    #[doc(alias = "get_running_loop")]
    #[doc(alias = "get_event_loop")]
    pub fn current() -> Self {
        Self::new(&Executor::expect_current("Handle::current"))
    }

    /// Sends a closure to the thread of the runtime, where it makes a future that becomes a task.
    ///
    /// The closure travels, and must be `Send`; the future does not, and need not be. If the
    /// runtime is gone, or ends before the task does, the [`RemoteHandle`] says that it was
    /// cancelled. asyncio's counterpart is
    /// [`run_coroutine_threadsafe`](https://docs.python.org/3/library/asyncio-task.html#asyncio.run_coroutine_threadsafe).
    ///
    /// # Examples
    ///
    /// ```
    /// use std::rc::Rc;
    ///
    /// selio::run(async {
    ///     let handle = selio::Handle::current();
    ///     let thread = std::thread::spawn(move || {
    ///         let answer = handle.spawn(|| async {
    ///             let six = Rc::new(6); // not `Send`
    ///             selio::yield_now().await;
    ///             *six * 7
    ///         });
    ///         answer.join() // blocks this thread, not the runtime
    ///     });
    ///     while !thread.is_finished() {
    ///         selio::yield_now().await;
    ///     }
    ///     assert_eq!(thread.join().unwrap().unwrap(), 42);
    /// });
    /// ```
    #[track_caller]
    #[doc(alias = "run_coroutine_threadsafe")]
    #[doc(alias = "call_soon_threadsafe")]
    pub fn spawn<C, F>(&self, make: C) -> RemoteHandle<F::Output>
    where
        C: FnOnce() -> F + Send + 'static,
        F: Future + 'static,
        F::Output: Send + 'static,
    {
        let site = Location::caller();
        let (promise, handle) = remote("RemoteHandle", site);
        self.mailbox.send(Message::Spawn(Box::new(move |executor| {
            executor.spawn(promise.keep(make), None, site);
        })));
        handle
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handle")
    }
}
