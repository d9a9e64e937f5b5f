//! Why a queue does not take an item, or has none.

use std::error::Error;
use std::fmt;
use std::io;

/// The queue was shut down. Holds the item that was to be put.
///
/// It turns into an [`io::Error`] of kind [`BrokenPipe`](io::ErrorKind::BrokenPipe).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct QueueShutDown<T = ()>(pub T);

/// Why [`put_nowait`](super::AnyQueue::put_nowait) did not put the item, which it holds.
///
/// It turns into an [`io::Error`] of kind [`WouldBlock`](io::ErrorKind::WouldBlock) or
/// [`BrokenPipe`](io::ErrorKind::BrokenPipe).
#[derive(Clone, Copy, PartialEq, Eq)]
#[doc(alias = "QueueFull")]
pub enum PutError<T> {
    /// There is no room now.
    Full(T),
    /// The queue was shut down.
    ShutDown(T),
}

/// Why [`get_nowait`](super::AnyQueue::get_nowait) has no item.
///
/// It turns into an [`io::Error`] of kind [`WouldBlock`](io::ErrorKind::WouldBlock) or
/// [`BrokenPipe`](io::ErrorKind::BrokenPipe).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "QueueEmpty")]
pub enum GetError {
    /// There is none now.
    Empty,
    /// The queue was shut down, and all of its items have been taken.
    ShutDown,
}

const SHUT_DOWN: &str = "the queue is shut down";

impl<T> PutError<T> {
    /// The item that was not put.
    pub fn into_item(self) -> T {
        match self {
            Self::Full(item) | Self::ShutDown(item) => item,
        }
    }
}

impl<T> From<QueueShutDown<T>> for PutError<T> {
    fn from(QueueShutDown(item): QueueShutDown<T>) -> Self {
        Self::ShutDown(item)
    }
}

impl From<QueueShutDown> for GetError {
    fn from(_: QueueShutDown) -> Self {
        Self::ShutDown
    }
}

impl<T> fmt::Display for QueueShutDown<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SHUT_DOWN)
    }
}

impl<T> fmt::Display for PutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "the queue is full",
            Self::ShutDown(_) => SHUT_DOWN,
        })
    }
}

impl fmt::Display for GetError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "the queue is empty",
            Self::ShutDown => SHUT_DOWN,
        })
    }
}

// Not derived: an error is one whatever the item is.
impl<T> fmt::Debug for QueueShutDown<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("QueueShutDown(..)")
    }
}

impl<T> fmt::Debug for PutError<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full(_) => "Full(..)",
            Self::ShutDown(_) => "ShutDown(..)",
        })
    }
}

impl<T> Error for QueueShutDown<T> {}

impl<T> Error for PutError<T> {}

impl Error for GetError {}

impl<T> From<QueueShutDown<T>> for io::Error {
    fn from(_: QueueShutDown<T>) -> Self {
        io::Error::new(io::ErrorKind::BrokenPipe, QueueShutDown(()))
    }
}

impl<T> From<PutError<T>> for io::Error {
    fn from(error: PutError<T>) -> Self {
        match error {
            PutError::Full(_) => io::Error::new(io::ErrorKind::WouldBlock, PutError::Full(())),
            PutError::ShutDown(item) => QueueShutDown(item).into(),
        }
    }
}

impl From<GetError> for io::Error {
    fn from(error: GetError) -> Self {
        match error {
            GetError::Empty => io::Error::new(io::ErrorKind::WouldBlock, error),
            GetError::ShutDown => QueueShutDown(()).into(),
        }
    }
}
