//! Shuts down a connection that somebody else owns.

use std::fmt;
use std::io;
use std::net::Shutdown;

use super::socket;
use crate::reactor::Loan;

/// A way to shut down a connection from elsewhere, which does not keep it open: from
/// [`TcpStream::closer`](super::TcpStream::closer) or
/// [`UnixStream::closer`](super::UnixStream::closer).
///
/// # Examples
///
/// A task reads; another one ends that.
///
/// ```
/// use selio::net::{TcpListener, TcpStream};
/// use std::net::Shutdown;
///
/// # fn main() -> std::io::Result<()> {
/// selio::run(async {
///     let listener = TcpListener::bind("127.0.0.1:0").await?;
///     let client = TcpStream::connect(listener.local_addr()?).await?;
///     let closer = client.closer();
///     let reader = selio::spawn(async move { client.read(&mut [0; 16]).await });
///
///     closer.shutdown(Shutdown::Read)?;
///     assert_eq!(reader.await??, 0);
///     Ok(())
/// })
/// # }
/// ```
#[derive(Clone)]
pub struct Closer(Loan);

impl Closer {
    pub(super) fn new(loan: Loan) -> Self {
        Self(loan)
    }

    /// Whether a destructor may shut it down, see [`Loan::is_ours`].
    pub(super) fn is_ours(&self) -> bool {
        self.0.is_ours()
    }

    /// Shuts down reading, writing or both, at once. After `Read`, who reads gets what has come so
    /// far and then the end of the stream, see [`TcpStream::shutdown`](super::TcpStream::shutdown). A
    /// connection that is gone counts as shut down.
    ///
    /// # Errors
    ///
    /// Those of [shutdown(2)](https://man7.org/linux/man-pages/man2/shutdown.2.html), except
    /// `ENOTCONN`.
    pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
        let result = self.0.change(|socket| socket::shutdown(socket, how));
        result.unwrap_or(Ok(()))
    }
}

impl fmt::Debug for Closer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Closer")
    }
}
