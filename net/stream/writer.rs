//! The writing end of a stream.

use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::os::fd::{AsFd, BorrowedFd};
use std::panic::Location;
use std::rc::Rc;

use futures_io::AsyncWrite;

use super::error::invalid;
use super::transport::Transport;
use super::waiting::Goal;
use super::write_buffer::Marks;

/// Writes without waiting, and waits when there is too much.
///
/// It comes with a [`StreamReader`](super::StreamReader) from
/// [`open_connection`](super::open_connection) or [`IntoStreams`](super::IntoStreams), or alone
/// from [`new`](Self::new). All of its methods take `&self`: to write from several tasks, share it
/// in an `Rc`. It also implements futures-io's `AsyncWrite`, as does `&StreamWriter`.
///
/// [`write`](Self::write) gives the socket its bytes at once. What the socket has no room for is
/// kept, and sent by a task in the background as the peer reads. Call [`drain`](Self::drain) after
/// each write: it waits when more than 64 KiB are kept, and tells if the connection is lost. Who
/// never calls it has no bound on the memory, and no word of errors.
///
/// Dropping it ends writing, as [`write_eof`](Self::write_eof) does; the reader reads on. What was
/// written is sent nevertheless, unless the runtime ends before. The socket is closed when the
/// reader is dropped too.
///
/// asyncio's counterpart is
/// [`StreamWriter`](https://docs.python.org/3/library/asyncio-stream.html#streamwriter).
///
/// # Examples
///
/// ```
/// use selio::{IntoStreams, net::UnixStream};
///
/// # selio::run(async {
/// let (one, other) = UnixStream::pair()?;
/// let (mut reader, writer) = one.into_streams();
/// let (mut peer_reader, peer_writer) = other.into_streams();
///
/// writer.write(b"ping\n");
/// writer.drain().await?;
/// assert_eq!(peer_reader.read_line().await?, b"ping\n");
///
/// peer_writer.write(b"pong\n");
/// peer_writer.close();
/// peer_writer.wait_closed().await?;
/// assert_eq!(reader.read_to_end(1024).await?, b"pong\n");
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
#[doc(alias = "BufWriter")]
pub struct StreamWriter {
    pub(super) transport: Rc<Transport>,
}

impl StreamWriter {
    /// Writes to anything that futures-io can write: a pipe, say, or a stream that encrypts. A task
    /// in the background writes, flushes, and at the end closes it.
    #[must_use]
    pub fn new(output: impl AsyncWrite + 'static) -> Self {
        Self::of_transport(Transport::of_foreign(Box::pin(output)))
    }

    pub(super) fn of_transport(transport: Rc<Transport>) -> Self {
        Self { transport }
    }

    /// Writes, without waiting: what the socket takes is sent at once, and the rest as it has room.
    ///
    /// If the connection is lost, nothing is written, and [`drain`](Self::drain) tells. So it does
    /// after [`write_eof`](Self::write_eof) and [`close`](Self::close).
    #[track_caller]
    pub fn write(&self, bytes: &[u8]) {
        self.transport.write(bytes);
    }

