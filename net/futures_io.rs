//! The traits of futures-io, for everything through which a stream can be read or written.

use std::io::{self, IoSlice};
use std::net::Shutdown;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_io::{AsyncRead, AsyncWrite};

use super::tcp::recv;
use super::{OwnedReadHalf, OwnedWriteHalf, ReadHalf, TcpStream, WriteHalf, bytes, socket};
use crate::reactor::Direction;

impl TcpStream {
    fn stream(&self) -> &Self {
        self
    }

    fn poll_read(&self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        match buffer {
            [] => Poll::Ready(Ok(0)),
            _ => self
                .source
                .poll_io(cx, Direction::Read, |_| recv(&self.source, buffer)),
        }
    }

    fn poll_write(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if bytes.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.source
            .poll_io(cx, Direction::Write, |stream| socket::send(stream, bytes))
    }

    fn poll_write_vectored(
        &self,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if bytes::are_empty(slices) {
            return Poll::Ready(Ok(0));
        }
        self.source.poll_io(cx, Direction::Write, |stream| {
            socket::send_vectored(stream, slices)
        })
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
                self.get_mut().stream().poll_read(cx, buffer)
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
                self.get_mut().stream().poll_write(cx, bytes)
            }

            fn poll_write_vectored(
                self: Pin<&mut Self>,
                cx: &mut Context<'_>,
                slices: &[IoSlice<'_>],
            ) -> Poll<io::Result<usize>> {
                self.get_mut().stream().poll_write_vectored(cx, slices)
            }

            fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(Ok(())) // Nothing is held back here.
            }

            fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
                Poll::Ready(self.get_mut().stream().shutdown(Shutdown::Write))
            }
        }
    )*};
}

impl_async_read!(TcpStream, &TcpStream, ReadHalf<'_>, OwnedReadHalf);
impl_async_write!(TcpStream, &TcpStream, WriteHalf<'_>, OwnedWriteHalf);
