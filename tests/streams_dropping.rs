//! Every operation of a stream that waits, dropped at each of its `Pending`s once: no byte is lost
//! or comes twice.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/dropping.rs"]
mod dropping;
#[path = "common/loopback.rs"]
mod loopback;

use std::io::{self, Write};
use std::sync::LazyLock;

use dropping::drop_at_each_pending;
use loopback::beside_others::on_each_backend;
use loopback::{half_std_pair, turns};
use selio::net::UnixStream;
use selio::{IntoStreams, StreamReader, StreamWriter, spawn};

/// What the peer sends, a piece at a time, so that every operation has to wait several times.
const PIECES: [&[u8]; 5] = [b"on", b"e\r", b"\nt", b"wo\r\n", b"three"];

/// A reader with a peer that sends [`PIECES`], and then no more.
async fn world() -> (StreamReader, StreamWriter) {
    let (mut peer, stream) = half_std_pair().await;
    peer.set_nodelay(true).unwrap();
    spawn(async move {
        for piece in PIECES {
            turns(2).await;
            peer.write_all(piece).unwrap();
        }
        turns(2).await;
    });
    stream.into_streams()
}

/// Drops an operation that takes bytes from the front at each of its `Pending`s, and asserts that
/// what it has returned and what is left are all that was sent.
fn loses_nothing(operation: impl AsyncFn(&mut StreamReader) -> io::Result<Vec<u8>>) {
    on_each_backend(async || {
        let pendings = drop_at_each_pending(
            world,
            async |(reader, _)| operation(reader).await.unwrap(),
            async |(mut reader, _writer), got| {
                let mut all = got.unwrap_or_default();
                all.extend(reader.read_to_end(1000).await.unwrap());
                assert_eq!(all, PIECES.concat());
            },
        );
        assert!(pendings.await >= 1, "it never had to wait");
    });
}

#[test]
fn read_loses_nothing() {
    loses_nothing(async |reader| {
        let mut buffer = [0; 3];
        let n = reader.read(&mut buffer).await?;
        Ok(buffer[..n].to_vec())
    });
}

#[test]
fn read_into_a_large_buffer_loses_nothing() {
    loses_nothing(async |reader| {
        let mut buffer = [0; 10_000];
        let n = reader.read(&mut buffer).await?;
        Ok(buffer[..n].to_vec())
    });
}

#[test]
fn read_chunk_loses_nothing() {
    loses_nothing(async |reader| reader.read_chunk(3).await.map(<[u8]>::to_vec));
}

#[test]
fn read_exact_loses_nothing() {
    loses_nothing(async |reader| {
        let mut buffer = [0; 9];
        reader.read_exact(&mut buffer).await?;
        Ok(buffer.to_vec())
    });
}

#[test]
fn read_exact_loses_nothing_of_what_was_read_ahead() {
    on_each_backend(async || {
        let pendings = drop_at_each_pending(
            async || {
                let (mut reader, writer) = world().await;
                assert_eq!(reader.read_chunk(1).await.unwrap(), b"o");
                (reader, writer)
            },
            async |(reader, _)| reader.read_exact(&mut [0; 9]).await.unwrap(),
            async |(mut reader, _writer), done| {
                let rest = reader.read_to_end(1000).await.unwrap();
                let taken = done.map_or(1, |()| 10);
                assert_eq!(rest, PIECES.concat()[taken..]);
            },
        );
        assert!(pendings.await >= 3);
    });
}

#[test]
fn read_line_loses_nothing() {
    loses_nothing(async |reader| reader.read_line().await.map(<[u8]>::to_vec));
}

#[test]
fn read_until_loses_nothing() {
    loses_nothing(async |reader| reader.read_until(b"\r\nthree").await.map(<[u8]>::to_vec));
}

#[test]
fn read_until_any_loses_nothing() {
    loses_nothing(async |reader| {
        let separators: [&[u8]; 2] = [b"\r\ntwo", b"four"];
        reader.read_until_any(&separators).await.map(<[u8]>::to_vec)
    });
}

#[test]
fn read_to_end_loses_nothing() {
    loses_nothing(async |reader| reader.read_to_end(1000).await);
}

/// More than a Unix socket holds.
const MUCH: usize = 1 << 20;

/// It is made once, since unoptimised code is slow at it.
fn pattern() -> &'static [u8] {
    static PATTERN: LazyLock<Vec<u8>> =
        LazyLock::new(|| (0..MUCH).map(|at| (at / 7 + at / 1000) as u8).collect());
    &PATTERN
}

/// A writer with much to send, and a peer who begins to read after a while.
async fn sending() -> (StreamWriter, selio::JoinHandle<io::Result<Vec<u8>>>) {
    let (one, other) = UnixStream::pair().unwrap();
    let (_reader, writer) = one.into_streams();
    writer.write(pattern());
    let (mut peer, _peer_writer) = other.into_streams();
    let reading = spawn(async move {
        turns(3).await;
        peer.read_to_end(2 * MUCH).await
    });
    (writer, reading)
}

#[test]
fn drain_loses_nothing() {
    on_each_backend(async || {
        let pendings = drop_at_each_pending(
            sending,
            async |(writer, _)| writer.drain().await,
            async |(writer, reading), drained| {
                assert!(drained.is_none_or(|result| result.is_ok()));
                writer.drain().await.unwrap();
                writer.write(b"more");
                drop(writer);
                let all = reading.await.unwrap().unwrap();
                assert!(all == [pattern(), b"more"].concat());
            },
        );
        assert_eq!(pendings.await, 1);
    });
}

#[test]
fn wait_closed_loses_nothing() {
    on_each_backend(async || {
        let pendings = drop_at_each_pending(
            sending,
            async |(writer, _)| {
                writer.close();
                writer.wait_closed().await
            },
            async |(writer, reading), closed| {
                assert!(closed.is_none_or(|result| result.is_ok()));
                writer.wait_closed().await.unwrap();
                assert!(reading.await.unwrap().unwrap() == pattern());
            },
        );
        assert_eq!(pendings.await, 1);
    });
}

/// Drops a call of futures-io's `AsyncWrite`, which comes each time with the waker of somebody else.
fn sends_all(call: impl AsyncFn(&StreamWriter) -> io::Result<()>) {
    on_each_backend(async || {
        let pendings = drop_at_each_pending(
            sending,
            async |(writer, _)| call(writer).await,
            async |(writer, reading), result| {
                assert!(result.is_none_or(|result| result.is_ok()));
                call(&writer).await.unwrap();
                assert_eq!(writer.pending(), 0);
                drop(writer);
                assert!(reading.await.unwrap().unwrap() == pattern());
            },
        );
        assert_eq!(pendings.await, 1);
    });
}

#[test]
fn flush_of_futures_io_loses_nothing() {
    sends_all(async |mut writer| futures_lite::AsyncWriteExt::flush(&mut writer).await);
}

#[test]
fn close_of_futures_io_loses_nothing() {
    sends_all(async |mut writer| futures_lite::AsyncWriteExt::close(&mut writer).await);
}
