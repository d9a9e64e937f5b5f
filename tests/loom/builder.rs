//! Makes the runtimes of the models, in place of `builder/`: there is nothing to choose.

use std::io;
use std::rc::Rc;

use crate::executor::{Executor, Runtime};
use crate::reactor::Reactor;
use crate::reactor::selector::Selector;
use crate::threads::Threads;

#[derive(Clone, Debug, Default)]
pub struct Builder {
    max_threads: Option<usize>,
}

impl Builder {
    pub fn new() -> Self {
        Self::default()
    }

    pub fn max_threads(self, threads: usize) -> Self {
        Self {
            max_threads: Some(threads),
        }
    }

    pub fn build(self) -> io::Result<Runtime> {
        let reactor = Reactor::new(Selector::new()?);
        let executor = Executor::new(reactor, false);
        let threads = Threads::new(self.max_threads);
        executor.extensions.insert(Rc::new(threads));
        Ok(Runtime::of(executor))
    }
}

impl Runtime {
    pub fn new() -> io::Result<Self> {
        Builder::new().build()
    }
}
