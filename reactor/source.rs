//! A handle that the reactor watches: where `await` meets the selector.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use super::selector::Interest;
use super::waiters::Ticket;
use super::{Key, Reactor};

/// What a task waits for: to read, or to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Until a read would not wait. Accepting a connection is a read.
    Read,
    /// Until a write would not wait. The end of connecting is a write.
    Write,
}

impl Direction {
    pub(super) fn interest(self) -> Interest {
        match self {
            Self::Read => Interest::READABLE,
            Self::Write => Interest::WRITABLE,
        }
    }
}

/// Anything with a file descriptor, made awaitable.
///
/// It owns the handle, which it makes non-blocking, and belongs to the runtime in which it was
/// made. Dropping it deregisters the handle, then closes it. Sockets are built on this; use it
/// yourself for what selio has no type for: pipes, devices, sockets of other families. asyncio's
/// counterparts are `loop.add_reader` and `loop.add_writer`.
///
/// Any number of tasks may wait for the same direction: all of them are woken, and one of them will
/// find that it was the fastest.
///
/// # Examples
///
/// ```
/// use selio::Source;
/// use std::{io::{Read, Write}, os::unix::net::UnixStream};
///
/// # fn main() -> std::io::Result<()> {
/// selio::run(async {
///     let (a, mut b) = UnixStream::pair()?;
///     let a = Source::new(a)?;
///     b.write_all(b"ping")?;
///
///     a.readable().await?;
///     let mut buffer = [0; 16];
///     let n = a.get_ref().read(&mut buffer)?;
///     assert_eq!(&buffer[..n], b"ping");
///     Ok(())
/// })
/// # }
/// ```
#[derive(Debug)]
pub struct Source<T> {
    // The order matters: fields are dropped from the first to the last.
    registered: Registered,
    io: T,
}

/// A place in the reactor, given back when it is dropped.
struct Registered {
    reactor: Rc<Reactor>,
    key: Key,
    /// The last read took less than it could have: it emptied the handle.
    drained: Cell<bool>,
}

impl<T: AsFd> Source<T> {
    /// Makes the handle non-blocking, and awaitable in the current runtime. It is registered with
    /// the selector when somebody waits for it, not before.
    ///
    /// # Errors
    ///
    /// The handle cannot be made non-blocking.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    pub fn new(io: T) -> io::Result<Self> {
        let reactor = Reactor::expect_current("Source::new");
        rustix::io::ioctl_fionbio(&io, true)?;
        Ok(Self::register(reactor, io))
    }

    /// The same for a handle that is non-blocking from birth.
    pub(crate) fn register(reactor: Rc<Reactor>, io: T) -> Self {
        let key = reactor.insert(io.as_fd().as_raw_fd());
        Self {
            registered: Registered {
                reactor,
                key,
                drained: Cell::new(false),
            },
            io,
        }
    }
}

impl<T> Source<T> {
    /// The handle.
    ///
    /// Read and write it as you like, but do not make it blocking, and do not close it.
    pub fn get_ref(&self) -> &T {
        &self.io
    }

    /// Gives the handle back. It stays non-blocking.
    pub fn into_inner(self) -> T {
        drop(self.registered);
        self.io
    }

    /// Waits until reading would not have to wait: there are bytes, a connection to accept, the end
    /// of the stream, or an error.
    ///
    /// Another task may be faster, so be prepared for a `WouldBlock` all the same.
    ///
    /// # Errors
    ///
    /// The selector cannot watch the handle, or the runtime that it belongs to does not run.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: it only waits.
    pub async fn readable(&self) -> io::Result<()> {
        self.ready(Direction::Read).await
    }

    /// Waits until writing would not have to wait: there is room, a connection was established, or
    /// there is an error.
    ///
    /// # Errors
    ///
    /// As for [`readable`](Self::readable).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: it only waits.
    pub async fn writable(&self) -> io::Result<()> {
        self.ready(Direction::Write).await
    }

    /// Tries `op`, and if it would block, arranges that the task is woken when it is worth another
    /// try.
    ///
    /// This is what every socket operation of selio is made of. `op` must be an operation on the
    /// handle, in this direction, and must answer `WouldBlock` when it cannot go on. `Interrupted`
    /// is tried again at once. An operation that never blocks lets the other tasks run from time
    /// to time, by being `Pending` once.
    ///
    /// # Errors
    ///
    /// Those of `op`; and as for [`readable`](Self::readable).
    pub fn poll_io<R>(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        op: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.poll_ticketed(cx, direction, Ticket::NONE, op)
    }

