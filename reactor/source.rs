//! `Source`: anything with a file descriptor, made awaitable.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::mem::ManuallyDrop;
use std::os::fd::{AsFd, AsRawFd};
use std::panic::Location;
use std::rc::Rc;
use std::task::{Context, Poll};

use super::selector::Interest;
use super::{Loan, Reactor, Ticket, Waiter, Watch, wake_all};

/// What a task waits for: to read, or to write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// To read without waiting. Accepting a connection is a read.
    Read,
    /// To write without waiting. The end of connecting is a write.
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
/// It owns the descriptor, which it makes non-blocking, and belongs to the runtime in which it was
/// made. Dropping it deregisters the descriptor, then closes it. Sockets are built on this; use it
/// yourself for what selio has no type for: pipes, devices, sockets of other families. asyncio's
/// counterparts are `loop.add_reader` and `loop.add_writer`.
///
/// Any number of tasks may wait for the same direction: all of them are woken, the one that has
/// waited longest first, and those for whom nothing is left wait again.
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
#[doc(alias = "add_reader")]
#[doc(alias = "add_writer")]
#[doc(alias = "AsyncFd")]
pub struct Source<T> {
    // The order matters: fields are dropped from the first to the last.
    registered: Registered,
    io: T,
}

/// Makes the reactor forget the watch when it is dropped.
struct Registered(Rc<Watch>);

impl<T: AsFd> Source<T> {
    /// Makes the descriptor non-blocking, and awaitable in the current runtime. It is registered
    /// with the selector when somebody waits for it, not before.
    ///
    /// That flag belongs to the open file, not to the descriptor. Standard input, output and your
    /// shell share it on a terminal, so leave them alone: [`net::stdin`](crate::net::stdin) does
    /// without.
    ///
    /// # Errors
    ///
    /// The descriptor cannot be made non-blocking.
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

    /// [`new`](Self::new) for a descriptor that is non-blocking from birth.
    pub(crate) fn register(reactor: Rc<Reactor>, io: T) -> Self {
        let watch = reactor.watch(io.as_fd().as_raw_fd());
        Self {
            registered: Registered(watch),
            io,
        }
    }
}

impl<T> Source<T> {
    /// What it was made of.
    ///
    /// Read and write it as you like, but do not make it blocking, and do not close it.
    pub fn get_ref(&self) -> &T {
        &self.io
    }

    /// Gives back what it was made of, which stays non-blocking.
    pub fn into_inner(self) -> T {
        drop(self.registered);
        self.io
    }

    /// Gives the descriptor another type. It stays the same descriptor, for waiters and for loans.
    pub(crate) fn map<U>(self, change: impl FnOnce(T) -> U) -> Source<U> {
        let Self { registered, io } = self;
        Source {
            registered,
            io: change(io),
        }
    }

