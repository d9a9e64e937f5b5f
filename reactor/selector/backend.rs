//! The kernel interfaces to choose from.

use std::fmt;
use std::io;
use std::str::FromStr;

#[cfg(target_os = "linux")]
use super::epoll;
use super::files::WithFiles;
use super::mechanism::Mechanism;
use super::{poll, polling, select};

/// The environment variable that chooses the backend of programs that do not choose.
const VARIABLE: &str = "SELIO_SELECTOR";

/// Whether the `polling` crate is kqueue(2) here.
pub(super) const HAS_KQUEUE: bool = cfg!(any(
    target_vendor = "apple",
    target_os = "freebsd",
    target_os = "netbsd",
    target_os = "openbsd",
    target_os = "dragonfly"
));

/// A kernel interface that can tell which descriptors are ready.
///
/// # Examples
///
/// ```
/// use selio::selector::Backend;
///
/// let backend: Backend = "poll".parse()?;
/// assert_eq!(backend, Backend::Poll);
/// assert!(Backend::available().contains(&backend));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[doc(alias = "SelectorEventLoop")]
pub enum Backend {
    /// [epoll(7)](https://man7.org/linux/man-pages/man7/epoll.7.html): Linux.
    Epoll,
    /// [kqueue(2)](https://man.freebsd.org/cgi/man.cgi?kqueue): macOS and the BSDs, through the
    /// `polling` crate.
    Kqueue,
    /// [poll(2)](https://man7.org/linux/man-pages/man2/poll.2.html): every Unix.
    Poll,
    /// [select(2)](https://man7.org/linux/man-pages/man2/select.2.html): every Unix; refuses
    /// descriptors whose number is 1,024 or more.
    Select,
    /// Whatever the [`polling`](https://docs.rs/polling) crate takes for the best: on Linux epoll
    /// again, with more system calls than our own.
    Polling,
}

impl Backend {
    /// The backends that this platform has, the best one first.
    #[must_use]
    pub const fn available() -> &'static [Backend] {
        if cfg!(target_os = "linux") {
            &[Self::Epoll, Self::Poll, Self::Select, Self::Polling]
        } else if HAS_KQUEUE {
            &[Self::Kqueue, Self::Poll, Self::Select, Self::Polling]
        } else {
            &[Self::Poll, Self::Select, Self::Polling]
        }
    }

    /// The name that `SELIO_SELECTOR` and [`FromStr`] understand, in upper case too: `epoll`,
    /// `kqueue`, `poll`, `select` or `polling`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Epoll => "epoll",
            Self::Kqueue => "kqueue",
            Self::Poll => "poll",
            Self::Select => "select",
            Self::Polling => "polling",
        }
    }

    /// The backend that the environment asks for, else the best one of this platform.
    pub(super) fn from_environment() -> io::Result<Self> {
        match std::env::var_os(VARIABLE) {
            Some(name) if !name.is_empty() => {
                let backend = name.to_string_lossy().parse().and_then(Self::if_available);
                backend
                    .map_err(|error| io::Error::new(error.kind(), format!("{VARIABLE}: {error}")))
            }
            _ => Ok(Self::available()[0]),
        }
    }

    fn if_available(self) -> io::Result<Self> {
        if Self::available().contains(&self) {
            return Ok(self);
        }
        let problem = format!(
            "selector `{self}` is not available on this platform; {}",
            choices()
        );
        Err(io::Error::new(io::ErrorKind::Unsupported, problem))
    }

    pub(super) fn open(self) -> io::Result<Box<dyn Mechanism>> {
        Ok(match self.if_available()? {
            #[cfg(target_os = "linux")]
            Self::Epoll => Box::new(WithFiles::new(epoll::Epoll::new()?)),
            Self::Poll => Box::new(poll::Poll::default()),
            Self::Select => Box::new(select::Select::default()),
            _ => Box::new(WithFiles::new(polling::Polling::new()?)),
        })
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Backend {
    type Err = io::Error;

    fn from_str(name: &str) -> io::Result<Self> {
        [
            Self::Epoll,
            Self::Kqueue,
            Self::Poll,
            Self::Select,
            Self::Polling,
        ]
        .into_iter()
        .find(|backend| backend.name().eq_ignore_ascii_case(name))
        .ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("there is no selector `{name}`; {}", choices()),
            )
        })
    }
}

/// "available here: epoll, poll, select, polling"
fn choices() -> String {
    let names: Vec<_> = Backend::available()
        .iter()
        .map(ToString::to_string)
        .collect();
    format!("available here: {}", names.join(", "))
}
