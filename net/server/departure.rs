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
        let is_handler = waiting.is_some();
        let is_closed = || match self.connections.len() {
            0 => self.is_closed(),
            // Who is no handler waits for those too: they have still to say goodbye.
            _ if !is_handler => false,
            _ if self.only_goodbyes_are_left.get() => true,
            open => self.is_closed() && open <= self.waiting.borrow().len(),
        };
        self.departure.wait_until(END, site, is_closed).await;
        // The goodbye of this one is nothing to wait for either.
        if is_handler && !self.only_goodbyes_are_left.replace(true) {
            self.departure.ring();
        }
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
