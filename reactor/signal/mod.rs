//! Signals: what they are called, and who in this process listens to which.
//!
//! What programs await stands above, in `net/signal`; the one that has the tasks told, in
//! `executor/inspect`. All that listens in this process goes through `listener.rs`, so that nobody
//! takes a signal away from somebody else.

mod kind;
#[cfg(feature = "signal")]
mod listener;

pub use self::kind::SignalKind;
#[cfg(feature = "signal")]
pub(crate) use self::listener::Listener;
