//! A way to a handle that somebody else owns.
//!
//! Who looks after connections that others serve has to be able to shut them down, and must not
//! keep them open: a loan is to a source what a `Weak` is to an `Rc`, and costs no file descriptor.

use std::os::fd::BorrowedFd;
use std::rc::{Rc, Weak};

use super::{Watch, selector, wake_all};

/// Ends when the source is dropped, or gives its handle away.
#[derive(Clone)]
pub(crate) struct Loan(Weak<Watch>);

impl Loan {
    pub(super) fn new(watch: &Rc<Watch>) -> Self {
        Self(Rc::downgrade(watch))
    }

    /// Whether there is a source, and its runtime is [ours](super::Reactor::is_ours).
    pub(crate) fn is_ours(&self) -> bool {
        let watch = self.0.upgrade();
        watch.is_some_and(|watch| watch.reactor().is_ours())
    }

    /// [`Source::change`](super::Source::change), unless the source is gone.
    pub(crate) fn change<R>(&self, act: impl FnOnce(BorrowedFd<'_>) -> R) -> Option<R> {
        // A source gives up its watch before its handle, and the selector has let go of it by then:
        // as long as there is a watch, the handle is open.
        let watch = self.0.upgrade()?;
        let result = act(selector::lend(watch.fd));
        let mut waiters = watch.take_waiters();
        drop(watch); // Who is woken may drop the source.
        wake_all(&mut waiters);
        Some(result)
    }
}
