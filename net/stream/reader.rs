//! The reading end of a stream: bytes in, messages out.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::mem;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use futures_io::AsyncRead;

use super::buffer::{self, Buffer};
use super::error::{incomplete, invalid, overrun};
use super::input::Input;
use super::transport::Transport;

/// How long a message may be at most by default, in bytes.
const LIMIT: usize = 64 * 1024;

/// Reads lines, and messages of other kinds.
///
/// It comes with a [`StreamWriter`](super::StreamWriter) from
/// [`open_connection`](super::open_connection) or [`IntoStreams`](super::IntoStreams), or alone
/// from [`new`](Self::new). It also implements futures-io's `AsyncRead` and `AsyncBufRead`.
///
/// What a method has read ahead stays in here until it is asked for: dropping its future loses
/// nothing. A method that returns `&[u8]` lends bytes, which are gone for the next call.
///
/// Python's `async for line in reader` is a loop around [`read_line`](Self::read_line), until that
/// lends nothing.
///
/// A message is at most as long as a limit, 64 KiB by default: the peer cannot fill the memory with
/// a line that never ends. While there are no bytes to keep, a reader keeps no memory for them.
///
/// asyncio's counterpart is
/// [`StreamReader`](https://docs.python.org/3/library/asyncio-stream.html#streamreader), which
/// reads ahead in the background. This one reads when it is asked to, so that a peer which sends
/// too fast fills the buffers of the system, and has to wait.
///
/// # Examples
///
/// ```
/// use selio::StreamReader;
///
/// # selio::run(async {
/// let mut reader = StreamReader::new(&b"hello\nworld\n"[..]);
/// assert_eq!(reader.read_line().await?, b"hello\n");
/// assert_eq!(reader.read_line().await?, b"world\n");
/// assert_eq!(reader.read_line().await?, b""); // no more will come
/// assert!(reader.at_eof());
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
pub struct StreamReader {
    input: Input,
    pub(super) buffer: Buffer,
    limit: usize,
    /// How many bytes of the buffer hold no separator of the message that somebody waits for.
    pub(super) searched: usize,
    /// The peer will send no more.
    is_at_end: bool,
}

impl StreamReader {
    /// Reads from anything that futures-io can read: a pipe, say, or a stream that decrypts.
    #[must_use]
    pub fn new(input: impl AsyncRead + 'static) -> Self {
        Self::with_input(Input::Foreign(Box::pin(input)))
    }

    pub(super) fn of_socket(socket: Rc<Transport>) -> Self {
        Self::with_input(Input::Socket(socket))
    }

    fn with_input(input: Input) -> Self {
        Self {
            input,
            buffer: Buffer::default(),
            limit: LIMIT,
            searched: 0,
            is_at_end: false,
        }
    }

