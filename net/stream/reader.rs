//! The reading end of a stream: bytes in, messages out.

use std::fmt;
use std::future::poll_fn;
use std::io;
use std::os::fd::OwnedFd;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use futures_io::AsyncRead;

use super::buffer::{self, Buffer};
use super::error::{incomplete, invalid, overrun};
use super::search::end_of_message;
use crate::net::socket;
use crate::reactor::{Direction, Source};

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
    buffer: Buffer,
    limit: usize,
    /// The peer will send no more.
    is_at_end: bool,
}

enum Input {
    /// Shared with the writer.
    Socket(Rc<Source<OwnedFd>>),
    Foreign(Pin<Box<dyn AsyncRead>>),
}

impl StreamReader {
    /// Reads from anything that futures-io can read: a pipe, say, or a stream that decrypts.
    #[must_use]
    pub fn new(input: impl AsyncRead + 'static) -> Self {
        Self::with_input(Input::Foreign(Box::pin(input)))
    }

    pub(super) fn of_socket(socket: Rc<Source<OwnedFd>>) -> Self {
        Self::with_input(Input::Socket(socket))
    }

    fn with_input(input: Input) -> Self {
        Self {
            input,
            buffer: Buffer::default(),
            limit: LIMIT,
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
    pub async fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        if self.buffer.is_empty() {
            if buffer.len() >= buffer::SIZE {
                return self.read_past_the_buffer(buffer).await;
            }
            self.fill(buffer::SIZE).await?;
        }
        Ok(self.copy_out(buffer))
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
        if self.buffer.is_empty() && max > 0 {
            self.fill(buffer::SIZE).await?;
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
    pub async fn read_exact(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        let mut unfinished = Unfinished {
            reader: self,
            buffer,
            filled: 0,
        };
        while unfinished.filled < unfinished.buffer.len() {
            if unfinished.go_on().await? == 0 {
                let partial = unfinished.take().to_vec();
                let expected = Some(unfinished.buffer.len());
                return Err(incomplete("StreamReader::read_exact", partial, expected));
            }
        }
        unfinished.take();
        Ok(())
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
    pub async fn read_line(&mut self) -> io::Result<&[u8]> {
        let end = self.find("StreamReader::read_line", &[b"\n"]).await?;
        let end = end.unwrap_or(self.buffer.len());
        Ok(self.buffer.take(end))
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
    pub async fn read_until(&mut self, separator: &[u8]) -> io::Result<&[u8]> {
        self.read_message("StreamReader::read_until", &[separator])
            .await
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
        self.read_message("StreamReader::read_until_any", separators)
            .await
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
    pub async fn read_to_end(&mut self, max: usize) -> io::Result<Vec<u8>> {
        while self.buffer.len() <= max {
            if self.fill(max.saturating_add(1)).await? == 0 {
                return Ok(self.buffer.take_all());
            }
        }
        Err(overrun("StreamReader::read_to_end", max, max))
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

    async fn read_message(
        &mut self,
        call: &'static str,
        separators: &[&[u8]],
    ) -> io::Result<&[u8]> {
        match self.find(call, separators).await? {
            Some(end) => Ok(self.buffer.take(end)),
            None => Err(incomplete(call, self.buffer.take_all(), None)),
        }
    }

    /// Waits until a message is there. How long it is; `None`: the peer will send no more of it.
    async fn find(
        &mut self,
        call: &'static str,
        separators: &[&[u8]],
    ) -> io::Result<Option<usize>> {
        let lengths = separators.iter().map(|it| it.len());
        let (Some(1..), Some(longest)) = (lengths.clone().min(), lengths.max()) else {
            return Err(invalid(&format!(
                "{call}: there is no separator, or an empty one; give at least one byte"
            )));
        };
        // With so many bytes and no separator among them, the next one would be beyond the limit.
        let most = self.limit.saturating_add(longest);
        let mut searched = 0;
        loop {
            if let Some((end, separator)) =
                end_of_message(self.buffer.bytes(), searched, separators)
            {
                return match end - separator {
                    length if length > self.limit => Err(overrun(call, length, self.limit)),
                    _ => Ok(Some(end)),
                };
            }
            searched = self.buffer.len();
            if searched >= most {
                return Err(overrun(call, searched + 1 - longest, self.limit));
            }
            if self.fill(most).await? == 0 {
                return Ok(None);
            }
        }
    }

    /// Moves what there is to another buffer, at most as much as that holds.
    pub(super) fn copy_out(&mut self, buffer: &mut [u8]) -> usize {
        let n = buffer.len().min(self.buffer.len());
        buffer[..n].copy_from_slice(&self.buffer.bytes()[..n]);
        self.buffer.consume(n);
        n
    }

    /// Somebody has seen [`buffer`](Self::buffer), and has taken so much of it.
    #[track_caller]
    pub(super) fn consume_buffer(&mut self, n: usize) {
        let held = self.buffer.len();
        assert!(
            n <= held,
            "StreamReader::consume: {n} bytes were taken, and there are {held}; consume no more than \
             `poll_fill_buf` has shown"
        );
        self.buffer.consume(n);
    }

    /// Waits until there are bytes, or until no more will come, for those who come through a `poll`
    /// function.
    pub(super) fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.buffer.is_empty() || self.is_at_end {
            return Poll::Ready(Ok(()));
        }
        self.buffer.release();
        let buffer = &mut self.buffer;
        let poll = match &mut self.input {
            Input::Socket(socket) => socket.poll_io(cx, Direction::Read, |_| {
                buffer.fill(buffer::SIZE, |memory| socket::recv_more(socket, memory))
            }),
            Input::Foreign(input) => {
                buffer.fill(buffer::SIZE, |memory| poll_foreign(input, cx, memory))
            }
        };
        self.is_at_end = ready!(poll)? == 0;
        Poll::Ready(Ok(()))
    }

    /// Waits until there are bytes, and reads some. How many; 0: no more will come.
    async fn fill(&mut self, most: usize) -> io::Result<usize> {
        self.buffer.release();
        if self.is_at_end {
            return Ok(0);
        }
        let buffer = &mut self.buffer;
        let n = match &mut self.input {
            Input::Socket(socket) => {
                let mut waiter = socket.waiter(Direction::Read);
                let mut op = || buffer.fill(most, |memory| socket::recv_more(socket, memory));
                poll_fn(|cx| waiter.poll_io(cx, |_| op())).await?
            }
            Input::Foreign(input) => {
                poll_fn(|cx| buffer.fill(most, |memory| poll_foreign(input, cx, memory))).await?
            }
        };
        self.is_at_end = n == 0;
        Ok(n)
    }

    /// Reads into a buffer that is larger than ours, which is empty.
    async fn read_past_the_buffer(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.buffer.release();
        if self.is_at_end {
            return Ok(0);
        }
        let n = match &mut self.input {
            Input::Socket(socket) => {
                let mut waiter = socket.waiter(Direction::Read);
                poll_fn(|cx| waiter.poll_io(cx, |_| socket::recv(socket, buffer))).await?
            }
            Input::Foreign(input) => poll_fn(|cx| poll_read(input, cx, buffer)).await?,
        };
        self.is_at_end = n == 0;
        Ok(n)
    }
}

/// Reads into what room there is.
fn poll_foreign(
    input: &mut Pin<Box<dyn AsyncRead>>,
    cx: &mut Context<'_>,
    memory: &mut Vec<u8>,
) -> Poll<io::Result<usize>> {
    let len = memory.len();
    memory.resize(memory.capacity(), 0);
    let poll = poll_read(input, cx, &mut memory[len..]);
    let n = match &poll {
        Poll::Ready(Ok(n)) => *n,
        _ => 0,
    };
    memory.truncate(len + n);
    poll
}

fn poll_read(
    input: &mut Pin<Box<dyn AsyncRead>>,
    cx: &mut Context<'_>,
    buffer: &mut [u8],
) -> Poll<io::Result<usize>> {
    let poll = input.as_mut().poll_read(cx, buffer);
    if let Poll::Ready(Ok(n)) = poll {
        let room = buffer.len();
        assert!(
            n <= room,
            "StreamReader: the `AsyncRead` that it is made of claims to have read {n} bytes into \
             {room}; mend that"
        );
    }
    poll
}

/// Bytes on their way into a buffer, which go back to the reader if it does not get full.
struct Unfinished<'a> {
    reader: &'a mut StreamReader,
    buffer: &'a mut [u8],
    filled: usize,
}

impl Unfinished<'_> {
    async fn go_on(&mut self) -> io::Result<usize> {
        let n = self.reader.read(&mut self.buffer[self.filled..]).await?;
        self.filled += n;
        Ok(n)
    }

    /// What there is of it, which does not go back.
    fn take(&mut self) -> &[u8] {
        &self.buffer[..std::mem::take(&mut self.filled)]
    }
}

impl Drop for Unfinished<'_> {
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
