//! Streams, as asyncio has them: messages in, bytes out, and nothing to wait for but `drain`.
//!
//! ```text
//!     open_connection, IntoStreams
//!          |                |
//!     StreamReader     StreamWriter ----> Transport <---- Flushing: a task, while bytes are kept
//!          |                drop,             |  |             |
//!      BufReader            close             |  +---> WriteBuffer: what the socket
//!          |                                  |        has no room for, and who waits
//!          +------- Source, one socket -------+
//! ```
//!
//! Its one rule: **who holds no bytes holds no memory for them.** A reader takes memory from a pool
//! when there is something to read, and a writer gives the socket its bytes at once: only what does
//! not fit is kept, and sent by a task that lives until it is sent. So an idle connection costs
//! little, and a busy one the system calls of a bare socket.

mod buf_reader;
mod buffer;
mod ending;
mod error;
mod flushing;
mod futures_io;
mod input;
mod memchr;
mod message;
mod reader;
mod transport;
mod unsent;
mod waiting;
mod write_buffer;
mod writer;

use std::future::Future;
use std::io;
use std::os::fd::OwnedFd;
use std::rc::Rc;

use ::futures_io::{AsyncRead, AsyncWrite};

pub use self::error::{IncompleteReadError, LimitOverrunError};
pub use self::reader::StreamReader;
use self::transport::Transport;
pub(super) use self::unsent::Unsent;
pub use self::writer::StreamWriter;
use super::{TcpStream, ToAddrs, ToUnixAddr, UnixStream};
use crate::reactor::Source;

/// Connects over TCP, and returns both ends of the stream. The address is `"host:port"` or `("host",
/// port)`, see [`ToAddrs`].
///
/// The addresses are tried as [`TcpStream::connect`] does. Small messages are sent at once
/// (`TCP_NODELAY`), as asyncio has it.
///
/// asyncio's counterpart is
/// [`open_connection`](https://docs.python.org/3/library/asyncio-stream.html#asyncio.open_connection).
/// For its `local_addr`, see [`TcpStreamBuilder`](crate::net::TcpStreamBuilder); for Unix sockets,
/// [`open_unix_connection`]; for anything else, [`IntoStreams`].
///
/// # Errors
///
/// Those of [`TcpStream::connect`].
///
/// # Panics
///
/// When it is polled outside of a runtime.
///
/// # Cancel safety
///
/// Nothing is left behind: a connection on its way is given up.
///
/// # Examples
///
/// ```no_run
/// selio::run(async {
///     let (mut reader, writer) = selio::open_connection("127.0.0.1:8888").await?;
///     writer.write(b"hello\n");
///     writer.drain().await?;
///     println!("{}", String::from_utf8_lossy(reader.read_line().await?));
///     writer.close();
///     writer.wait_closed().await
/// })
/// # .unwrap();
/// ```
#[track_caller]
pub fn open_connection(
    addr: impl ToAddrs,
) -> impl Future<Output = io::Result<(StreamReader, StreamWriter)>> {
    let connect = TcpStream::builder().connect_for("selio::open_connection", addr);
    async move { Ok(connect.await?.into_streams()) }
}

/// Connects to a Unix socket, a path or an abstract name, and returns both ends of the stream.
///
/// asyncio's counterpart is
/// [`open_unix_connection`](https://docs.python.org/3/library/asyncio-stream.html#asyncio.open_unix_connection).
///
/// # Errors
///
/// Those of [`UnixStream::connect`].
///
/// # Panics
///
/// When it is polled outside of a runtime.
///
/// # Cancel safety
///
/// Nothing is left behind.
///
/// # Examples
///
/// ```no_run
/// selio::run(async {
///     let (mut reader, writer) = selio::open_unix_connection("/run/echo.sock").await?;
///     writer.write(b"hello\n");
///     writer.drain().await?;
///     println!("{}", String::from_utf8_lossy(reader.read_line().await?));
///     std::io::Result::Ok(())
/// })
/// # .unwrap();
/// ```
#[track_caller]
pub fn open_unix_connection(
    addr: impl ToUnixAddr,
) -> impl Future<Output = io::Result<(StreamReader, StreamWriter)>> {
    let connect = UnixStream::connect_for("selio::open_unix_connection", addr);
    async move { Ok(connect.await?.into_streams()) }
}

/// What can be made a reader and a writer: a [`TcpStream`], a [`UnixStream`], a pair of anything
/// that futures-io reads and writes, or a type of yours.
///
/// # Examples
///
/// The pipes of a child process:
///
/// ```
/// use selio::{IntoStreams, process::{Command, Stdio}};
///
/// # selio::run(async {
/// let mut cat = Command::new("cat").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
/// let (stdin, stdout) = (cat.stdin.take().unwrap(), cat.stdout.take().unwrap());
/// let (mut reader, writer) = (stdout, stdin).into_streams();
/// writer.write(b"purr\n");
/// assert_eq!(reader.read_line().await?, b"purr\n");
/// # std::io::Result::Ok(())
/// # }).unwrap();
/// ```
pub trait IntoStreams {
    /// Makes a reader and a writer of it.
    fn into_streams(self) -> (StreamReader, StreamWriter);
}

impl IntoStreams for TcpStream {
    /// Small messages are sent at once from now on (`TCP_NODELAY`): a writer does not collect them.
    fn into_streams(self) -> (StreamReader, StreamWriter) {
        // A connection that is gone already will say so when it is used.
        let _ = self.set_nodelay(true);
        share(self.source)
    }
}

impl IntoStreams for UnixStream {
    fn into_streams(self) -> (StreamReader, StreamWriter) {
        share(self.source.map(OwnedFd::from))
    }
}

impl<R, W> IntoStreams for (R, W)
where
    R: AsyncRead + 'static,
    W: AsyncWrite + 'static,
{
    fn into_streams(self) -> (StreamReader, StreamWriter) {
        (StreamReader::new(self.0), StreamWriter::new(self.1))
    }
}

fn share(socket: Source<OwnedFd>) -> (StreamReader, StreamWriter) {
    let transport = Transport::of_socket(socket);
    (
        StreamReader::of_socket(Rc::clone(&transport)),
        StreamWriter::of_transport(transport),
    )
}
