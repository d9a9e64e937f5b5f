//! What a reader and a writer share: the socket, and the bytes that it has no room for yet.
//!
//! It outlives the writer until the last byte is sent. It does not know what the reader has read:
//! that is the reader's alone.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::ops::RangeInclusive;
use std::os::fd::OwnedFd;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures_io::AsyncWrite;

use super::super::bell::Bell;
use super::super::bytes::{self, retry};
use super::super::explain::explain_by;
use super::super::socket;
use super::buffer::Buffer;
use super::flushing::Flushing;
use crate::executor::spawn_at;
use crate::reactor::{Direction, Source};

/// When `drain` begins to wait, and when it ends: in bytes that wait.
const MARKS: (usize, usize) = (16 * 1024, 64 * 1024);

/// A socket with its reader, its writer, and the task that sends what is pending; or an output of
/// futures-io.
pub(super) struct Transport {
    pub(super) io: Io,
    /// What has been written, and not taken by the output.
    pub(super) pending: RefCell<VecDeque<u8>>,
    /// The low and the high one.
    marks: Cell<(usize, usize)>,
    /// More than the high mark were pending, and since then never as few as the low one.
    pub(super) is_paused: Cell<bool>,
    /// A task sends what is pending.
    pub(super) is_flushing: Cell<bool>,
    pub(super) phase: Cell<Phase>,
    /// Why bytes were lost.
    error: Cell<Option<io::Error>>,
    /// Rung when something has changed for those who wait for it.
    pub(super) change: Bell,
}

pub(super) enum Io {
    Socket(Source<OwnedFd>),
    Foreign(Box<Foreign>),
}

/// Taken out while it is polled, and when it is closed.
pub(super) type Foreign = Cell<Option<Pin<Box<dyn AsyncWrite>>>>;

/// How far it has come on its way to the end. A phase that somebody asked for ends when nothing is
/// pending any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
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
    pub(super) fn lose(&self, error: io::Error) {
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

    /// Sees to it that a task sends what is pending, unless there is nothing to do.
    pub(super) fn start_flushing(self: &Rc<Self>) {
        let is_elsewhere = |socket: &Source<OwnedFd>| !socket.reactor().is_current();
        if self.is_flushing.get() || self.is_done() || self.socket().is_some_and(is_elsewhere) {
            return;
        }
        let flushing = Flushing::new(Rc::clone(self));
        // Nobody awaits it: those who wait are told by the bell.
        drop(spawn_at(Location::caller(), flushing.run()));
    }

    pub(super) fn is_done(&self) -> bool {
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
    pub(super) fn end(&self, socket: &Source<OwnedFd>) {
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
    pub(super) fn sent(&self, n: usize) {
        let mut pending = self.pending.borrow_mut();
        if n == pending.len() {
            *pending = VecDeque::new(); // Its memory goes too.
        } else {
            pending.drain(..n);
        }
        drop(pending);
        self.pause_or_resume();
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
