//! The task that accepts from one listener: while there is room, and never so many at a time that
//! those who are connected would starve.

use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, ready};
use std::time::Duration;

use super::super::backlog::PAUSE;
use super::connections::{Handled, Service};
use super::state::{Phase, State};
use super::{HandlerOutput, Listener, ServerErrorKind};
use crate::executor::{spawn_named_at, yield_now};
use crate::reactor::{now, on_behalf_of, sleep};

/// How many connections are accepted before the others have a turn.
const ACCEPTS: usize = 64;

/// What an acceptor waits for when there are as many connections as there may be, or before the server
/// has started to serve.
const ROOM: &str = "Server to have room for a connection";

/// How long there must have been no trouble until it is told again.
const QUIET: Duration = Duration::from_secs(10);

impl<L: Listener, H, R> Service<L, H>
where
    H: AsyncFn(L::Stream) -> Handled<R> + 'static,
    R: HandlerOutput + 'static,
{
    /// Makes a task of each listener.
    pub(super) fn spawn_acceptors(self: &Rc<Self>) {
        let state = &self.state;
        let spawn = |listener: &Rc<L>| {
            let acceptor = Acceptor {
                service: Rc::clone(self),
                listener: Rc::clone(listener),
            };
            spawn_named_at(&state.title, state.site, acceptor.accept_all())
        };
        let acceptors = state.listeners.borrow().iter().filter_map(spawn).collect();
        state.acceptors.replace(acceptors);
    }
}

impl<L: Listener> State<L> {
    /// Whether one more may be accepted.
    fn has_room(&self) -> bool {
        self.phase.get() == Phase::Serving && self.connections.len() < self.max_connections
    }

    /// Tells of what kept us from accepting, once for all of a bad time.
    fn report_trouble(&self, error: io::Error) {
        let now = now();
        let last = self.last_trouble.replace(Some(now));
        if last.is_none_or(|last| now - last > QUIET) {
            self.report(ServerErrorKind::Accept { error });
        }
    }
}

struct Acceptor<L: Listener, H> {
    service: Rc<Service<L, H>>,
    listener: Rc<L>,
}

impl<L: Listener, H, R> Acceptor<L, H>
where
    H: AsyncFn(L::Stream) -> Handled<R> + 'static,
    R: HandlerOutput + 'static,
{
    async fn accept_all(self) {
        let state = &self.service.state;
        for tries in 1_usize.. {
            match self.accept().await {
                Ok(connection) => self.service.open(connection),
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
                Err(error) => {
                    state.report_trouble(error);
                    self.pause().await;
                }
            }
            // At the maximum, this puts it behind the other acceptors: they take turns.
            if tries % ACCEPTS == 0 || !state.has_room() {
                yield_now().await;
            }
        }
    }

    /// Waits for the next connection, and for room for it.
    async fn accept(&self) -> io::Result<(L::Stream, L::Addr)> {
        let mut accept = pin!(self.listener.accept());
        let state = &self.service.state;
        let mut vacancy = state.vacancy.listener(ROOM, state.site);
        poll_fn(|cx| {
            // Asked each time: another acceptor may have filled the last place meanwhile.
            while !state.has_room() {
                ready!(vacancy.poll_ring(cx));
            }
            on_behalf_of(state.site, || accept.as_mut().poll(cx))
        })
        .await
    }

    /// Waits until it is worth another try: a connection of ours was closed, or some time has
    /// passed in which somebody else may have given something back.
    async fn pause(&self) {
        let state = &self.service.state;
        let mut vacancy = state.vacancy.listener(ROOM, state.site);
        let mut sleep = pin!(sleep(PAUSE).made_at(state.site));
        poll_fn(|cx| match vacancy.poll_ring(cx) {
            Poll::Ready(()) => Poll::Ready(()),
            Poll::Pending => sleep.as_mut().poll(cx),
        })
        .await;
    }
}

impl<L: Listener, H> Drop for Acceptor<L, H> {
    /// Its runtime is gone, or a listener of the user's has panicked: a server that is closed is
    /// better than one that listens and never accepts.
    fn drop(&mut self) {
        self.service.state.close();
    }
}
