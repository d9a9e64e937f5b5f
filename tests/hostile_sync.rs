//! Hostile users of `sync` and of what stands in `structured`: values that panic wherever they can,
//! and moments that nobody would choose.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/tasks.rs"]
mod tasks;

use std::cell::Cell;
use std::cmp::Ordering;

use selio::sync::PriorityQueue;

use crate::tasks::{in_a_process_of_its_own, panic_of};

thread_local! {
    static IS_MOODY: Cell<bool> = const { Cell::new(false) };
}

/// Panics when it is compared and when it is dropped, on bad days.
#[derive(PartialEq, Eq, Debug)]
struct Moody(usize);

impl PartialOrd for Moody {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Moody {
    fn cmp(&self, other: &Self) -> Ordering {
        assert!(!IS_MOODY.get(), "do not compare me");
        self.0.cmp(&other.0)
    }
}

impl Drop for Moody {
    fn drop(&mut self) {
        assert!(!IS_MOODY.get(), "do not drop me");
    }
}

#[test]
fn an_item_that_panics_when_it_is_compared_and_dropped_aborts_nothing() {
    in_a_process_of_its_own(
        "an_item_that_panics_when_it_is_compared_and_dropped_aborts_nothing",
        || {
            let queue = PriorityQueue::bounded(3);
            for number in 0..3 {
                queue.put_nowait(Moody(number)).unwrap();
            }
            IS_MOODY.set(true);
            let panic = panic_of(|| queue.get_nowait());
            assert_eq!(panic.message, "do not compare me");
            IS_MOODY.set(false);
            assert_eq!(queue.len(), 2);
            queue.put_nowait(Moody(3)).unwrap();
            while queue.get_nowait().is_ok() {}
            assert!(queue.is_empty());
        },
    );
}
