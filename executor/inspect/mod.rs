//! What can be seen of a runtime from outside of its tasks.
//!
//! ```text
//!   what happens --- tell ---> observers --+--> trace, and those of the program
//!                                          |
//!                                          +--> Debug: since when, at which line, for which lock
//!                                                 |
//!   wakers in the reactor, in the tasks ----------+--> dump: who waits for what
//!                                                        ^
//!   stuck: nobody can wake anybody any more -------------+-- dump_signal: asked from outside
//! ```
//!
//! Its one rule: **it looks, and changes nothing.** The tasks do not know of it, and without an
//! observer each event costs one comparison.

mod debug;
mod dump;
#[cfg(feature = "signal")]
mod dump_signal;
mod environment;
mod observers;
mod stats;
mod stuck;
mod tell;
#[cfg(not(feature = "signal"))]
mod without_signal;

pub(super) use self::debug::Debug;
pub(crate) use self::debug::{ChildPoll, forget_child};
pub use self::dump::{Dump, dump};
#[cfg(feature = "signal")]
pub(super) use self::dump_signal::DumpSignal;
pub(super) use self::environment::signal_from_environment;
pub(super) use self::observers::telling_all;
pub use self::stats::{Stats, stats};
pub(crate) use self::tell::tell_wait;
