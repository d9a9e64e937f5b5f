//! The way into a runtime from other threads, and the way out to them.
//!
//! ```text
//!   another thread                             the thread of the runtime
//!
//!   Waker::wake ----------+
//!                         v
//!   Handle::spawn --> Mailbox: an Inbox -----> receive: queue a task, or spawn one
//!                         |                                                  |
//!                         +--> Notifier: interrupts the selector             |
//!                                                                            v
//!   RemoteHandle <---------------------------- Promise: kept by the task that was spawned
//!
//!   Pool: calls the closure <----------------- to_thread, on_thread
//!            |
//!            +-- Promise --------------------> RemoteHandle, awaited by the task
//! ```
//!
//! Its one rule: **a closure or a result crosses, a future never does.** So a future need not be
//! `Send`, and nothing of a task is locked. What two threads share stands in this folder, except for
//! the waker and the selector's notifier.

mod handle;
mod inbox;
mod mailbox;
mod pool;
mod remote;
mod to_thread;

pub use self::handle::Handle;
pub(super) use self::inbox::Posted;
pub(super) use self::mailbox::Mailbox;
pub(super) use self::pool::Threads;
pub(crate) use self::pool::{Work, on_thread};
pub use self::remote::RemoteHandle;
pub use self::to_thread::to_thread;
