//! Who waits for the end of a server: anybody, and handlers too, which are a part of what has to end.

use std::panic::Location;

use super::Listener;
use super::state::State;
use crate::executor::TaskId;

const END: &str = "Server to be closed, and its connections";

impl<L: Listener> State<L> {
    /// Waits until the server is closed and all connections are, except those whose handlers wait
    /// for the same thing: they would wait for each other.
    pub(super) async fn wait_closed(&self, site: &'static Location<'static>) {
        let waiting = self
            .connections
            .current()
            .map(|it| Waiting::new(self, it.id()));
        let is_closed = || {
            // Who is no handler waits for those too: they have still to say goodbye.
            let except = waiting.as_ref().map_or(0, |_| self.waiting.borrow().len());
            self.is_closed() && self.connections.len() <= except
        };
        self.departure.wait_until(END, site, is_closed).await;
    }
}

/// A handler that waits for the end of its server.
struct Waiting<'a, L: Listener> {
    state: &'a State<L>,
    handler: TaskId,
}

impl<'a, L: Listener> Waiting<'a, L> {
    fn new(state: &'a State<L>, handler: TaskId) -> Self {
        *state.waiting.borrow_mut().entry(handler).or_default() += 1;
        Self { state, handler }
    }
}

impl<L: Listener> Drop for Waiting<'_, L> {
    fn drop(&mut self) {
        let mut waiting = self.state.waiting.borrow_mut();
        if let Some(times) = waiting.get_mut(&self.handler) {
            *times -= 1;
            if *times == 0 {
                waiting.remove(&self.handler);
            }
        }
    }
}
