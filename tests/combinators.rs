//! Claims about keeping company: what `futures` and `futures-lite` offer works on streams, on
//! references to them, and on their halves.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/loopback.rs"]
mod loopback;

use std::io::{self, IoSlice};
use std::net;
use std::time::Duration;

use common::Random;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, SinkExt};
use loopback::{listen, on_each_backend, pair, random_bytes, turns};
use selio::net::TcpStream;
use selio::{spawn, stats};

fn random(length: usize) -> Vec<u8> {
    random_bytes(&mut Random::from_environment(), length)
}

#[test]
fn futures_lite_reads_and_writes_a_stream() {
    use futures_lite::{AsyncReadExt, AsyncWriteExt};
    on_each_backend(async || {
        let (mut client, mut server) = pair().await;
        let sent = random(1 << 20);
        let send = async {
            AsyncWriteExt::write_all(&mut client, &sent).await.unwrap();
            client.flush().await.unwrap();
            client.close().await.unwrap();
        };
        let mut received = Vec::new();
        let receive = AsyncReadExt::read_to_end(&mut server, &mut received);
        let ((), n) = futures_lite::future::zip(send, receive).await;
        assert_eq!(n.unwrap(), sent.len());
        assert!(received == sent, "the bytes differ");
    });
}

#[test]
fn futures_reads_and_writes_a_stream() {
    use futures::{AsyncReadExt, AsyncWriteExt};
    on_each_backend(async || {
        let (mut client, mut server) = pair().await;
        let sent = random(1 << 20);
        let mut received = vec![0; sent.len()];
        let (written, read) = futures::join!(
            AsyncWriteExt::write_all(&mut client, &sent),
            AsyncReadExt::read_exact(&mut server, &mut received),
        );
        written.unwrap();
        read.unwrap();
        assert!(received == sent, "the bytes differ");

        let slices = [IoSlice::new(b"a"), IoSlice::new(b""), IoSlice::new(b"bc")];
        let n = AsyncWriteExt::write_vectored(&mut client, &slices).await;
        assert_eq!(n.unwrap(), 3);
        let mut buffer = [0; 3];
        AsyncReadExt::read_exact(&mut server, &mut buffer)
            .await
            .unwrap();
        assert_eq!(&buffer, b"abc");
        assert_eq!(AsyncReadExt::read(&mut server, &mut []).await.unwrap(), 0);
        assert_eq!(AsyncWriteExt::write(&mut client, &[]).await.unwrap(), 0);
    });
}

#[test]
fn closing_through_the_trait_ends_the_stream_for_the_peer() {
    use futures_lite::AsyncWriteExt;
    on_each_backend(async || {
        let (mut client, server) = pair().await;
        client.close().await.unwrap();
        client.close().await.unwrap();
        assert_eq!(server.read(&mut [0; 9]).await.unwrap(), 0);
        server.write_all(b"x").await.unwrap();
        assert_eq!(
            client.read(&mut [0; 9]).await.unwrap(),
            1,
            "reading goes on"
        );
    });
}

#[test]
fn copy_from_a_reference_to_the_same_stream_is_an_echo_server() {
    on_each_backend(async || {
        let (client, server) = pair().await;
        let echo = spawn(async move {
            let copied = futures_lite::io::copy(&server, &mut &server).await;
            drop(server);
            copied
        });
        let sent = random(3 << 20);
        let send = async {
            client.write_all(&sent).await.unwrap();
            client.shutdown(net::Shutdown::Write).unwrap();
        };
        let ((), received) = futures::join!(send, loopback::read_to_end(&client));
        assert!(received.unwrap() == sent, "the bytes differ");
        assert_eq!(echo.await.unwrap().unwrap(), sent.len() as u64);
    });
}

