//! The [`polling`](https://docs.rs/polling) crate, which knows kqueue on macOS and the BSDs (and
//! epoll on Linux, where it serves to keep this file tested).
//!
//! It is used level-triggered and woken by our own notifier, so that its one-shot re-arming and its
//! `notify` play no part.
//!
//! kqueue(2) differs from the others in five ways, which are settled here:
//!
//! - It reports reading and writing as two events.
//! - A regular file at its end is not readable to it, so that `tail -f` can wait for more.
//! - It refuses devices that have nothing to wait for, such as `/dev/null`.
//! - It may refuse to watch a pipe that nobody reads any more, and the crate passes over that
//!   ([mio#582](https://github.com/tokio-rs/mio/issues/582)): who waits for room would never be told.
//! - A child that was forked has none
//!   ([cpython#110395](https://github.com/python/cpython/issues/110395)).
//!
//! Two things cannot be settled here. On Linux the crate asks for urgent data together with reading,
//! so that a socket with an urgent byte and nothing else counts as readable. With kqueue it takes the
//! end of what the peer sends for a hang-up, so that the socket counts as writable, too.

use std::io::{self, IsTerminal};
use std::mem;
use std::num::NonZeroUsize;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::process;
use std::rc::Rc;
use std::time::Duration;

use polling::{Events, PollMode, Poller};
use rustix::event::PollFlags;
use rustix::fs::{FileType, fstat};
use rustix::io::Errno;

use super::error::{is_one_of, is_stale};
use super::mechanism::{Mechanism, merge, poll_once};
use super::{Event, Interest};

/// How many events one wait may report; see `epoll.rs`.
const BATCH: NonZeroUsize = NonZeroUsize::new(1024).expect("is not zero");

pub(super) struct Polling {
    /// Shared with nobody: see `drop`.
    poller: Rc<Poller>,
    events: Events,
    /// The process that has made it.
    process: u32,
}

impl Polling {
    pub(super) fn new() -> io::Result<Self> {
        let poller = Poller::new()?;
        if !poller.supports_level() {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                "the `polling` crate is not level-triggered on this platform; choose the backend \
                 poll",
            ));
        }
        Ok(Self {
            poller: Rc::new(poller),
            events: Events::with_capacity(BATCH),
            process: process::id(),
        })
    }
}

impl Mechanism for Polling {
    #[allow(
        unsafe_code,
        reason = "`polling` marks it unsafe because it keeps the number of the descriptor"
    )]
    fn add(&mut self, fd: BorrowedFd<'_>, interest: Interest) -> io::Result<()> {
        let kind = FileType::from_raw_mode(fstat(fd)?.st_mode);
        // SAFETY: the descriptor should be deleted before it is closed. A `Source` does that.
        // Whoever does not, with a bare `Selector`, gets no events or those of a file with the same
        // number, as with each of these interfaces; nothing is read or written through the number.
        let added = unsafe {
            self.poller
                .add_with_mode(&fd, event(fd, interest), PollMode::Level)
        };
        let is_always_ready = match (kind, &added) {
            (_, Err(error)) if is_stale(error) => false,
            (FileType::RegularFile | FileType::Directory | FileType::BlockDevice, _) => true,
            (FileType::CharacterDevice, Err(error)) => {
                is_one_of(error, &[Errno::INVAL, Errno::NODEV]) && !fd.is_terminal()
            }
            (FileType::Fifo, Ok(())) => interest.is_writable() && is_broken(fd),
            _ => false,
        };
        if is_always_ready || added.is_err() {
            // The crate keeps the number even of what it could not add.
            let _ = self.poller.delete(fd);
        }
        if is_always_ready {
            return Err(Errno::PERM.into());
        }
        added
    }

    fn modify(&mut self, fd: BorrowedFd<'_>, interest: Interest) -> io::Result<()> {
        self.poller
            .modify_with_mode(fd, event(fd, interest), PollMode::Level)
    }

    fn remove(&mut self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.poller.delete(fd)
    }

    fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Event<RawFd>>) -> io::Result<()> {
        // `Poller::wait` appends: a list that is not cleared would report old events again.
        self.events.clear();
        self.poller.wait(&mut self.events, timeout)?;
        let found = self.events.iter();
        ready.extend(found.map(|it| Event::new(it.key as RawFd, it.readable, it.writable)));
        merge(ready);
        Ok(())
    }
}

impl Drop for Polling {
    /// In a child that was forked, the number of the kqueue is free, or another file's by now: that
    /// one must not be closed. And an epoll is the parent's still, which the crate would take its
    /// own descriptors out of ([polling#37](https://github.com/smol-rs/polling/issues/37)).
    fn drop(&mut self) {
        if self.process != process::id() {
            mem::forget(Rc::clone(&self.poller));
        }
    }
}

fn event(fd: BorrowedFd<'_>, interest: Interest) -> polling::Event {
    polling::Event::new(
        fd.as_raw_fd() as usize,
        interest.is_readable(),
        interest.is_writable(),
    )
}

/// Whether nobody reads this pipe any more.
fn is_broken(pipe: BorrowedFd<'_>) -> bool {
    let broken = PollFlags::HUP | PollFlags::ERR | PollFlags::NVAL;
    poll_once(pipe, PollFlags::OUT).intersects(broken)
}
