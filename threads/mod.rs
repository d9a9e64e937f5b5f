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
//! `Send`, and nothing of a task is locked. The executor has the mailbox, and knows nothing of the
//! rest.

mod handle;
mod pool;
mod remote;
mod to_thread;

pub use self::handle::Handle;
pub(crate) use self::pool::{Threads, Work, on_thread};
pub use self::remote::RemoteHandle;
pub use self::to_thread::to_thread;