    fn poll_ticketed<R>(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        ticket: Ticket,
        mut op: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        let Registered {
            reactor, drained, ..
        } = &self.registered;
        // After a read that emptied the handle, another try would only cost an EAGAIN. The selector
        // is level-triggered: whatever came meanwhile, it will say so.
        let is_worth_a_try = direction == Direction::Write || !drained.replace(false);
        if is_worth_a_try {
            ready!(reactor.spend(cx));
            loop {
                match op(&self.io) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    result => return Poll::Ready(result),
                }
            }
        }
        self.registered.wait_for(cx, direction, ticket)?;
        Poll::Pending
    }

    /// A future of [`poll_io`](Self::poll_io) that leaves no waker behind when it is dropped.
    pub(crate) fn io<R, F>(&self, direction: Direction, op: F) -> Operation<'_, T, F>
    where
        F: FnMut(&T) -> io::Result<R>,
    {
        Operation {
            source: self,
            wait: self.registered.wait(direction),
            op,
        }
    }

    fn ready(&self, direction: Direction) -> Ready<'_> {
        Ready(self.registered.wait(direction))
    }

    /// The reactor that watches it.
    pub(crate) fn reactor(&self) -> Rc<Reactor> {
        Rc::clone(&self.registered.reactor)
    }

    /// A read took less than it had room for.
    pub(crate) fn set_drained(&self) {
        self.registered.drained.set(true);
    }
}

impl<T: AsFd> AsFd for Source<T> {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.io.as_fd()
    }
}

impl Registered {
    fn wait_for(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        ticket: Ticket,
    ) -> io::Result<()> {
        if !self.reactor.is_current() {
            return Err(io::Error::other(
                "this source belongs to a runtime that does not run on this thread, and would wait \
                 for ever; await it in the runtime that it was made in",
            ));
        }
        self.reactor
            .wait_for(self.key, direction, ticket, cx.waker())
    }

    fn wait(&self, direction: Direction) -> Wait<'_> {
        Wait {
            registered: self,
            direction,
            ticket: self.reactor.ticket(),
            is_waiting: false,
        }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.reactor.remove(self.key);
    }
}

impl fmt::Debug for Registered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.key.fmt(f)
    }
}

/// Somebody who may be waiting, and then must not leave a waker behind.
struct Wait<'a> {
    registered: &'a Registered,
    direction: Direction,
    ticket: Ticket,
    is_waiting: bool,
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        if self.is_waiting {
            let Registered { reactor, key, .. } = self.registered;
            drop(reactor.dismiss(*key, self.direction, self.ticket));
        }
    }
}

/// See [`Source::io`].
#[must_use = "futures do nothing unless you await them"]
pub(crate) struct Operation<'a, T, F> {
    source: &'a Source<T>,
    wait: Wait<'a>,
    op: F,
}

// `op` is never pinned.
impl<T, F> Unpin for Operation<'_, T, F> {}

impl<T, R, F> Future for Operation<'_, T, F>
where
    F: FnMut(&T) -> io::Result<R>,
{
    type Output = io::Result<R>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { source, wait, op } = &mut *self;
        let poll = source.poll_ticketed(cx, wait.direction, wait.ticket, op);
        wait.is_waiting |= poll.is_pending();
        poll
    }
}

/// See [`Source::readable`].
struct Ready<'a>(Wait<'a>);

impl Future for Ready<'_> {
    type Output = io::Result<()>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Wait {
            registered,
            direction,
            ticket,
            is_waiting,
        } = &mut self.0;
        if *is_waiting
            && !registered
                .reactor
                .is_waiting(registered.key, *direction, *ticket)
        {
            // Our waker was taken: an event came, and a read is worth a try.
            if *direction == Direction::Read {
                registered.drained.set(false);
            }
            return Poll::Ready(Ok(()));
        }
        registered.wait_for(cx, *direction, *ticket)?;
        *is_waiting = true;
        Poll::Pending
    }
}
