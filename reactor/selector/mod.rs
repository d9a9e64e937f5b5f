//! The selector: one question to the kernel, "which of these may I read or write without waiting?"
//!
//! ```text
//!            register / modify / deregister / select
//!                           |
//!        Selector           |   which fd is registered, with which key and interest
//!          |                v
//!        Mechanism: add, modify, remove, wait
//!          |
//!          +-- epoll.rs     epoll_ctl, epoll_wait      Linux, O(ready)
//!          +-- polling.rs   the `polling` crate        kqueue on macOS and the BSDs, O(ready)
//!          +-- poll.rs      poll(2)                    every Unix, O(registered)
//!          +-- select.rs    select(2)                  every Unix, O(highest fd), fds below 1,024
//! ```
//!
//! The one rule of this folder: **mechanisms differ in cost, never in behaviour.** Everything that
//! they could disagree about is settled in it, once; where it cannot be, that is said. It is the
//! counterpart of Python's [`selectors`](https://docs.python.org/3/library/selectors.html) and useful
//! by itself.
//!
//! # Facts about readiness
//!
//! *Readiness is a statement about now.* "Readable" means that a read would not wait: there are
//! bytes, or the end of the stream, or an error to hand over. It may be false again by the time
//! you read (another reader was faster), so descriptors must be non-blocking and `WouldBlock` is a
//! normal answer.
//!
//! *Level-triggered* means: as long as the statement is true, every select says it again. So
//! nothing is ever lost: a reader that forgets an event, or reads only half of the bytes, is told
//! again. The price is that a reader that does not care must say so, or every `select` returns at
//! once. An edge-triggered selector (`EPOLLET`, `EV_CLEAR`) reports changes only. It needs no such
//! care, but no reader may then stop before it has read all: until `WouldBlock`, which is one system
//! call more for each message, or, from a stream, until a read is short.
//!
//! *Hang-ups and errors cannot be masked.* epoll(7) and poll(2) report `HUP` and `ERR` for every
//! registered descriptor, even for one with an empty interest. A selector that keeps a dead socket
//! "registered with no interest" spins at 100% CPU: seastar, h2o and `polling` have all shipped
//! that. Here an [`Interest`] is never empty: to be interested in nothing is to deregister.
//!
//! *A hang-up is readiness*, in both directions: the read that follows returns what is left, then 0
//! or the error; the write returns the error. (One exception: Linux keeps `HUP` out of the write
//! set of select(2), so a writer without room does not hear of it there. With TCP and pipes that
//! makes no difference: room or an error comes with the hang-up. With a Unix socket it does, if its
//! peer has left bytes unread and shut down both directions.)
//!
//! *Files are always ready.* epoll refuses regular files with `EPERM`; poll and select call them
//! always ready, as POSIX does. Here they are always ready with every mechanism.

mod backend;
#[cfg(target_os = "linux")]
mod epoll;
mod error;
mod event;
mod files;
mod mechanism;
mod notifier;
mod poll;
mod polling;
mod reopen;
mod select;
mod table;

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::process;
use std::time::{Duration, Instant};

use rustix::io::Errno;

use self::error::{explain, is_one_of, is_stale, registered_already, unknown};
use self::mechanism::{LONGEST_WAIT, Mechanism};
use self::table::{Entry, Table};

pub use self::backend::Backend;
pub use self::event::{Event, Interest};
pub(super) use self::mechanism::lend;
pub use self::notifier::Notifier;
pub use self::table::Registration;