#[test]
fn copy_goes_from_half_to_half() {
    on_each_backend(async || {
        let (client, server) = pair().await;
        let (reader, writer) = server.into_split();
        let echo = spawn(async move { futures::io::copy(reader, &mut futures::io::sink()).await });
        client.write_all(b"into the sink").await.unwrap();
        drop(client);
        assert_eq!(echo.await.unwrap().unwrap(), 13);
        drop(writer);

        let (mut client, mut server) = pair().await;
        let (client_reads, mut client_writes) = client.split();
        let (server_reads, mut server_writes) = server.split();
        let sent = random(1 << 20);
        let send = async {
            let copied = futures_lite::io::copy(&sent[..], &mut client_writes).await;
            client_writes.shutdown().unwrap();
            copied
        };
        let echo = async {
            let copied = futures_lite::io::copy(server_reads, &mut server_writes).await;
            server_writes.shutdown().unwrap();
            copied
        };
        let mut received = Vec::new();
        let receive = futures_lite::io::copy(client_reads, &mut received);
        let (sends, echoes, receives) = futures::join!(send, echo, receive);
        assert_eq!(sends.unwrap() + echoes.unwrap(), 2 * receives.unwrap());
        assert!(received == sent, "the bytes differ");
    });
}

#[test]
fn a_buffered_reader_gives_lines() {
    use futures_lite::{AsyncBufReadExt, StreamExt};
    on_each_backend(async || {
        let (client, server) = pair().await;
        let write = async {
            for piece in ["one\ntw", "o\r\n", "\nthr", "ee"] {
                client.write_all(piece.as_bytes()).await.unwrap();
                turns(1).await;
            }
            drop(client);
        };
        let lines = futures_lite::io::BufReader::with_capacity(4, &server).lines();
        let (lines, ()) = futures::join!(lines.try_collect::<_, _, Vec<_>>(), write);
        assert_eq!(lines.unwrap(), ["one", "two", "", "three"]);
    });
}

#[test]
fn a_buffered_writer_sends_when_it_is_flushed() {
    use futures_lite::{AsyncReadExt, AsyncWriteExt};
    on_each_backend(async || {
        let (client, server) = pair().await;
        let mut writer = futures_lite::io::BufWriter::new(client);
        for i in 0..1000u32 {
            writer.write_all(&i.to_be_bytes()).await.unwrap();
        }
        assert!(
            server.try_read(&mut [0; 9]).is_err(),
            "nothing was sent yet"
        );
        writer.flush().await.unwrap();
        let mut reader = futures_lite::io::BufReader::new(&server);
        for i in 0..1000u32 {
            let mut number = [0; 4];
            reader.read_exact(&mut number).await.unwrap();
            assert_eq!(u32::from_be_bytes(number), i);
        }
    });
}

/// `split` of both crates shares a stream by a lock of theirs.
#[test]
fn the_splits_of_other_crates_work_too() {
    use futures_lite::{AsyncReadExt, AsyncWriteExt};
    on_each_backend(async || {
        let (client, server) = pair().await;
        let (client_reads, client_writes) = futures_lite::io::split(client);
        let (server_reads, server_writes) = futures::AsyncReadExt::split(server);
        let both = async |mut reads: Box<dyn futures::AsyncRead + Unpin>,
                          mut writes: Box<dyn futures::AsyncWrite + Unpin>| {
            let sent = vec![b'x'; 1 << 20];
            let mut received = vec![0; 1 << 20];
            let (read, written) =
                futures::join!(reads.read_exact(&mut received), writes.write_all(&sent));
            read.unwrap();
            written.unwrap();
            assert!(received == sent);
        };
        futures::join!(
            both(Box::new(client_reads), Box::new(client_writes)),
            both(Box::new(server_reads), Box::new(server_writes)),
        );
    });
}

#[test]
fn the_incoming_stream_has_the_usual_methods() {
    use futures_lite::StreamExt;
    on_each_backend(async || {
        let (listener, addr) = listen().await;
        let clients: Vec<_> = (0..10)
            .map(|_| net::TcpStream::connect(addr).unwrap())
            .collect();
        let expected: Vec<_> = clients.iter().map(|it| it.local_addr().unwrap()).collect();
        let peers = (listener.incoming().take(10)).map(|stream| stream?.peer_addr());
        assert_eq!(peers.try_collect::<_, _, Vec<_>>().await.unwrap(), expected);
    });
}

