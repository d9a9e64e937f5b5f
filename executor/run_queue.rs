//! The ready queue: whose turn it is, in the order in which they were woken.
//!
//! It belongs to the thread, not to the runtime that runs there: a wake on that thread, which is
//! the rule, makes one comparison and pushes one key, without a reference to the runtime and
//! without an atomic read-modify-write.
//!
//! A key may be in it twice. The flag of a waker saves most such pushes, and a task is polled once in a
//! turn: they do no harm.

use std::cell::{Cell, RefCell};
use std::mem::{self, ManuallyDrop};
use std::sync::Arc;

use super::Executor;
use super::key::TaskKey;
use super::mailbox::Mailbox;

thread_local! {
    static QUEUE: RunQueue = const {
        RunQueue {
            owner: Cell::new(0),
            observed: Cell::new(0),
            keys: RefCell::new(ManuallyDrop::new(Vec::new())),
        }
    };
}

struct RunQueue {
    /// The address of the mailbox of the runtime that runs on this thread; 0 if none does, or if it
    /// has an observer.
    owner: Cell<usize>,
    /// The same if it has an observer, else 0: so a wake that nobody watches asks one question.
    observed: Cell<usize>,
    /// Without a destructor, the queue is there to the very end of the thread. Nothing leaks: it
    /// has an allocation only while a runtime runs.
    keys: RefCell<ManuallyDrop<Vec<TaskKey>>>,
}

/// If the runtime of this mailbox runs on this thread, queues the key that `key` gives, if any.
/// Returns whether it runs here.
#[inline]
pub(super) fn push_if_here(mailbox: &Arc<Mailbox>, key: impl FnOnce() -> Option<TaskKey>) -> bool {
    QUEUE.with(|queue| {
        let is_here = queue.owner.get() == address(mailbox);
        if !is_here {
            return queue.push_if_observed(mailbox, key);
        }
        if let Some(key) = key() {
            queue.keys.borrow_mut().push(key);
        }
        true
    })
}

impl RunQueue {
    #[cold]
    fn push_if_observed(
        &self,
        mailbox: &Arc<Mailbox>,
        key: impl FnOnce() -> Option<TaskKey>,
    ) -> bool {
        let is_here = self.observed.get() == address(mailbox);
        if is_here && let Some(key) = key() {
            self.keys.borrow_mut().push(key);
            tell_wake(key);
        }
        is_here
    }
}

fn tell_wake(key: TaskKey) {
    if let Some(executor) = Executor::current() {
        executor.tell_wake(key);
    }
}

/// Queues a key of the runtime that runs on this thread.
pub(super) fn push(key: TaskKey) {
    QUEUE.with(|queue| queue.keys.borrow_mut().push(key));
}

#[inline]
pub(super) fn is_empty() -> bool {
    QUEUE.with(|queue| queue.keys.borrow().is_empty())
}

/// Whether the runtime of this thread has an observer.
#[inline]
pub(crate) fn is_observed() -> bool {
    QUEUE.with(|queue| queue.observed.get() != 0)
}

/// Who is queued on this thread.
pub(super) fn keys() -> Vec<TaskKey> {
    QUEUE.with(|queue| queue.keys.borrow().to_vec())
}

/// Exchanges the queue for another one.
#[inline]
pub(super) fn swap(keys: &mut Vec<TaskKey>) {
    QUEUE.with(|queue| mem::swap(&mut **queue.keys.borrow_mut(), keys));
}

/// The queue of a runtime that makes room for another one.
#[derive(Default)]
pub(super) struct Displaced {
    owner: usize,
    observed: usize,
    keys: Vec<TaskKey>,
}

/// Makes these keys the queue of the thread, and the runtime of this mailbox its owner.
pub(super) fn enter(mailbox: &Arc<Mailbox>, keys: Vec<TaskKey>) -> Displaced {
    let (owner, observed) = match mailbox.is_observed {
        false => (address(mailbox), 0),
        true => (0, address(mailbox)),
    };
    exchange(Displaced {
        owner,
        observed,
        keys,
    })
}

/// Puts the former queue in its place again, and gives the keys of the current one back.
pub(super) fn leave(former: Displaced) -> Vec<TaskKey> {
    exchange(former).keys
}

fn exchange(new: Displaced) -> Displaced {
    QUEUE.with(|queue| Displaced {
        owner: queue.owner.replace(new.owner),
        observed: queue.observed.replace(new.observed),
        keys: mem::replace(&mut **queue.keys.borrow_mut(), new.keys),
    })
}

fn address(mailbox: &Arc<Mailbox>) -> usize {
    Arc::as_ptr(mailbox).addr()
}
