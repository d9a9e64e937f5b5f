//! Where a message ends: at the first place where one of its separators does.
//!
//! No byte is looked at twice while somebody waits for one message, however many pieces it comes in.

use std::io;
use std::task::{Context, Poll, ready};

use super::buf_reader::BufReader;
use super::error::{incomplete, invalid, overrun};
use super::memchr::memchr;

/// What messages end with.
pub(super) trait Separator {
    /// Finds the shortest beginning of `bytes` that ends with a separator, and how long that is: the
    /// shortest one, of several. `searched` bytes hold no such end, which saves looking at them
    /// again: a separator may begin there all the same.
    fn find(&self, bytes: &[u8], searched: usize) -> Option<(usize, usize)>;

    /// How long the longest one is.
    fn longest(&self) -> usize;
}

/// The end of a line.
pub(super) struct Newline;

impl Separator for Newline {
    #[inline]
    fn find(&self, bytes: &[u8], searched: usize) -> Option<(usize, usize)> {
        let at = memchr(b'\n', &bytes[searched..])?;
        Some((searched + at + 1, 1))
    }

    #[inline]
    fn longest(&self) -> usize {
        1
    }
}

/// Any of several, none of them empty.
pub(super) struct Separators<'a>(&'a [&'a [u8]]);

impl<'a> Separators<'a> {
    pub(super) fn new(call: &str, separators: &'a [&'a [u8]]) -> io::Result<Self> {
        if separators.is_empty() || separators.contains(&&b""[..]) {
            return Err(invalid(&format!(
                "{call}: there is no separator, or an empty one; give at least one byte"
            )));
        }
        Ok(Self(separators))
    }

    /// How many bytes there are up to the next one that a separator may end with.
    fn candidate(&self, bytes: &[u8]) -> Option<usize> {
        let at = match self.0 {
            [[.., last]] => memchr(*last, bytes),
            several => {
                let is_last = |byte: &u8| several.iter().any(|it| it.last() == Some(byte));
                bytes.iter().position(is_last)
            }
        };
        Some(at? + 1)
    }
}

impl Separator for Separators<'_> {
    fn find(&self, bytes: &[u8], searched: usize) -> Option<(usize, usize)> {
        let mut end = searched;
        loop {
            end += self.candidate(&bytes[end..])?;
            let message = &bytes[..end];
            let here = self.0.iter().filter(|it| message.ends_with(it));
            if let Some(length) = here.map(|it| it.len()).min() {
                return Some((end, length));
            }
        }
    }

    fn longest(&self) -> usize {
        self.0.iter().map(|it| it.len()).max().unwrap_or(0)
    }
}

impl BufReader {
    /// Begins to search anew.
    pub(super) fn begin_message(&mut self) {
        self.searched = 0;
    }

    /// Waits until a message is there. How long it is; `None`: the peer will send no more of it.
    pub(super) fn poll_message(
        &mut self,
        cx: &mut Context<'_>,
        call: &'static str,
        separator: &impl Separator,
    ) -> Poll<io::Result<Option<usize>>> {
        loop {
            let bytes = self.buffer.bytes();
            if self.searched < bytes.len()
                && let Some((end, separator)) = separator.find(bytes, self.searched)
            {
                ready!(self.poll_turn(cx))?;
                return Poll::Ready(match end - separator {
                    length if length > self.limit => Err(overrun(call, length, self.limit)),
                    _ => Ok(Some(end)),
                });
            }
            self.searched = bytes.len();
            let longest = separator.longest();
            // With so many bytes and no separator among them, the next one is beyond the limit.
            let most = self.limit.saturating_add(longest);
            if self.searched >= most {
                let consumed = self.searched + 1 - longest;
                return Poll::Ready(Err(overrun(call, consumed, self.limit)));
            }
            if ready!(self.poll_fill(cx, most))? == 0 {
                return Poll::Ready(Ok(None));
            }
        }
    }

    /// Takes and lends a message; without an end, what there is of it is in the error.
    pub(super) fn take_message(
        &mut self,
        call: &'static str,
        end: Option<usize>,
    ) -> io::Result<&[u8]> {
        match end {
            Some(end) => Ok(self.buffer.take(end)),
            None => Err(incomplete(call, self.buffer.take_all(), None)),
        }
    }
}
