//! What a reader and a writer share: the socket, and the bytes that it has no room for yet.
//!
//! It outlives the writer until the last byte is sent. It does not know what the reader has read:
//! that is the reader's alone.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::ops::RangeInclusive;
use std::os::fd::OwnedFd;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use futures_io::AsyncWrite;

use super::super::bell::Bell;
use super::super::bytes::{self, retry};
use super::super::explain::explain_by;
use super::super::socket;
use super::buffer::Buffer;
use crate::executor::spawn_at;
use crate::reactor::{Direction, Source};

/// When `drain` begins to wait, and when it ends: in bytes that wait.
const MARKS: (usize, usize) = (16 * 1024, 64 * 1024);

/// A socket with its reader, its writer, and the task that sends what is pending; or an output of
/// futures-io.
pub(super) struct Transport {
    io: Io,
    /// What has been written, and not taken by the output.
    pending: RefCell<VecDeque<u8>>,
    /// The low and the high one.
    marks: Cell<(usize, usize)>,
    /// More than the high mark were pending, and since then never as few as the low one.
    is_paused: Cell<bool>,
    /// A task sends what is pending.
    is_flushing: Cell<bool>,
    phase: Cell<Phase>,
    /// Why bytes were lost.
    error: Cell<Option<io::Error>>,
    /// Rung when something has changed for those who wait for it.
    change: Bell,
}

enum Io {
    Socket(Source<OwnedFd>),
    Foreign(Box<Foreign>),
}

/// Taken out while it is polled, and when it is closed.
type Foreign = Cell<Option<Pin<Box<dyn AsyncWrite>>>>;

/// How far it has come on its way to the end. A phase that somebody asked for ends when nothing is
/// pending any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    Open,
    EofAsked,
    EofSent,
    CloseAsked,
    Closed,
}

impl Transport {
    pub(super) fn of_socket(socket: Source<OwnedFd>) -> Rc<Self> {
        Self::with(Io::Socket(socket))
    }

    pub(super) fn of_foreign(output: Pin<Box<dyn AsyncWrite>>) -> Rc<Self> {
        Self::with(Io::Foreign(Box::new(Cell::new(Some(output)))))
    }

    fn with(io: Io) -> Rc<Self> {
        Rc::new(Self {
            io,
            pending: RefCell::default(),
            marks: Cell::new(MARKS),
            is_paused: Cell::new(false),
            is_flushing: Cell::new(false),
            phase: Cell::new(Phase::Open),
            error: Cell::default(),
            change: Bell::default(),
        })
    }

    pub(super) fn socket(&self) -> Option<&Source<OwnedFd>> {
        match &self.io {
            Io::Socket(socket) => Some(socket),
            Io::Foreign(_) => None,
        }
    }

    /// Reads once, into what room a buffer has; see [`Buffer::fill`].
    #[inline]
    pub(super) fn poll_fill(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut Buffer,
        most: usize,
    ) -> Poll<io::Result<usize>> {
        match &self.io {
            Io::Socket(socket) => socket.poll_io(cx, Direction::Read, |_| {
                buffer.fill(most, |memory| socket::recv_more(socket, memory))
            }),
            Io::Foreign(_) => Poll::Ready(Ok(0)), // It is there to be written only.
        }
    }

