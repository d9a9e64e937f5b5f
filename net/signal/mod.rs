//! Signals: awaited like anything else, and the end by Ctrl-C.
//!
//! ```text
//!   kernel --> handler of signal-hook --> a byte into a socket pair      (for each `Signals`)
//!                                                  |
//!   recv().await <-- Source <-- selector: readable-+
//! ```
//!
//! A handler may do next to nothing, and interrupts the thread anywhere: so it writes a byte, and
//! the loop reads it as it reads everything else. This is the self-pipe trick, and asyncio's
//! `add_signal_handler` is made of it too. It stands in this part because a `Source` is all that it
//! needs, and because no part below needs it.
//!
//! Each `Signals` has a pair of its own: what one runtime, thread or task listens to, no other
//! can miss or silence. Listening comes with the cargo feature `signal`, which adds the crates
//! `signal-hook`, `signal-hook-registry` and `libc`; the kinds of signals are always here, for
//! [`Child::send_signal`](crate::process::Child::send_signal).

#[cfg(feature = "signal")]
mod signals;
#[cfg(feature = "signal")]
mod until_ctrl_c;

#[cfg(feature = "signal")]
pub use self::signals::{Signals, ctrl_c, signal};
#[cfg(feature = "signal")]
pub use self::until_ctrl_c::run_until_ctrl_c;
pub use crate::signals::SignalKind;
