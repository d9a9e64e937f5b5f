//! The task that sends what is kept: it lives until there is nothing more to send.
//!
//! No writer has to wait, so somebody else has to. A connection whose socket takes everything at
//! once never has such a task.

use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::OwnedFd;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::thread;

use futures_io::AsyncWrite;

use super::super::socket;
use super::ending::Phase;
use super::transport::{Foreign, Io, Transport};
use super::write_buffer::WriteBuffer;
use crate::reactor::{Direction, Reactor, Source};

/// Sends what is kept, and then ends what was asked to end.
pub(super) struct Flushing(Rc<Transport>);

impl Flushing {
    pub(super) fn new(transport: Rc<Transport>, runtime: Rc<Reactor>) -> Self {
        transport.buffer().flushed_in.replace(Some(runtime));
        Self(transport)
    }

    pub(super) async fn run(self) {
        let mut sending = pin!(self.send());
        let result = poll_fn(|cx| {
            self.buffer().sender.set(Some(cx.waker().clone()));
            sending.as_mut().poll(cx)
        });
        if let Err(error) = result.await {
            self.0.lose(error);
        }
    }

    async fn send(&self) -> io::Result<()> {
        match &self.0.io {
            Io::Socket(socket) => self.send_to_socket(socket).await,
            Io::Foreign(place) => poll_fn(|cx| self.poll_foreign(cx, place)).await,
        }
    }

    fn buffer(&self) -> &WriteBuffer {
        self.0.buffer()
    }

    async fn send_to_socket(&self, socket: &Source<OwnedFd>) -> io::Result<()> {
        let buffer = self.buffer();
        let mut waiter = socket.waiter_at(None, Direction::Write);
        let mut send = |socket: &OwnedFd| {
            buffer.with_first(|bytes| match bytes {
                [] => Ok(0), // It was aborted.
                bytes => socket::send(socket, bytes),
            })
        };
        while !buffer.is_empty() {
            let n = poll_fn(|cx| waiter.poll_io(cx, &mut send)).await?;
            buffer.sent(n);
        }
        self.0.end(socket);
        Ok(())
    }

    fn poll_foreign(&self, cx: &mut Context<'_>, place: &Foreign) -> Poll<io::Result<()>> {
        // It is closed, or was lost: then there is nobody to tell.
        let Some(mut output) = place.take() else {
            self.0.note_end();
            return Poll::Ready(Ok(()));
        };
        let poll = self.poll_output(cx, &mut output);
        match (poll, self.0.phase.get()) {
            // It was aborted while it was polled.
            (_, Phase::Closed) => {
                drop(output);
                self.0.discard();
                Poll::Ready(Ok(()))
            }
            (Poll::Ready(Err(error)), _) => {
                drop(output);
                Poll::Ready(Err(error))
            }
            (Poll::Ready(Ok(())), Phase::EofAsked | Phase::CloseAsked) => {
                drop(output);
                self.0.note_end();
                Poll::Ready(Ok(()))
            }
            (poll, _) => {
                place.set(Some(output));
                poll
            }
        }
    }

    /// Polls a foreign output until it has taken and passed on everything, and then ends it if that
    /// was asked for.
    fn poll_output(
        &self,
        cx: &mut Context<'_>,
        output: &mut Pin<Box<dyn AsyncWrite>>,
    ) -> Poll<io::Result<()>> {
        let buffer = self.buffer();
        loop {
            // Whatever the output calls meanwhile, it finds nothing borrowed.
            let bytes = buffer.take();
            if bytes.is_empty() {
                ready!(output.as_mut().poll_flush(cx))?;
                if buffer.is_empty() {
                    break;
                }
                continue;
            }
            let (first, _) = bytes.as_slices();
            let offered = first.len();
            let poll = output.as_mut().poll_write(cx, first);
            buffer.put_back(bytes);
            let n = ready!(poll)?;
            assert!(
                n <= offered,
                "StreamWriter: the `AsyncWrite` that it is made of claims to have written {n} of \
                 {offered} bytes; mend that"
            );
            if self.0.phase.get() == Phase::Closed {
                return Poll::Ready(Ok(()));
            }
            match n {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => buffer.sent(n),
            }
        }
        match self.0.phase.get() {
            Phase::Open | Phase::Closed => Poll::Ready(Ok(())),
            _ => output.as_mut().poll_close(cx),
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
        drop(self.buffer().flushed_in.take());
        drop(self.buffer().sender.take());
        self.buffer().change.ring();
    }
}
