//! Signals, as far as the executor needs them: what they are called, who listens to which, and the
//! one that has the tasks told.
//!
//! What programs await stands above, in `net/signal`. All that listens in this process goes through
//! `listener.rs`, so that nobody takes a signal away from somebody else.

#[cfg(feature = "signal")]
mod dump;
mod environment;
mod kind;
#[cfg(feature = "signal")]
mod listener;
#[cfg(not(feature = "signal"))]
mod without;

#[cfg(feature = "signal")]
pub(super) use self::dump::DumpSignal;
pub(super) use self::environment::from_environment;
pub use self::kind::SignalKind;
#[cfg(feature = "signal")]
pub(crate) use self::listener::Listener;
