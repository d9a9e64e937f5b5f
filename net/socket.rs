//! The system calls of sockets, where platforms differ: flags that Linux and the BSDs take at once
//! are set one by one on macOS.

use std::io::{self, IoSlice};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::io::Errno;
use rustix::net::{
    self as sys, AddressFamily, RecvFlags, SendAncillaryBuffer, SendFlags, SocketType,
};

use super::bytes::as_many_as_fit;
use crate::reactor::Source;

/// A broken connection is told by `EPIPE`, never by a signal.
#[cfg(not(target_vendor = "apple"))]
pub(super) const NO_SIGNAL: SendFlags = SendFlags::NOSIGNAL;
#[cfg(target_vendor = "apple")]
pub(super) const NO_SIGNAL: SendFlags = SendFlags::empty();

/// Sockets share a port, and what comes to it. FreeBSD has another name for that: with the usual one,
/// the last socket gets all.
#[cfg(not(target_os = "freebsd"))]
pub(super) use rustix::net::sockopt::set_socket_reuseport as set_reuse_port;
#[cfg(target_os = "freebsd")]
pub(super) use rustix::net::sockopt::set_socket_reuseport_lb as set_reuse_port;

/// A TCP socket that does not block and is not handed on to child processes.
pub(super) fn tcp(addr: SocketAddr) -> io::Result<OwnedFd> {
    open(family_of(addr), SocketType::STREAM)
}

pub(super) fn family_of(addr: SocketAddr) -> AddressFamily {
    if addr.is_ipv4() {
        AddressFamily::INET
    } else {
        AddressFamily::INET6
    }
}

/// A socket that does not block and is not handed on to child processes.
pub(super) fn open(family: AddressFamily, kind: SocketType) -> io::Result<OwnedFd> {
    #[cfg(not(target_vendor = "apple"))]
    {
        use rustix::net::SocketFlags;
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        Ok(sys::socket_with(family, kind, flags, None)?)
    }
    #[cfg(target_vendor = "apple")]
    {
        let socket = sys::socket(family, kind, None)?;
        prepare(&socket)?;
        Ok(socket)
    }
}

/// How many bytes the system may hold for a socket, in either direction; `None`: as many as it likes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct BufferSizes {
    pub(super) recv: Option<usize>,
    pub(super) send: Option<usize>,
}

impl BufferSizes {
    pub(super) fn apply(self, socket: &OwnedFd) -> io::Result<()> {
        // The system calls take an `int`; the limit of the system is lower.
        let most = i32::MAX as usize;
        if let Some(bytes) = self.recv {
            sys::sockopt::set_socket_recv_buffer_size(socket, bytes.min(most))?;
        }
        if let Some(bytes) = self.send {
            sys::sockopt::set_socket_send_buffer_size(socket, bytes.min(most))?;
        }
        Ok(())
    }
}

/// accept(2). The connection does not block and is not handed on to child processes.
pub(super) fn accept(listener: impl AsFd) -> io::Result<(OwnedFd, SocketAddr)> {
    #[cfg(not(target_vendor = "apple"))]
    let (stream, addr) = {
        use rustix::net::SocketFlags;
        sys::acceptfrom_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC)?
    };
    #[cfg(target_vendor = "apple")]
    let (stream, addr) = {
        let (stream, addr) = sys::acceptfrom(listener)?;
        prepare(&stream).map_err(|error| match error {
            Errno::INVAL => Errno::CONNABORTED, // A connection that was reset takes no option.
            error => error,
        })?;
        (stream, addr)
    };
    // A peer that is gone already may have no address any more.
    let addr = addr.ok_or(io::ErrorKind::ConnectionAborted)?;
    Ok((stream, addr.try_into()?))
}

#[cfg(target_vendor = "apple")]
fn prepare(socket: &OwnedFd) -> rustix::io::Result<()> {
    rustix::io::fcntl_setfd(socket, rustix::io::FdFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(socket, true)?;
    sys::sockopt::set_socket_nosigpipe(socket, true)
}

/// One recv(2) from a stream. If it takes less than there is room for, it has emptied the socket:
/// the next read need not try before it waits.
#[inline]
pub(super) fn recv<T: AsFd>(source: &Source<T>, buffer: &mut [u8]) -> io::Result<usize> {
    let room = buffer.len();
    let (n, _) = sys::recv(source, buffer, RecvFlags::empty())?;
    if 0 < n && n < room {
        source.set_drained();
    }
    Ok(n)
}

/// The same into what room a vector has left, which it must have.
#[inline]
pub(super) fn recv_more<T: AsFd>(source: &Source<T>, memory: &mut Vec<u8>) -> io::Result<usize> {
    let room = memory.capacity() - memory.len();
    let (n, _) = sys::recv(source, spare_capacity(memory), RecvFlags::empty())?;
    if 0 < n && n < room {
        source.set_drained();
    }
    Ok(n)
}

pub(super) fn peek(socket: impl AsFd, buffer: &mut [u8]) -> io::Result<usize> {
    Ok(sys::recv(socket, buffer, RecvFlags::PEEK)?.0)
}

pub(super) fn send(socket: &impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    Ok(sys::send(socket, bytes, NO_SIGNAL)?)
}

pub(super) fn send_vectored(socket: impl AsFd, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    Ok(sys::sendmsg(
        socket,
        as_many_as_fit(slices),
        &mut SendAncillaryBuffer::default(),
        NO_SIGNAL,
    )?)
}

/// See [`TcpStream::set_keepalive`](super::TcpStream::set_keepalive).
pub(super) fn set_keepalive(socket: impl AsFd, after: Option<Duration>) -> io::Result<()> {
    #[cfg(not(target_os = "openbsd"))]
    if let Some(after) = after {
        sys::sockopt::set_tcp_keepidle(&socket, after)?;
    }
    Ok(sys::sockopt::set_socket_keepalive(socket, after.is_some())?)
}

/// shutdown(2). A connection that is gone already counts as shut down.
pub(super) fn shutdown(socket: impl AsFd, how: Shutdown) -> io::Result<()> {
    let how = match how {
        Shutdown::Read => sys::Shutdown::Read,
        Shutdown::Write => sys::Shutdown::Write,
        Shutdown::Both => sys::Shutdown::Both,
    };
    match sys::shutdown(socket, how) {
        Ok(()) | Err(Errno::NOTCONN) => Ok(()),
        Err(error) => Err(error.into()),
    }
}
