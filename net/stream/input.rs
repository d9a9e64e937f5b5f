//! Where a reader's bytes come from.

use std::cell::Cell;
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use futures_io::AsyncRead;

use super::super::socket;
use super::buffer::{self, Buffer};
use super::transport::Transport;
use crate::reactor::{on_behalf_of, poll_spend};

thread_local! {
    /// What a reader of futures-io fills has to be initialised, which our own memory is not.
    static SCRATCH: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

pub(super) enum Input {
    /// A transport with a socket, shared with the writer.
    Socket(Rc<Transport>),
    Foreign(Pin<Box<dyn AsyncRead>>),
}

impl Input {
    /// Reads once, into what room a buffer has; see [`Buffer::fill`].
    #[inline]
    pub(super) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        site: Option<&'static Location<'static>>,
        buffer: &mut Buffer,
        most: usize,
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Socket(transport) => transport.poll_read(cx, site, |socket| {
                buffer.fill(most, |memory| socket::recv_more(socket, memory))
            }),
            Self::Foreign(input) => buffer.fill(most, |memory| {
                let mut scratch = SCRATCH.try_with(Cell::take).unwrap_or_default();
                scratch.resize(buffer::SIZE, 0); // It has this size, except for the first time.
                let room = scratch.len().min(memory.capacity() - memory.len());
                let poll = poll_foreign(input, cx, site, &mut scratch[..room]);
                if let Poll::Ready(Ok(n)) = poll {
                    memory.extend_from_slice(&scratch[..n]);
                }
                let _ = SCRATCH.try_with(|place| place.set(scratch));
                poll
            }),
        }
    }

    /// See [`Transport::poll_turn`].
    #[inline]
    pub(super) fn poll_turn(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Socket(transport) => transport.poll_turn(cx),
            Self::Foreign(_) => poll_spend(cx).map(Ok),
        }
    }

    /// Reads once.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        site: Option<&'static Location<'static>>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Socket(transport) => {
                transport.poll_read(cx, site, |socket| socket::recv(socket, buffer))
            }
            Self::Foreign(input) => poll_foreign(input, cx, site, buffer),
        }
    }
}

fn poll_foreign(
    input: &mut Pin<Box<dyn AsyncRead>>,
    cx: &mut Context<'_>,
    site: Option<&'static Location<'static>>,
    buffer: &mut [u8],
) -> Poll<io::Result<usize>> {
    ready!(poll_spend(cx)); // One that always has bytes must not starve the others.
    let poll = on_behalf_of(site, || input.as_mut().poll_read(cx, buffer));
    if let Poll::Ready(Ok(n)) = poll {
        let room = buffer.len();
        assert!(
            n <= room,
            "StreamReader: the `AsyncRead` that it is made of claims to have read {n} bytes into \
             {room}; mend that"
        );
    }
    poll
}