    /// Reads once.
    pub(super) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match &self.io {
            Io::Socket(socket) => {
                socket.poll_io(cx, Direction::Read, |_| socket::recv(socket, buffer))
            }
            Io::Foreign(_) => Poll::Ready(Ok(0)),
        }
    }

    pub(super) fn pending(&self) -> usize {
        self.pending.borrow().len()
    }

    pub(super) fn marks(&self) -> RangeInclusive<usize> {
        let (low, high) = self.marks.get();
        low..=high
    }

    pub(super) fn set_marks(&self, low: usize, high: usize) {
        self.marks.set((low, high));
        self.pause_or_resume();
    }

    pub(super) fn is_closing(&self) -> bool {
        self.phase.get() >= Phase::CloseAsked
    }

    /// Gives the output as much as it takes at once, and keeps the rest.
    #[inline]
    pub(super) fn write(self: &Rc<Self>, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let sent = match self.socket_at_once() {
            Some(socket) => retry(|| socket::send(socket, bytes)),
            None => Ok(0),
        };
        if !matches!(sent, Ok(n) if n == bytes.len()) {
            self.keep(sent, &[IoSlice::new(bytes)]);
        }
    }

    pub(super) fn write_vectored(self: &Rc<Self>, slices: &[IoSlice<'_>]) {
        if bytes::are_empty(slices) {
            return;
        }
        let sent = match self.socket_at_once() {
            Some(socket) => retry(|| socket::send_vectored(socket, slices)),
            None => Ok(0),
        };
        let all = slices.iter().map(|it| it.len()).sum::<usize>();
        if !matches!(sent, Ok(n) if n == all) {
            self.keep(sent, slices);
        }
    }

    /// The socket, if nothing waits for it: then it is worth a try.
    fn socket_at_once(&self) -> Option<&Source<OwnedFd>> {
        let socket = self.socket()?;
        let is_idle = self.phase.get() == Phase::Open && self.pending.borrow().is_empty();
        is_idle.then_some(socket)
    }

    /// Keeps what the output has not taken.
    #[cold]
    fn keep(self: &Rc<Self>, sent: io::Result<usize>, slices: &[IoSlice<'_>]) {
        let mut sent = match sent {
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return self.lose(error),
        };
        if self.phase.get() != Phase::Open {
            return self.refuse();
        }
        let mut pending = self.pending.borrow_mut();
        for slice in slices {
            let skipped = sent.min(slice.len());
            sent -= skipped;
            pending.extend(&slice[skipped..]);
        }
        drop(pending);
        self.pause_or_resume();
        self.start_flushing();
    }

    fn pause_or_resume(&self) {
        let (low, high) = self.marks.get();
        let pending = self.pending();
        if pending > high {
            self.is_paused.set(true);
        } else if pending <= low && self.is_paused.replace(false) {
            self.change.ring();
        }
    }

    fn refuse(&self) {
        let problem = "the stream was closed, or its end written, before something was written to \
                       it, which is lost; write first";
        self.note(io::Error::new(io::ErrorKind::BrokenPipe, problem));
    }

    /// Keeps the first error.
    fn note(&self, error: io::Error) {
        let first = self.error.take().unwrap_or(error);
        self.error.set(Some(first));
    }

    /// The connection is lost, and with it what was pending.
    fn lose(&self, error: io::Error) {
        self.note(error);
        self.phase.set(Phase::Closed);
        self.discard();
    }

    fn discard(&self) {
        drop(self.pending.take());
        self.is_paused.set(false);
        self.change.ring();
    }

    /// What has become of bytes, if they were lost.
    pub(super) fn result(&self, call: &str) -> io::Result<()> {
        match self.error.take() {
            None => Ok(()),
            Some(error) => {
                let copy = again(call, &error);
                self.error.set(Some(error));
                Err(copy)
            }
        }
    }

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

    /// Sees to it that a task sends what is pending, unless there is nothing to do.
    fn start_flushing(self: &Rc<Self>) {
        let is_elsewhere = |socket: &Source<OwnedFd>| !socket.reactor().is_current();
        if self.is_flushing.get() || self.is_done() || self.socket().is_some_and(is_elsewhere) {
            return;
        }
        self.is_flushing.set(true);
        let flushing = Flushing(Rc::clone(self));
        // Nobody awaits it: those who wait are told by the bell.
        drop(spawn_at(Location::caller(), flushing.run()));
    }

    fn is_done(&self) -> bool {
        let is_asked = matches!(self.phase.get(), Phase::EofAsked | Phase::CloseAsked);
        !is_asked && self.pending.borrow().is_empty()
    }

    /// Ends writing, when nothing is pending any more.
    pub(super) fn write_eof(self: &Rc<Self>) {
        self.ask_for(Phase::EofAsked);
    }

    /// Ends writing and reading, when nothing is pending any more.
    pub(super) fn close(self: &Rc<Self>) {
        self.ask_for(Phase::CloseAsked);
    }

    fn ask_for(self: &Rc<Self>, phase: Phase) {
        if self.phase.get() >= phase {
            return;
        }
        self.phase.set(phase);
        match self.socket() {
            Some(socket) if self.pending.borrow().is_empty() => self.end(socket),
            Some(socket) if phase == Phase::CloseAsked => {
                // The reader need not wait for the peer.
                let _ = socket::shutdown(socket, Shutdown::Read);
                self.start_flushing();
            }
            _ => self.start_flushing(),
        }
    }

    /// Nothing is pending: what was asked for is done.
    fn end(&self, socket: &Source<OwnedFd>) {
        let (how, next) = match self.phase.get() {
            Phase::EofAsked => (Shutdown::Write, Phase::EofSent),
            Phase::CloseAsked => (Shutdown::Both, Phase::Closed),
            _ => return,
        };
        self.phase.set(next);
        if let Err(error) = socket::shutdown(socket, how) {
            return self.lose(error);
        }
        self.change.ring();
    }

    /// Closes without sending what is pending.
    pub(super) fn abort(&self) {
        if self.phase.get() == Phase::Closed {
            return;
        }
        self.phase.set(Phase::CloseAsked);
        drop(self.pending.take());
        match &self.io {
            Io::Socket(socket) => self.end(socket),
            Io::Foreign(output) => {
                self.phase.set(Phase::Closed);
                let output = output.take();
                drop(output);
            }
        }
        self.discard();
    }

    /// The writer is gone: nobody will write any more. What is pending is still sent.
    pub(super) fn abandon(self: &Rc<Self>) {
        match self.socket() {
            // If the reader is gone too, the end of the socket says it all.
            Some(_) if Rc::strong_count(self) == 1 && self.is_done() => {}
            Some(_) => self.write_eof(),
            None => self.close(),
        }
    }

    /// So many bytes were sent.
    fn sent(&self, n: usize) {
        let mut pending = self.pending.borrow_mut();
        if n == pending.len() {
            *pending = VecDeque::new(); // Its memory goes too.
        } else {
            pending.drain(..n);
        }
        drop(pending);
        self.pause_or_resume();
    }

    /// Polls a foreign output until it has taken and passed on everything, and then ends it if that
    /// was asked for.
    fn poll_foreign(
        &self,
        cx: &mut Context<'_>,
        output: &mut Pin<Box<dyn AsyncWrite>>,
    ) -> Poll<io::Result<()>> {
        loop {
            // Whatever the output calls meanwhile, it finds nothing borrowed.
            let mut bytes = self.pending.take();
            if bytes.is_empty() {
                ready!(output.as_mut().poll_flush(cx))?;
                if self.pending.borrow().is_empty() {
                    break;
                }
                continue;
            }
            let poll = output.as_mut().poll_write(cx, bytes.as_slices().0);
            let written_meanwhile = self.pending.take();
            bytes.extend(written_meanwhile);
            self.pending.replace(bytes);
            match ready!(poll)? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                n => self.sent(n),
            }
        }
        if self.phase.get() == Phase::Open {
            return Poll::Ready(Ok(()));
        }
        output.as_mut().poll_close(cx)
    }
}