/// Waits for many descriptors at once.
///
/// A descriptor is registered with a key of your choice, which its events carry: an index, a
/// function (Python's `callback = key.data`), a shared pointer. All backends are level-triggered,
/// see the [module](self).
///
/// The selector does not own what is registered: [`deregister`](Self::deregister) a descriptor
/// before you close it. A closed one is at best never heard of again; its number may come back as
/// another file's.
///
/// # Examples
///
/// ```
/// use selio::selector::{Interest, Selector};
/// use std::{io::Write, os::unix::net::UnixStream, time::Duration};
///
/// let (mut a, b) = UnixStream::pair()?;
/// let mut selector = Selector::new()?;
/// let mut events = Vec::new();
/// selector.register(&b, 7, Interest::READABLE)?;
///
/// selector.select(&mut events, Some(Duration::ZERO))?;
/// assert!(events.is_empty());
///
/// a.write_all(b"x")?;
/// selector.select(&mut events, None)?;
/// assert_eq!(events[0].key, 7);
/// assert!(events[0].readable);
/// # selector.deregister(&b)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[doc(alias = "DefaultSelector")]
pub struct Selector<K = usize> {
    backend: Backend,
    mechanism: Box<dyn Mechanism>,
    table: Table<K>,
    /// What the last wait found; kept for its memory.
    ready: Vec<Event<RawFd>>,
    notifier: Notifier,
    /// The mechanism reports each notification once, instead of again and again until it is drained.
    is_notified_once: bool,
    /// The mechanism may watch what nobody can deregister any more: see `reopen.rs`.
    is_stale: bool,
    /// The process that has opened the mechanism.
    process: u32,
}

impl<K: Clone> Selector<K> {
    /// A selector on the backend that `SELIO_SELECTOR` names, else on the best one of the platform.
    ///
    /// # Errors
    ///
    /// `SELIO_SELECTOR` names no backend ([`InvalidInput`](io::ErrorKind::InvalidInput)) or one
    /// that this platform lacks ([`Unsupported`](io::ErrorKind::Unsupported)), or the process has
    /// no file descriptor left.
    pub fn new() -> io::Result<Self> {
        Self::with_backend(Backend::from_environment()?)
    }

    /// A selector on this backend.
    ///
    /// # Errors
    ///
    /// The platform lacks it ([`Unsupported`](io::ErrorKind::Unsupported); the message lists what
    /// there is), or the process has no file descriptor left.
    pub fn with_backend(backend: Backend) -> io::Result<Self> {
        let mut mechanism = backend.open()?;
        let notifier = Notifier::new()?;
        let is_notified_once = mechanism
            .add_notifier(notifier.as_fd())
            .map_err(|error| explain("Selector::new", notifier.as_fd(), &error))?;
        Ok(Self {
            backend,
            mechanism,
            table: Table::default(),
            ready: Vec::new(),
            notifier,
            is_notified_once,
            is_stale: false,
            process: process::id(),
        })
    }

    /// The backend in use.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// Watches a descriptor from now on.
    ///
    /// # Errors
    ///
    /// It is registered already ([`AlreadyExists`](io::ErrorKind::AlreadyExists); the first
    /// registration stays), it is not open, `select` cannot hold its number, or the kernel has no
    /// memory for it.
    pub fn register(&mut self, fd: impl AsFd, key: K, interest: Interest) -> io::Result<()> {
        self.renew();
        let fd = fd.as_fd();
        if self.table.get(fd.as_raw_fd()).is_some() {
            return Err(registered_already(fd));
        }
        self.mechanism
            .add(fd, interest)
            .map_err(|error| explain("Selector::register", fd, &error))?;
        self.table.insert(fd.as_raw_fd(), key, interest);
        Ok(())
    }

    /// Watches a registered descriptor for something else, under this key, from now on.
    ///
    /// # Errors
    ///
    /// It is not registered ([`NotFound`](io::ErrorKind::NotFound)), or it was closed meanwhile.
    pub fn modify(&mut self, fd: impl AsFd, key: K, interest: Interest) -> io::Result<()> {
        self.renew();
        let fd = fd.as_fd();
        let Some(entry) = self.table.get(fd.as_raw_fd()) else {
            return Err(unknown("Selector::modify", fd));
        };
        if entry.interest != interest {
            self.mechanism
                .modify(fd, interest)
                .map_err(|error| explain("Selector::modify", fd, &error))?;
        }
        self.table.insert(fd.as_raw_fd(), key, interest);
        Ok(())
    }

