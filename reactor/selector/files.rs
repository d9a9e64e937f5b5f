//! Regular files, which epoll(7) and kqueue(2) refuse to watch, because they are always ready.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use rustix::io::Errno;

use super::error::is_one_of;
use super::mechanism::{Mechanism, is_watchable, lend};
use super::{Event, Interest};

/// A mechanism, and what it has refused.
pub(super) struct WithFiles<M> {
    mechanism: M,
    files: Vec<RawFd>,
}

impl<M> WithFiles<M> {
    pub(super) fn new(mechanism: M) -> Self {
        let files = Vec::new();
        Self { mechanism, files }
    }
}

impl<M: Mechanism> Mechanism for WithFiles<M> {
    fn add(&mut self, fd: BorrowedFd<'_>, interest: Interest) -> io::Result<()> {
        let added = self.mechanism.add(fd, interest);
        match &added {
            Err(error) if is_one_of(error, &[Errno::PERM]) => self.files.push(fd.as_raw_fd()),
            _ => return added,
        }
        Ok(())
    }

    fn add_notifier(&mut self, fd: BorrowedFd<'_>) -> io::Result<bool> {
        self.mechanism.add_notifier(fd)
    }

    fn modify(&mut self, fd: BorrowedFd<'_>, interest: Interest) -> io::Result<()> {
        match self.files.contains(&fd.as_raw_fd()) {
            true => Ok(()),
            false => self.mechanism.modify(fd, interest),
        }
    }

    fn remove(&mut self, fd: BorrowedFd<'_>) -> io::Result<()> {
        match self.files.iter().position(|&file| file == fd.as_raw_fd()) {
            Some(at) => drop(self.files.swap_remove(at)),
            None => self.mechanism.remove(fd)?,
        }
        Ok(())
    }

    fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Event<RawFd>>) -> io::Result<()> {
        if self.files.is_empty() {
            return self.mechanism.wait(timeout, ready);
        }
        self.files.retain(|&fd| {
            ready.push(Event::new(fd, true, true));
            // One that was closed behind our back is reported this last time only: otherwise it
            // would end every select.
            is_watchable(lend(fd))
        });
        self.mechanism.wait(Some(Duration::ZERO), ready)
    }
}
