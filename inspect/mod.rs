//! What can be seen of a runtime from outside of its tasks.
//!
//! ```text
//!   executor, reactor: what happens ---> observers ---> trace, and those of the program
//!                                            |
//!                                            v
//!                                          Debug: since when, at which line, for which lock
//!                                            |
//!   dump: who waits for what <---------------+---- Executor::snapshot, Reactor::each_waker
//!     ^
//!     +-- asked by task::dump; by dump_signal, from outside of the process; and by stuck, when
//!         nobody can wake anybody any more
//! ```
//!
//! Its one rule: **it looks, and changes nothing.** The executor does not know of it, and without an
//! observer each event costs one comparison.

mod awaiters;
mod debug;
mod dump;
#[cfg(feature = "signal")]
mod dump_signal;
mod observers;
mod stats;
mod stuck;
#[cfg(not(feature = "signal"))]
mod without_signal;

pub(crate) use self::debug::{ChildPoll, Debug, Holder, tell_holder};
pub use self::dump::{Dump, dump};
#[cfg(feature = "signal")]
pub(crate) use self::dump_signal::{dump_handle, dump_on_signal};
pub(crate) use self::observers::telling_all;
pub use self::stats::{Stats, stats};
#[cfg(not(feature = "signal"))]
pub(crate) use self::without_signal::{dump_handle, dump_on_signal};
