//! Locks, events and queues: how the tasks of one runtime wait for each other.
//!
//! ```text
//!   Mutex  Semaphore  Event  Condvar  Barrier  Queue     oneshot
//!      \       \        |       |       /       /           |
//!       +-------+----- WaitList: who waits ----+       one waker
//! ```
//!
//! The rule of this folder: **what is promised to one who waits is not there for anybody else, and
//! what is promised to one who leaves goes to the next.** So everything here is first come, first
//! served, and a cancelled task loses no permit, no item and no wake.
//!
//! They belong to one thread, cost no atomic operation, and need nothing but wakers: any executor
//! can run them. Share them with an [`Rc`](std::rc::Rc). Between threads use channels that are
//! made for it; the example `threads` shows how.
//!
//! None of them takes a timeout: [`timeout`](crate::timeout) around any of them does.
//!
//! | [asyncio] | selio | |
//! |---|---|---|
//! | `Lock` | [`Mutex`] | holds the value that it guards |
//! | `Event` | [`Event`] | |
//! | `Condition` | [`Condvar`] | with any [`Mutex`], as in std |
//! | `Semaphore`, `BoundedSemaphore` | [`Semaphore`] | |
//! | `Barrier` | [`Barrier`] | |
//! | [`Queue`][queues], `LifoQueue`, `PriorityQueue` | [`Queue`], [`LifoQueue`], [`PriorityQueue`] | |
//! | `loop.create_future()` | [`oneshot`] | |
//!
//! [asyncio]: https://docs.python.org/3/library/asyncio-sync.html
//! [queues]: https://docs.python.org/3/library/asyncio-queue.html

mod barrier;
mod condvar;
mod event;
mod line;
mod mutex;
pub mod oneshot;
mod queue;
mod semaphore;
mod wait_list;

pub use self::barrier::{Barrier, BrokenBarrier};
pub use self::condvar::Condvar;
pub use self::event::Event;
pub use self::mutex::{Mutex, MutexGuard};
pub use self::queue::{AnyQueue, LifoQueue, PriorityQueue, Queue};
pub use self::queue::{GetError, PutError, QueueShutDown};
pub use self::semaphore::{Permit, Semaphore};
