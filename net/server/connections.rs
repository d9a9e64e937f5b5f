//! The open connections of a server, each with the task of its handler.

use std::cell::RefCell;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::thread;

use slab::Slab;

use super::{Cause, HandlerOutput, Listener, State};
use crate::executor::{JoinError, JoinHandle, spawn_at};
use crate::net::Closer;

/// The table of open connections.
pub(super) struct Connections<A>(RefCell<Slab<Connection<A>>>);

struct Connection<A> {
    peer: A,
    closer: Option<Closer>,
    /// Its handler, unless somebody looks after its end already.
    task: Option<JoinHandle<()>>,
    /// It is `abort_clients` who looks after its end.
    is_aborted: bool,
}

impl<A: fmt::Debug> Connections<A> {
    pub(super) fn new() -> Self {
        Self(RefCell::default())
    }

    pub(super) fn len(&self) -> usize {
        self.0.borrow().len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn closers(&self) -> Vec<Closer> {
        let connections = self.0.borrow();
        let closers = connections.iter().filter_map(|(_, it)| it.closer.clone());
        closers.collect()
    }

    fn keys(&self) -> Vec<usize> {
        self.0.borrow().iter().map(|(key, _)| key).collect()
    }

    /// The name of the peer, for a report.
    fn peer(&self, key: usize) -> String {
        format!("{:?}", self.0.borrow()[key].peer)
    }

    fn with<R>(&self, key: usize, with: impl FnOnce(&mut Connection<A>) -> R) -> Option<R> {
        self.0.borrow_mut().get_mut(key).map(with)
    }
}

impl<L: Listener> State<L> {
    /// Makes a task of a connection.
    pub(super) fn open<H, R>(
        self: &Rc<Self>,
        (stream, peer): (L::Stream, L::Addr),
        handle_client: &Rc<H>,
    ) where
        H: AsyncFn(L::Stream) -> R + 'static,
        R: HandlerOutput + 'static,
    {
        let connection = Connection {
            closer: L::closer(&stream),
            peer,
            task: None,
            is_aborted: false,
        };
        let key = self.connections.0.borrow_mut().insert(connection);
        let place = Place {
            state: Rc::clone(self),
            key,
        };
        let handle_client = Rc::clone(handle_client);
        let task = spawn_at(self.site, async move {
            let place = place;
            if let Err(error) = handle_client(stream).await.into_result() {
                let peer = place.state.connections.peer(key);
                place.state.report(Cause::Handler { peer, error });
            }
        });
        self.connections.with(key, |it| it.task = task);
    }

    pub(super) fn abort_clients(&self) -> usize {
        let mut aborted = 0;
        for key in self.connections.keys() {
            let begin = |it: &mut Connection<_>| {
                it.is_aborted = it.task.is_some();
                it.task.take()
            };
            // What the former ones dropped may have ended this one.
            let Some(mut task) = self.connections.with(key, begin).flatten() else {
                continue;
            };
            aborted += 1;
            task.cancel();
            match Pin::new(&mut task).poll(&mut Context::from_waker(Waker::noop())) {
                // It is the one that calls this, and ends when its poll returns.
                Poll::Pending => {
                    let put_back = |it: &mut Connection<_>| {
                        it.is_aborted = false;
                        it.task = Some(task);
                    };
                    self.connections.with(key, put_back);
                }
                // Its destructor has panicked, and left its place to us.
                Poll::Ready(Err(error)) if error.is_panic() => {
                    self.report_panic(key, error);
                    self.leave(key);
                }
                Poll::Ready(_) => {}
            }
        }
        aborted
    }

    fn report_panic(&self, key: usize, error: JoinError) {
        let peer = self.connections.peer(key);
        self.report(Cause::Panic { peer, error });
    }

    /// The connection is closed.
    fn leave(&self, key: usize) {
        let connection = self.connections.0.borrow_mut().try_remove(key);
        drop(connection);
        self.vacancy.ring();
        self.tell_if_all_gone();
    }
}

/// The place of a connection in the table, until its handler has ended: by returning, by a panic,
/// or because it was cancelled.
struct Place<L: Listener> {
    state: Rc<State<L>>,
    key: usize,
}

impl<L: Listener> Drop for Place<L> {
    fn drop(&mut self) {
        let end = |it: &mut Connection<_>| (it.task.take(), it.is_aborted);
        let ending = self.state.connections.with(self.key, end);
        match ending {
            // Its handle will know what it has panicked with, when this is over.
            Some((Some(task), _)) if thread::panicking() => {
                let place = Place {
                    state: Rc::clone(&self.state),
                    key: self.key,
                };
                spawn_at(self.state.site, place.report_panic(task));
            }
            // `abort_clients` will see what it has panicked with.
            Some((None, true)) if thread::panicking() => {}
            _ => self.state.leave(self.key),
        }
    }
}

impl<L: Listener> Place<L> {
    async fn report_panic(self, task: JoinHandle<()>) {
        if let Err(error) = task.await
            && error.is_panic()
        {
            self.state.report_panic(self.key, error);
        }
    }
}
