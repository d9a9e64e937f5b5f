//! Who waits for a transport: to have room again, to have sent everything, to be closed.

use std::future::Future;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use super::super::bell::Listening;
use super::ending::Phase;
use super::transport::{Io, Transport};
use crate::executor::tell_wait;
use crate::reactor::{Direction, poll_spend};

/// What somebody waits for.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Goal {
    /// Few enough bytes are kept.
    Room,
    /// Everything was sent, and what was asked for is done.
    Sent,
    /// The stream is closed.
    Closed,
}

impl Goal {
    /// What that is, for those who watch.
    fn what(self) -> &'static str {
        match self {
            Self::Room => "StreamWriter to have room",
            Self::Sent => "StreamWriter to have sent everything",
            Self::Closed => "StreamWriter to be closed",
        }
    }

    /// What is awaited for it.
    fn call(self) -> &'static str {
        match self {
            Self::Room => "StreamWriter::drain",
            Self::Sent => "StreamWriter",
            Self::Closed => "StreamWriter::wait_closed",
        }
    }
}

impl Transport {
    #[inline]
    fn has_reached(&self, goal: Goal) -> bool {
        match goal {
            Goal::Room => !self.is_paused(),
            Goal::Sent => self.is_done() && !self.is_flushing(),
            Goal::Closed => matches!(self.phase.get(), Phase::Lost | Phase::Closed),
        }
    }

    /// Waits for this goal, and tells whether bytes were lost.
    #[inline]
    pub(super) fn until(
        self: &Rc<Self>,
        goal: Goal,
        site: &'static Location<'static>,
    ) -> Until<'_> {
        Until {
            transport: self,
            goal,
            site,
            is_due: goal == Goal::Room,
            listening: None,
        }
    }

    /// The same, for those who come through a `poll` function.
    pub(super) fn poll_until(
        self: &Rc<Self>,
        goal: Goal,
        cx: &mut Context<'_>,
        call: &str,
    ) -> Poll<io::Result<()>> {
        if goal == Goal::Room {
            ready!(self.poll_turn(cx))?;
        }
        if self.has_reached(goal) {
            return Poll::Ready(self.result(call));
        }
        self.expect_flushing(call)?;
        tell_wait(goal.what(), None, None);
        self.buffer().change.wake_later(cx.waker());
        Poll::Pending
    }

    /// Lets the others have a turn from time to time: a peer who takes everything at once, or has sent
    /// many messages at once, must not starve them.
    #[inline]
    pub(super) fn poll_turn(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.io {
            Io::Socket(socket) => socket.poll_io_at(None, cx, Direction::Write, |_| Ok(())),
            Io::Foreign(_) => poll_spend(cx).map(Ok),
        }
    }

    /// Sees to it that somebody sends what is kept, for those who wait for that.
    fn expect_flushing(self: &Rc<Self>, call: &str) -> io::Result<()> {
        self.start_flushing();
        if self.is_flushing_here() || (self.is_done() && !self.is_flushing()) {
            return Ok(());
        }
        Err(io::Error::other(format!(
            "{call}: the runtime of this stream does not run on this thread, and nobody would send \
             what is pending; await it in the runtime that it was made in"
        )))
    }
}

/// Somebody who waits for a goal.
pub(super) struct Until<'a> {
    transport: &'a Rc<Transport>,
    goal: Goal,
    /// The line that waits, for those who watch.
    site: &'static Location<'static>,
    /// It has to let the others have a turn first.
    is_due: bool,
    listening: Option<Listening<'a>>,
}

impl Future for Until<'_> {
    type Output = io::Result<()>;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let transport = self.transport;
        if self.is_due {
            ready!(transport.poll_turn(cx))?;
            self.is_due = false;
        }
        while !transport.has_reached(self.goal) {
            transport.expect_flushing(self.goal.call())?;
            let (what, site) = (self.goal.what(), self.site);
            let listening = self
                .listening
                .get_or_insert_with(|| transport.buffer().change.listener(what, site));
            ready!(listening.poll_ring(cx));
        }
        Poll::Ready(transport.result(self.goal.call()))
    }
}