/// A task that sends what is pending, and then ends what was asked to end.
struct Flushing(Rc<Transport>);

impl Flushing {
    async fn run(self) {
        let result = match &self.0.io {
            Io::Socket(socket) => self.run_socket(socket).await,
            Io::Foreign(output) => self.run_foreign(output).await,
        };
        if let Err(error) = result {
            self.0.lose(error);
        }
    }

    async fn run_socket(&self, socket: &Source<OwnedFd>) -> io::Result<()> {
        let transport = &*self.0;
        let mut waiter = socket.waiter(Direction::Write);
        while transport.pending() > 0 {
            let send = |fd: &OwnedFd| match transport.pending.borrow().as_slices() {
                ([], _) => Ok(0), // It was aborted.
                (bytes, _) => socket::send(fd, bytes),
            };
            let mut send = send;
            let n = poll_fn(|cx| waiter.poll_io(cx, &mut send)).await?;
            transport.sent(n);
        }
        transport.end(socket);
        Ok(())
    }

    async fn run_foreign(&self, place: &Foreign) -> io::Result<()> {
        let transport = &*self.0;
        poll_fn(|cx| {
            let Some(mut output) = place.take() else {
                return Poll::Ready(Ok(()));
            };
            let poll = transport.poll_foreign(cx, &mut output);
            let is_over = poll.is_ready() && transport.phase.get() != Phase::Open;
            if !is_over && !matches!(poll, Poll::Ready(Err(_))) {
                place.set(Some(output));
            }
            poll
        })
        .await?;
        match transport.phase.get() {
            Phase::EofAsked => transport.phase.set(Phase::EofSent),
            Phase::CloseAsked => transport.phase.set(Phase::Closed),
            _ => {}
        }
        transport.change.ring();
        Ok(())
    }
}

impl Drop for Flushing {
    fn drop(&mut self) {
        // If somebody has cancelled it, who waits starts another one.
        self.0.is_flushing.set(false);
        self.0.change.ring();
    }
}

/// The error once more, for the next one who asks.
fn again(call: &str, error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => explain_by(
            format!("{call}: the connection is lost: {error}"),
            io::Error::from_raw_os_error(code),
        ),
        None => io::Error::new(error.kind(), format!("{call}: {error}")),
    }
}
