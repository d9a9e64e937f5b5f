//! The task that sends what is pending: it lives until there is nothing more to send.
//!
//! No writer has to wait, so somebody else has to. A connection whose socket takes everything at
//! once never has such a task.

use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::thread;

use futures_io::AsyncWrite;

use super::super::socket;
use super::transport::{Foreign, Io, Phase, Transport};
use crate::reactor::{Direction, Source};

/// Sends what is pending, and then ends what was asked to end.
pub(super) struct Flushing(Rc<Transport>);

impl Flushing {
    pub(super) fn new(transport: Rc<Transport>) -> Self {
        transport.is_flushing.set(true);
        Self(transport)
    }

    pub(super) async fn run(self) {
        let result = match &self.0.io {
            Io::Socket(socket) => self.run_socket(socket).await,
            Io::Foreign(place) => poll_fn(|cx| self.poll_foreign(cx, place)).await,
        };
        if let Err(error) = result {
            self.0.lose(error);
        }
    }

    async fn run_socket(&self, socket: &Source<OwnedFd>) -> io::Result<()> {
        let transport = &*self.0;
        let mut waiter = socket.waiter(Direction::Write);
        while transport.pending() > 0 {
            let mut send = |fd: &OwnedFd| match transport.pending.borrow().as_slices() {
                ([], _) => Ok(0), // It was aborted.
                (bytes, _) => socket::send(fd, bytes),
            };
            let n = poll_fn(|cx| waiter.poll_io(cx, &mut send)).await?;
            transport.sent(n);
        }
        transport.end(socket);
        Ok(())
    }

    fn poll_foreign(&self, cx: &mut Context<'_>, place: &Foreign) -> Poll<io::Result<()>> {
        // It is closed, or was lost: then there is nobody to tell.
        let Some(mut output) = place.take() else {
            self.note_end();
            return Poll::Ready(Ok(()));
        };
        let poll = self.poll_output(cx, &mut output);
        match (&poll, self.0.phase.get()) {
            (Poll::Pending, Phase::Closed) | (Poll::Ready(Err(_)), _) => drop(output),
            (Poll::Pending, _) | (Poll::Ready(Ok(())), Phase::Open) => place.set(Some(output)),
            (Poll::Ready(Ok(())), _) => {
                drop(output);
                self.note_end();
            }
        }
        poll
    }

    /// Polls a foreign output until it has taken and passed on everything, and then ends it if that
    /// was asked for.
    fn poll_output(
        &self,
        cx: &mut Context<'_>,
        output: &mut Pin<Box<dyn AsyncWrite>>,
    ) -> Poll<io::Result<()>> {
        let transport = &*self.0;
        loop {
            // Whatever the output calls meanwhile, it finds nothing borrowed.
            let mut bytes = transport.pending.take();
            if bytes.is_empty() {
                ready!(output.as_mut().poll_flush(cx))?;
                if transport.pending() == 0 {
                    break;
                }
                continue;
            }
            let poll = output.as_mut().poll_write(cx, bytes.as_slices().0);
            bytes.extend(transport.pending.take());
            transport.pending.replace(bytes);
            match ready!(poll)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => transport.sent(n),
            }
        }
        match transport.phase.get() {
            Phase::Open => Poll::Ready(Ok(())),
            _ => output.as_mut().poll_close(cx),
        }
    }

    /// A foreign output was closed, which ends what was asked to end.
    fn note_end(&self) {
        match self.0.phase.get() {
            Phase::EofAsked => self.0.phase.set(Phase::EofSent),
            Phase::CloseAsked => self.0.phase.set(Phase::Closed),
            _ => {}
        }
    }
}

impl Drop for Flushing {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0
                .lose(io::Error::other("what it writes to has panicked"));
        }
        // If somebody has cancelled it, who waits starts another one.
        self.0.is_flushing.set(false);
        self.0.change.ring();
    }
}
