//! The [`polling`](https://docs.rs/polling) crate, which knows kqueue on macOS and the BSDs (and
//! epoll on Linux, where it serves to keep this file tested).
//!
//! It is used level-triggered and woken by our own notifier, so that its one-shot re-arming and its
//! `notify` play no part.
//!
//! One thing cannot be settled here: on Linux the crate asks for urgent data together with reading,
//! so that a socket with an urgent byte and nothing else counts as readable.

use std::io;
use std::num::NonZeroUsize;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use polling::{Event, Events, PollMode, Poller};

use super::Interest;
use super::mechanism::{Mechanism, Ready};

/// How many events one wait may report; see `epoll.rs`.
const BATCH: NonZeroUsize = NonZeroUsize::new(1024).expect("is not zero");

pub(super) struct Polling {
    poller: Poller,
    events: Events,
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
            poller,
            events: Events::with_capacity(BATCH),
        })
    }
}

impl Mechanism for Polling {
    #[allow(
        unsafe_code,
        reason = "`polling` marks it unsafe because it keeps the number of the handle"
    )]
    fn add(&mut self, fd: BorrowedFd<'_>, interest: Interest) -> io::Result<()> {
        // SAFETY: the handle should be deleted before it is closed. A `Source` does that. Whoever
        // does not, with a bare `Selector`, gets no events or those of a file with the same number,
        // as with each of these interfaces; nothing is read or written through the number.
        unsafe {
            self.poller
                .add_with_mode(&fd, event(fd, interest), PollMode::Level)
        }
    }

    fn modify(&mut self, fd: BorrowedFd<'_>, interest: Interest) -> io::Result<()> {
        self.poller
            .modify_with_mode(fd, event(fd, interest), PollMode::Level)
    }

    fn remove(&mut self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.poller.delete(fd)
    }

    fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) -> io::Result<()> {
        // `Poller::wait` appends: a list that is not cleared would report old events again.
        self.events.clear();
        self.poller.wait(&mut self.events, timeout)?;
        ready.extend(self.events.iter().map(|event| Ready {
            fd: event.key as RawFd,
            readable: event.readable,
            writable: event.writable,
        }));
        Ok(())
    }
}

fn event(fd: BorrowedFd<'_>, interest: Interest) -> Event {
    Event::new(
        fd.as_raw_fd() as usize,
        interest.is_readable(),
        interest.is_writable(),
    )
}
