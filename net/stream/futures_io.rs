//! The traits of futures-io, for readers and writers.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncBufRead, AsyncRead, AsyncWrite};

use super::waiting::Goal;
use super::{StreamReader, StreamWriter};

impl AsyncRead for StreamReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.reader.site = None;
        self.reader.poll_bytes(cx, buffer)
    }
}

impl AsyncBufRead for StreamReader {
    fn poll_fill_buf(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<&[u8]>> {
        self.reader.site = None;
        ready!(self.reader.poll_some(cx))?;
        Poll::Ready(Ok(self.get_mut().buffer()))
    }

    fn consume(mut self: Pin<&mut Self>, n: usize) {
        self.reader.consume(n);
    }
}

impl AsyncWrite for &StreamWriter {
    /// Waits as [`StreamWriter::drain`] does, and then keeps all of the bytes.
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        const CALL: &str = "StreamWriter::poll_write";
        ready!(self.transport.poll_until(Goal::Room, cx, CALL))?;
        self.transport.write(bytes);
        self.transport.result(CALL)?;
        Poll::Ready(Ok(bytes.len()))
    }

    /// Waits until everything was sent.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.transport
            .poll_until(Goal::Sent, cx, "StreamWriter::poll_flush")
    }

    /// Ends writing, and waits until that was done.
    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.transport.write_eof();
        self.transport
            .poll_until(Goal::Sent, cx, "StreamWriter::poll_close")
    }
}

impl AsyncWrite for StreamWriter {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut &*self).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut &*self).poll_flush(cx)
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut &*self).poll_close(cx)
    }
}
