//! The signals of this process: what they are called, and who listens to which.
//!
//! ```text
//!   net/signal: awaited ----+
//!                           +----> Listener ----> signal-hook: one handler for each signal
//!   SELIO_DUMP: asked ------+
//! ```
//!
//! They belong to the whole process, and so to no reactor and to no runtime. The one rule: all that
//! listens goes through `listener.rs`, so that **nobody takes a signal away from somebody else**.

#[cfg(feature = "signal")]
mod actions;
mod kind;
#[cfg(feature = "signal")]
mod listener;

#[cfg(feature = "signal")]
pub(crate) use self::actions::is_ignored;
pub use self::kind::SignalKind;
#[cfg(feature = "signal")]
pub(crate) use self::listener::Listener;
