//! What a reader and a writer share: the socket, which the last of them closes.
//!
//! Writing is tried at once. What the socket has no room for goes into a [`WriteBuffer`], and a task
//! sends it ([`Flushing`]), which keeps the transport until the last byte is gone. How a stream ends
//! is told in `ending.rs`, how one waits for it in `waiting.rs`. What was read is the reader's alone.

use std::cell::{Cell, OnceCell};
use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures_io::AsyncWrite;

use super::super::bytes::{are_empty, retry};
use super::super::socket;
use super::ending::Phase;
use super::flushing::Flushing;
use super::write_buffer::{Marks, WriteBuffer};
use crate::executor::spawn_own;
use crate::reactor::{Direction, Reactor, Source};

/// A socket with its reader, its writer, and the task that sends what is kept; or an output of
/// futures-io.
pub(super) struct Transport {
    pub(super) io: Io,
    pub(super) phase: Cell<Phase>,
    /// Made when there is something to keep for the first time, or somebody who waits: an idle
    /// connection has none, and neither has one whose peer keeps up.
    buffer: OnceCell<Box<WriteBuffer>>,
}

pub(super) enum Io {
    Socket(Source<OwnedFd>),
    Foreign(Box<Foreign>),
}

/// Taken out while it is polled, and when it is closed.
pub(super) type Foreign = Cell<Option<Pin<Box<dyn AsyncWrite>>>>;

impl Transport {
    pub(super) fn of_socket(socket: Source<OwnedFd>) -> Rc<Self> {
        Self::new(Io::Socket(socket))
    }

    pub(super) fn of_foreign(output: Pin<Box<dyn AsyncWrite>>) -> Rc<Self> {
        Self::new(Io::Foreign(Box::new(Cell::new(Some(output)))))
    }

    fn new(io: Io) -> Rc<Self> {
        Rc::new(Self {
            io,
            phase: Cell::new(Phase::Open),
            buffer: OnceCell::new(),
        })
    }

    pub(super) fn socket(&self) -> Option<&Source<OwnedFd>> {
        match &self.io {
            Io::Socket(socket) => Some(socket),
            Io::Foreign(_) => None,
        }
    }

    /// Tries to read from the socket, or waits until it is worth another try.
    #[inline]
    pub(super) fn poll_read(
        &self,
        cx: &mut Context<'_>,
        site: Option<&'static Location<'static>>,
        mut read: impl FnMut(&Source<OwnedFd>) -> io::Result<usize>,
    ) -> Poll<io::Result<usize>> {
        match &self.io {
            Io::Socket(socket) => socket.poll_io_at(site, cx, Direction::Read, |_| read(socket)),
            Io::Foreign(_) => Poll::Ready(Ok(0)), // It is there to be written only.
        }
    }

    /// Gives the output as much as it takes at once, and keeps the rest.
    #[track_caller]
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

    #[track_caller]
    pub(super) fn write_vectored(self: &Rc<Self>, slices: &[IoSlice<'_>]) {
        if are_empty(slices) {
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
    #[inline]
    fn socket_at_once(&self) -> Option<&Source<OwnedFd>> {
        let socket = self.socket()?;
        (self.phase.get() == Phase::Open && self.pending() == 0).then_some(socket)
    }

    /// Keeps what the output has not taken.
    #[track_caller]
    #[cold]
    fn keep(self: &Rc<Self>, sent: io::Result<usize>, slices: &[IoSlice<'_>]) {
        let sent = match sent {
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
            Err(error) => return self.lose(error),
        };
        if self.phase.get() != Phase::Open {
            return self.refuse();
        }
        self.buffer().push(slices, sent);
        self.start_flushing();
    }

    /// Sees to it that a task sends what is kept, unless there is nothing to do.
    #[track_caller]
    pub(super) fn start_flushing(self: &Rc<Self>) {
        let is_elsewhere = |socket: &Source<OwnedFd>| !socket.reactor().is_current();
        if self.is_flushing() || self.is_done() || self.socket().is_some_and(is_elsewhere) {
            return;
        }
        let Some(runtime) = Reactor::current() else {
            return;
        };
        let flushing = Flushing::new(Rc::clone(self), runtime);
        // Nobody awaits it: those who wait are told by the bell. It belongs to the line that has written
        // what does not fit.
        spawn_own(None, Location::caller(), flushing.run());
    }

    /// How many bytes are kept.
    #[inline]
    pub(super) fn pending(&self) -> usize {
        self.buffer.get().map_or(0, |buffer| buffer.len())
    }

    /// Whether more than the high mark were kept, and since then never as few as the low one.
    #[inline]
    pub(super) fn is_paused(&self) -> bool {
        self.buffer.get().is_some_and(|buffer| buffer.is_paused())
    }

    /// Whether a task sends what is kept, or will when its runtime runs.
    pub(super) fn is_flushing(&self) -> bool {
        self.buffer
            .get()
            .is_some_and(|buffer| buffer.flushed_in.borrow().is_some())
    }

    /// Whether it does so now.
    pub(super) fn is_flushing_here(&self) -> bool {
        let is_current = |runtime: &Rc<Reactor>| runtime.is_current();
        (self.buffer.get())
            .is_some_and(|buffer| buffer.flushed_in.borrow().as_ref().is_some_and(is_current))
    }

    pub(super) fn marks(&self) -> Marks {
        self.buffer
            .get()
            .map_or_else(Marks::default, |buffer| buffer.marks())
    }

    /// What has become of the bytes that were written, if some were lost.
    #[inline]
    pub(super) fn result(&self, call: &str) -> io::Result<()> {
        self.buffer
            .get()
            .map_or(Ok(()), |buffer| buffer.result(call))
    }

    /// Tells those who wait that something has changed.
    pub(super) fn ring(&self) {
        if let Some(buffer) = self.buffer.get() {
            buffer.change.ring();
        }
    }

    /// Forgets the bytes that are kept.
    pub(super) fn discard(&self) {
        if let Some(buffer) = self.buffer.get() {
            buffer.discard();
        }
    }

    pub(super) fn buffer(&self) -> &WriteBuffer {
        self.buffer.get_or_init(|| Box::new(WriteBuffer::new()))
    }
}