    /// Waits until reading would not have to wait: there are bytes, a connection to accept, the end
    /// of the stream, or an error.
    ///
    /// Another task may be faster, so be prepared for a `WouldBlock` all the same.
    ///
    /// # Errors
    ///
    /// The selector cannot watch the descriptor, or the runtime that it belongs to does not run.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: it only waits.
    #[track_caller]
    #[doc(alias = "add_reader")]
    pub fn readable(&self) -> impl Future<Output = io::Result<()>> {
        self.ready(Direction::Read, Location::caller())
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
    #[track_caller]
    #[doc(alias = "add_writer")]
    pub fn writable(&self) -> impl Future<Output = io::Result<()>> {
        self.ready(Direction::Write, Location::caller())
    }

    /// Tries `op`, again and again until it would no longer block, and waits in between.
    ///
    /// `op` must be an operation on the descriptor, in this direction, and must answer `WouldBlock`
    /// when it cannot go on. After `Interrupted` it is tried again at once.
    ///
    /// # Errors
    ///
    /// Those of `op`; and as for [`readable`](Self::readable).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: this ends with the `op` that goes through.
    ///
    /// # Examples
    ///
    /// ```
    /// use selio::{Direction, Source};
    /// use std::io::{self, Read, Write};
    ///
    /// selio::run(async {
    ///     let (reader, mut writer) = io::pipe()?;
    ///     let reader = Source::new(reader)?;
    ///     selio::spawn(async move { writer.write_all(b"ping") });
    ///
    ///     let mut buffer = [0; 16];
    ///     let n = reader.io(Direction::Read, |mut pipe| pipe.read(&mut buffer)).await?;
    ///     assert_eq!(&buffer[..n], b"ping");
    ///     Ok::<(), io::Error>(())
    /// })
    /// # .unwrap();
    /// ```
    #[track_caller]
    #[doc(alias = "async_io")]
    #[doc(alias = "read_with")]
    #[doc(alias = "write_with")]
    pub fn io<R>(
        &self,
        direction: Direction,
        mut op: impl FnMut(&T) -> io::Result<R>,
    ) -> impl Future<Output = io::Result<R>> {
        let mut waiter = self.waiter(direction);
        poll_fn(move |cx| waiter.poll_io(cx, &mut op))
    }

    /// [`io`](Self::io) for a `poll` of your own: tries `op`, and if it would block, arranges that the
    /// task is woken when it is worth another try.
    ///
    /// Where `op` never blocks, this is `Pending` from time to time all the same, so that the other
    /// tasks run.
    ///
    /// # Errors
    ///
    /// Those of `op`; and as for [`readable`](Self::readable).
    #[track_caller]
    pub fn poll_io<R>(
        &self,
        cx: &mut Context<'_>,
        direction: Direction,
        op: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        self.poll_io_at(Some(Location::caller()), cx, direction, op)
    }

    /// [`poll_io`](Self::poll_io) for a call at `site`. `None`: it comes through a trait of another
    /// crate, and only [`on_behalf_of`](super::on_behalf_of) can tell for whom.
    pub(crate) fn poll_io_at<R>(
        &self,
        site: Option<&'static Location<'static>>,
        cx: &mut Context<'_>,
        direction: Direction,
        op: impl FnMut(&T) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        // Whoever polls by hand has no place to keep a waiter in, and leaves its waker behind.
        let mut stranger = ManuallyDrop::new(self.waiter_at(site, direction));
        stranger.ticket = Some(Ticket::STRANGER);
        stranger.poll_io(cx, op)
    }

    /// A waiter for the caller's line.
    #[track_caller]
    pub(crate) fn waiter(&self, direction: Direction) -> Waiter<'_, T> {
        self.waiter_at(Some(Location::caller()), direction)
    }

    /// A waiter for a call at `site`, as for [`poll_io_at`](Self::poll_io_at).
    pub(crate) fn waiter_at(
        &self,
        site: Option<&'static Location<'static>>,
        direction: Direction,
    ) -> Waiter<'_, T> {
        Waiter {
            source: self,
            direction,
            ticket: None,
            site,
        }
    }

    /// [`readable`](Self::readable) or [`writable`](Self::writable), on behalf of a call at `site`.
    pub(crate) fn ready(
        &self,
        direction: Direction,
        site: &'static Location<'static>,
    ) -> impl Future<Output = io::Result<()>> {
        let mut waiter = self.waiter_at(Some(site), direction);
        poll_fn(move |cx| waiter.poll_ready(cx))
    }

    /// The reactor that watches it.
    pub(crate) fn reactor(&self) -> Rc<Reactor> {
        Rc::clone(&self.watch().reactor)
    }

    /// Does something to the descriptor, and wakes those who wait for it: what was done may concern
    /// them, and not every selector tells of it.
    pub(crate) fn change<R>(&self, act: impl FnOnce(&T) -> R) -> R {
        let result = act(&self.io);
        wake_all(&mut self.watch().take_waiting());
        result
    }

    /// A way to the descriptor that does not keep it open.
    pub(crate) fn loan(&self) -> Loan {
        Loan(Rc::downgrade(self.watch()))
    }

    /// A read took less than it had room for.
    pub(crate) fn set_drained(&self) {
        self.watch().is_drained.set(true);
    }

    pub(super) fn watch(&self) -> &Rc<Watch> {
        &self.registered.0
    }
}

impl<T: AsFd> AsFd for Source<T> {
    fn as_fd(&self) -> std::os::fd::BorrowedFd<'_> {
        self.io.as_fd()
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.0.reactor.forget(&self.0);
    }
}

impl fmt::Debug for Registered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fd {}", self.0.fd)
    }
}
