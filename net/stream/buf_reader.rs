//! What a reader has read ahead, and where it has it from.
//!
//! It survives the futures that wait for it: who is cancelled loses nothing. Messages are found in
//! `message.rs`.

use std::io;
use std::mem;
use std::panic::Location;
use std::task::{Context, Poll, ready};

use super::buffer::{self, Buffer};
use super::error::incomplete;
use super::input::Input;
use crate::reactor::poll_spend;

/// How long a message may be at most by default, in bytes.
const LIMIT: usize = 64 * 1024;

pub(super) struct BufReader {
    input: Input,
    pub(super) buffer: Buffer,
    /// How long a message may be at most, in bytes.
    pub(super) limit: usize,
    /// How many bytes of the buffer hold no separator of the message that somebody waits for.
    pub(super) searched: usize,
    /// The peer will send no more.
    is_at_end: bool,
    /// The line that waits, for those who watch; `None`: it comes through a trait of futures-io.
    pub(super) site: Option<&'static Location<'static>>,
}

impl BufReader {
    pub(super) fn new(input: Input) -> Self {
        Self {
            input,
            buffer: Buffer::default(),
            limit: LIMIT,
            searched: 0,
            is_at_end: false,
            site: None,
        }
    }

    /// What was read ahead.
    pub(super) fn bytes(&self) -> &[u8] {
        self.buffer.bytes()
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.is_at_end
    }

    /// Takes and lends what was read ahead, at most so many bytes.
    #[inline]
    pub(super) fn take(&mut self, max: usize) -> &[u8] {
        self.buffer.take(max.min(self.buffer.len()))
    }

    /// Somebody has seen [`bytes`](Self::bytes), and has taken so many of them.
    #[track_caller]
    pub(super) fn consume(&mut self, n: usize) {
        let held = self.buffer.len();
        assert!(
            n <= held,
            "StreamReader::consume: {n} bytes were taken, and there are {held}; consume no more than \
             `poll_fill_buf` has shown"
        );
        self.buffer.consume(n);
    }

    /// Waits until there are bytes, and moves them to somebody's memory.
    pub(super) fn poll_bytes(
        &mut self,
        cx: &mut Context<'_>,
        memory: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if memory.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if self.buffer.is_empty() && memory.len() >= buffer::SIZE {
            return self.poll_past(cx, memory);
        }
        ready!(self.poll_some(cx))?;
        let n = memory.len().min(self.buffer.len());
        memory[..n].copy_from_slice(&self.buffer.bytes()[..n]);
        self.buffer.consume(n);
        Poll::Ready(Ok(n))
    }

    /// Waits until there are bytes, or until no more will come.
    pub(super) fn poll_some(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.buffer.is_empty() {
            return self.poll_turn(cx);
        }
        self.poll_fill(cx, buffer::SIZE).map_ok(|_| ())
    }

    /// What was read ahead is enough, which must not go on for ever: see [`Transport::poll_turn`].
    ///
    /// [`Transport::poll_turn`]: super::transport::Transport::poll_turn
    #[inline]
    pub(super) fn poll_turn(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.input.poll_turn(cx)
    }

    /// Waits until there are more bytes, and reads some. How many; 0: no more will come.
    #[inline]
    pub(super) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        most: usize,
    ) -> Poll<io::Result<usize>> {
        let site = self.site;
        self.poll_input(cx, |cx, input, buffer| {
            input.poll_fill(cx, site, buffer, most)
        })
    }

    /// The same into memory that is larger than ours, which is empty.
    fn poll_past(&mut self, cx: &mut Context<'_>, memory: &mut [u8]) -> Poll<io::Result<usize>> {
        let site = self.site;
        self.poll_input(cx, |cx, input, _| input.poll_read(cx, site, memory))
    }

    #[inline]
    fn poll_input(
        &mut self,
        cx: &mut Context<'_>,
        read: impl FnOnce(&mut Context<'_>, &mut Input, &mut Buffer) -> Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        // Nobody looks any more at what was lent last.
        self.buffer.release();
        if self.is_at_end {
            return poll_spend(cx).map(|()| Ok(0)); // Who reads on and on must not starve the others.
        }
        let n = ready!(read(cx, &mut self.input, &mut self.buffer))?;
        self.is_at_end = n == 0;
        Poll::Ready(Ok(n))
    }
}

/// Bytes on their way into somebody's memory, which go back to the reader if it does not get full.
pub(super) struct ReadExact<'r, 'm> {
    reader: &'r mut BufReader,
    memory: &'m mut [u8],
    filled: usize,
}

impl<'r, 'm> ReadExact<'r, 'm> {
    pub(super) fn new(reader: &'r mut BufReader, memory: &'m mut [u8]) -> Self {
        Self {
            reader,
            memory,
            filled: 0,
        }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.filled < self.memory.len() {
            let n = ready!(self.reader.poll_bytes(cx, &mut self.memory[self.filled..]))?;
            self.filled += n;
            if n == 0 {
                let partial = self.memory[..mem::take(&mut self.filled)].to_vec();
                let expected = Some(self.memory.len());
                let error = incomplete("StreamReader::read_exact", partial, expected);
                return Poll::Ready(Err(error));
            }
        }
        self.filled = 0; // Nothing goes back.
        Poll::Ready(Ok(()))
    }
}

impl Drop for ReadExact<'_, '_> {
    fn drop(&mut self) {
        if self.filled > 0 {
            self.reader.buffer.put_back(&self.memory[..self.filled]);
        }
    }
}
