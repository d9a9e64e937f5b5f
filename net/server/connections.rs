//! The open connections of a server, each with the task of its handler.

use std::cell::RefCell;
use std::error::Error;
use std::fmt;
use std::mem;
use std::rc::Rc;
use std::thread;

use slab::Slab;

use super::state::State;
use super::{HandlerOutput, Listener, ServerErrorKind};
use crate::executor::{JoinHandle, TaskRef, current, spawn_at};
use crate::net::Closer;
use crate::net::stream::Unsent;

/// The table of open connections.
pub(super) struct Connections<A>(RefCell<Slab<Connection<A>>>);

struct Connection<A> {
    /// For a report; taken when there is one.
    peer: Option<A>,
    closer: Option<Closer>,
    /// Its handler, until that has ended and its end is looked after.
    task: Option<JoinHandle<()>>,
}

impl<A: fmt::Debug> Connections<A> {
    pub(super) fn new() -> Self {
        Self(RefCell::default())
    }

    pub(super) fn len(&self) -> usize {
        self.0.borrow().len()
    }

    pub(super) fn closers(&self) -> Vec<Closer> {
        let connections = self.0.borrow();
        let closers = connections.iter().filter_map(|(_, it)| it.closer.clone());
        closers.collect()
    }

    fn insert(&self, connection: Connection<A>) -> usize {
        let mut connections = self.0.borrow_mut();
        if connections.len() == connections.capacity() {
            // Doubling would cost each of many idle connections as much again.
            let more = connections.len() / 8 + 16;
            connections.reserve_exact(more);
        }
        connections.insert(connection)
    }

    fn tasks(&self) -> Vec<TaskRef> {
        let connections = self.0.borrow();
        let handles = connections.iter().filter_map(|(_, it)| it.task.as_ref());
        handles.map(JoinHandle::task).collect()
    }

    /// The handler that is being polled, if it is one of these.
    pub(super) fn current(&self) -> Option<TaskRef> {
        let current = current()?;
        let connections = self.0.borrow();
        let mut handles = connections.iter().filter_map(|(_, it)| it.task.as_ref());
        handles.any(|it| it.task() == current).then_some(current)
    }

    /// The name of the peer.
    fn take_peer(&self, key: usize) -> String {
        let peer = self.0.borrow_mut()[key].peer.take();
        peer.map_or_else(String::new, |peer| format!("{peer:?}"))
    }

    fn set_task(&self, key: usize, task: Option<JoinHandle<()>>) {
        let former = (self.0.borrow_mut().get_mut(key)).map(|it| mem::replace(&mut it.task, task));
        drop(former);
    }

    fn take_task(&self, key: usize) -> Option<JoinHandle<()>> {
        self.0.borrow_mut().get_mut(key)?.task.take()
    }
}

/// A server, and what it does for its connections.
pub(super) struct Service<L: Listener, H> {
    pub(super) state: Rc<State<L>>,
    pub(super) handle_client: H,
}

/// What a handler has returned, and what it has left to be sent.
pub(super) struct Handled<R>(pub(super) R, pub(super) Option<Unsent>);

impl<L: Listener, H, R> Service<L, H>
where
    H: AsyncFn(L::Stream) -> Handled<R> + 'static,
    R: HandlerOutput + 'static,
{
    /// Makes a task of a connection.
    pub(super) fn open(self: &Rc<Self>, (stream, peer): (L::Stream, L::Addr)) {
        let connections = &self.state.connections;
        let key = connections.insert(Connection {
            closer: L::closer(&stream),
            peer: Some(peer),
            task: None,
        });
        let place = Place {
            service: Rc::clone(self),
            key,
        };
        // In there it is only borrowed: for what a future moves it has room twice.
        let task = spawn_at(self.state.site, async move {
            let Handled(output, unsent) = (place.service.handle_client)(stream).await;
            // At once: a peer that does not read must not keep this to itself.
            if let Err(error) = output.into_result() {
                place.report_error(error);
            }
            if let Some(mut unsent) = unsent {
                unsent.sent(place.state().site).await;
            }
        });
        connections.set_task(key, task);
    }
}

impl<L: Listener> State<L> {
    /// Cancels the handlers but one. How many there were.
    pub(super) fn abort(&self, except: Option<&TaskRef>) -> usize {
        let mut tasks = self.connections.tasks();
        tasks.retain(|task| Some(task) != except);
        tasks.iter().for_each(TaskRef::cancel);
        tasks.len()
    }

    /// The connection is closed.
    fn leave(&self, key: usize) {
        let connection = self.connections.0.borrow_mut().try_remove(key);
        drop(connection);
        self.vacancy.ring();
        // Only when the end may have come for somebody: thousands may wait while thousands leave.
        if self.is_closed() && self.connections.len() <= self.waiting.borrow().len() {
            self.departure.ring();
        }
    }
}

/// The place of a connection in the table, until its handler has ended: by returning, by a panic,
/// or because it was cancelled.
struct Place<L: Listener, H: 'static> {
    service: Rc<Service<L, H>>,
    key: usize,
}

impl<L: Listener, H> Place<L, H> {
    fn state(&self) -> &State<L> {
        &self.service.state
    }

    fn report_error(&self, error: Box<dyn Error>) {
        let peer = self.state().connections.take_peer(self.key);
        self.state()
            .report(ServerErrorKind::Handler { peer, error });
    }

    async fn report_panic(self, task: JoinHandle<()>) {
        if let Err(error) = task.await
            && error.is_panic()
        {
            let peer = self.state().connections.take_peer(self.key);
            self.state().report(ServerErrorKind::Panic { peer, error });
        }
    }
}

impl<L: Listener, H> Drop for Place<L, H> {
    fn drop(&mut self) {
        match self.state().connections.take_task(self.key) {
            // Its handle will know what it has panicked with, when this is over.
            Some(task) if thread::panicking() => {
                let place = Self {
                    service: Rc::clone(&self.service),
                    key: self.key,
                };
                spawn_at(self.state().site, place.report_panic(task));
            }
            _ => self.state().leave(self.key),
        }
    }
}
