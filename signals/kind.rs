//! Which signal.

use std::fmt;

use rustix::process::Signal;

/// A signal, by its number. Those with a name of their own are constants, because their numbers
/// differ from system to system; any other number can be given as it is, and is checked where it is
/// used.
///
/// See [signal(7)](https://man7.org/linux/man-pages/man7/signal.7.html).
///
/// # Examples
///
/// ```
/// use selio::signal::SignalKind;
///
/// assert_eq!(SignalKind::from(9), SignalKind::SIGKILL);
/// assert_eq!(SignalKind::SIGTERM.to_string(), "SIGTERM");
/// assert_eq!(SignalKind::from(65).to_string(), "signal 65");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct SignalKind(i32);

/// The constants, and their names.
macro_rules! kinds {
    ($($name:ident = $signal:ident, $meaning:literal;)*) => {
        impl SignalKind {
            $(
                #[doc = $meaning]
                pub const $name: Self = Self(Signal::$signal.as_raw());
            )*

            fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some(stringify!($name)),)*
                    _ => None,
                }
            }

            /// The one with this name, or this number.
            pub(crate) fn named(name: &str) -> Option<Self> {
                match name {
                    $(stringify!($name) => Some(Self::$name),)*
                    _ => name.parse::<u16>().ok().map(|number| Self(number.into())),
                }
            }
        }
    };
}

kinds! {
    SIGHUP = HUP, "The terminal is gone; for daemons: read your configuration again.";
    SIGINT = INT, "Ctrl-C.";
    SIGQUIT = QUIT, "Ctrl-\\\\: end, and leave a core dump.";
    SIGKILL = KILL, "End at once. It cannot be caught.";
    SIGUSR1 = USR1, "Whatever the program says.";
    SIGUSR2 = USR2, "Whatever the program says.";
    SIGPIPE = PIPE, "Written to a pipe that nobody reads.";
    SIGALRM = ALARM, "A timer of the process has expired.";
    SIGTERM = TERM, "End, please: what `kill` and service managers send.";
    SIGCHLD = CHILD, "A child has ended, was stopped or goes on.";
    SIGCONT = CONT, "Go on after a stop.";
    SIGSTOP = STOP, "Stop. It cannot be caught.";
    SIGTSTP = TSTP, "Ctrl-Z.";
    SIGWINCH = WINCH, "The window of the terminal has another size.";
}

impl SignalKind {
    /// The number.
    #[must_use]
    pub const fn as_raw(self) -> i32 {
        self.0
    }

    /// What can be sent, if it can. Real-time signals cannot: the C library keeps some of them for
    /// itself, and which ones only it knows.
    pub(crate) fn sendable(self) -> Option<Signal> {
        Signal::from_named_raw(self.0)
    }
}

impl From<i32> for SignalKind {
    fn from(number: i32) -> Self {
        Self(number)
    }
}

impl fmt::Display for SignalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "signal {}", self.0),
        }
    }
}

impl fmt::Debug for SignalKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
