//! What a server listens on.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;

use crate::net::{Closer, TcpListener, TcpStream};

/// What a [`Server`](super::Server) can listen on: [`TcpListener`],
/// [`UnixListener`](crate::net::UnixListener), or a type of yours around one, which sets socket
/// options, say, or makes its streams speak TLS.
///
/// # Examples
///
/// Connections that send small messages at once:
///
/// ```
/// use selio::net::{Closer, Listener, Server, TcpListener, TcpStream};
/// use std::{io, net::SocketAddr};
///
/// struct Undelayed(TcpListener);
///
/// impl Listener for Undelayed {
///     type Stream = TcpStream;
///     type Addr = SocketAddr;
///
///     async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
///         let (stream, peer) = self.0.accept().await?;
///         stream.set_nodelay(true)?;
///         Ok((stream, peer))
///     }
///
///     fn local_addr(&self) -> io::Result<SocketAddr> {
///         self.0.local_addr()
///     }
///
///     fn closer(stream: &TcpStream) -> Option<Closer> {
///         Some(stream.closer())
///     }
/// }
///
/// selio::run(async {
///     let listener = Undelayed(TcpListener::bind("127.0.0.1:0").await?);
///     let server = Server::builder().serve([listener], async |stream| {
///         stream.write_all(b"hello\n").await
///     })?;
///     let client = TcpStream::connect(server.local_addrs()[0]).await?;
///     client.read_exact(&mut [0; 6]).await
/// })
/// # .unwrap();
/// ```
pub trait Listener: 'static {
    /// What a handler gets.
    type Stream: 'static;
    /// An address, ours or a peer's.
    type Addr: fmt::Debug + 'static;

    /// Waits for the next connection.
    ///
    /// It is asked for one after the other: what needs the peer's help, a handshake, is better done
    /// by the stream when it is first read, or by the handler, or a peer that stalls keeps everybody
    /// out.
    ///
    /// An error of the kind [`ConnectionAborted`](io::ErrorKind::ConnectionAborted) concerns that
    /// connection only: the server goes on. After any other one it pauses.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future must not lose a connection.
    fn accept(&self) -> impl Future<Output = io::Result<(Self::Stream, Self::Addr)>>;

    /// The address that it listens on.
    ///
    /// # Errors
    ///
    /// Those of getsockname(2), say.
    fn local_addr(&self) -> io::Result<Self::Addr>;

    /// What [`Server::close_clients`](super::Server::close_clients) shuts down. By default that
    /// leaves the connections alone.
    fn closer(stream: &Self::Stream) -> Option<Closer> {
        let _ = stream;
        None
    }
}

impl Listener for TcpListener {
    type Stream = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        // Without the pause of `TcpListener::accept`: the server knows better when to go on.
        self.accept_at_once().await
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.local_addr()
    }

    fn closer(stream: &TcpStream) -> Option<Closer> {
        Some(stream.closer())
    }
}
