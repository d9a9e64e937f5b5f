//! The reading end of a stream: bytes in, messages out.

use std::fmt;
use std::future::{Future, poll_fn};
use std::io;
use std::panic::Location;
use std::rc::Rc;
use std::task::{Poll, ready};

use futures_io::AsyncRead;

use super::buf_reader::{BufReader, ReadExact};
use super::error::{invalid, overrun};
use super::input::Input;
use super::message::{Newline, Separators};
use super::transport::Transport;

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
#[doc(alias = "BufReader")]
pub struct StreamReader {
    // Behind a pointer, because an `async fn` has room for each of its arguments twice.
    pub(super) reader: Box<BufReader>,
}

impl StreamReader {
    /// Reads from anything that futures-io can read: a pipe, say, or a stream that decrypts.
    #[must_use]
    pub fn new(input: impl AsyncRead + 'static) -> Self {
        Self::of(Input::Foreign(Box::pin(input)))
    }

    pub(super) fn of_socket(socket: Rc<Transport>) -> Self {
        Self::of(Input::Socket(socket))
    }

    fn of(input: Input) -> Self {
        Self {
            reader: Box::new(BufReader::new(input)),
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
    #[track_caller]
    pub fn read(&mut self, buffer: &mut [u8]) -> impl Future<Output = io::Result<usize>> {
        let reader = self.for_caller();
        poll_fn(move |cx| reader.poll_bytes(cx, buffer))
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
    #[track_caller]
    pub fn read_chunk(&mut self, max: usize) -> impl Future<Output = io::Result<&[u8]>> {
        let reader = self.for_caller();
        async move {
            if max > 0 {
                poll_fn(|cx| reader.poll_some(cx)).await?;
            }
            Ok(reader.take(max))
        }
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
    #[track_caller]
    pub fn read_exact(&mut self, buffer: &mut [u8]) -> impl Future<Output = io::Result<()>> {
        let mut exact = ReadExact::new(self.for_caller(), buffer);
        poll_fn(move |cx| exact.poll(cx))
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
    #[doc(alias = "lines")]
    #[track_caller]
    pub fn read_line(&mut self) -> impl Future<Output = io::Result<&[u8]>> {
        const CALL: &str = "StreamReader::read_line";
        let reader = self.for_caller();
        async move {
            reader.begin_message();
            let end = poll_fn(|cx| reader.poll_message(cx, CALL, &Newline)).await?;
            Ok(reader.take(end.unwrap_or(usize::MAX)))
        }
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
    #[track_caller]
    pub fn read_until(&mut self, separator: &[u8]) -> impl Future<Output = io::Result<&[u8]>> {
        const CALL: &str = "StreamReader::read_until";
        let reader = self.for_caller();
        async move {
            let separators = [separator];
            let separators = Separators::new(CALL, &separators)?;
            reader.begin_message();
            let end = poll_fn(|cx| reader.poll_message(cx, CALL, &separators)).await?;
            reader.take_message(CALL, end)
        }
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
    #[track_caller]
    pub fn read_until_any(
        &mut self,
        separators: &[&[u8]],
    ) -> impl Future<Output = io::Result<&[u8]>> {
        const CALL: &str = "StreamReader::read_until_any";
        let reader = self.for_caller();
        async move {
            let separators = Separators::new(CALL, separators)?;
            reader.begin_message();
            let end = poll_fn(|cx| reader.poll_message(cx, CALL, &separators)).await?;
            reader.take_message(CALL, end)
        }
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
    #[track_caller]
    pub fn read_to_end(&mut self, max: usize) -> impl Future<Output = io::Result<Vec<u8>>> {
        let reader = self.for_caller();
        poll_fn(move |cx| {
            while reader.bytes().len() <= max {
                if ready!(reader.poll_fill(cx, max.saturating_add(1)))? == 0 {
                    return Poll::Ready(Ok(reader.buffer.take_all()));
                }
            }
            Poll::Ready(Err(overrun("StreamReader::read_to_end", max, max)))
        })
    }

    /// Lets who watches know the line that waits from now on.
    #[track_caller]
    fn for_caller(&mut self) -> &mut BufReader {
        self.reader.site = Some(Location::caller());
        &mut self.reader
    }

    /// Whether the end of the stream was seen, and all that came before it was returned. The end is
    /// seen by the read that finds nothing more.
    #[must_use]
    pub fn at_eof(&self) -> bool {
        self.reader.is_at_end() && self.reader.bytes().is_empty()
    }

    /// What was read ahead, and not yet returned.
    #[must_use]
    pub fn buffer(&self) -> &[u8] {
        self.reader.bytes()
    }

    /// How long a message may be at most, without its separator, in bytes: 64 KiB by default.
    #[must_use]
    pub fn limit(&self) -> usize {
        self.reader.limit
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
        self.reader.limit = limit;
        Ok(())
    }
}

impl fmt::Debug for StreamReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamReader")
            .field("buffered", &self.buffer().len())
            .field("limit", &self.limit())
            .field("at_eof", &self.at_eof())
            .finish()
    }
}
