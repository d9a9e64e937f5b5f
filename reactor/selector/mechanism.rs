//! What a kernel interface must do to serve as a selector, and what those that do it share.

use std::io;
use std::os::fd::{BorrowedFd, RawFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::retry_on_intr;

use super::{Event, Interest};

/// The longest wait that is asked of the kernel at once: epoll counts milliseconds in an `i32`.
/// Longer ones are made of several.
pub(super) const LONGEST_WAIT: Duration = Duration::from_millis(i32::MAX as u64);

/// A kernel interface, as a [`Selector`](super::Selector) uses it: descriptors are known by their
/// numbers.
pub(crate) trait Mechanism {
    /// Starts to watch a descriptor. `EPERM`: it is of a kind that is always ready.
    fn add(&mut self, fd: BorrowedFd<'_>, interest: Interest) -> io::Result<()>;

    /// Starts to watch the descriptor of the notifier. Returns whether each notification is
    /// reported once; otherwise it is reported until somebody has read it away.
    fn add_notifier(&mut self, fd: BorrowedFd<'_>) -> io::Result<bool> {
        self.add(fd, Interest::READABLE)?;
        Ok(false)
    }

    /// Watches it for something else from now on.
    fn modify(&mut self, fd: BorrowedFd<'_>, interest: Interest) -> io::Result<()>;

    /// Watches it no longer.
    fn remove(&mut self, fd: BorrowedFd<'_>) -> io::Result<()>;

    /// Waits until something is ready or `timeout` has passed, rounded up to what the interface can
    /// count, and appends what it found: numbers with what they are ready for, both if it is a
    /// hang-up or an error. May come back early with nothing or with `EINTR`, and is called again then.
    fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Event<RawFd>>) -> io::Result<()>;
}

/// The kernel's form of a timeout, which [`LONGEST_WAIT`] keeps in its range.
pub(super) fn timespec(timeout: Option<Duration>) -> Option<Timespec> {
    timeout.map(|timeout| Timespec::try_from(timeout).expect("LONGEST_WAIT is in range"))
}

/// Whether the kernel lets this descriptor be watched. Not if it is closed, nor, on Linux, if it
/// was opened with `O_PATH`. For those who would notice it only while they wait, as poll(2) and
/// select(2) do.
pub(super) fn is_watchable(fd: BorrowedFd<'_>) -> bool {
    !poll_once(fd, PollFlags::empty()).contains(PollFlags::NVAL)
}

/// What poll(2) says of a descriptor, without waiting.
pub(super) fn poll_once(fd: BorrowedFd<'_>, flags: PollFlags) -> PollFlags {
    let mut list = [PollFd::from_borrowed_fd(fd, flags)];
    let _ = retry_on_intr(|| rustix::event::poll(&mut list, Some(&Timespec::default())));
    list[0].revents()
}

/// Makes one event of what was found of a descriptor, in the order of the numbers.
pub(super) fn merge(ready: &mut Vec<Event<RawFd>>) {
    ready.sort_by_key(|found| found.key);
    ready.dedup_by(|found, kept| {
        let is_the_same = found.key == kept.key;
        if is_the_same {
            kept.readable |= found.readable;
            kept.writable |= found.writable;
        }
        is_the_same
    });
}

/// Lends out a descriptor that is known by its number only, for one call.
///
/// A selector names an entry in a kernel table by it, and reads, writes or closes nothing. If the
/// descriptor was closed meanwhile, the kernel answers `EBADF` or `ENOENT`, or the entry is another
/// file's, whose events reach the old key: at worst they wake its waiters in vain. And a
/// [`Loan`](crate::reactor::Loan) acts on the descriptor of a source, which is open as long as the
/// source has its watch.
#[allow(
    unsafe_code,
    reason = "poll(2) and the `polling` crate want a descriptor where a number is meant"
)]
pub(in crate::reactor) fn lend<'fd>(fd: RawFd) -> BorrowedFd<'fd> {
    assert!(fd >= 0, "a file descriptor is never negative");
    // SAFETY: it is not -1, and it is used as described above.
    unsafe { BorrowedFd::borrow_raw(fd) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_handle_that_is_reported_twice_gives_one_event() {
        let mut ready = vec![
            Event::new(7, true, false),
            Event::new(5, false, true),
            Event::new(7, false, true),
            Event::new(6, true, false),
        ];
        merge(&mut ready);
        let expected = [
            Event::new(5, false, true),
            Event::new(6, true, false),
            Event::new(7, true, true),
        ];
        assert_eq!(ready, expected);
    }
}
