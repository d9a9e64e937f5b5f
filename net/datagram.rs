//! Datagrams, whatever the family of the socket: what was received of one, and what was not.

use std::io::{self, IoSliceMut};
use std::os::fd::AsFd;

use rustix::net::{RecvAncillaryBuffer, RecvFlags, ReturnFlags, SocketAddrAny, recvmsg};

/// A datagram that was received, from [`UdpSocket::recv_msg`](super::UdpSocket::recv_msg) or
/// [`UnixDatagram::recv_msg`](super::UnixDatagram::recv_msg).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Received<A> {
    /// How many bytes of it are in the buffer. 0 is the length of an empty datagram; there is no
    /// end of datagrams.
    pub length: usize,
    /// Who has sent it.
    pub from: A,
    /// Whether it was longer than the buffer. The rest of it is lost.
    pub is_truncated: bool,
}

/// One [recvmsg(2)](https://man7.org/linux/man-pages/man2/recvmsg.2.html).
pub(super) fn recv_msg<A>(
    socket: impl AsFd,
    buffer: &mut [u8],
    addr: impl FnOnce(Option<SocketAddrAny>) -> io::Result<A>,
) -> io::Result<Received<A>> {
    let mut nothing = RecvAncillaryBuffer::default();
    let buffers = &mut [IoSliceMut::new(buffer)];
    let message = recvmsg(socket, buffers, &mut nothing, RecvFlags::empty())?;
    Ok(Received {
        length: message.bytes,
        from: addr(message.address)?,
        is_truncated: message.flags.contains(ReturnFlags::TRUNC),
    })
}
