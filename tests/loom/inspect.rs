//! The figures that the models ask for, in place of `inspect/`, which asks the reactor for more than
//! ours has.

use std::sync::atomic::Ordering;

use crate::executor::Runtime;

#[derive(Debug)]
pub struct Stats {
    pub selects: u64,
    pub notifies: u64,
}

impl Runtime {
    pub fn stats(&self) -> Stats {
        Stats {
            selects: self.executor.reactor.selects.get(),
            notifies: self.executor.mailbox.notifies.load(Ordering::Relaxed),
        }
    }
}
