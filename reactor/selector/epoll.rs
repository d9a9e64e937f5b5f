//! [epoll(7)](https://man7.org/linux/man-pages/man7/epoll.7.html): the kernel keeps the table and a
//! list of what is ready, so that a wait costs as much as there is to report, however many
//! descriptors are registered. Linux only, and the default there.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};

use super::mechanism::{Mechanism, timespec};
use super::{Event, Interest};

/// How many events one wait may report. The kernel reports ready descriptors in turn: if there are
/// more, all of them are served within a few waits.
const BATCH: usize = 1024;

pub(super) struct Epoll {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
}

impl Epoll {
    pub(super) fn new() -> io::Result<Self> {
        Ok(Self {
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            events: Vec::with_capacity(BATCH),
        })
    }
}

impl Mechanism for Epoll {
    fn add(&mut self, fd: BorrowedFd<'_>, interest: Interest) -> io::Result<()> {
        Ok(epoll::add(&self.epoll, fd, data(fd), flags(interest))?)
    }

    /// Edge-triggered: each write(2) is reported once, and nobody has to read it away.
    fn add_notifier(&mut self, fd: BorrowedFd<'_>) -> io::Result<bool> {
        let flags = EventFlags::IN | EventFlags::ET;
        epoll::add(&self.epoll, fd, data(fd), flags)?;
        Ok(true)
    }

    fn modify(&mut self, fd: BorrowedFd<'_>, interest: Interest) -> io::Result<()> {
        Ok(epoll::modify(&self.epoll, fd, data(fd), flags(interest))?)
    }

    fn remove(&mut self, fd: BorrowedFd<'_>) -> io::Result<()> {
        Ok(epoll::delete(&self.epoll, fd)?)
    }

    /// One system call. epoll_wait(2) counts milliseconds, and rustix rounds up to them;
    /// epoll_pwait2(2) would count nanoseconds, but kernels before 5.11 and some sandboxes lack it.
    fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Event<RawFd>>) -> io::Result<()> {
        self.events.clear();
        epoll::wait(
            &self.epoll,
            spare_capacity(&mut self.events),
            timespec(timeout).as_ref(),
        )?;
        ready.extend(self.events.iter().map(|event| {
            let (fd, flags) = (event.data.u64() as RawFd, event.flags);
            let readable = flags.intersects(EventFlags::IN.union(ALWAYS));
            let writable = flags.intersects(EventFlags::OUT.union(ALWAYS));
            Event::new(fd, readable, writable)
        }));
        Ok(())
    }
}

/// What epoll(7) reports without being asked.
const ALWAYS: EventFlags = EventFlags::HUP.union(EventFlags::ERR);

fn data(fd: BorrowedFd<'_>) -> EventData {
    EventData::new_u64(fd.as_raw_fd() as u64)
}

fn flags(interest: Interest) -> EventFlags {
    let mut flags = EventFlags::empty();
    flags.set(EventFlags::IN, interest.is_readable());
    flags.set(EventFlags::OUT, interest.is_writable());
    flags
}
