//! Where other threads leave messages for the loop, and how they get it out of its sleep.
//!
//! Two things must never happen: that a message lies here while the loop sleeps, and that a wake
//! is swallowed because an earlier one seems to be on its way. `tests/loom` tries out every order
//! in which the threads can run, on this very file.

use std::sync::atomic::{AtomicBool, Ordering, fence};

use concurrent_queue::ConcurrentQueue;

/// A queue that any thread may push on, and one thread pops from.
#[derive(Debug)]
pub(crate) struct Inbox<M> {
    messages: ConcurrentQueue<M>,
    /// The loop sleeps, or is about to: the next push must wake it.
    asleep: AtomicBool,
}

impl<M> Inbox<M> {
    pub(crate) fn new() -> Self {
        Self {
            messages: ConcurrentQueue::unbounded(),
            asleep: AtomicBool::new(false),
        }
    }

    /// Leaves a message. Returns whether the caller has to wake the loop now: of all who push while
    /// it sleeps, one has to. A closed inbox gives the message back.
    pub(crate) fn push(&self, message: M) -> Result<bool, M> {
        self.messages
            .push(message)
            .map_err(concurrent_queue::PushError::into_inner)?;
        // One of the two fences comes first. If it is this one, `is_empty` in `fall_asleep` sees
        // the message; if it is that one, we see that the loop is asleep.
        fence(Ordering::SeqCst);
        Ok(self.asleep.load(Ordering::Relaxed) && self.asleep.swap(false, Ordering::Relaxed))
    }

    pub(crate) fn pop(&self) -> Option<M> {
        if self.messages.is_empty() {
            return None; // The rule, and without the fence that the pop of an empty queue makes.
        }
        self.messages.pop().ok()
    }

    /// Announces that the loop will sleep. Returns whether it may: there is no message.
    pub(crate) fn fall_asleep(&self) -> bool {
        if !self.messages.is_empty() {
            return false; // Not announced: so nobody wakes a loop that does not sleep.
        }
        self.asleep.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        self.messages.is_empty()
    }

    /// The loop sleeps no more.
    pub(crate) fn wake_up(&self) {
        self.asleep.store(false, Ordering::Relaxed);
    }

    /// Takes no messages from now on.
    pub(crate) fn close(&self) {
        self.messages.close();
    }
}

/// Whether a wake is on its way through the inbox: the next one need not follow it.
#[derive(Debug)]
pub(crate) struct Posted(AtomicBool);

impl Posted {
    pub(crate) fn new() -> Self {
        Self(AtomicBool::new(false))
    }

    /// Whether there was none on its way.
    ///
    /// Releases what the waking thread has written, so that the woken task sees it even if an
    /// earlier wake carries the news; `receive` acquires it.
    pub(crate) fn post(&self) -> bool {
        !self.0.swap(true, Ordering::AcqRel)
    }

    /// It has arrived. The next wake is posted anew.
    pub(crate) fn receive(&self) {
        self.0.swap(false, Ordering::AcqRel);
    }

    /// The same when nobody else can post any more.
    #[inline]
    pub(crate) fn reset(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}
