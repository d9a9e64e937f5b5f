//! Several things at once, none of which outlives who waits for it.
//!
//! ```text
//!              of futures, which may borrow      of tasks, which need not be awaited
//!   all        gather, try_gather                TaskGroup; wait
//!   the first  race                              wait(..).first_completed()
//!   each       as_completed                      wait, again and again
//!   until      timeout, Deadline                 wait(..).timeout(..)
//! ```
//!
//! Its one rule: **dropping is cancelling.** A future that is dropped drops the futures in it, at
//! once and without a wait. Only tasks go on by themselves, and those of a group end with it.

mod as_completed;
mod children;
mod deadline;
mod gather;
mod group;
mod group_error;
mod members;
mod race;
mod timeout;
mod tuple;
mod wait;

pub use self::as_completed::{AsCompleted, as_completed};
pub use self::deadline::Deadline;
pub use self::gather::{Gather, TryGather, gather, try_gather};
pub use self::group::TaskGroup;
pub use self::group_error::{Failure, GroupError};
pub use self::race::{Race, race};
pub use self::timeout::{Timeout, timeout, timeout_at};
pub use self::wait::{Wait, wait};
