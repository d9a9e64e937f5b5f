//! What ends a `select` from another thread: a descriptor that the selector watches, and that
//! anybody may write to.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::io::Errno;

/// Ends the selector's current or next [`select`](super::Selector::select), from any thread.
///
/// Notifications that nobody has seen yet count as one. It never blocks, and may outlive its
/// selector. An [eventfd](https://man7.org/linux/man-pages/man2/eventfd.2.html) on Linux, elsewhere
/// the classic [self-pipe](https://cr.yp.to/docs/selfpipe.html).
///
/// # Examples
///
/// ```
/// let mut selector = selio::selector::Selector::<usize>::new()?;
/// let notifier = selector.notifier();
/// let thread = std::thread::spawn(move || notifier.notify());
///
/// let mut events = Vec::new();
/// selector.select(&mut events, None)?; // for ever, if it were not for the thread
/// assert!(events.is_empty());
/// # thread.join().unwrap()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Notifier(Arc<Wire>);

#[derive(Debug)]
struct Wire {
    /// What the selector watches.
    out: OwnedFd,
    /// What is written to, if that is another descriptor.
    #[cfg(not(target_os = "linux"))]
    into: OwnedFd,
}

impl Notifier {
    #[cfg(target_os = "linux")]
    pub(super) fn new() -> io::Result<Self> {
        use rustix::event::{EventfdFlags, eventfd};
        let out = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self(Arc::new(Wire { out })))
    }

    #[cfg(not(target_os = "linux"))]
    pub(super) fn new() -> io::Result<Self> {
        use rustix::io::{FdFlags, fcntl_setfd, ioctl_fionbio};
        let (out, into) = rustix::pipe::pipe()?;
        for end in [&out, &into] {
            fcntl_setfd(end, FdFlags::CLOEXEC)?;
            ioctl_fionbio(end, true)?;
        }
        Ok(Self(Arc::new(Wire { out, into })))
    }

    /// Ends the current or the next `select`.
    ///
    /// # Errors
    ///
    /// None are known; what write(2) says is passed on.
    pub fn notify(&self) -> io::Result<()> {
        #[cfg(target_os = "linux")]
        let into = &self.0.out;
        #[cfg(not(target_os = "linux"))]
        let into = &self.0.into;
        loop {
            match rustix::io::write(into, &1u64.to_ne_bytes()) {
                // Full: there is a notification that nobody has seen yet.
                Ok(_) | Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Takes all notifications back.
    pub(super) fn drain(&self) {
        let mut buffer = [0; 512];
        // An eventfd gives its count in one read; a pipe may hold more than one buffer.
        while rustix::io::read(&self.0.out, &mut buffer) == Ok(buffer.len()) {}
    }

    pub(super) fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.out.as_fd()
    }
}