    /// Waits until there are bytes, and reads them, at most as many as the buffer holds. 0: the
    /// peer will send no more (or the buffer is empty).
    ///
    /// # Errors
    ///
    /// Those of [recv(2)](https://man7.org/linux/man-pages/man2/recv.2.html), `ConnectionReset`
    /// among them.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub fn read(&mut self, buffer: &mut [u8]) -> impl Future<Output = io::Result<usize>> {
        poll_fn(move |cx| self.poll_bytes(cx, buffer))
    }

    /// Waits until there are bytes, and lends them, at most `max`. Nothing: the peer will send no
    /// more (or `max` is 0).
    ///
    /// This is asyncio's `read(n)`.
    ///
    /// # Errors
    ///
    /// Those of [`read`](Self::read).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn read_chunk(&mut self, max: usize) -> io::Result<&[u8]> {
        if max > 0 {
            poll_fn(|cx| self.poll_some(cx)).await?;
        }
        Ok(self.buffer.take(max.min(self.buffer.len())))
    }

    /// Fills the buffer, whatever the limit is.
    ///
    /// # Errors
    ///
    /// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) if the peer sends no more before it is full,
    /// with what it has sent in an [`IncompleteReadError`](super::IncompleteReadError); and those
    /// of [`read`](Self::read), which lose nothing.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    #[doc(alias = "readexactly")]
    pub fn read_exact(&mut self, buffer: &mut [u8]) -> impl Future<Output = io::Result<()>> {
        let mut unfinished = Unfinished {
            reader: self,
            buffer,
            filled: 0,
        };
        poll_fn(move |cx| unfinished.poll(cx))
    }

    /// Waits for a line, and lends it, with its `\n`. At the end of the stream it lends what is
    /// there without one; nothing: the peer will send no more.
    ///
    /// # Errors
    ///
    /// [`InvalidData`](io::ErrorKind::InvalidData) with a
    /// [`LimitOverrunError`](super::LimitOverrunError) if the line, without its end, is longer than
    /// the limit. Its bytes are kept. And those of [`read`](Self::read).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    #[doc(alias = "readline")]
    pub async fn read_line(&mut self) -> io::Result<&[u8]> {
        self.searched = 0;
        let end = poll_fn(|cx| self.poll_message(cx, "StreamReader::read_line", &[b"\n"])).await?;
        Ok(self.buffer.take(end.unwrap_or(self.buffer.len())))
    }

    /// Waits for a message that ends with this separator, and lends it, separator and all.
    ///
    /// # Errors
    ///
    /// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) if the peer sends no more before there is
    /// one, with what it has sent in an [`IncompleteReadError`](super::IncompleteReadError).
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if the separator is empty. And those of
    /// [`read_line`](Self::read_line).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    #[doc(alias = "readuntil")]
    pub async fn read_until(&mut self, separator: &[u8]) -> io::Result<&[u8]> {
        const CALL: &str = "StreamReader::read_until";
        self.begin_message(CALL, &[separator])?;
        let end = poll_fn(|cx| self.poll_message(cx, CALL, &[separator])).await?;
        self.take_message(CALL, end)
    }

    /// The same for several separators: the message is the shortest one that has any of them at its
    /// end.
    ///
    /// # Errors
    ///
    /// Those of [`read_until`](Self::read_until). `InvalidInput` if there is no separator, too.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// # use selio::StreamReader;
    /// # selio::run(async {
    /// let mut reader = StreamReader::new(&b"one, two; three."[..]);
    /// let separators: [&[u8]; 3] = [b", ", b"; ", b"."];
    /// assert_eq!(reader.read_until_any(&separators).await?, b"one, ");
    /// assert_eq!(reader.read_until_any(&separators).await?, b"two; ");
    /// assert_eq!(reader.read_until_any(&separators).await?, b"three.");
    /// # std::io::Result::Ok(())
    /// # }).unwrap();
    /// ```
    pub async fn read_until_any(&mut self, separators: &[&[u8]]) -> io::Result<&[u8]> {
        const CALL: &str = "StreamReader::read_until_any";
        self.begin_message(CALL, separators)?;
        let end = poll_fn(|cx| self.poll_message(cx, CALL, separators)).await?;
        self.take_message(CALL, end)
    }

    /// Reads until the peer sends no more, but at most `max` bytes. It is `max` that counts here,
    /// not the limit.
    ///
    /// # Errors
    ///
    /// [`InvalidData`](io::ErrorKind::InvalidData) with a
    /// [`LimitOverrunError`](super::LimitOverrunError) if there are more. They are kept. And those
    /// of [`read`](Self::read), which lose nothing.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub fn read_to_end(&mut self, max: usize) -> impl Future<Output = io::Result<Vec<u8>>> {
        poll_fn(move |cx| {
            while self.buffer.len() <= max {
                if ready!(self.poll_fill(cx, max.saturating_add(1)))? == 0 {
                    return Poll::Ready(Ok(self.buffer.take_all()));
                }
            }
            Poll::Ready(Err(overrun("StreamReader::read_to_end", max, max)))
        })
    }

    /// Whether the end of the stream was seen, and all that came before it was returned. The end is
    /// seen by the read that finds nothing more.
    #[must_use]
    pub fn at_eof(&self) -> bool {
        self.is_at_end && self.buffer.is_empty()
    }

    /// What was read ahead, and not yet returned.
    #[must_use]
    pub fn buffer(&self) -> &[u8] {
        self.buffer.bytes()
    }

    /// How long a message may be at most, without its separator, in bytes: 64 KiB by default.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Says how long a message may be at most, without its separator, in bytes.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if it is 0: no message would be short enough.
    pub fn set_limit(&mut self, limit: usize) -> io::Result<()> {
        if limit == 0 {
            return Err(invalid(
                "StreamReader::set_limit: with a limit of 0, every message is too long; give at \
                 least 1",
            ));
        }
        self.limit = limit;
        Ok(())
    }

    /// Waits until there are bytes, and moves them to a buffer.
    pub(super) fn poll_bytes(
        &mut self,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        if buffer.is_empty() {
            return Poll::Ready(Ok(0));
        }
        if self.buffer.is_empty() && buffer.len() >= buffer::SIZE {
            return self.poll_past(cx, buffer);
        }
        ready!(self.poll_some(cx))?;
        let n = buffer.len().min(self.buffer.len());
        buffer[..n].copy_from_slice(&self.buffer.bytes()[..n]);
        self.buffer.consume(n);
        Poll::Ready(Ok(n))
    }

    /// Waits until there are bytes, or until no more will come.
    pub(super) fn poll_some(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.buffer.is_empty() {
            ready!(self.poll_fill(cx, buffer::SIZE))?;
        }
        Poll::Ready(Ok(()))
    }

    /// Somebody has seen [`buffer`](Self::buffer), and has taken so much of it.
    #[track_caller]
    pub(super) fn consume_some(&mut self, n: usize) {
        let held = self.buffer.len();
        assert!(
            n <= held,
            "StreamReader::consume: {n} bytes were taken, and there are {held}; consume no more than \
             `poll_fill_buf` has shown"
        );
        self.buffer.consume(n);
    }

    /// Waits until there are more bytes, and reads some. How many; 0: no more will come.
    pub(super) fn poll_fill(
        &mut self,
        cx: &mut Context<'_>,
        most: usize,
    ) -> Poll<io::Result<usize>> {
        self.buffer.release();
        if self.is_at_end {
            return Poll::Ready(Ok(0));
        }
        let n = ready!(self.input.poll_fill(cx, &mut self.buffer, most))?;
        self.is_at_end = n == 0;
        Poll::Ready(Ok(n))
    }

    /// The same into a buffer that is larger than ours, which is empty.
    fn poll_past(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        self.buffer.release();
        if self.is_at_end {
            return Poll::Ready(Ok(0));
        }
        let n = ready!(self.input.poll_read(cx, buffer))?;
        self.is_at_end = n == 0;
        Poll::Ready(Ok(n))
    }
}

/// Bytes on their way into a buffer, which go back to the reader if it does not get full.
struct Unfinished<'r, 'b> {
    reader: &'r mut StreamReader,
    buffer: &'b mut [u8],
    filled: usize,
}

impl Unfinished<'_, '_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while self.filled < self.buffer.len() {
            let n = ready!(self.reader.poll_bytes(cx, &mut self.buffer[self.filled..]))?;
            self.filled += n;
            if n == 0 {
                let partial = self.buffer[..mem::take(&mut self.filled)].to_vec();
                let expected = Some(self.buffer.len());
                let error = incomplete("StreamReader::read_exact", partial, expected);
                return Poll::Ready(Err(error));
            }
        }
        self.filled = 0; // Nothing goes back.
        Poll::Ready(Ok(()))
    }
}

impl Drop for Unfinished<'_, '_> {
    fn drop(&mut self) {
        if self.filled > 0 {
            self.reader.buffer.put_back(&self.buffer[..self.filled]);
        }
    }
}

impl fmt::Debug for StreamReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamReader")
            .field("buffered", &self.buffer.len())
            .field("limit", &self.limit)
            .field("at_eof", &self.at_eof())
            .finish()
    }
}
