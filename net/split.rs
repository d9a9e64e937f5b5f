//! A stream in two halves, so that one future, or one task, reads while another writes.

use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io::{self, IoSlice};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::AsFd;
use std::os::unix;
use std::rc::Rc;

use super::{Closer, TcpStream, UnixStream};

pub(super) fn split<S: AsFd>(stream: &S) -> (ReadHalf<'_, S>, WriteHalf<'_, S>) {
    (ReadHalf { stream }, WriteHalf { stream })
}

pub(super) fn split_owned<S: AsFd>(
    stream: S,
    closer: Closer,
) -> (OwnedReadHalf<S>, OwnedWriteHalf<S>) {
    let stream = Rc::new(stream);
    (
        OwnedReadHalf {
            stream: Rc::clone(&stream),
        },
        OwnedWriteHalf {
            stream: Some(stream),
            closer,
        },
    )
}

/// The reading half of a borrowed stream, from [`TcpStream::split`] or [`UnixStream::split`].
#[derive(Debug)]
pub struct ReadHalf<'a, S: AsFd = TcpStream> {
    stream: &'a S,
}

/// The writing half of a borrowed stream, from [`TcpStream::split`] or [`UnixStream::split`].
#[derive(Debug)]
pub struct WriteHalf<'a, S: AsFd = TcpStream> {
    stream: &'a S,
}

/// The reading half of a stream, from [`TcpStream::into_split`] or [`UnixStream::into_split`].
#[derive(Debug)]
pub struct OwnedReadHalf<S: AsFd = TcpStream> {
    stream: Rc<S>,
}

/// The writing half of a stream, from [`TcpStream::into_split`] or [`UnixStream::into_split`].
/// Dropping it shuts down writing, so that the peer reads to the end.
#[derive(Debug)]
pub struct OwnedWriteHalf<S: AsFd = TcpStream> {
    /// Taken when the halves are reunited.
    stream: Option<Rc<S>>,
    /// For the end, whatever kind of stream it is.
    closer: Closer,
}

