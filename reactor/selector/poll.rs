//! [poll(2)](https://man7.org/linux/man-pages/man2/poll.2.html): the list of descriptors travels to
//! the kernel and back at each wait, and both sides walk it. No limit but the patience for that.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags};
use rustix::io::Errno;

use super::mechanism::{Mechanism, is_watchable, lend, timespec};
use super::{Event, Interest};

#[derive(Default)]
pub(super) struct Poll {
    /// What the kernel walks.
    list: Vec<PollFd<'static>>,
    /// Where in the list a descriptor stands; the place is its number.
    places: Vec<Option<u32>>,
}

impl Poll {
    fn place(&self, fd: RawFd) -> io::Result<usize> {
        match self.places.get(fd as usize) {
            Some(&Some(place)) => Ok(place as usize),
            _ => Err(Errno::NOENT.into()),
        }
    }

    #[cold]
    fn explain(&self, error: Errno) -> io::Error {
        if error != Errno::INVAL {
            return error.into();
        }
        io::Error::new(
            io::ErrorKind::InvalidInput,
            format!(
                "poll(2) takes no more descriptors than the process may open now (RLIMIT_NOFILE), \
                 and {} are registered; raise that limit, or choose the backend epoll",
                self.list.len()
            ),
        )
    }
}

impl Mechanism for Poll {
    fn add(&mut self, fd: BorrowedFd<'_>, interest: Interest) -> io::Result<()> {
        // poll(2) complains of a closed descriptor at each wait: ask now, once.
        if !is_watchable(fd) {
            return Err(Errno::BADF.into());
        }
        let fd = fd.as_raw_fd();
        if self.places.len() <= fd as usize {
            self.places.resize(fd as usize + 1, None);
        }
        self.places[fd as usize] = Some(self.list.len() as u32);
        self.list
            .push(PollFd::from_borrowed_fd(lend(fd), flags(interest)));
        Ok(())
    }

    fn modify(&mut self, fd: BorrowedFd<'_>, interest: Interest) -> io::Result<()> {
        let fd = fd.as_raw_fd();
        let place = self.place(fd)?;
        self.list[place] = PollFd::from_borrowed_fd(lend(fd), flags(interest));
        Ok(())
    }

    fn remove(&mut self, fd: BorrowedFd<'_>) -> io::Result<()> {
        let fd = fd.as_raw_fd();
        let place = self.place(fd)?;
        self.places[fd as usize] = None;
        self.list.swap_remove(place);
        if let Some(moved) = self.list.get(place) {
            self.places[moved.as_fd().as_raw_fd() as usize] = Some(place as u32);
        }
        Ok(())
    }

    fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Event<RawFd>>) -> io::Result<()> {
        let mut left = rustix::event::poll(&mut self.list, timespec(timeout).as_ref())
            .map_err(|error| self.explain(error))?;
        let mut place = 0;
        while left > 0 && place < self.list.len() {
            let fd = lend(self.list[place].as_fd().as_raw_fd());
            let flags = self.list[place].revents();
            if !flags.is_empty() {
                left -= 1;
                let readable = flags.intersects(PollFlags::IN.union(ALWAYS));
                let writable = flags.intersects(PollFlags::OUT.union(ALWAYS));
                ready.push(Event::new(fd.as_raw_fd(), readable, writable));
                if flags.contains(PollFlags::NVAL) {
                    // Closed behind our back. Say so once; left in the list it would end every
                    // wait from now on.
                    self.remove(fd)?;
                    continue;
                }
            }
            place += 1;
        }
        Ok(())
    }
}

/// What poll(2) reports without being asked.
const ALWAYS: PollFlags = PollFlags::HUP.union(PollFlags::ERR).union(PollFlags::NVAL);

fn flags(interest: Interest) -> PollFlags {
    let mut flags = PollFlags::empty();
    flags.set(PollFlags::IN, interest.is_readable());
    flags.set(PollFlags::OUT, interest.is_writable());
    flags
}
