//! Where a message ends: at the first place where one of its separators does.
//!
//! No byte is looked at twice while somebody waits for one message, however many pieces it comes in.

use std::io::{self, BufRead};
use std::task::{Context, Poll, ready};

use super::StreamReader;
use super::error::{incomplete, invalid, overrun};

impl StreamReader {
    /// Begins to search anew.
    pub(super) fn begin_message(&mut self, call: &str, separators: &[&[u8]]) -> io::Result<()> {
        self.searched = 0;
        let shortest = separators.iter().map(|it| it.len()).min();
        if matches!(shortest, None | Some(0)) {
            return Err(invalid(&format!(
                "{call}: there is no separator, or an empty one; give at least one byte"
            )));
        }
        Ok(())
    }

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

    /// Waits until a message is there. How long it is; `None`: the peer will send no more of it.
    pub(super) fn poll_message(
        &mut self,
        cx: &mut Context<'_>,
        call: &'static str,
        separators: &[&[u8]],
    ) -> Poll<io::Result<Option<usize>>> {
        loop {
            let bytes = self.buffer.bytes();
            if self.searched < bytes.len()
                && let Some((end, separator)) = end_of_message(bytes, self.searched, separators)
            {
                return Poll::Ready(match end - separator {
                    length if length > self.limit() => Err(overrun(call, length, self.limit())),
                    _ => Ok(Some(end)),
                });
            }
            self.searched = bytes.len();
            let longest = separators.iter().map(|it| it.len()).max().unwrap_or(0);
            // With so many bytes and no separator among them, the next one is beyond the limit.
            let most = self.limit().saturating_add(longest);
            if self.searched >= most {
                let consumed = self.searched + 1 - longest;
                return Poll::Ready(Err(overrun(call, consumed, self.limit())));
            }
            if ready!(self.poll_fill(cx, most))? == 0 {
                return Poll::Ready(Ok(None));
            }
        }
    }
}

/// Finds the shortest beginning of `bytes` that one of the separators ends, and how long that
/// separator is; of several, the shortest one. `searched` bytes hold no such end, which saves
/// looking at them again: a separator may begin there all the same.
fn end_of_message(bytes: &[u8], searched: usize, separators: &[&[u8]]) -> Option<(usize, usize)> {
    let mut end = searched;
    loop {
        end += candidate(&bytes[end..], separators)?;
        let message = &bytes[..end];
        let here = separators.iter().filter(|it| message.ends_with(it));
        if let Some(length) = here.map(|it| it.len()).min() {
            return Some((end, length));
        }
    }
}

/// How many bytes there are up to the next one that a separator may end with.
fn candidate(bytes: &[u8], separators: &[&[u8]]) -> Option<usize> {
    if let [[.., last]] = separators {
        // This is std's memchr, which looks at several bytes at a time.
        let n = (&mut &*bytes).skip_until(*last).ok()?;
        return bytes[..n].ends_with(&[*last]).then_some(n);
    }
    let is_last = |byte: &u8| separators.iter().any(|it| it.last() == Some(byte));
    bytes.iter().position(is_last).map(|at| at + 1)
}