/// What a reading half can do.
macro_rules! impl_read_half {
    ($addr:ty; $($half:ty),*) => {$(
        impl $half {
            /// See [`TcpStream::read`].
            ///
            /// # Errors
            ///
            /// Those of [`TcpStream::read`].
            ///
            /// # Cancel safety
            ///
            /// Nothing is lost.
            #[track_caller]
            pub fn read(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<usize>> {
                self.stream().read(buffer)
            }

            /// See [`TcpStream::read_exact`].
            ///
            /// # Errors
            ///
            /// Those of [`TcpStream::read_exact`].
            ///
            /// # Cancel safety
            ///
            /// None: see [`TcpStream::read_exact`].
            #[track_caller]
            pub fn read_exact(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<()>> {
                self.stream().read_exact(buffer)
            }

            /// See [`TcpStream::peek`].
            ///
            /// # Errors
            ///
            /// Those of [`TcpStream::read`].
            ///
            /// # Cancel safety
            ///
            /// Nothing is lost.
            #[track_caller]
            pub fn peek(&self, buffer: &mut [u8]) -> impl Future<Output = io::Result<usize>> {
                self.stream().peek(buffer)
            }

            /// The address of the peer.
            ///
            /// # Errors
            ///
            /// `NotConnected` if the connection is gone.
            pub fn peer_addr(&self) -> io::Result<$addr> {
                self.stream().peer_addr()
            }
        }
    )*};
}

/// What a writing half can do.
macro_rules! impl_write_half {
    ($addr:ty; $($half:ty),*) => {$(
        impl $half {
            /// See [`TcpStream::write`].
            ///
            /// # Errors
            ///
            /// Those of [`TcpStream::write`].
            ///
            /// # Cancel safety
            ///
            /// If it does not return, nothing was written.
            #[track_caller]
            pub fn write(&self, bytes: &[u8]) -> impl Future<Output = io::Result<usize>> {
                self.stream().write(bytes)
            }

            /// See [`TcpStream::write_vectored`].
            ///
            /// # Errors
            ///
            /// Those of [`TcpStream::write`].
            ///
            /// # Cancel safety
            ///
            /// If it does not return, nothing was written.
            #[track_caller]
            pub fn write_vectored(&self, slices: &[IoSlice<'_>]) -> impl Future<Output = io::Result<usize>> {
                self.stream().write_vectored(slices)
            }

            /// See [`TcpStream::write_all`].
            ///
            /// # Errors
            ///
            /// Those of [`TcpStream::write`].
            ///
            /// # Cancel safety
            ///
            /// None: see [`TcpStream::write_all`].
            #[track_caller]
            pub fn write_all(&self, bytes: &[u8]) -> impl Future<Output = io::Result<()>> {
                self.stream().write_all(bytes)
            }

            /// Shuts down writing: the peer reads to the end.
            ///
            /// # Errors
            ///
            /// Those of [`TcpStream::shutdown`].
            pub fn shutdown(&self) -> io::Result<()> {
                self.stream().shutdown(Shutdown::Write)
            }

            /// The address of the peer.
            ///
            /// # Errors
            ///
            /// `NotConnected` if the connection is gone.
            pub fn peer_addr(&self) -> io::Result<$addr> {
                self.stream().peer_addr()
            }
        }
    )*};
}

impl_read_half!(SocketAddr; ReadHalf<'_>, OwnedReadHalf);
impl_write_half!(SocketAddr; WriteHalf<'_>, OwnedWriteHalf);
impl_read_half!(unix::net::SocketAddr; ReadHalf<'_, UnixStream>, OwnedReadHalf<UnixStream>);
impl_write_half!(unix::net::SocketAddr; WriteHalf<'_, UnixStream>, OwnedWriteHalf<UnixStream>);

impl<S: AsFd> ReadHalf<'_, S> {
    pub(super) fn stream(&self) -> &S {
        self.stream
    }
}

impl<S: AsFd> WriteHalf<'_, S> {
    pub(super) fn stream(&self) -> &S {
        self.stream
    }
}

impl<S: AsFd> OwnedReadHalf<S> {
    pub(super) fn stream(&self) -> &S {
        &self.stream
    }

    /// Makes the stream whole again. Nothing is shut down.
    ///
    /// # Errors
    ///
    /// The halves are of different streams: both come back.
    pub fn reunite(self, mut other: OwnedWriteHalf<S>) -> Result<S, ReuniteError<S>> {
        if !Rc::ptr_eq(&self.stream, other.shared()) {
            return Err(ReuniteError(self, other));
        }
        drop(other.stream.take());
        Rc::try_unwrap(self.stream)
            .map_err(|_| unreachable!("there are two halves, and one is gone"))
    }
}

impl<S: AsFd> OwnedWriteHalf<S> {
    pub(super) fn stream(&self) -> &S {
        self.shared()
    }

    fn shared(&self) -> &Rc<S> {
        self.stream
            .as_ref()
            .expect("only a half that is gone was reunited")
    }
}

/// The whole stream, for what a half has no method for: its options, `readable`, `try_read`.
macro_rules! impl_as_ref {
    ($($half:ty),*) => {$(
        impl<S: AsFd> AsRef<S> for $half {
            fn as_ref(&self) -> &S {
                self.stream()
            }
        }
    )*};
}

impl_as_ref!(
    ReadHalf<'_, S>,
    WriteHalf<'_, S>,
    OwnedReadHalf<S>,
    OwnedWriteHalf<S>
);

impl<S: AsFd> Drop for OwnedWriteHalf<S> {
    fn drop(&mut self) {
        // A child that was forked drops but its descriptor: the connection is its parent's.
        if self.stream.is_some() && self.closer.is_ours() {
            let _ = self.closer.shutdown(Shutdown::Write); // There is nobody left to hear of an error.
        }
    }
}

/// Two halves that do not belong together, from [`OwnedReadHalf::reunite`].
#[derive(Debug)]
pub struct ReuniteError<S: AsFd = TcpStream>(pub OwnedReadHalf<S>, pub OwnedWriteHalf<S>);

impl<S: AsFd> fmt::Display for ReuniteError<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OwnedReadHalf::reunite: the halves are of different streams")
    }
}

impl<S: AsFd + fmt::Debug> Error for ReuniteError<S> {}
