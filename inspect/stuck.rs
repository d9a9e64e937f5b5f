//! Whether the loop is about to sleep for ever, because nobody is left who could wake a task.
//!
//! Debug mode only: it takes a look at each task. One whose waker nobody else holds waits for locks,
//! queues and tasks of this thread, which know its key, and which nobody will ever release, fill or
//! end. One whose waker anybody holds may be woken by another thread, and is given the benefit of
//! the doubt.

use super::{Dump, dump_handle};
use crate::executor::{Executor, swallow};

/// Says so, and who waits for what, if nobody can ever wake a task of this runtime again.
pub(super) fn tell_if_stuck(executor: &Executor) {
    let is_lost = !executor.reactor.is_awaited(dump_handle(executor)) && executor.is_alone();
    // An observer that has heard of the sleep before may have woken somebody.
    if is_lost && !executor.snapshot().iter().any(|task| task.is_queued) {
        let dump = Dump::of(executor);
        swallow(|| {
            eprintln!(
                "selio: stuck for ever: no task is ready, and nobody waits for a descriptor, a \
                 timer or another thread\n{dump}"
            );
        });
    }
}
