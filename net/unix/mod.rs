//! Unix sockets: connections, datagrams and open files between the processes of one machine.
//!
//! ```text
//!   UnixListener --accept--> UnixStream --split--> ReadHalf, WriteHalf
//!        |                       |
//!     BoundPath              UnixDatagram          addresses: paths, or abstract names
//! ```
//!
//! Its one rule: **a path is removed only by whoever has made it.** Binding makes a path in the file
//! system, and refuses one that exists, whatever it is. Dropping what was bound removes the path, if
//! it is still the same one. See [unix(7)](https://man7.org/linux/man-pages/man7/unix.7.html).
//!
//! Because both ends are on one machine, streams can do what TCP cannot: hand over open files, and
//! know who the peer is.

mod abstract_name;
mod addr;
mod addressed;
mod bound_path;
mod connect;
mod datagram;
mod fds;
mod listener;
mod stream;

pub use self::addr::ToUnixAddr;
pub use self::datagram::UnixDatagram;
pub use self::fds::ReceivedFds;
#[cfg(any(target_os = "linux", target_os = "android"))]
pub use self::fds::UCred;
pub use self::listener::{UnixIncoming, UnixListener, UnixListenerBuilder};
pub use self::stream::UnixStream;
