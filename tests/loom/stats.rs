//! The figures that the models ask for, in place of `executor/inspect/stats.rs`, which asks the reactor for
//! more than ours has.

use std::sync::atomic::Ordering;

use crate::executor::Executor;

#[derive(Debug)]
pub struct Stats {
    pub selects: u64,
    pub notifies: u64,
}

pub fn stats() -> Stats {
    Executor::expect_current("stats").stats()
}

impl Executor {
    pub(in crate::executor) fn stats(&self) -> Stats {
        Stats {
            selects: self.reactor.selects.get(),
            notifies: self.mailbox.notifies.load(Ordering::Relaxed),
        }
    }
}
