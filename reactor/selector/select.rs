//! [select(2)](https://man7.org/linux/man-pages/man2/select.2.html): two bit sets, one bit for each
//! number from 0 to the highest one registered, copied in and out at each wait. The oldest of all,
//! and limited to numbers below `FD_SETSIZE`.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::time::Duration;

use rustix::event::{FdSetElement, FdSetIter, fd_set_insert, fd_set_num_elements, fd_set_remove};
use rustix::io::Errno;

use super::mechanism::{Mechanism, is_watchable, lend, merge, timespec};
use super::{Event, Interest};

/// How many bits a C `fd_set` has. The kernel does not check it, and C programs that forget to
/// do so write beyond their set; ours could grow, but then they would not show what select(2) is.
const FD_SETSIZE: RawFd = 1024;

#[derive(Default)]
pub(super) struct Select {
    read: FdSet,
    write: FdSet,
    /// One more than the highest number in the sets.
    bound: RawFd,
}

impl Mechanism for Select {
    fn add(&mut self, fd: BorrowedFd<'_>, interest: Interest) -> io::Result<()> {
        // select(2) fails as a whole if one descriptor is closed: ask now.
        if !is_watchable(fd) {
            return Err(Errno::BADF.into());
        }
        if fd.as_raw_fd() >= FD_SETSIZE {
            return Err(io::Error::new(
                io::ErrorKind::Unsupported,
                format!(
                    "select(2) holds only numbers below {FD_SETSIZE}; choose the backend epoll, \
                     kqueue or poll"
                ),
            ));
        }
        self.bound = self.bound.max(fd.as_raw_fd() + 1);
        self.modify(fd, interest)
    }

    fn modify(&mut self, fd: BorrowedFd<'_>, interest: Interest) -> io::Result<()> {
        self.read.set(fd.as_raw_fd(), interest.is_readable());
        self.write.set(fd.as_raw_fd(), interest.is_writable());
        Ok(())
    }

    fn remove(&mut self, fd: BorrowedFd<'_>) -> io::Result<()> {
        self.read.set(fd.as_raw_fd(), false);
        self.write.set(fd.as_raw_fd(), false);
        self.bound = self.read.bound().max(self.write.bound());
        Ok(())
    }

    fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Event<RawFd>>) -> io::Result<()> {
        let (mut read, mut write) = (self.read.clone(), self.write.clone());
        match select(self.bound, &mut read, &mut write, timeout) {
            Err(Errno::BADF) => self.report_closed(ready),
            Err(error) => return Err(error.into()),
            Ok(_) => {
                ready.extend(read.iter().map(|fd| Event::new(fd, true, false)));
                ready.extend(write.iter().map(|fd| Event::new(fd, false, true)));
            }
        }
        merge(ready);
        Ok(())
    }
}

impl Select {
    /// A descriptor was closed behind our back, and select(2) does not say which. Say so once; left
    /// in the sets it would fail every wait from now on.
    fn report_closed(&mut self, ready: &mut Vec<Event<RawFd>>) {
        let (read, write) = (self.read.clone(), self.write.clone());
        for fd in read.iter().chain(write.iter()) {
            if !is_watchable(lend(fd)) {
                self.read.set(fd, false);
                self.write.set(fd, false);
                ready.push(Event::new(fd, true, true));
            }
        }
    }
}

#[allow(
    unsafe_code,
    reason = "rustix marks select(2) unsafe because a set names descriptors by number"
)]
fn select(
    bound: RawFd,
    read: &mut FdSet,
    write: &mut FdSet,
    timeout: Option<Duration>,
) -> Result<i32, Errno> {
    // SAFETY: both sets have FD_SETSIZE bits and `bound` is at most that. Nothing is read, written
    // or closed through the numbers, and a closed one is answered by EBADF.
    unsafe {
        rustix::event::select(
            bound,
            Some(&mut read.0),
            Some(&mut write.0),
            None,
            timespec(timeout).as_ref(),
        )
    }
}

/// C's `fd_set`.
#[derive(Clone)]
struct FdSet(Box<[FdSetElement]>);

impl FdSet {
    fn set(&mut self, fd: RawFd, on: bool) {
        if on {
            fd_set_insert(&mut self.0, fd);
        } else if fd < FD_SETSIZE {
            fd_set_remove(&mut self.0, fd);
        }
    }

    fn bound(&self) -> RawFd {
        rustix::event::fd_set_bound(&self.0)
    }

    fn iter(&self) -> FdSetIter<'_> {
        FdSetIter::new(&self.0)
    }
}

impl Default for FdSet {
    fn default() -> Self {
        let elements = fd_set_num_elements(FD_SETSIZE as usize, FD_SETSIZE);
        Self(vec![FdSetElement::default(); elements].into())
    }
}
