//! What people call: sockets, pipes and standard input, and upon them streams and servers.
//!
//! ```text
//!   start_server --> Server         open_connection --> StreamReader, StreamWriter
//!        |                              |
//!   TcpListener --accept--> TcpStream --split--> ReadHalf, WriteHalf      UdpSocket
//!   UnixListener            UnixStream                                    UnixDatagram
//!        |                      |               PipeReader, PipeWriter         |
//!        +---- Source ----------+---------------------+-----------------------+
//!
//!   one system call for each method, tried at once, and again when the selector says that it is
//!   worth it
//! ```
//!
//! Its one rule: **a method does what std's method of that name does**, except that it waits for
//! the selector instead of blocking the thread. Reading and writing take `&self`, so that one task
//! can do both at once. No call gives `EINTR` back, and none raises `SIGPIPE` where the system knows
//! a way without. It knows none for pipes and sendfile(2): every Rust program ignores that signal
//! from its start, but one that undoes this, or whose `main` is in another language, ends by it
//! instead of getting `BrokenPipe`.
//!
//! Streams keep what has been read ahead or cannot be written yet, and sockets keep nothing; a server
//! accepts, and makes a task of each connection. Those two, [`process`] and [`signal`] tell their own
//! stories, in folders of their own.

mod addr;
mod backlog;
mod backoff;
mod bell;
mod bytes;
mod closer;
mod connect;
mod connection;
mod datagram;
mod explain;
mod fd;
mod futures_io;
mod happy_eyeballs;
mod listener;
mod lookup;
mod options;
mod pipe;
pub mod process;
mod send_file;
mod server;
pub mod signal;
mod socket;
mod split;
mod stdio;
pub(crate) mod stream;
mod tcp;
mod udp;
mod unix;

pub use self::addr::ToAddrs;
pub use self::closer::Closer;
pub use self::connect::TcpStreamBuilder;
pub use self::datagram::Received;
pub use self::listener::{Incoming, TcpListener, TcpListenerBuilder};
pub use self::lookup::lookup;
pub use self::pipe::{PipeReader, PipeWriter, pipe};
pub use self::server::{
    HandlerOutput, Listener, Server, ServerBuilder, ServerError, ServerErrorKind, start_server,
    start_unix_server,
};
pub use self::split::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, ReuniteError, WriteHalf};
pub use self::stdio::{Stderr, Stdin, Stdout, stderr, stdin, stdout};
pub use self::tcp::TcpStream;
pub use self::udp::{UdpSocket, UdpSocketBuilder};
#[cfg(any(target_os = "linux", target_os = "android"))]
pub use self::unix::UCred;
pub use self::unix::{
    ReceivedFds, ToUnixAddr, UnixDatagram, UnixIncoming, UnixListener, UnixListenerBuilder,
    UnixStream,
};
