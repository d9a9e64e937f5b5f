//! The file descriptors of sockets, for what selio has no method for.

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd, RawFd};

use super::{
    PipeReader, Stdin, Stdout, TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener,
    UnixStream,
};

macro_rules! impl_as_fd {
    ($($type:ty: $($field:ident).+),* $(,)?) => {$(
        impl AsFd for $type {
            fn as_fd(&self) -> BorrowedFd<'_> {
                self.$($field).+.as_fd()
            }
        }

        impl AsRawFd for $type {
            fn as_raw_fd(&self) -> RawFd {
                self.as_fd().as_raw_fd()
            }
        }
    )*};
}

impl_as_fd!(
    TcpStream: source,
    TcpListener: backlog.source,
    PipeReader: source,
    UnixStream: source,
    UnixListener: backlog.source,
    UnixDatagram: source,
    UdpSocket: source,
    Stdin: source,
    Stdout: source,
);

impl From<UnixStream> for OwnedFd {
    /// Non-blocking, as it is; see [`UnixStream::into_std`].
    fn from(stream: UnixStream) -> Self {
        stream.source.into_inner().into()
    }
}

impl From<TcpStream> for OwnedFd {
    /// Non-blocking, as it is; see [`TcpStream::into_std`].
    fn from(stream: TcpStream) -> Self {
        stream.source.into_inner()
    }
}

impl From<TcpListener> for OwnedFd {
    /// Non-blocking, as it is; see [`TcpListener::into_std`].
    fn from(listener: TcpListener) -> Self {
        listener.backlog.source.into_inner().into()
    }
}