#[test]
fn the_incoming_stream_feeds_many_at_once() {
    use futures::{StreamExt, TryStreamExt};
    on_each_backend(async || {
        let (listener, addr) = listen().await;
        let clients = (0..50).map(|i: u8| async move {
            let client = TcpStream::connect(addr).await?;
            client.write_all(&[i; 100]).await?;
            let mut echo = [0; 100];
            client.read_exact(&mut echo).await?;
            io::Result::Ok(echo == [i; 100])
        });
        let serve = (listener.incoming().take(50)).try_for_each_concurrent(8, loopback::echo);
        let clients = clients.collect::<FuturesUnordered<_>>();
        let (served, results) = futures::join!(serve, clients.try_collect::<Vec<_>>());
        served.unwrap();
        assert_eq!(results.unwrap(), [true; 50]);
        assert_eq!(stats().sources, 1);
    });
}

#[test]
fn select_takes_who_is_ready_first_and_loses_nothing() {
    on_each_backend(async || {
        let (one, one_peer) = pair().await;
        let (two, two_peer) = pair().await;
        let (mut from_one, mut from_two) = (Vec::<u8>::new(), Vec::<u8>::new());
        for round in 0..200u8 {
            let writer = if round % 3 == 0 { &two_peer } else { &one_peer };
            writer.write_all(&[round]).await.unwrap();
            let (mut a, mut b) = ([0; 4], [0; 4]);
            futures::select! {
                n = one.read(&mut a).fuse() => from_one.extend(&a[..n.unwrap()]),
                n = two.read(&mut b).fuse() => from_two.extend(&b[..n.unwrap()]),
            }
        }
        assert!(from_one.iter().all(|round| round % 3 != 0) && from_one.is_sorted());
        assert!(from_two.iter().all(|round| round % 3 == 0) && from_two.is_sorted());
        assert_eq!(from_one.len() + from_two.len(), 200);
    });
}

#[test]
fn a_timeout_around_a_read_loses_nothing() {
    on_each_backend(async || {
        let (client, server) = pair().await;
        let mut elapsed = 0;
        for round in 0..100u8 {
            let mut buffer = [0; 9];
            let read = server.read(&mut buffer);
            elapsed += i32::from(selio::timeout(Duration::ZERO, read).await.is_err());
            client.write_all(&[round]).await.unwrap();
            let read = server.read(&mut buffer);
            let n = selio::timeout(Duration::from_secs(10), read).await;
            assert_eq!((n.unwrap().unwrap(), buffer[0]), (1, round));
        }
        assert_eq!(elapsed, 100);
        assert_eq!(stats().timers, 0);
    });
}

#[test]
fn a_sink_of_bytes_writes_to_a_stream() {
    use futures::AsyncWriteExt;
    on_each_backend(async || {
        let (client, server) = pair().await;
        let mut sink = client.into_sink();
        for word in ["one ", "two ", "three"] {
            sink.send(word).await.unwrap();
        }
        sink.close().await.unwrap();
        assert_eq!(
            loopback::read_to_end(&server).await.unwrap(),
            b"one two three"
        );
    });
}

#[test]
fn an_interval_is_a_stream_of_its_ticks() {
    use futures::StreamExt;
    const PERIOD: Duration = Duration::from_millis(2);
    on_each_backend(async || {
        let mut ticks = selio::interval(PERIOD);
        let first = ticks.tick().await;
        let rest: Vec<_> = ticks.by_ref().take(3).collect().await;
        assert!(rest.iter().is_sorted() && rest[0] >= first + PERIOD);

        // Who gives up waiting leaves the tick for the next.
        assert!(ticks.next().now_or_never().is_none());
        assert!(ticks.next().await.unwrap() > rest[2]);
        assert_eq!(stats().timers, 0);
    });
}
