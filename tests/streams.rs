//! Claims about streams: what the page of asyncio's streams states, and what a Rust programmer
//! expects of them.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/loopback.rs"]
mod loopback;

use std::io::{self, ErrorKind, IoSlice, Read, Write};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::sync::LazyLock;
use std::task::{Context, Poll};

use futures::{AsyncRead, AsyncWrite};
use futures_lite::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, StreamExt};
use loopback::beside_others::on_each_backend;
use loopback::{
    alive, assert_error, block_until, half_std_pair, impatient, listen, pair, poll_once, refusing,
    reset, turns,
};
use rustix::event::PollFlags;
use selio::net::UnixStream;
use selio::{
    IncompleteReadError, IntoStreams, LimitOverrunError, StreamReader, StreamWriter,
    open_connection, spawn, stats,
};

/// More than the sockets of both sides hold together.
const MUCH: usize = 16 << 20;

/// Both ends of a TCP connection.
async fn streams() -> ((StreamReader, StreamWriter), (StreamReader, StreamWriter)) {
    let (one, other) = pair().await;
    (one.into_streams(), other.into_streams())
}

/// A reader of what a peer of std writes, and the writer that belongs to it.
async fn reader() -> (std::net::TcpStream, StreamReader, StreamWriter) {
    let (client, server) = half_std_pair().await;
    let (reader, writer) = server.into_streams();
    (client, reader, writer)
}

/// Bytes of which no two thousand in a row are alike: made once, since unoptimised code is slow at it.
fn pattern(length: usize) -> Vec<u8> {
    static PATTERN: LazyLock<Vec<u8>> =
        LazyLock::new(|| (0..MUCH).map(|at| (at / 7 + at / 1000) as u8).collect());
    PATTERN[..length].to_vec()
}

fn limit_of(error: io::Error) -> LimitOverrunError {
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    error.downcast().expect("the limit is its reason")
}

fn partial_of(error: io::Error) -> IncompleteReadError {
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
    error.downcast().expect("the end is its reason")
}

