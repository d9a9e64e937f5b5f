//! Claims about streams: what the page of asyncio's streams states, and what a Rust programmer
//! expects of them.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/loopback.rs"]
mod loopback;

use std::io::{ErrorKind, IoSlice, Read, Write};

use loopback::{half_std_pair, impatient, listen, on_each_backend, pair};
use selio::net::UnixStream;
use selio::{IntoStreams, StreamReader, StreamWriter, open_connection, spawn};

/// Both ends of a TCP connection.
async fn streams() -> ((StreamReader, StreamWriter), (StreamReader, StreamWriter)) {
    let (one, other) = pair().await;
    (one.into_streams(), other.into_streams())
}

/// asyncio's TCP echo server.
async fn handle_echo(mut reader: StreamReader, writer: StreamWriter) -> std::io::Result<()> {
    let data = reader.read_chunk(100).await?;
    writer.write(data);
    writer.drain().await?;
    writer.close();
    writer.wait_closed().await
}

#[test]
fn the_echo_of_the_asyncio_page_works_as_it_stands_there() {
    on_each_backend(async || {
        let (listener, addr) = listen().await;
        let server = spawn(async move {
            let (stream, _) = listener.accept().await?;
            let (reader, writer) = stream.into_streams();
            handle_echo(reader, writer).await
        });
        let (mut reader, writer) = open_connection(addr).await.unwrap();
        assert_eq!(writer.peer_addr().unwrap(), addr);
        writer.write(b"Hello World!");
        writer.drain().await.unwrap();
        assert_eq!(reader.read_chunk(100).await.unwrap(), b"Hello World!");
        assert_eq!(reader.read_chunk(100).await.unwrap(), b"");
        assert!(reader.at_eof());
        writer.close();
        writer.wait_closed().await.unwrap();
        server.await.unwrap().unwrap();
    });
}

#[test]
fn read_line_returns_the_line_with_its_end_and_what_is_there_at_the_end_of_the_stream() {
    on_each_backend(async || {
        let (mut client, server) = half_std_pair().await;
        let (mut reader, _writer) = server.into_streams();
        client.write_all(b"one\ntwo\r\n\nthree").unwrap();
        drop(client);
        for line in [&b"one\n"[..], b"two\r\n", b"\n", b"three", b"", b""] {
            assert_eq!(reader.read_line().await.unwrap(), line);
        }
    });
}

#[test]
fn read_exact_fills_the_buffer_and_an_early_end_gives_back_what_came() {
    on_each_backend(async || {
        let (mut client, server) = half_std_pair().await;
        let (mut reader, _writer) = server.into_streams();
        client.write_all(b"123456789").unwrap();
        drop(client);
        let mut buffer = [0; 4];
        reader.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"1234");
        let error = reader.read_exact(&mut [0; 6]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
        let error = error.downcast::<selio::IncompleteReadError>().unwrap();
        assert_eq!(
            (&error.partial[..], error.expected),
            (&b"56789"[..], Some(6))
        );
        assert!(reader.at_eof());
    });
}

#[test]
fn write_does_not_wait_and_what_the_socket_does_not_take_arrives_without_drain() {
    on_each_backend(async || {
        let ((_reader, writer), (mut peer, _peer_writer)) = streams().await;
        let bytes: Vec<u8> = (0..16 << 20).map(|i: u32| (i / 7) as u8).collect();
        writer.write(&bytes);
        assert!(writer.pending() > 0, "the socket took it all");
        drop(writer);
        assert!(peer.read_to_end(usize::MAX).await.unwrap() == bytes);
    });
}

#[test]
fn a_unix_stream_and_a_vectored_write_do_the_same() {
    on_each_backend(async || {
        let (one, other) = UnixStream::pair().unwrap();
        let (_reader, writer) = one.into_streams();
        let (mut peer, _peer_writer) = other.into_streams();
        let slices = [&b"a"[..], b"", b"bc\n"].map(IoSlice::new);
        writer.write_all_vectored(&slices);
        assert_eq!(peer.read_line().await.unwrap(), b"abc\n");
        writer.write_eof();
        assert_eq!(peer.read_line().await.unwrap(), b"");
    });
}

#[test]
fn close_ends_the_stream_after_what_was_written_for_both_sides() {
    on_each_backend(async || {
        let (client, server) = half_std_pair().await;
        let (mut reader, writer) = server.into_streams();
        writer.write(b"bye");
        assert!(!writer.is_closing());
        writer.close();
        assert!(writer.is_closing());
        writer.wait_closed().await.unwrap();
        assert_eq!(reader.read_line().await.unwrap(), b"");
        let mut all = Vec::new();
        impatient(client).read_to_end(&mut all).unwrap();
        assert_eq!(all, b"bye");
    });
}
