//! Who waits for a transport: to have room again, to be closed, to have sent everything.

use std::future::{Future, poll_fn};
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use super::transport::{Io, Phase, Transport};
use crate::reactor::Direction;

impl Transport {
    /// Waits until few enough are pending.
    pub(super) fn drain(self: &Rc<Self>) -> impl Future<Output = io::Result<()>> {
        let mut wait = self.wait("StreamWriter::drain", |it| !it.is_paused.get());
        let mut has_turn = false;
        poll_fn(move |cx| {
            if !has_turn {
                ready!(self.poll_turn(cx))?;
                has_turn = true;
            }
            wait(cx)
        })
    }

    /// Waits until it is closed.
    pub(super) fn wait_closed(self: &Rc<Self>) -> impl Future<Output = io::Result<()>> {
        poll_fn(self.wait("StreamWriter::wait_closed", |it| {
            it.phase.get() == Phase::Closed
        }))
    }

    fn wait(
        self: &Rc<Self>,
        call: &'static str,
        is_so: impl Fn(&Self) -> bool,
    ) -> impl FnMut(&mut Context<'_>) -> Poll<io::Result<()>> {
        let mut listening = None;
        move |cx| {
            while !is_so(self) {
                self.expect_flushing(call)?;
                let listening = listening.get_or_insert_with(|| self.change.listener());
                ready!(listening.poll_ring(cx));
            }
            Poll::Ready(self.result(call))
        }
    }

    /// [`drain`](Self::drain), for those who come through a `poll` function.
    pub(super) fn poll_drain(
        self: &Rc<Self>,
        cx: &mut Context<'_>,
        call: &str,
    ) -> Poll<io::Result<()>> {
        ready!(self.poll_turn(cx))?;
        self.poll_until(cx, call, !self.is_paused.get())
    }

    /// Waits until everything was sent, and what was asked for is done.
    pub(super) fn poll_sent(
        self: &Rc<Self>,
        cx: &mut Context<'_>,
        call: &str,
    ) -> Poll<io::Result<()>> {
        self.poll_until(cx, call, self.is_done() && !self.is_flushing.get())
    }

    fn poll_until(
        self: &Rc<Self>,
        cx: &mut Context<'_>,
        call: &str,
        is_so: bool,
    ) -> Poll<io::Result<()>> {
        if is_so {
            return Poll::Ready(self.result(call));
        }
        self.expect_flushing(call)?;
        self.change.wake_later(cx.waker());
        Poll::Pending
    }

    /// Lets the others have a turn from time to time: a peer who takes everything at once must not
    /// starve them.
    fn poll_turn(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &self.io {
            Io::Socket(socket) => socket.poll_io(cx, Direction::Write, |_| Ok(())),
            Io::Foreign(_) => Poll::Ready(Ok(())),
        }
    }

    /// Sees to it that somebody sends what is pending, for those who wait for that.
    fn expect_flushing(self: &Rc<Self>, call: &str) -> io::Result<()> {
        self.start_flushing();
        if self.is_flushing.get() || self.is_done() {
            return Ok(());
        }
        Err(io::Error::other(format!(
            "{call}: the runtime of this stream does not run on this thread, and nobody would send \
             what is pending; await it in the runtime that it was made in"
        )))
    }
}