/// asyncio's TCP echo server.
async fn handle_echo(mut reader: StreamReader, writer: StreamWriter) -> io::Result<()> {
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
        let error = partial_of(reader.read_exact(&mut [0; 6]).await.unwrap_err());
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
        let bytes = pattern(MUCH);
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

#[test]
fn read_chunk_returns_what_is_there_and_at_most_max() {
    on_each_backend(async || {
        let (mut client, mut reader, _writer) = reader().await;
        client.write_all(b"123456").unwrap();
        assert_eq!(reader.read_chunk(0).await.unwrap(), b"");
        assert_eq!(reader.read_chunk(4).await.unwrap(), b"1234");
        assert_eq!(reader.buffer(), b"56");
        assert_eq!(reader.read_chunk(usize::MAX).await.unwrap(), b"56");
        drop(client);
        assert!(!reader.at_eof(), "nobody has seen the end");
        assert_eq!(reader.read_chunk(4).await.unwrap(), b"");
        assert!(reader.at_eof());
    });
}

#[test]
fn read_takes_small_and_large_buffers_and_loses_nothing_between_them() {
    on_each_backend(async || {
        let ((mut reader, _), (_, peer)) = streams().await;
        let bytes = pattern(1 << 20);
        peer.write(&bytes);
        peer.write_eof();
        let (mut all, mut buffer) = (Vec::new(), vec![0; 50_000]);
        for size in [1, 7, 100, 8191, 8192, 8193, 50_000].into_iter().cycle() {
            assert_eq!(reader.read(&mut []).await.unwrap(), 0);
            match reader.read(&mut buffer[..size]).await.unwrap() {
                0 => break,
                n => all.extend_from_slice(&buffer[..n]),
            }
        }
        assert!(all == bytes);
        assert!(reader.at_eof());
        assert_eq!(reader.read(&mut buffer).await.unwrap(), 0, "once more");
    });
}

#[test]
fn read_to_end_returns_all_of_it_and_an_error_that_keeps_it_if_it_is_too_much() {
    on_each_backend(async || {
        let (mut client, mut reader, _writer) = reader().await;
        client.write_all(b"0123456789").unwrap();
        drop(client);
        let limit = limit_of(reader.read_to_end(9).await.unwrap_err());
        assert_eq!((limit.limit, limit.consumed), (9, 9));
        assert_eq!(reader.read_chunk(3).await.unwrap(), b"012");
        assert_eq!(reader.read_to_end(7).await.unwrap(), b"3456789");
        assert_eq!(reader.read_to_end(0).await.unwrap(), b"");
    });
}

#[test]
fn read_exact_does_not_mind_the_limit() {
    on_each_backend(async || {
        let ((mut reader, _), (_, peer)) = streams().await;
        reader.set_limit(1).unwrap();
        let bytes = pattern(MUCH);
        peer.write(&bytes);
        let mut all = vec![0; MUCH];
        reader.read_exact(&mut all[..3]).await.unwrap();
        reader.read_exact(&mut []).await.unwrap();
        reader.read_exact(&mut all[3..]).await.unwrap();
        assert!(all == bytes);
    });
}

#[test]
fn read_until_returns_the_separator_too_and_leaves_what_follows() {
    on_each_backend(async || {
        let (mut client, mut reader, _writer) = reader().await;
        client.write_all(b"GET /\r\n\r\nbody").unwrap();
        assert_eq!(
            reader.read_until(b"\r\n\r\n").await.unwrap(),
            b"GET /\r\n\r\n"
        );
        assert_eq!(reader.read_chunk(100).await.unwrap(), b"body");
    });
}

#[test]
fn a_separator_may_come_in_pieces() {
    on_each_backend(async || {
        let (mut client, mut reader, _writer) = reader().await;
        client.set_nodelay(true).unwrap();
        let mut message = Box::pin(reader.read_until(b"--END--"));
        for piece in [&b"one-"[..], b"-EN", b"-", b"-END", b"-", b"-two"] {
            assert!(poll_once(&mut message).await.is_none());
            client.write_all(piece).unwrap();
            turns(1).await;
        }
        assert_eq!(message.await.unwrap(), b"one--EN--END--");
        assert_eq!(reader.buffer(), b"two");
    });
}

#[test]
fn of_several_separators_the_shortest_message_wins_and_then_the_shortest_separator() {
    on_each_backend(async || {
        let (mut client, mut reader, _writer) = reader().await;
        client.write_all(b"a\r\nb\nc.ab.abc\n").unwrap();
        let line: [&[u8]; 2] = [b"\r\n", b"\n"];
        // As Python has it: it is `\n` that matched, so this is two bytes long, and not one.
        reader.set_limit(1).unwrap();
        let limit = limit_of(reader.read_until_any(&line).await.unwrap_err());
        assert_eq!(limit.consumed, 2);
        assert_eq!(reader.read_until(b"\r\n").await.unwrap(), b"a\r\n");
        assert_eq!(reader.read_until_any(&line).await.unwrap(), b"b\n");
        let letters: [&[u8]; 3] = [b"abc", b".ab", b"c."];
        assert_eq!(reader.read_until_any(&letters).await.unwrap(), b"c.");
        let limit = limit_of(reader.read_until_any(&letters).await.unwrap_err());
        assert_eq!(limit.consumed, 2);
        reader.set_limit(2).unwrap();
        assert_eq!(reader.read_until_any(&letters).await.unwrap(), b"ab.ab");
    });
}

#[test]
fn an_end_before_the_separator_gives_back_what_came_and_empties_the_reader() {
    on_each_backend(async || {
        let (mut client, mut reader, _writer) = reader().await;
        client.write_all(b"one--EN").unwrap();
        drop(client);
        let error = reader.read_until(b"--END--").await.unwrap_err();
        assert!(
            error.to_string().contains("7 bytes without a separator"),
            "{error}"
        );
        let error = partial_of(error);
        assert_eq!(
            (&error.partial[..], error.expected),
            (&b"one--EN"[..], None)
        );
        assert!(reader.at_eof());
        assert_eq!(
            partial_of(reader.read_until(b"x").await.unwrap_err()).partial,
            b""
        );
    });
}

#[test]
fn a_message_may_be_as_long_as_the_limit_and_no_longer() {
    on_each_backend(async || {
        let (mut client, mut reader, _writer) = reader().await;
        assert_eq!(reader.limit(), 64 * 1024);
        reader.set_limit(5).unwrap();
        client.write_all(b"12345\n123456\n12345--1234567").unwrap();
        assert_eq!(reader.read_line().await.unwrap(), b"12345\n");
        let error = reader.read_line().await.unwrap_err();
        assert!(
            error.to_string().contains("the limit of 5 bytes"),
            "{error}"
        );
        let limit = limit_of(error);
        assert_eq!((limit.limit, limit.consumed), (5, 6));

        // It is still there, once more and to be skipped.
        assert_eq!(limit_of(reader.read_line().await.unwrap_err()), limit);
        let mut long = vec![0; limit.consumed];
        reader.read_exact(&mut long).await.unwrap();
        assert_eq!(long, b"123456");
        assert_eq!(reader.read_line().await.unwrap(), b"\n");
        assert_eq!(reader.read_until(b"--").await.unwrap(), b"12345--");

        // Without a separator: the end of it may have come already, and stays there.
        while reader.buffer().len() < 7 {
            let _ = reader.read_until(b"--").await.unwrap_err();
        }
        let limit = limit_of(reader.read_until(b"--").await.unwrap_err());
        assert_eq!(limit.consumed, 6, "the seventh may begin a separator");
    });
}

#[test]
fn what_makes_no_sense_is_invalid_input_and_harms_nothing() {
    on_each_backend(async || {
        let (mut client, mut reader, writer) = reader().await;
        client.write_all(b"fine\n").unwrap();
        let invalid = ErrorKind::InvalidInput;
        assert_error(
            reader.read_until(b"").await,
            invalid,
            &[&"read_until", &"empty"],
        );
        assert_error(
            reader.read_until_any(&[]).await,
            invalid,
            &[&"no separator"],
        );
        assert_error(
            reader.read_until_any(&[b"\n", b""]).await,
            invalid,
            &[&"empty"],
        );
        assert_error(reader.set_limit(0), invalid, &[&"set_limit", &"at least 1"]);
        #[expect(clippy::reversed_empty_ranges, reason = "that is what is refused")]
        let marks = writer.set_marks(8..=7);
        assert_error(marks, invalid, &[&"set_marks", &8, &7]);
        assert_eq!(
            (reader.limit(), writer.marks()),
            (64 * 1024, 16 * 1024..=64 * 1024)
        );
        assert_eq!(reader.read_line().await.unwrap(), b"fine\n");
        writer.write(b"");
        writer.write_all_vectored(&[]);
        writer.write_all_vectored(&[IoSlice::new(b"")]);
        writer.drain().await.unwrap();
        assert_error(
            open_connection("127.0.0.1").await,
            invalid,
            &[&"open_connection"],
        );
        let (_held, refused) = refusing();
        let kind = ErrorKind::ConnectionRefused;
        assert_error(
            open_connection(refused).await,
            kind,
            &[&"open_connection", &refused],
        );
    });
}

#[test]
fn ten_thousand_lines_cost_a_hundredth_of_the_reads() {
    on_each_backend(async || {
        let ((mut reader, _), (_, peer)) = streams().await;
        let lines: Vec<_> = (0..10_000).map(|n| format!("this is line {n}\n")).collect();
        peer.write(lines.concat().as_bytes());
        peer.write_eof();
        let mut reads = 0;
        for line in lines {
            reads += usize::from(reader.buffer().len() < line.len());
            assert_eq!(reader.read_line().await.unwrap(), line.as_bytes());
        }
        assert_eq!(reader.read_line().await.unwrap(), b"");
        assert!(reads <= 100, "{reads}");
    });
}

#[test]
fn a_reset_is_an_error_of_the_read_that_comes_to_it_and_keeps_what_came_before() {
    on_each_backend(async || {
        let (mut client, mut reader, _writer) = reader().await;
        client.write_all(b"half a line").unwrap();
        assert!(poll_once(&mut pin!(reader.read_line())).await.is_none());
        turns(1).await;
        reset(client);
        let error = reader.read_line().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        assert_eq!(reader.read_chunk(100).await.unwrap(), b"half a line");
    });
}

#[test]
fn drain_returns_at_once_when_nothing_is_pending() {
    on_each_backend(async || {
        let ((_reader, writer), _peer) = streams().await;
        writer.write(b"little");
        assert_eq!(writer.pending(), 0, "the socket takes it at once");
        assert!(poll_once(&mut pin!(writer.drain())).await.unwrap().is_ok());
        assert_eq!(stats().tasks, 0);
    });
}

#[test]
fn drain_waits_from_the_high_mark_down_to_the_low_one() {
    on_each_backend(async || {
        let ((_reader, writer), (mut peer, _peer_writer)) = streams().await;
        writer.set_marks(1000..=4000).unwrap();
        while writer.pending() == 0 {
            writer.write(&[b'x'; 2000]);
        }
        let mut written = writer.pending();
        while writer.pending() <= 4000 {
            let drained = poll_once(&mut pin!(writer.drain())).await;
            assert!(drained.unwrap().is_ok(), "at {}", writer.pending());
            writer.write(&[b'x'; 100]);
            written += 100;
        }
        assert_eq!(writer.pending(), written, "nobody has read any of it");
        let mut drain = Box::pin(writer.drain());
        assert!(poll_once(&mut drain).await.is_none());
        while poll_once(&mut drain).await.is_none() {
            peer.read_chunk(usize::MAX).await.unwrap();
            turns(1).await;
        }
        assert!(writer.pending() <= 1000, "{}", writer.pending());
    });
}

#[test]
fn ten_tasks_may_wait_in_drain() {
    on_each_backend(async || {
        let ((_reader, writer), (mut peer, _peer_writer)) = streams().await;
        let writer = Rc::new(writer);
        let tasks: Vec<_> = (0..10)
            .map(|_| {
                let writer = Rc::clone(&writer);
                spawn(async move {
                    writer.write(&vec![7; MUCH / 10]);
                    writer.drain().await
                })
            })
            .collect();
        turns(2).await;
        assert!(tasks.iter().any(|task| !task.is_finished()));
        let mut all = vec![0; MUCH / 10 * 10];
        peer.read_exact(&mut all).await.unwrap();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
    });
}

#[test]
fn a_writer_that_never_drains_is_dropped_and_loses_nothing() {
    on_each_backend(async || {
        let (one, other) = pair().await;
        let (reader, writer) = one.into_streams();
        let bytes = pattern(MUCH);
        writer.write(&bytes);
        drop((reader, writer));
        assert_eq!(alive(&stats()).0, 1, "the task that sends it");
        let (mut peer, _peer_writer) = other.into_streams();
        assert!(peer.read_to_end(usize::MAX).await.unwrap() == bytes);
        turns(2).await;
        assert_eq!(alive(&stats()), (0, 1, 0), "its socket is closed");
    });
}

#[test]
fn what_is_pending_is_sent_while_its_task_waits_for_the_answer() {
    on_each_backend(async || {
        let ((mut reader, writer), (mut peer, peer_writer)) = streams().await;
        let answer = spawn(async move {
            writer.write(&vec![b'q'; MUCH]);
            reader.read_line().await.map(<[u8]>::to_vec)
        });
        peer.read_exact(&mut vec![0; MUCH]).await.unwrap();
        peer_writer.write(b"answer\n");
        assert_eq!(answer.await.unwrap().unwrap(), b"answer\n");
    });
}

#[test]
fn write_eof_ends_writing_after_what_is_pending_and_reading_goes_on() {
    on_each_backend(async || {
        let ((mut reader, writer), (mut peer, peer_writer)) = streams().await;
        let bytes = pattern(MUCH);
        writer.write(&bytes);
        writer.write_eof();
        writer.write_eof();
        assert!(!writer.is_closing());
        assert!(peer.read_to_end(usize::MAX).await.unwrap() == bytes);
        peer_writer.write(b"and the answer\n");
        assert_eq!(reader.read_line().await.unwrap(), b"and the answer\n");

        writer.write(b"too late");
        assert_error(
            writer.drain().await,
            ErrorKind::BrokenPipe,
            &[&"drain", &"end"],
        );
        assert_eq!(peer.read_chunk(100).await.unwrap(), b"");
    });
}

#[test]
fn wait_closed_waits_until_all_of_it_is_sent() {
    on_each_backend(async || {
        let ((mut reader, writer), (mut peer, _peer_writer)) = streams().await;
        let bytes = pattern(MUCH);
        writer.write(&bytes);
        writer.close();
        assert!(writer.is_closing());
        assert_eq!(
            reader.read_line().await.unwrap(),
            b"",
            "this side is at its end already"
        );
        let mut closed = Box::pin(writer.wait_closed());
        assert!(poll_once(&mut closed).await.is_none());
        assert!(peer.read_to_end(usize::MAX).await.unwrap() == bytes);
        closed.await.unwrap();
        writer.close();
        writer.wait_closed().await.unwrap();
    });
}

#[test]
fn a_lost_connection_surfaces_at_the_next_drain_and_at_each_one_after_it() {
    on_each_backend(async || {
        let (client, _reader, writer) = reader().await;
        reset(client);
        block_until(writer.socket().unwrap(), PollFlags::HUP);
        writer.write(b"to nobody");
        let kind = writer.drain().await.unwrap_err().kind();
        assert!(
            [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset].contains(&kind),
            "{kind}"
        );
        writer.write(b"to nobody");
        let error = writer.drain().await.unwrap_err();
        assert_eq!(error.kind(), kind);
        assert!(
            error
                .to_string()
                .starts_with("StreamWriter::drain: the connection is lost")
        );
        assert!(writer.is_closing());
        assert_eq!(writer.wait_closed().await.unwrap_err().kind(), kind);
    });
}

#[test]
fn a_connection_that_is_lost_while_bytes_are_pending_ends_drain_and_wait_closed() {
    on_each_backend(async || {
        let (client, _reader, writer) = reader().await;
        let writer = Rc::new(writer);
        writer.write(&vec![0; MUCH]);
        let drain = spawn({
            let writer = Rc::clone(&writer);
            async move { writer.drain().await }
        });
        let closed = spawn({
            let writer = Rc::clone(&writer);
            async move { writer.wait_closed().await }
        });
        turns(2).await;
        assert!(!drain.is_finished() && !closed.is_finished());
        reset(client);
        let kind = drain.await.unwrap().unwrap_err().kind();
        assert!(
            [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset].contains(&kind),
            "{kind}"
        );
        assert_eq!(closed.await.unwrap().unwrap_err().kind(), kind);
        assert_eq!(writer.pending(), 0);
        turns(1).await;
        assert_eq!(stats().tasks, 0);
    });
}

#[test]
fn a_write_that_finds_the_connection_lost_ends_wait_closed_elsewhere() {
    on_each_backend(async || {
        let (client, _reader, writer) = reader().await;
        let writer = Rc::new(writer);
        let closed = spawn({
            let writer = Rc::clone(&writer);
            async move { writer.wait_closed().await }
        });
        turns(1).await;
        reset(client);
        block_until(writer.socket().unwrap(), PollFlags::HUP);
        writer.write(b"to nobody");
        assert!(closed.await.unwrap().is_err());
    });
}

#[test]
fn what_is_written_does_not_overtake_what_is_pending() {
    on_each_backend(async || {
        let (mut peer, stream) = std::os::unix::net::UnixStream::pair().unwrap();
        let (_reader, writer) = UnixStream::from_std(stream).unwrap().into_streams();
        writer.write(&[b'x'; 1 << 20]);
        let first = (1 << 20) - writer.pending();
        // There is room now, and the task that sends has not heard of it.
        peer.read_exact(&mut vec![0; first]).unwrap();
        writer.write(b"end");
        writer.write_eof();
        let (mut rest, _writer) = UnixStream::from_std(peer).unwrap().into_streams();
        let rest = rest.read_to_end(1 << 20).await.unwrap();
        assert_eq!(rest.len(), (1 << 20) - first + 3);
        assert!(rest.ends_with(b"xend"));
    });
}

#[test]
fn abort_does_not_wait_for_a_peer_that_reads_nothing() {
    on_each_backend(async || {
        let ((mut reader, writer), (mut peer, _peer_writer)) = streams().await;
        writer.write(&vec![0; MUCH]);
        writer.close();
        turns(2).await;
        writer.abort();
        writer.abort();
        writer.wait_closed().await.unwrap();
        assert_eq!(
            (writer.pending(), reader.read_line().await.unwrap()),
            (0, &b""[..])
        );
        turns(2).await;
        assert_eq!(stats().tasks, 0);
        assert!(peer.read_to_end(MUCH).await.unwrap().len() < MUCH);
    });
}

#[test]
fn a_dropped_writer_ends_writing_and_the_reader_reads_on() {
    on_each_backend(async || {
        let ((mut reader, writer), (mut peer, peer_writer)) = streams().await;
        drop(writer);
        assert_eq!(peer.read_chunk(1).await.unwrap(), b"");
        peer_writer.write(b"still here\n");
        assert_eq!(reader.read_line().await.unwrap(), b"still here\n");
        drop(peer_writer);
        drop(peer);
        assert_eq!(reader.read_line().await.unwrap(), b"");
        drop(reader);
        assert_eq!(alive(&stats()), (0, 0, 0));
    });
}

#[test]
fn a_dropped_reader_leaves_the_writer_as_it_is() {
    on_each_backend(async || {
        let ((reader, writer), (mut peer, _peer_writer)) = streams().await;
        drop(reader);
        writer.write(b"on and on\n");
        assert_eq!(peer.read_line().await.unwrap(), b"on and on\n");
    });
}

#[test]
fn the_writer_knows_its_addresses_and_its_socket() {
    on_each_backend(async || {
        let (one, other) = pair().await;
        let addresses = (one.local_addr().unwrap(), one.peer_addr().unwrap());
        let (_reader, writer) = one.into_streams();
        assert_eq!(
            (writer.local_addr().unwrap(), writer.peer_addr().unwrap()),
            addresses
        );
        let socket = writer.socket().expect("it is one");
        assert!(rustix::net::sockopt::tcp_nodelay(socket).unwrap());
        drop(other);

        let (_reader, writer) = UnixStream::pair().unwrap().0.into_streams();
        assert_error(
            writer.peer_addr(),
            ErrorKind::Unsupported,
            &[&"peer_addr", &"no TCP"],
        );
        assert_error(
            writer.local_addr(),
            ErrorKind::Unsupported,
            &[&"local_addr"],
        );
        assert!(writer.socket().is_some());
        let writer = StreamWriter::new(Vec::new());
        assert!(writer.socket().is_none() && writer.peer_addr().is_err());
    });
}

#[test]
fn a_vectored_write_that_the_socket_does_not_take_whole_arrives_in_order() {
    on_each_backend(async || {
        let ((_reader, writer), (mut peer, _peer_writer)) = streams().await;
        let bytes = pattern(MUCH);
        // More slices than one system call takes, and empty ones among them.
        let mut slices: Vec<_> = bytes.chunks(9999).map(IoSlice::new).collect();
        slices.insert(7, IoSlice::new(b""));
        writer.write_all_vectored(&slices);
        writer.write_eof();
        assert!(peer.read_to_end(MUCH).await.unwrap() == bytes);
    });
}

#[test]
fn readers_and_writers_are_those_of_futures_io_too() {
    on_each_backend(async || {
        let ((mut reader, _writer), (_peer, mut peer_writer)) = streams().await;
        let bytes = pattern(MUCH);
        let sent = bytes.clone();
        let sender = spawn(async move {
            AsyncWriteExt::write_all(&mut peer_writer, b"first\nsecond\n").await?;
            AsyncWriteExt::write_all(&mut &peer_writer, &sent).await?;
            AsyncWriteExt::flush(&mut peer_writer).await?;
            assert_eq!(peer_writer.pending(), 0);
            AsyncWriteExt::close(&mut peer_writer).await
        });
        let mut lines = AsyncBufReadExt::lines(&mut reader);
        assert_eq!(lines.next().await.unwrap().unwrap(), "first");
        assert_eq!(lines.next().await.unwrap().unwrap(), "second");
        let mut all = Vec::new();
        AsyncReadExt::read_to_end(&mut reader, &mut all)
            .await
            .unwrap();
        assert!(all == bytes);
        sender.await.unwrap().unwrap();
    });
}

/// Takes a few bytes at a time, and is closed when it is told to; or fails.
struct Slow {
    written: Rc<std::cell::RefCell<(Vec<u8>, bool)>>,
    fails_at: usize,
    is_tired: bool,
}

impl AsyncWrite for Slow {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if std::mem::replace(&mut self.is_tired, true) {
            self.is_tired = false;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let written = &mut self.written.borrow_mut().0;
        if written.len() >= self.fails_at {
            return Poll::Ready(Err(io::Error::other("worn out")));
        }
        let n = bytes.len().min(3);
        written.extend_from_slice(&bytes[..n]);
        Poll::Ready(Ok(n))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.written.borrow_mut().1 = true;
        Poll::Ready(Ok(()))
    }
}

#[test]
fn any_futures_io_pair_makes_a_stream() {
    on_each_backend(async || {
        let written = Rc::default();
        let output = Slow {
            written: Rc::clone(&written),
            fails_at: usize::MAX,
            is_tired: false,
        };
        let (mut reader, writer) = (&b"in\n"[..], output).into_streams();
        assert_eq!(reader.read_line().await.unwrap(), b"in\n");
        writer.set_marks(0..=0).unwrap();
        writer.write(b"out and ");
        writer.drain().await.unwrap();
        assert_eq!(*written.borrow(), (b"out and ".to_vec(), false));
        writer.write(b"about");
        drop(writer);
        turns(30).await;
        assert_eq!(*written.borrow(), (b"out and about".to_vec(), true));
        assert_eq!(stats().tasks, 0);
    });
}

#[test]
fn an_output_of_futures_io_that_fails_is_a_lost_connection() {
    on_each_backend(async || {
        let output = Slow {
            written: Rc::default(),
            fails_at: 9,
            is_tired: false,
        };
        let writer = StreamWriter::new(output);
        writer.write(&[0; 100]);
        writer.close();
        let kind = ErrorKind::Other;
        assert_error(
            writer.wait_closed().await,
            kind,
            &[&"wait_closed", &"worn out"],
        );
        assert_error(writer.drain().await, kind, &[&"drain", &"worn out"]);
        assert_eq!(writer.pending(), 0);
    });
}

/// Panics when it is written to.
struct Broken;

impl AsyncWrite for Broken {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        std::panic::resume_unwind(Box::new("broken")) // Without a word on the screen.
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn an_output_of_futures_io_that_panics_is_a_lost_connection_and_nobody_waits_for_ever() {
    on_each_backend(async || {
        let writer = StreamWriter::new(Broken);
        writer.set_marks(0..=0).unwrap();
        writer.write(b"x");
        assert_error(
            writer.drain().await,
            ErrorKind::Other,
            &[&"drain", &"panicked"],
        );
        writer.write(b"x");
        writer.close();
        assert!(writer.wait_closed().await.is_err());
        assert_eq!(stats().tasks, 0);
    });
}

/// Claims to have read more than there was room for.
struct Liar;

impl AsyncRead for Liar {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(buffer.len() + 1))
    }
}

