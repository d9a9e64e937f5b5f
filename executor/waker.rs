//! The waker of a task: what comes up through all the layers.
//!
//! A wake on the thread of the runtime is the rule: unless the task is queued already, it pushes
//! the key on the ready queue. The only atomic read-modify-write is the one that counts the
//! references to the waker. A wake from elsewhere, another thread or one whose runtime does not run
//! now, goes through the [`Mailbox`], and interrupts the selector if the loop sleeps.
//!
//! It holds no future, and of the reactor only what interrupts the selector, so any thread may keep,
//! use and drop it, also when the runtime is gone.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Wake;

use super::inbox::Posted;
use super::key::TaskKey;
use super::mailbox::Mailbox;
use super::run_queue;

pub(crate) struct TaskWaker {
    /// The key of the task. It changes only when the waker is given to another task, while nobody
    /// else holds it.
    key: AtomicU64,
    /// This waker has put the key into the ready queue. Only the thread of the runtime touches this.
    queued: AtomicBool,
    /// This waker is in the mailbox.
    posted: Posted,
    mailbox: Arc<Mailbox>,
}

impl TaskWaker {
    pub(super) fn new(key: TaskKey, mailbox: Arc<Mailbox>) -> Self {
        Self {
            key: AtomicU64::new(key.into_u64()),
            queued: AtomicBool::new(false),
            posted: Posted::new(),
            mailbox,
        }
    }

    pub(super) fn key(&self) -> TaskKey {
        TaskKey::from_u64(self.key.load(Ordering::Relaxed))
    }

    /// Marks the task as queued. False if it was already.
    pub(super) fn queue(&self) -> bool {
        let was_queued = self.queued.load(Ordering::Relaxed);
        if !was_queued {
            self.queued.store(true, Ordering::Relaxed);
        }
        !was_queued
    }

    /// The task is about to be polled: a wake from now on queues it again.
    #[inline]
    pub(super) fn unqueue(&self) {
        self.queued.store(false, Ordering::Relaxed);
    }

    /// The wake has come through the mailbox.
    pub(super) fn receive(&self) {
        self.posted.receive();
    }

    /// Serves another task from now on. Nobody else holds it.
    #[inline]
    pub(super) fn reuse(&self, key: TaskKey) {
        self.key.store(key.into_u64(), Ordering::Relaxed);
        self.queued.store(false, Ordering::Relaxed);
        self.posted.reset();
    }

    /// Queues the task if its runtime runs on this thread. Returns whether it does.
    #[inline]
    fn wake_locally(&self) -> bool {
        run_queue::push_if_here(&self.mailbox, || self.queue().then(|| self.key()))
    }
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        if !self.wake_locally() && self.posted.post() {
            let mailbox = Arc::clone(&self.mailbox);
            mailbox.wake(self);
        }
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.wake_locally() && self.posted.post() {
            self.mailbox.wake(Arc::clone(self));
        }
    }
}
