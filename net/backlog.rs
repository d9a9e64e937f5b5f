//! The connections that wait to be accepted, whatever the family of the socket.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use rustix::io::Errno;

use crate::reactor::{Direction, Sleep, Source, Waiter, now, sleep_until};

/// How long nothing is accepted after the process has run out of file descriptors or memory, or after
/// an error that nobody expects: the connection that could not be accepted stays ready, and asking
/// again at once would be a spin.
pub(super) const PAUSE: Duration = Duration::from_millis(200);

/// How many connections may wait to be accepted. The system may have a lower limit
/// (`net.core.somaxconn`).
pub(super) const LENGTH: u32 = 1024;

/// A listener of std.
pub(super) trait Listen: Sized {
    /// A stream and the address of its peer.
    type Accepted;

    /// One accept(2).
    fn accept(source: &Source<Self>) -> io::Result<Self::Accepted>;
}

/// The connections that have come to a listener.
pub(super) struct Backlog<L> {
    pub(super) source: Source<L>,
    /// When accepting goes on, after an error.
    paused_until: Cell<Option<Instant>>,
}

impl<L: Listen> Backlog<L> {
    pub(super) fn of(source: Source<L>) -> Self {
        Self {
            source,
            paused_until: Cell::new(None),
        }
    }

    #[track_caller]
    pub(super) fn accept(&self) -> Accept<'_, L> {
        Accept {
            backlog: self,
            pause: None,
            waiter: self.source.waiter(Direction::Read),
        }
    }

    /// [`accept`](Self::accept) for a server, which pauses by itself after an error. It waits on
    /// behalf of the line that has started it.
    pub(super) async fn accept_at_once(&self) -> io::Result<L::Accepted> {
        let mut waiter = self.source.waiter_at(None, Direction::Read);
        poll_fn(|cx| poll_accept(&mut waiter, cx)).await
    }
}

/// A future of the next connection. It may be polled again for the one after that.
pub(super) struct Accept<'a, L> {
    pub(super) backlog: &'a Backlog<L>,
    pause: Option<Sleep>,
    waiter: Waiter<'a, L>,
}

impl<L: Listen> Future for Accept<'_, L> {
    type Output = io::Result<L::Accepted>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self {
            backlog,
            pause,
            waiter,
        } = &mut *self;
        // Where its runtime does not run, there is no time to wait for, and an error anyway.
        if let Some(until) = backlog.paused_until.get()
            && backlog.source.reactor().is_current()
        {
            let sleep = || match waiter.site() {
                Some(site) => sleep_until(until).made_at(site),
                None => sleep_until(until),
            };
            ready!(Pin::new(pause.get_or_insert_with(sleep)).poll(cx));
            *pause = None;
            if backlog.paused_until.get() == Some(until) {
                backlog.paused_until.set(None); // Nobody else has met an error again.
            }
        }
        let accepted = ready!(poll_accept(waiter, cx));
        if accepted.is_err() {
            backlog.paused_until.set(Some(now() + PAUSE));
        }
        // Whoever has waited longer is the next.
        *waiter = backlog.source.waiter_at(waiter.site(), Direction::Read);
        Poll::Ready(accepted)
    }
}

/// Accepts the next connection that is not gone already.
fn poll_accept<L: Listen>(
    waiter: &mut Waiter<'_, L>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<L::Accepted>> {
    let source = waiter.source();
    loop {
        match ready!(waiter.poll_io(cx, |_| L::accept(source))) {
            Err(error) if is_of_the_connection(&error) => {}
            accepted => return Poll::Ready(accepted),
        }
    }
}

/// Whether the connection that was about to be accepted is gone, and nothing else is wrong.
/// [accept(2)](https://man7.org/linux/man-pages/man2/accept.2.html) says to treat these like
/// `EAGAIN`, and `EOPNOTSUPP` too: but that is what a socket of another kind says, for ever.
fn is_of_the_connection(error: &io::Error) -> bool {
    is_one_of(
        error,
        &[
            Errno::CONNABORTED,
            Errno::NETDOWN,
            Errno::PROTO,
            Errno::NOPROTOOPT,
            Errno::HOSTDOWN,
            Errno::HOSTUNREACH,
            Errno::NETUNREACH,
        ],
    ) || error.kind() == io::ErrorKind::ConnectionAborted
}

pub(super) fn is_exhausted(error: &io::Error) -> bool {
    is_one_of(
        error,
        &[Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM],
    )
}

pub(super) fn is_one_of(error: &io::Error, errnos: &[Errno]) -> bool {
    errnos
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}
