//! Datagrams to and from anybody: each goes to an address, or comes from one.

use std::future::Future;
use std::io;
use std::os::unix::net::SocketAddr;
use std::panic::Location;

use rustix::io::Errno;

use super::UnixDatagram;
use super::addr::{ToUnixAddr, from_wire, malformed};
use crate::net::backoff::Backoff;
use crate::net::bytes::retry;
use crate::net::datagram::{Received, recv_msg};
use crate::reactor::Direction;

/// macOS and the BSDs say `ENOBUFS` where the receiver of a datagram has no room, and Linux `EAGAIN`.
pub(super) fn no_room(error: io::Error) -> io::Error {
    let is_linux = cfg!(any(target_os = "linux", target_os = "android"));
    if !is_linux && error.raw_os_error() == Some(Errno::NOBUFS.raw_os_error()) {
        return Errno::AGAIN.into();
    }
    error
}

impl UnixDatagram {
    /// Waits until the receiver has room, and sends a datagram to it.
    ///
    /// No selector can tell when a receiver has room to whom this socket is not connected: it is
    /// asked again, after 1 ms at first and every 50 ms later on.
    ///
    /// # Errors
    ///
    /// As for [`connect`](Self::connect) and [`send`](Self::send).
    ///
    /// # Cancel safety
    ///
    /// If it does not return, nothing was sent.
    #[track_caller]
    pub fn send_to(
        &self,
        bytes: &[u8],
        addr: impl ToUnixAddr,
    ) -> impl Future<Output = io::Result<usize>> {
        self.send_by(move || self.try_send_to(bytes, &addr))
    }

    /// Tries to send until there is room, where no selector can tell.
    #[track_caller]
    pub(super) fn send_by(
        &self,
        mut try_send: impl FnMut() -> io::Result<usize>,
    ) -> impl Future<Output = io::Result<usize>> {
        // What never has to wait lets the others run from time to time, here too.
        let turn = self.source.io(Direction::Write, |_| Ok(()));
        let mut backoff = Backoff::new(Location::caller());
        async move {
            turn.await?;
            loop {
                match try_send() {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                        backoff.pause().await;
                    }
                    result => return result,
                }
            }
        }
    }

    /// Waits for the next datagram, and tells who has sent it. If it is longer than the buffer, the
    /// rest of it is lost: [`recv_msg`](Self::recv_msg) tells.
    ///
    /// # Errors
    ///
    /// Those of [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: a datagram that was not returned is there for the next call.
    #[track_caller]
    pub fn recv_from(
        &self,
        buffer: &mut [u8],
    ) -> impl Future<Output = io::Result<(usize, SocketAddr)>> {
        self.source.io(Direction::Read, move |socket| {
            self.or_end(socket.recv_from(buffer), || Ok((0, from_wire(None)?)))
        })
    }

    /// Waits for the next datagram, and tells who has sent it, and whether it was longer than the
    /// buffer. (A sender whose path has 108 bytes counts as one without a name.)
    ///
    /// # Errors
    ///
    /// Those of [`recv`](Self::recv).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: a datagram that was not returned is there for the next call.
    #[track_caller]
    pub fn recv_msg(
        &self,
        buffer: &mut [u8],
    ) -> impl Future<Output = io::Result<Received<SocketAddr>>> {
        self.source.io(Direction::Read, move |socket| {
            self.or_end(recv_msg(socket, buffer, from_wire), || {
                Ok(Received {
                    length: 0,
                    from: from_wire(None)?,
                    is_truncated: false,
                })
            })
        })
    }

    /// [`send_to`](Self::send_to), without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is no room, and those of [`send_to`](Self::send_to).
    pub fn try_send_to(&self, bytes: &[u8], addr: impl ToUnixAddr) -> io::Result<usize> {
        const CALL: &str = "UnixDatagram::send_to";
        let addr = addr.to_address().map_err(|error| malformed(CALL, &error))?;
        retry(|| self.source.get_ref().send_to_addr(bytes, &addr)).map_err(no_room)
    }

    /// [`recv_from`](Self::recv_from), without waiting.
    ///
    /// # Errors
    ///
    /// `WouldBlock` if there is nothing, and those of [`recv`](Self::recv).
    pub fn try_recv_from(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        let socket = self.source.get_ref();
        retry(|| self.or_end(socket.recv_from(buffer), || Ok((0, from_wire(None)?))))
    }
}
