//! `wake_all`: the way up, which no waker's panic can stop.
//!
//! Wakers come from anywhere: a combinator, or another executor, may poll a future of ours with a
//! waker of its own. If that panics, the panic hook has said so, and the panic stops here: it must
//! not reach the wakers that come next, the loop, or the code that closes a socket.

use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Waker;

/// Wakes them all in order, also after one that panics.
pub(crate) fn wake_all(woken: &mut Vec<Waker>) {
    let mut rest = woken.drain(..);
    // Guarded together, and not one by one: each event comes through here.
    let mut wake_rest = || catch_unwind(AssertUnwindSafe(|| rest.by_ref().for_each(Waker::wake)));
    while let Err(payload) = wake_rest() {
        // What it panicked with may panic in its turn.
        let _ = catch_unwind(AssertUnwindSafe(|| drop(payload))).map_err(mem::forget);
    }
}
