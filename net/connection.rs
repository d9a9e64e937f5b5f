//! What the two kinds of connections have in common: all but how they are made, and `read` and
//! `write` themselves, which stand with each.

use std::future::{Future, poll_fn};
use std::io::{self, IoSlice, IoSliceMut};
use std::net::Shutdown;

use super::bytes::{self, retry};
use super::closer::Closer;
use super::socket::{self, recv};
use super::split::{self, OwnedReadHalf, OwnedWriteHalf, ReadHalf, WriteHalf};
use super::{TcpStream, UnixStream};
use crate::reactor::Direction;

macro_rules! impl_connection {
    ($($stream:ident),*) => {$(
        impl $stream {
            /// Reads into several buffers, one after the other, with one system call. See
            /// [`read`](Self::read).
            ///
            /// # Errors
            ///
            /// Those of [`read`](Self::read).
            ///
            /// # Cancel safety
            ///
            /// Nothing is lost.
            #[track_caller]
            pub fn read_vectored(
                &self,
                buffers: &mut [IoSliceMut<'_>],
            ) -> impl Future<Output = io::Result<usize>> {
                let waiter = self.source.waiter(Direction::Read);
                let is_empty = bytes::are_empty(buffers);
                bytes::transfer(waiter, is_empty, move |it| bytes::readv(it, buffers))
            }

            /// Fills the buffer.
            ///
            /// # Errors
            ///
            /// [`UnexpectedEof`](io::ErrorKind::UnexpectedEof) if the peer sends no more before it
            /// is full, and those of [`read`](Self::read).
            ///
            /// # Cancel safety
            ///
            /// None: bytes that it has read are in the buffer, but nobody knows how many. Where
            /// that matters, call [`read`](Self::read) in a loop.
            #[track_caller]
            pub fn read_exact(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<()>> {
                let waiter = self.source.waiter(Direction::Read);
                let call = concat!(stringify!($stream), "::read_exact");
                bytes::read_exact(call, waiter, buffer, recv)
            }

            /// Reads, and leaves the bytes where they are for the next read.
            ///
            /// # Errors
            ///
            /// Those of [`read`](Self::read).
            ///
            /// # Cancel safety
            ///
            /// Nothing is lost.
            #[track_caller]
            pub fn peek(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<usize>> {
                let waiter = self.source.waiter(Direction::Read);
                bytes::transfer(waiter, buffer.is_empty(), move |it| {
                    socket::peek(it, buffer)
                })
            }

            /// Writes from several slices, one after the other, with one system call: at most 1,024
            /// of them. See [`write`](Self::write).
            ///
            /// # Errors
            ///
            /// Those of [`write`](Self::write).
            ///
            /// # Cancel safety
            ///
            /// If it does not return, nothing was written.
            #[track_caller]
            pub fn write_vectored(
                &self,
                slices: &[IoSlice<'_>],
            ) -> impl Future<Output = io::Result<usize>> {
                let waiter = self.source.waiter(Direction::Write);
                let is_empty = bytes::are_empty(slices);
                bytes::transfer(waiter, is_empty, |it| socket::send_vectored(it, slices))
            }

            /// Writes all of it. If two tasks do this at once on one stream, their bytes get mixed:
            /// let one task write, and the others tell it what.
            ///
            /// # Errors
            ///
            /// Those of [`write`](Self::write).
            ///
            /// # Cancel safety
            ///
            /// None: a part may have been written, and nobody knows how much. Where that matters,
            /// call [`write`](Self::write) in a loop.
            #[track_caller]
            #[doc(alias = "sock_sendall")]
            pub fn write_all(&self, mut bytes: &[u8]) -> impl Future<Output = io::Result<()>> {
                let mut waiter = self.source.waiter(Direction::Write);
                poll_fn(move |cx| bytes::poll_write_all(&mut waiter, cx, &mut bytes, socket::send))
            }

            /// Waits until [`try_read`](Self::try_read) is worth a try. See
            /// [`Source::readable`](crate::Source::readable).
            ///
            /// # Errors
            ///
            /// Those of [`Source::readable`](crate::Source::readable).
            ///
            /// # Cancel safety
            ///
            /// Nothing is lost.
            #[track_caller]
            #[doc(alias = "ready")]
            pub fn readable(&self) -> impl Future<Output = io::Result<()>> {
                self.source.readable()
            }

            /// Waits until [`try_write`](Self::try_write) is worth a try. See
            /// [`Source::writable`](crate::Source::writable).
            ///
            /// # Errors
            ///
            /// Those of [`Source::writable`](crate::Source::writable).
            ///
            /// # Cancel safety
            ///
            /// Nothing is lost.
            #[track_caller]
            pub fn writable(&self) -> impl Future<Output = io::Result<()>> {
                self.source.writable()
            }

            /// Reads what is there, without waiting.
            ///
            /// # Errors
            ///
            /// `WouldBlock` if there is nothing, and those of [`read`](Self::read).
            pub fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
                retry(|| recv(&self.source, buffer))
            }

            /// Writes what there is room for, without waiting.
            ///
            /// # Errors
            ///
            /// `WouldBlock` if there is no room, and those of [`write`](Self::write).
            pub fn try_write(&self, bytes: &[u8]) -> io::Result<usize> {
                retry(|| socket::send(self, bytes))
            }

            /// Shuts down reading, writing or both, at once. What was written still arrives, and
            /// then the end of the stream. A connection that is gone already counts as shut down.
            ///
            /// After `Read`, reads give what has come so far, and then the end of the stream. But with
            /// TCP, Linux takes on what the peer sends, and gives it to later reads.
            ///
            /// # Errors
            ///
            /// Those of [shutdown(2)](https://man7.org/linux/man-pages/man2/shutdown.2.html),
            /// except `ENOTCONN`.
            pub fn shutdown(&self, how: Shutdown) -> io::Result<()> {
                self.source.change(|it| socket::shutdown(it, how))
            }

            /// A way to shut down the connection from elsewhere, which does not keep it open.
            #[must_use]
            pub fn closer(&self) -> Closer {
                Closer::new(self.source.loan())
            }

            /// A reading and a writing half that borrow the stream, for two futures of one task.
            pub fn split(&mut self) -> (ReadHalf<'_, Self>, WriteHalf<'_, Self>) {
                split::split(self)
            }

            /// A reading and a writing half that own the stream together, for two tasks. Dropping
            /// the writing half shuts down writing.
            ///
            /// # Examples
            ///
            /// A proxy, with `copy` of the crate futures-lite. Whoever sends no more may still
            /// receive: the copy that has ended drops its halves, and the other one goes on.
            ///
            /// ```
            /// use futures_lite::io::copy;
            /// use selio::net::UnixStream;
            /// use selio::try_gather;
            ///
            /// async fn proxy(client: UnixStream, server: UnixStream) -> std::io::Result<(u64, u64)> {
            ///     let (from_client, to_client) = client.into_split();
            ///     let (from_server, to_server) = server.into_split();
            ///     try_gather((copy(from_client, to_server), copy(from_server, to_client))).await
            /// }
            /// # selio::run(async {
            /// # let (client, near) = UnixStream::pair()?;
            /// # let (far, server) = UnixStream::pair()?;
            /// # selio::spawn(async move {
            /// #     let mut question = [0; 4];
            /// #     server.read_exact(&mut question).await?;
            /// #     assert_eq!(server.read(&mut [0; 1]).await?, 0);
            /// #     server.write_all(b"answer").await
            /// # });
            /// # client.write_all(b"why?").await?;
            /// # client.shutdown(std::net::Shutdown::Write)?;
            /// # assert_eq!(proxy(near, far).await?, (4, 6));
            /// # Ok::<(), std::io::Error>(())
            /// # }).unwrap();
            /// ```
            pub fn into_split(self) -> (OwnedReadHalf<Self>, OwnedWriteHalf<Self>) {
                let closer = self.closer();
                split::split_owned(self, closer)
            }
        }
    )*};
}

impl_connection!(TcpStream, UnixStream);
