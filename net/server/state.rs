//! What a server, its acceptors and its connections share.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::panic::Location;
use std::rc::Rc;
use std::time::Instant;

use super::connections::Connections;
use super::{Listener, ServerError, ServerErrorKind};
use crate::executor::{JoinHandle, TaskId, swallow};
use crate::net::bell::Bell;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// It listens, and has not begun to accept.
    Prepared,
    Serving,
    Closed,
}

/// What a server, its acceptors and its connections share.
pub(super) struct State<L: Listener> {
    /// For reports, and for the tasks that accept.
    pub(super) title: String,
    pub(super) site: &'static Location<'static>,
    pub(super) phase: Cell<Phase>,
    pub(super) listeners: RefCell<Vec<Rc<L>>>,
    /// A task for each listener.
    pub(super) acceptors: RefCell<Vec<JoinHandle<()>>>,
    pub(super) connections: Connections<L::Addr>,
    pub(super) max_connections: usize,
    /// Rung when an acceptor may find that it can go on: a connection is closed, say.
    pub(super) vacancy: Bell,
    /// Rung when somebody who waits for the end may find that it has come.
    pub(super) departure: Bell,
    /// The handlers that wait for the end, and how many times each.
    pub(super) waiting: RefCell<BTreeMap<TaskId, usize>>,
    /// All handlers that there were have waited for the end at the same time: it has come, for them.
    pub(super) only_goodbyes_are_left: Cell<bool>,
    /// When nothing could be accepted last, so that it is told once.
    pub(super) last_trouble: Cell<Option<Instant>>,
    on_error: Box<dyn Fn(&ServerError)>,
}

impl<L: Listener> State<L> {
    pub(super) fn new(
        name: Option<String>,
        site: &'static Location<'static>,
        listeners: impl IntoIterator<Item = L>,
        max_connections: usize,
        on_error: Box<dyn Fn(&ServerError)>,
    ) -> io::Result<Rc<Self>> {
        let listeners: Vec<_> = listeners.into_iter().map(Rc::new).collect();
        if listeners.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "ServerBuilder::serve: there is no listener; give at least one",
            ));
        }
        let mut title = name.unwrap_or_else(|| "server".to_owned());
        for listener in &listeners {
            title += &format!(" {:?}", listener.local_addr()?);
        }
        Ok(Rc::new(Self {
            title,
            site,
            phase: Cell::new(Phase::Prepared),
            listeners: RefCell::new(listeners),
            acceptors: RefCell::default(),
            connections: Connections::new(),
            max_connections,
            vacancy: Bell::default(),
            departure: Bell::default(),
            waiting: RefCell::default(),
            only_goodbyes_are_left: Cell::new(false),
            last_trouble: Cell::new(None),
            on_error,
        }))
    }

    pub(super) fn is_closed(&self) -> bool {
        self.phase.get() == Phase::Closed
    }

    pub(super) fn close(&self) {
        if self.phase.replace(Phase::Closed) == Phase::Closed {
            return;
        }
        let acceptors = self.acceptors.take();
        acceptors.iter().for_each(JoinHandle::cancel);
        drop(acceptors);
        drop(self.listeners.take());
        self.departure.ring();
    }

    pub(super) fn report(&self, kind: ServerErrorKind) {
        let error = ServerError {
            server: self.title.clone(),
            site: self.site,
            kind,
        };
        // A report that panics has been seen already: by the hook for panics.
        swallow(|| (self.on_error)(&error));
    }
}
