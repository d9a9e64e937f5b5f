//! The traits of futures-io, for everything through which a stream can be read or written.
//!
//! Whoever calls them is seldom the program itself, so those who watch are told a descriptor and no line.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};

use super::socket::{self, recv};
use super::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, TcpStream, UnixStream, WriteHalf, bytes};
use crate::reactor::{Direction, Source};

fn poll_read<T: AsFd>(
    source: &Source<T>,
    cx: &mut Context<'_>,
    buffer: &mut [u8],
) -> Poll<io::Result<usize>> {
    match buffer {
        [] => Poll::Ready(Ok(0)),
        _ => source.poll_io_at(None, cx, Direction::Read, |_| recv(source, buffer)),
    }
}

fn poll_write<T: AsFd>(
    source: &Source<T>,
    cx: &mut Context<'_>,
    bytes: &[u8],
) -> Poll<io::Result<usize>> {
    match bytes {
        [] => Poll::Ready(Ok(0)),
        _ => source.poll_io_at(None, cx, Direction::Write, |stream| {
            socket::send(stream, bytes)
        }),
    }
}

fn poll_write_vectored<T: AsFd>(
    source: &Source<T>,
    cx: &mut Context<'_>,
    slices: &[IoSlice<'_>],
) -> Poll<io::Result<usize>> {
    if bytes::are_empty(slices) {
        return Poll::Ready(Ok(0));
    }
    source.poll_io_at(None, cx, Direction::Write, |stream| {
        socket::send_vectored(stream, slices)
    })
}

impl TcpStream {
    fn stream(&self) -> &Self {
        self
    }
}

impl UnixStream {
    fn stream(&self) -> &Self {
        self
    }
}

/// What futures-io wants, for everything through which a stream can be read.
macro_rules! impl_async_read {
    ($($reader:ty),*) => {$(
        impl AsyncRead for $reader {
            fn poll_read(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                buffer: &mut [u8],
            ) -> Poll<io::Result<usize>> {
                poll_read(&self.stream().source, cx, buffer)
            }
        }
    )*};
}

/// The same for writing.
macro_rules! impl_async_write {
    ($($writer:ty),*) => {$(
        impl AsyncWrite for $writer {
            fn poll_write(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                bytes: &[u8],
            ) -> Poll<io::Result<usize>> {
                poll_write(&self.stream().source, cx, bytes)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                slices: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                poll_write_vectored(&self.stream().source, cx, slices)
            }

            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(())) // Nothing is held back here.
            }

            fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(self.stream().shutdown(Shutdown::Write))
            }
        }
    )*};
}

impl_async_read!(TcpStream, &TcpStream, ReadHalf<'_>, OwnedReadHalf);
impl_async_write!(TcpStream, &TcpStream, WriteHalf<'_>, OwnedWriteHalf);

impl_async_read!(
    UnixStream,
    &UnixStream,
    ReadHalf<'_, UnixStream>,
    OwnedReadHalf<UnixStream>
);
impl_async_write!(
    UnixStream,
    &UnixStream,
    WriteHalf<'_, UnixStream>,
    OwnedWriteHalf<UnixStream>
);
