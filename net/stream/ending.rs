//! How a stream ends: what was written is sent first, unless somebody is in a hurry.
//!
//! ```text
//!   Open ---> EofAsked ---> EofSent                write_eof, or the writer is dropped
//!     |          |             |
//!     +----------+-------------+---> Lost          the socket takes no more: the reader may go on
//!     |          |             |       |
//!     +----------+-------------+-------+---> CloseAsked ---> Closed        close
//!     |          |             |       |          |             ^
//!     +----------+-------------+-------+----------+-------------+          abort
//! ```
//!
//! A phase that somebody has asked for ends when no bytes are kept any more. An output of futures-io
//! that is lost is closed: no reader belongs to it.

use std::io;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use super::super::socket;
use super::transport::{Io, Transport};
use crate::reactor::Source;

/// How far a stream has come on its way to the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Open,
    EofAsked,
    EofSent,
    Lost,
    CloseAsked,
    Closed,
}

impl Transport {
    pub(super) fn is_closing(&self) -> bool {
        self.phase.get() >= Phase::Lost
    }

    /// Whether everything was sent, and what was asked for is done.
    pub(super) fn is_done(&self) -> bool {
        let is_asked = matches!(self.phase.get(), Phase::EofAsked | Phase::CloseAsked);
        !is_asked && self.pending() == 0
    }

    /// Ends writing, when no bytes are kept any more.
    #[track_caller]
    pub(super) fn write_eof(self: &Rc<Self>) {
        self.ask_for(Phase::EofAsked);
    }

    /// Ends writing and reading, when no bytes are kept any more.
    #[track_caller]
    pub(super) fn close(self: &Rc<Self>) {
        self.ask_for(Phase::CloseAsked);
    }

    #[track_caller]
    fn ask_for(self: &Rc<Self>, phase: Phase) {
        if self.phase.get() >= phase {
            return;
        }
        self.phase.set(phase);
        match self.socket() {
            Some(socket) if self.pending() == 0 => self.end(socket),
            Some(socket) if phase == Phase::CloseAsked => {
                // The reader need not wait for the peer.
                let _ = socket.change(|it| socket::shutdown(it, Shutdown::Read));
                self.start_flushing();
            }
            _ => self.start_flushing(),
        }
    }

    /// No bytes are kept: what was asked for is done.
    pub(super) fn end(&self, socket: &Source<OwnedFd>) {
        let (how, next) = match self.phase.get() {
            Phase::EofAsked => (Shutdown::Write, Phase::EofSent),
            Phase::CloseAsked => (Shutdown::Both, Phase::Closed),
            _ => return,
        };
        self.phase.set(next);
        if let Err(error) = socket.change(|it| socket::shutdown(it, how)) {
            return self.lose(error);
        }
        self.ring();
    }

    /// A foreign output was closed, which ends what was asked to end.
    pub(super) fn note_end(&self) {
        match self.phase.get() {
            Phase::EofAsked => self.phase.set(Phase::EofSent),
            Phase::CloseAsked => self.phase.set(Phase::Closed),
            _ => {}
        }
    }

    /// Whether it is for this process to end it: a child that was forked drops but its descriptor.
    pub(super) fn is_ours(&self) -> bool {
        (self.socket()).is_none_or(|socket| socket.reactor().is_ours())
    }

    /// Closes without sending what is kept.
    pub(super) fn abort(&self) {
        if self.phase.get() == Phase::Closed {
            return;
        }
        self.phase.set(Phase::CloseAsked);
        self.discard();
        match &self.io {
            Io::Socket(socket) => self.end(socket),
            Io::Foreign(output) => {
                self.phase.set(Phase::Closed);
                let output = output.take();
                drop(output);
                self.ring();
            }
        }
    }

    /// The writer is gone: nobody will write any more. What is kept is still sent.
    #[track_caller]
    pub(super) fn abandon(self: &Rc<Self>) {
        match self.socket() {
            // If the reader is gone too, the end of the socket says it all.
            Some(_) if Rc::strong_count(self) == 1 && self.is_done() => {}
            Some(_) if !self.is_ours() => {}
            Some(_) => self.write_eof(),
            None => self.close(),
        }
    }

    /// Something was written that comes too late.
    pub(super) fn refuse(&self) {
        let problem = "the stream was closed, or its end written, before something was written to \
                       it, which is lost; write before `close` and `write_eof`";
        let error = io::Error::new(io::ErrorKind::BrokenPipe, problem);
        self.buffer().note(error);
    }

    /// The connection is lost, and with it what was kept.
    pub(super) fn lose(&self, error: io::Error) {
        self.buffer().note(error);
        self.phase.set(match self.io {
            Io::Socket(_) => Phase::Lost,
            Io::Foreign(_) => Phase::Closed,
        });
        self.discard();
    }
}
