//! What io has no word for: a message that is cut off, and one that is too long.

use std::error::Error;
use std::fmt;
use std::io;

/// The peer has sent a part of what was asked for, and will send no more. It is in an
/// [`io::Error`] of the kind [`UnexpectedEof`](io::ErrorKind::UnexpectedEof).
///
/// asyncio's counterpart is
/// [`IncompleteReadError`](https://docs.python.org/3/library/asyncio-exceptions.html#asyncio.IncompleteReadError).
///
/// # Examples
///
/// ```
/// use selio::{IncompleteReadError, StreamReader};
///
/// # selio::run(async {
/// let mut reader = StreamReader::new(&b"half a li"[..]);
/// let error = reader.read_until(b"\n").await.unwrap_err();
/// let error = error.downcast::<IncompleteReadError>()?;
/// assert_eq!(error.partial, b"half a li");
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct IncompleteReadError {
    /// What has come before the end. The reader has it no more.
    pub partial: Vec<u8>,
    /// How many bytes there should have been; `None` if a separator should have come.
    pub expected: Option<usize>,
    call: &'static str,
}

/// There are more bytes than the limit allows, and the message has not ended. It is in an
/// [`io::Error`] of the kind [`InvalidData`](io::ErrorKind::InvalidData).
///
/// The bytes are still there, to be read by other means.
///
/// asyncio's counterpart is
/// [`LimitOverrunError`](https://docs.python.org/3/library/asyncio-exceptions.html#asyncio.LimitOverrunError).
///
/// # Examples
///
/// ```
/// use selio::{LimitOverrunError, StreamReader};
///
/// # selio::run(async {
/// let mut reader = StreamReader::new(&b"a long line\n"[..]);
/// reader.set_limit(4)?;
/// let error = reader.read_line().await.unwrap_err();
/// let error = error.downcast::<LimitOverrunError>()?;
/// assert_eq!((error.limit, error.consumed), (4, 11));
///
/// let mut long = vec![0; error.consumed];
/// reader.read_exact(&mut long).await?;
/// assert_eq!(long, b"a long line");
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LimitOverrunError {
    /// How many bytes may be read without reading into a separator, or beyond it.
    pub consumed: usize,
    /// The limit, in bytes.
    pub limit: usize,
    call: &'static str,
}

pub(super) fn incomplete(
    call: &'static str,
    partial: Vec<u8>,
    expected: Option<usize>,
) -> io::Error {
    let error = IncompleteReadError {
        partial,
        expected,
        call,
    };
    io::Error::new(io::ErrorKind::UnexpectedEof, error)
}

pub(super) fn overrun(call: &'static str, consumed: usize, limit: usize) -> io::Error {
    let error = LimitOverrunError {
        consumed,
        limit,
        call,
    };
    io::Error::new(io::ErrorKind::InvalidData, error)
}

pub(super) fn invalid(problem: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, problem)
}

impl fmt::Display for IncompleteReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (call, sent) = (self.call, self.partial.len());
        match self.expected {
            Some(expected) => write!(
                f,
                "{call}: the peer has sent {sent} of {expected} bytes, and will send no more"
            ),
            None => write!(
                f,
                "{call}: the peer has sent {sent} bytes without a separator, and will send no more"
            ),
        }
    }
}

impl fmt::Display for LimitOverrunError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: the message is longer than the limit of {} bytes; raise that, by `set_limit` or \
             the argument `max`, or read the bytes, which are kept, in pieces",
            self.call, self.limit
        )
    }
}

impl Error for IncompleteReadError {}

impl Error for LimitOverrunError {}
