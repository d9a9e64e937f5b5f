//! Makes the runtimes of the models, in place of `executor/builder.rs`: there is nothing to choose.

use std::io;

use super::pool::Threads;
use super::{Executor, Runtime};
use crate::reactor::Reactor;
use crate::reactor::selector::Selector;

#[derive(Clone, Debug, Default)]
pub struct Builder;

impl Builder {
    pub fn new() -> Self {
        Self
    }

    pub fn build(self) -> io::Result<Runtime> {
        let reactor = Reactor::new(Selector::new()?);
        Ok(Runtime::of(Executor::new(reactor, Threads::new(None), false, None)))
    }
}
