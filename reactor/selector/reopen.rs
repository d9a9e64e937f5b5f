//! Descriptors that cannot be deregistered any more, and that epoll(7) reports for ever.
//!
//! It watches the open file, not the descriptor. So if a child process or a dup(2) keeps that open,
//! it goes on to report a descriptor that is closed, and removes nothing without that descriptor:
//! each wait would end at once, and the loop spin, for as long as the duplicate lives. A
//! [`Source`](crate::Source) deregisters in time; but not everybody who has a descriptor of ours
//! knows that.
//!
//! And after fork(2), parent and child share the epoll: what the child took out of it, when it drops what
//! it has, its parent would never hear of again. For both, nothing helps but another epoll, before the old
//! one is used again. A kqueue stays with the parent altogether: the child begins with one of its own.

use std::process;

use super::backend::HAS_KQUEUE;
use super::mechanism::lend;
use super::{Registration, Selector};

impl<K: Clone> Selector<K> {
    /// To be called before the mechanism is used.
    #[inline]
    pub(super) fn renew(&mut self) {
        if self.is_stale || HAS_KQUEUE && self.process != process::id() {
            self.reopen();
        }
    }

    /// Moves all that is registered to another mechanism. Where there cannot be one, as no file
    /// descriptor is left, the next call tries again.
    #[cold]
    fn reopen(&mut self) {
        let Ok(mut mechanism) = self.backend.open() else {
            return;
        };
        let Ok(is_notified_once) = mechanism.add_notifier(self.notifier.as_fd()) else {
            return;
        };
        for Registration { fd, interest, .. } in self.registrations() {
            // It fails only for one that is closed, and that nobody is to hear of again.
            let _ = mechanism.add(lend(fd), interest);
        }
        self.mechanism = mechanism;
        self.is_notified_once = is_notified_once;
        self.is_stale = false;
        self.process = process::id();
    }
}