#[test]
#[should_panic(expected = "claims to have read 8193 bytes into 8192")]
fn an_input_of_futures_io_that_lies_is_a_bug_of_its_author() {
    selio::run(async { StreamReader::new(Liar).read_line().await.map(<[u8]>::len) }).unwrap();
}

#[test]
fn a_peer_that_takes_everything_does_not_starve_the_others() {
    on_each_backend(async || {
        let ((_reader, writer), (mut peer, _peer_writer)) = streams().await;
        let others = Rc::new(std::cell::Cell::new(0));
        let turns = Rc::clone(&others);
        let other = spawn(async move {
            loop {
                turns.set(turns.get() + 1);
                selio::yield_now().await;
            }
        });
        for _ in 0..10_000 {
            writer.write(b"x");
            writer.drain().await.unwrap();
        }
        assert!(others.get() >= 50, "{}", others.get());
        other.cancel();
        peer.read_exact(&mut [0; 10_000]).await.unwrap();
    });
}

#[test]
fn a_stream_says_so_when_its_runtime_does_not_run() {
    let one = selio::Runtime::new().unwrap();
    let (reader, writer) = one.block_on(async {
        let (one, other) = pair().await;
        std::mem::forget(other);
        one.into_streams()
    });
    // Outside, what the socket takes at once is sent; the rest waits for the runtime.
    writer.write(&vec![0; MUCH]);
    assert!(writer.pending() > 0);
    let error = selio::run(async { writer.drain().await }).unwrap_err();
    assert!(
        error.to_string().contains("does not run on this thread"),
        "{error}"
    );
    one.block_on(async {
        let mut drain = pin!(writer.drain());
        assert!(poll_once(&mut drain).await.is_none());
    });
    drop((reader, writer));
}

#[test]
fn a_stream_may_be_used_and_dropped_where_no_runtime_is() {
    let runtime = selio::Runtime::new().unwrap();
    let (mut client, (reader, writer)) = runtime.block_on(async {
        let (client, server) = half_std_pair().await;
        (client, server.into_streams())
    });
    writer.write(b"from outside");
    writer.close();
    assert!(writer.is_closing());
    drop((reader, writer));
    let mut all = Vec::new();
    client.read_to_end(&mut all).unwrap();
    assert_eq!(all, b"from outside");
}