    /// Watches a descriptor no longer. Do this before you close it.
    ///
    /// # Errors
    ///
    /// It is not registered ([`NotFound`](io::ErrorKind::NotFound)). One that was closed while it
    /// was registered is forgotten without an error.
    #[doc(alias = "unregister")]
    pub fn deregister(&mut self, fd: impl AsFd) -> io::Result<()> {
        let fd = fd.as_fd();
        if !self.table.remove(fd.as_raw_fd()) {
            return Err(unknown("Selector::deregister", fd));
        }
        if self.process != process::id() {
            self.is_stale = true; // The parent waits on: leave it the epoll, for one of our own.
            return Ok(());
        }
        match self.mechanism.remove(fd) {
            // Closed behind our back, and perhaps open again as a file (EPERM): the kernel has
            // forgotten the old one, which is what was asked for, or watches a duplicate of it.
            Err(error) if is_stale(&error) || is_one_of(&error, &[Errno::PERM]) => {
                self.is_stale = true;
                Ok(())
            }
            Err(error) => Err(explain("Selector::deregister", fd, &error)),
            Ok(()) => Ok(()),
        }
    }

    /// Waits until a registered descriptor is ready, [`Notifier::notify`] is called, or the timeout
    /// has passed, and replaces `events` by what it found: one event for each ready descriptor,
    /// none for a timeout or a notification.
    ///
    /// `None` waits for ever, `Some(Duration::ZERO)` not at all. A timeout is never cut short: it
    /// is rounded up to what the backend can count, with epoll to the next millisecond. Signals
    /// do not end the wait.
    ///
    /// # Errors
    ///
    /// Those of the kernel interface; none are expected while registered descriptors stay open.
    pub fn select(
        &mut self,
        events: &mut Vec<Event<K>>,
        timeout: Option<Duration>,
    ) -> io::Result<()> {
        events.clear();
        self.select_each(timeout, |event| {
            events.push(Event::new(
                event.key.clone(),
                event.readable,
                event.writable,
            ));
        })
    }

    /// [`select`](Self::select) without a list in between and without clones of keys.
    pub(crate) fn select_each(
        &mut self,
        timeout: Option<Duration>,
        mut found: impl FnMut(Event<&K>),
    ) -> io::Result<()> {
        let deadline = match timeout {
            Some(timeout) if !timeout.is_zero() => Instant::now().checked_add(timeout),
            _ => None,
        };
        let mut wait = timeout.map(|timeout| timeout.min(LONGEST_WAIT));
        loop {
            self.renew();
            self.ready.clear();
            match self.mechanism.wait(wait, &mut self.ready) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
            // An event or a notification ends the wait. A call that came back early (EINTR,
            // LONGEST_WAIT, a spurious return) is made again.
            if self.report(&mut found) || timeout == Some(Duration::ZERO) {
                return Ok(());
            }
            if let Some(deadline) = deadline {
                let left = deadline.saturating_duration_since(Instant::now());
                if left.is_zero() {
                    return Ok(());
                }
                wait = Some(left.min(LONGEST_WAIT));
            }
        }
    }

    /// Translates what the mechanism found into events. Returns whether there was one, or a
    /// notification.
    fn report(&mut self, found: &mut impl FnMut(Event<&K>)) -> bool {
        let mut is_over = false;
        for ready in &self.ready {
            match self.table.get(ready.key) {
                Some(Entry { key, interest }) => {
                    let readable = ready.readable && interest.is_readable();
                    let writable = ready.writable && interest.is_writable();
                    if readable || writable {
                        found(Event::new(key, readable, writable));
                        is_over = true;
                    }
                }
                _ if ready.key == self.notifier.as_fd().as_raw_fd() => {
                    if !self.is_notified_once {
                        self.notifier.drain();
                    }
                    is_over = true;
                }
                _ => {}
            }
        }
        is_over
    }

    /// What is registered, in the order of the descriptors' numbers.
    #[doc(alias = "get_map")]
    pub fn registrations(&self) -> impl Iterator<Item = Registration<K>> + '_ {
        self.table.iter()
    }

    /// How this descriptor is registered, if it is.
    #[doc(alias = "get_key")]
    pub fn registration(&self, fd: impl AsFd) -> Option<Registration<K>> {
        let fd = fd.as_fd().as_raw_fd();
        self.table.get(fd).map(|entry| entry.registration(fd))
    }

    /// How many descriptors are registered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether nothing is registered.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.table.len() == 0
    }

    /// What ends a [`select`](Self::select) from any thread.
    #[must_use]
    pub fn notifier(&self) -> Notifier {
        self.notifier.clone()
    }
}

impl<K: fmt::Debug + Clone> fmt::Debug for Selector<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Selector")
            .field("backend", &self.backend)
            .field("registrations", &self.registrations().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
