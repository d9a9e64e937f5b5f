//! The ready queue: whose turn it is, in the order in which they were woken.
//!
//! It belongs to the thread while a runtime runs there, so that a wake on that thread, which is the
//! rule, has one comparison to make and one key to push: no reference to the runtime, no atomic
//! read-modify-write.

use std::cell::{Cell, RefCell};
use std::mem;
use std::sync::Arc;

use super::Executor;
use super::mailbox::Mailbox;
use super::slot::TaskKey;

thread_local! {
    static QUEUE: RunQueue = const {
        RunQueue {
            owner: Cell::new(0),
            is_observed: Cell::new(false),
            keys: RefCell::new(Vec::new()),
        }
    };
}

struct RunQueue {
    /// The address of the mailbox of the runtime that runs on this thread; 0 if none does.
    owner: Cell<usize>,
    /// Whether anybody wants to know who wakes whom.
    is_observed: Cell<bool>,
    keys: RefCell<Vec<TaskKey>>,
}

/// Queues what `key` gives, if it gives one, and if this is the thread on which the runtime of this
/// mailbox runs. Whether it is.
#[inline]
pub(super) fn push_if_here(mailbox: &Arc<Mailbox>, key: impl FnOnce() -> Option<TaskKey>) -> bool {
    QUEUE
        .try_with(|queue| {
            let is_here = queue.owner.get() == address(mailbox);
            if is_here && let Some(key) = key() {
                queue.keys.borrow_mut().push(key);
                if queue.is_observed.get() {
                    tell_wake(key);
                }
            }
            is_here
        })
        .unwrap_or(false) // The thread is about to end.
}

#[cold]
#[inline(never)]
fn tell_wake(key: TaskKey) {
    Executor::with_current(|executor| executor.tell_wake(key));
}

/// Queues a key of the runtime that runs on this thread.
pub(super) fn push(key: TaskKey) {
    // At the exit of the thread there may be no queue any more, and nothing will run.
    let _ = QUEUE.try_with(|queue| queue.keys.borrow_mut().push(key));
}

#[inline]
pub(super) fn is_empty() -> bool {
    QUEUE
        .try_with(|queue| queue.keys.borrow().is_empty())
        .unwrap_or(true)
}

/// Whether anybody wants to know what the runtime of this thread does.
#[inline]
pub(super) fn is_observed() -> bool {
    QUEUE
        .try_with(|queue| queue.is_observed.get())
        .unwrap_or(false)
}

/// Who is queued on this thread.
pub(super) fn keys() -> Vec<TaskKey> {
    QUEUE
        .try_with(|queue| queue.keys.borrow().clone())
        .unwrap_or_default()
}

/// Exchanges the queue for another one.
#[inline]
pub(super) fn swap(keys: &mut Vec<TaskKey>) {
    let _ = QUEUE.try_with(|queue| mem::swap(&mut *queue.keys.borrow_mut(), keys));
}

/// The queue of a runtime that makes room for another one.
#[derive(Default)]
pub(super) struct Displaced {
    owner: usize,
    is_observed: bool,
    keys: Vec<TaskKey>,
}

/// Makes these keys the queue of the thread, and the runtime of this mailbox its owner.
pub(super) fn enter(mailbox: &Arc<Mailbox>, keys: Vec<TaskKey>) -> Displaced {
    exchange(Displaced {
        owner: address(mailbox),
        is_observed: mailbox.is_observed,
        keys,
    })
}

/// Puts the former queue in its place again, and gives the keys of the current one back.
pub(super) fn leave(former: Displaced) -> Vec<TaskKey> {
    exchange(former).keys
}

fn exchange(new: Displaced) -> Displaced {
    // At the exit of the thread there may be no queue any more, and nothing will run.
    let exchange = |queue: &RunQueue| Displaced {
        owner: queue.owner.replace(new.owner),
        is_observed: queue.is_observed.replace(new.is_observed),
        keys: queue.keys.replace(new.keys),
    };
    QUEUE.try_with(exchange).unwrap_or_default()
}

fn address(mailbox: &Arc<Mailbox>) -> usize {
    Arc::as_ptr(mailbox).addr()
}
