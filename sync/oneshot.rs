//! One value, from one task to another: the answer to a request.
//!
//! asyncio's counterpart is a
//! [`Future`](https://docs.python.org/3/library/asyncio-future.html#asyncio.Future) made by
//! `loop.create_future()`, whose two ends are apart here: the [`Sender`] sets the result, the
//! [`Receiver`] is awaited.
//!
//! # Examples
//!
//! ```
//! use selio::sync::oneshot;
//!
//! # selio::run(async {
//! let (sender, receiver) = oneshot::channel();
//! selio::spawn(async move { sender.send(6 * 7) });
//! assert_eq!(receiver.await, Ok(42));
//! # });
//! ```

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use crate::executor::{Wakee, tell_wait};

/// The two ends of a channel for one value.
#[track_caller]
#[doc(alias = "create_future")]
#[doc(alias = "Future")]
pub fn channel<T>() -> (Sender<T>, Receiver<T>) {
    let shared = Rc::new(Shared {
        value: Cell::new(None),
        is_closed: Cell::new(false),
        receiver: Cell::new(None),
        sender: Cell::new(None),
        site: Location::caller(),
    });
    (Sender(Rc::clone(&shared)), Receiver(shared))
}

struct Shared<T> {
    value: Cell<Option<T>>,
    /// One of the ends is gone.
    is_closed: Cell<bool>,
    /// Who waits at each end.
    receiver: Cell<Option<Wakee>>,
    sender: Cell<Option<Wakee>>,
    /// The line that made it, for those who watch: the receiver does not know the one that awaits.
    site: &'static Location<'static>,
}

impl<T> Shared<T> {
    /// Closes the channel: forgets who waits at this end, which may keep a whole runtime, and wakes
    /// who waits at the other one.
    fn close(&self, this: &Cell<Option<Wakee>>, other: &Cell<Option<Wakee>>) {
        self.is_closed.set(true);
        if let Some(wakee) = other.take() {
            wakee.wake();
        }
        drop(this.take()); // Last of all: a foreign waker may panic.
    }
}

/// The end that sends.
pub struct Sender<T>(Rc<Shared<T>>);

impl<T> Sender<T> {
    /// Sends the value. It never waits: there is room for it.
    ///
    /// # Errors
    ///
    /// The value itself, if the receiver is gone.
    #[doc(alias = "set_result")]
    pub fn send(self, value: T) -> Result<(), T> {
        if self.is_closed() {
            return Err(value);
        }
        self.0.value.set(Some(value));
        Ok(()) // The end of `self` wakes the receiver.
    }

    /// Whether the receiver is gone: nobody waits for the value any more.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.is_closed.get()
    }

    /// Waits until the receiver is gone, so that what it asked for need not be done.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    #[track_caller]
    pub fn closed(&mut self) -> impl Future<Output = ()> {
        let site = Location::caller();
        let waiting = Waiting(self);
        poll_fn(move |cx| {
            let Waiting(sender) = &waiting;
            if !sender.is_closed() {
                sender.0.sender.set(Some(Wakee::of(cx.waker())));
            }
            if sender.is_closed() {
                return Poll::Ready(());
            }
            tell_wait("oneshot::Receiver to go", None, Some(site));
            Poll::Pending
        })
    }
}

/// A sender that waits for its receiver to go, and is not to be woken when it has stopped waiting.
struct Waiting<'a, T>(&'a Sender<T>);

impl<T> Drop for Waiting<'_, T> {
    fn drop(&mut self) {
        let wakee = self.0.0.sender.take();
        drop(wakee);
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.close(&self.0.sender, &self.0.receiver);
    }
}

/// The end that receives: a future.
///
/// # Cancel safety
///
/// Whoever stops awaiting it loses nothing, as long as it is kept: `timeout(d, &mut receiver)`.
#[must_use = "futures do nothing unless you await them"]
pub struct Receiver<T>(Rc<Shared<T>>);

impl<T> Receiver<T> {
    /// The value if it is there, `None` if it may still come.
    ///
    /// # Errors
    ///
    /// When the sender is gone without having sent, and when the value was received before.
    pub fn try_recv(&mut self) -> Result<Option<T>, RecvError> {
        match self.0.value.take() {
            None if self.0.is_closed.get() => Err(RecvError(())),
            value => Ok(value),
        }
    }
}

impl<T> Future for Receiver<T> {
    type Output = Result<T, RecvError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if !self.0.is_closed.get() {
            self.0.receiver.set(Some(Wakee::of(cx.waker())));
        }
        match self.try_recv() {
            Ok(None) => {
                tell_wait("oneshot::Sender", None, Some(self.0.site));
                Poll::Pending
            }
            Ok(Some(value)) => Poll::Ready(Ok(value)),
            Err(error) => Poll::Ready(Err(error)),
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.0.close(&self.0.receiver, &self.0.sender);
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("is_closed", &self.is_closed())
            .finish()
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("is_closed", &self.0.is_closed.get())
            .finish()
    }
}

/// The [`Sender`] was dropped before it had sent, or its value was received before.
///
/// It turns into an [`io::Error`] of kind [`BrokenPipe`](io::ErrorKind::BrokenPipe).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecvError(());

impl fmt::Display for RecvError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the sender is gone: no value will come")
    }
}

impl Error for RecvError {}

impl From<RecvError> for io::Error {
    fn from(error: RecvError) -> Self {
        io::Error::new(io::ErrorKind::BrokenPipe, error)
    }
}
