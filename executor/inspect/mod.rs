//! What can be seen of a runtime from outside of its tasks.
//!
//! ```text
//!   tell: what happens ------> observers ------> trace, and those of the program
//!                                  |
//!                                  v
//!                                Debug: since when, at which line, for which lock
//!                                  |
//!   dump: who waits for what <-----+------ the wakers, where they were left
//!     ^
//!     +-- asked by task::dump; by dump_signal, from outside of the process; and by stuck, when
//!         nobody can wake anybody any more
//! ```
//!
//! Its one rule: **it looks, and changes nothing.** The tasks do not know of it, and without an
//! observer each event costs one comparison.

mod debug;
mod dump;
#[cfg(feature = "signal")]
mod dump_signal;
mod observers;
mod stats;
mod stuck;
mod tell;
#[cfg(not(feature = "signal"))]
mod without_signal;

pub(crate) use self::debug::ChildPoll;
pub(super) use self::debug::Debug;
pub use self::dump::{Dump, dump};
#[cfg(feature = "signal")]
pub(super) use self::dump_signal::DumpSignal;
pub(super) use self::observers::telling_all;
pub use self::stats::{Stats, stats};
pub(crate) use self::tell::tell_wait;
