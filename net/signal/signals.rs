//! Signals, awaited.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use signal_hook::low_level::pipe;

use super::SignalKind;
use crate::reactor::{Direction, Reactor, Source};
use crate::signals::Listener;

/// Listens to a signal, from now on.
///
/// The signal does not do what it does by default any more, until everybody who listens to it is
/// dropped. A handler that the program had for it before is called as ever, also after that. (Linux
/// tells of it; elsewhere, the default is back then.) What was ignored before, as `nohup` arranges
/// it, is so no longer; only `SIGPIPE`, which Rust programs ignore, is ignored again then.
///
/// asyncio's counterpart is
/// [`loop.add_signal_handler`](https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.loop.add_signal_handler).
///
/// # Errors
///
/// `InvalidInput` for a number that is no signal, for `SIGKILL` and `SIGSTOP`, and for the faults
/// `SIGILL`, `SIGFPE` and `SIGSEGV`, after which a program cannot go on. Otherwise, the process has
/// no file descriptor left: this takes two.
///
/// # Panics
///
/// Outside of a runtime.
///
/// # Examples
///
/// ```
/// use selio::signal::{SignalKind, signal};
///
/// # fn main() -> std::io::Result<()> {
/// selio::run(async {
///     let hangups = signal(SignalKind::SIGHUP)?;
///     # signal_hook::low_level::raise(1)?;
///     hangups.recv().await?; // Somebody typed `kill -HUP`: read the configuration again.
///     Ok(())
/// })
/// # }
/// ```
#[track_caller]
#[doc(alias = "add_signal_handler")]
pub fn signal(kind: impl Into<SignalKind>) -> io::Result<Signals> {
    let reactor = Reactor::expect_current("signal::signal");
    let kind = kind.into();
    let (receiver, sender) = UnixStream::pair()?;
    receiver.set_nonblocking(true)?;
    let listener = Listener::new("signal", kind, |number, _| pipe::register(number, sender))?;
    Ok(Signals {
        kind,
        _listener: listener,
        receiver: Source::register(reactor, receiver),
    })
}

/// Waits for Ctrl-C, counted from this call and not from the first poll.
///
/// After that the next one ends the process, as it does by default; to see several, keep one
/// [`signal`]`(SignalKind::SIGINT)`. To have Ctrl-C drop what runs, see
/// [`run_until_ctrl_c`](super::run_until_ctrl_c). A program that was started with Ctrl-C ignored, as
/// a script starts what it runs with `&`, heeds it from now on: it has asked for it.
///
/// # Errors
///
/// Those of [`signal`].
///
/// # Panics
///
/// Outside of a runtime.
///
/// # Cancel safety
///
/// Nothing is lost but what came meanwhile: a future that is dropped listens no longer.
///
/// # Examples
///
/// ```no_run
/// # fn main() -> std::io::Result<()> {
/// selio::run(async {
///     println!("Ctrl-C ends this");
///     selio::signal::ctrl_c().await?;
///     println!("and it has time to say goodbye");
///     Ok(())
/// })
/// # }
/// ```
#[track_caller]
#[doc(alias = "KeyboardInterrupt")]
#[doc(alias = "SIGINT")]
pub fn ctrl_c() -> impl Future<Output = io::Result<()>> {
    let (interrupts, site) = (signal(SignalKind::SIGINT), Location::caller());
    async move { interrupts?.recv_at(site).await }
}

/// A signal that is listened to, from [`signal`]. It is a `Stream`, which never ends, too.
///
/// Signals are not counted: those that come faster than they are received become one, as they do in
/// the kernel. At least one is received after the last that was sent.
///
/// Each of several who listen to the same signal receives it, whatever thread or runtime they are
/// in.
#[doc(alias = "remove_signal_handler")]
pub struct Signals {
    kind: SignalKind,
    // The order matters: as long as it listens, the handler writes to who receives. If that one were
    // closed, the system would raise `SIGPIPE` for it.
    _listener: Listener,
    receiver: Source<UnixStream>,
}

impl Signals {
    /// Waits until the signal has come, since the last time or since the call of [`signal`].
    ///
    /// # Errors
    ///
    /// Those of [`Source::readable`].
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: a signal that came is there for the next call.
    #[track_caller]
    pub fn recv(&self) -> impl Future<Output = io::Result<()>> {
        self.recv_at(Location::caller())
    }

    /// The same for a call at `site`.
    fn recv_at(&self, site: &'static Location<'static>) -> impl Future<Output = io::Result<()>> {
        let mut waiter = self.receiver.waiter_at(Some(site), Direction::Read);
        poll_fn(move |cx| waiter.poll_io(cx, take))
    }

    /// Which signal this is.
    #[must_use]
    pub fn kind(&self) -> SignalKind {
        self.kind
    }

    pub(super) fn poll_recv(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.receiver.poll_io_at(None, cx, Direction::Read, take)
    }
}

/// Takes all that has come: there is a byte for each signal, unless there was no room for more.
fn take(mut receiver: &UnixStream) -> io::Result<()> {
    let mut bytes = [0; 1024];
    let mut n = receiver.read(&mut bytes)?;
    while n == bytes.len() {
        n = receiver.read(&mut bytes).unwrap_or(0); // Nothing more to take is no error.
    }
    Ok(())
}

impl Stream for Signals {
    type Item = io::Result<()>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_recv(cx).map(Some)
    }
}

impl fmt::Debug for Signals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Signals").field(&self.kind).finish()
    }
}