    /// Writes several slices, one after the other, with one system call. This is asyncio's
    /// `writelines`.
    #[doc(alias = "writelines")]
    #[track_caller]
    pub fn write_all_vectored(&self, slices: &[IoSlice<'_>]) {
        self.transport.write_vectored(slices);
    }

    /// Waits until it is all right to write more: once more bytes are kept than the high mark, until
    /// the socket has taken all but the low one. Otherwise it does not wait.
    ///
    /// # Errors
    ///
    /// Bytes that were written are lost: with the connection (`BrokenPipe` and `ConnectionReset`
    /// among others), or because they came after the end. It is told each time.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: what was written is sent all the same.
    #[track_caller]
    pub fn drain(&self) -> impl Future<Output = io::Result<()>> {
        self.transport.until(Goal::Room, Location::caller())
    }

    /// Says how many bytes may be kept: when there are more than the high mark, which is 64 KiB by
    /// default, [`drain`](Self::drain) waits until there are as few as the low one, 16 KiB.
    ///
    /// # Errors
    ///
    /// [`InvalidInput`](io::ErrorKind::InvalidInput) if the low mark is above the high one.
    ///
    /// # Examples
    ///
    /// Until everything was sent:
    ///
    /// ```
    /// # async fn example(writer: selio::StreamWriter) -> std::io::Result<()> {
    /// writer.set_marks(0..=0)?;
    /// writer.write(b"important");
    /// writer.drain().await
    /// # }
    /// ```
    #[doc(alias = "set_write_buffer_limits")]
    pub fn set_marks(&self, marks: RangeInclusive<usize>) -> io::Result<()> {
        let (low, high) = marks.into_inner();
        if low > high {
            return Err(invalid(&format!(
                "StreamWriter::set_marks: the low mark {low} is above the high one {high}; give \
                 low..=high"
            )));
        }
        self.transport.buffer().set_marks(Marks { low, high });
        Ok(())
    }

    /// The low and the high mark, in bytes.
    #[must_use]
    pub fn marks(&self) -> RangeInclusive<usize> {
        let Marks { low, high } = self.transport.marks();
        low..=high
    }

    /// How many bytes are kept, because the socket has no room for them yet.
    #[must_use]
    #[doc(alias = "get_write_buffer_size")]
    pub fn pending(&self) -> usize {
        self.transport.pending()
    }

    /// Ends writing, after what was written so far: the peer reads to the end. Reading goes on.
    #[track_caller]
    pub fn write_eof(&self) {
        self.transport.write_eof();
    }

    /// Closes the stream, after what was written so far. The reader of the same socket is at its end
    /// then, too.
    ///
    /// A peer that does not read can put this off for as long as it likes;
    /// [`abort`](Self::abort) does not wait for it. And if a TCP peer has sent something that nobody
    /// reads, the end of the socket is a reset, which may overtake the last bytes: read to the end
    /// before, where that matters.
    #[track_caller]
    pub fn close(&self) {
        self.transport.close();
    }

    /// Closes the stream now. What the socket has not taken is lost.
    pub fn abort(&self) {
        self.transport.abort();
    }

    /// Waits until the stream is closed, which somebody has to ask for: everything was sent then.
    ///
    /// # Errors
    ///
    /// As for [`drain`](Self::drain).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: it only waits.
    #[track_caller]
    pub fn wait_closed(&self) -> impl Future<Output = io::Result<()>> {
        self.transport.until(Goal::Closed, Location::caller())
    }

    /// Whether it was closed, or is being closed, or the connection is lost.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.transport.is_closing()
    }

    /// The address of the peer: asyncio's `get_extra_info('peername')`.
    ///
    /// # Errors
    ///
    /// `NotConnected` if the connection is gone, and `Unsupported` if this is not TCP.
    #[doc(alias = "get_extra_info")]
    #[doc(alias = "peername")]
    pub fn peer_addr(&self) -> io::Result<SocketAddr> {
        let addr = rustix::net::getpeername(self.tcp_socket("peer_addr")?)?;
        let addr = addr.ok_or(io::ErrorKind::NotConnected)?;
        addr.try_into().map_err(|_| not_tcp("peer_addr"))
    }

    /// Our own address: asyncio's `get_extra_info('sockname')`.
    ///
    /// # Errors
    ///
    /// `Unsupported` if this is not TCP.
    #[doc(alias = "get_extra_info")]
    #[doc(alias = "sockname")]
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        let addr = rustix::net::getsockname(self.tcp_socket("local_addr")?)?;
        addr.try_into().map_err(|_| not_tcp("local_addr"))
    }

    /// The socket, if it is one, for its options: asyncio's `get_extra_info('socket')`.
    #[must_use]
    #[doc(alias = "get_extra_info")]
    pub fn socket(&self) -> Option<BorrowedFd<'_>> {
        self.transport.socket().map(|socket| socket.as_fd())
    }

    fn tcp_socket(&self, call: &str) -> io::Result<BorrowedFd<'_>> {
        self.socket().ok_or_else(|| not_tcp(call))
    }
}

fn not_tcp(call: &str) -> io::Error {
    let problem = format!("StreamWriter::{call}: this is no TCP connection, and has none");
    io::Error::new(io::ErrorKind::Unsupported, problem)
}

impl Drop for StreamWriter {
    fn drop(&mut self) {
        self.transport.abandon();
    }
}

impl fmt::Debug for StreamWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamWriter")
            .field("socket", &self.socket())
            .field("pending", &self.pending())
            .field("is_closing", &self.is_closing())
            .finish()
    }
}
