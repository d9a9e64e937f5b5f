//! Streams against a model that has the whole of the bytes before it: however they come in pieces,
//! the messages are the same.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/loopback.rs"]
mod loopback;

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use common::Random;
use futures::AsyncRead;
use loopback::{on_each_backend, random_bytes, turns};
use selio::net::UnixStream;
use selio::{IncompleteReadError, IntoStreams, LimitOverrunError, StreamReader, spawn};

/// What a call on a reader has come to.
#[derive(Clone, Debug, PartialEq)]
enum Outcome {
    Bytes(Vec<u8>),
    Incomplete(Vec<u8>),
    Overrun,
}

impl Outcome {
    fn of(result: io::Result<&[u8]>) -> Self {
        match result {
            Ok(bytes) => Self::Bytes(bytes.to_vec()),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Self::Incomplete(error.downcast::<IncompleteReadError>().unwrap().partial)
            }
            Err(error) => {
                error.downcast::<LimitOverrunError>().unwrap();
                Self::Overrun
            }
        }
    }
}

/// Python's `readuntil`, of someone who has all of the bytes: the shortest beginning with a separator
/// at its end, of which the shortest separator counts. `None`: there is none.
fn message<'a>(bytes: &'a [u8], separators: &[&[u8]], limit: usize) -> Option<(&'a [u8], bool)> {
    let ends = 1..=bytes.len();
    let beginnings = ends.map(|end| &bytes[..end]);
    let mut messages = beginnings.filter_map(|it| {
        let here = separators
            .iter()
            .filter(|separator| it.ends_with(separator));
        Some((it, here.map(|separator| separator.len()).min()?))
    });
    messages
        .next()
        .map(|(message, separator)| (message, message.len() - separator <= limit))
}

/// What a reader with a limit makes of all of the bytes. It ends with the first error.
fn model(mut bytes: &[u8], separators: &[&[u8]], limit: usize) -> Vec<Outcome> {
    let longest = separators.iter().map(|it| it.len()).max().unwrap();
    let mut outcomes = Vec::new();
    loop {
        match message(bytes, separators, limit) {
            Some((_, false)) => outcomes.push(Outcome::Overrun),
            Some((message, true)) => {
                outcomes.push(Outcome::Bytes(message.to_vec()));
                bytes = &bytes[message.len()..];
                continue;
            }
            None if bytes.len() >= limit + longest => outcomes.push(Outcome::Overrun),
            None => outcomes.push(Outcome::Incomplete(bytes.to_vec())),
        }
        return outcomes;
    }
}

/// What a reader makes of them.
async fn read_all(mut reader: StreamReader, separators: &[&[u8]], limit: usize) -> Vec<Outcome> {
    reader.set_limit(limit).unwrap();
    let mut outcomes = Vec::new();
    loop {
        let outcome = Outcome::of(match separators {
            [separator] => reader.read_until(separator).await,
            _ => reader.read_until_any(separators).await,
        });
        outcomes.push(outcome.clone());
        if !matches!(outcome, Outcome::Bytes(_)) {
            return outcomes;
        }
    }
}

/// Bytes that come in these pieces, the first half of them late.
struct Pieces {
    pieces: VecDeque<Vec<u8>>,
    is_late: bool,
}

impl Pieces {
    fn new(bytes: &[u8], cuts: &[usize]) -> Self {
        let mut pieces = VecDeque::new();
        let mut start = 0;
        for &cut in cuts.iter().chain([&bytes.len()]) {
            if cut > start {
                pieces.push_back(bytes[start..cut].to_vec());
                start = cut;
            }
        }
        Self {
            pieces,
            is_late: false,
        }
    }
}

impl AsyncRead for Pieces {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        self.is_late = !self.is_late;
        if self.is_late {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let Some(piece) = self.pieces.front_mut() else {
            return Poll::Ready(Ok(0));
        };
        let n = piece.len().min(buffer.len());
        buffer[..n].copy_from_slice(&piece[..n]);
        piece.drain(..n);
        if piece.is_empty() {
            self.pieces.pop_front();
        }
        Poll::Ready(Ok(n))
    }
}

#[test]
fn all_short_streams_in_all_their_pieces_give_the_messages_of_the_model() {
    const LENGTH: usize = 6;
    let sets: [&[&[u8]]; 6] = [
        &[b"a"],
        &[b"ab"],
        &[b"aba"],
        &[b"b", b"ab"],
        &[b"aab", b"ba"],
        &[b"bb", b"abb", b"c"],
    ];
    common::deadline(Duration::from_secs(120), || {
        // No socket is involved, and no runtime needed.
        futures_lite::future::block_on(async {
            for separators in sets {
                for code in 0..3_usize.pow(LENGTH as u32) {
                    let letter = |at: usize| b'a' + (code / 3_usize.pow(at as u32) % 3) as u8;
                    let bytes: Vec<_> = (0..LENGTH).map(letter).collect();
                    let limit = 1 + code % 4;
                    let expected = model(&bytes, separators, limit);
                    for cuts in 0..1_u32 << (LENGTH - 1) {
                        let cuts: Vec<_> =
                            (1..LENGTH).filter(|at| cuts >> (at - 1) & 1 == 1).collect();
                        let reader = StreamReader::new(Pieces::new(&bytes, &cuts));
                        assert_eq!(
                            read_all(reader, separators, limit).await,
                            expected,
                            "{bytes:?} in pieces cut at {cuts:?}, separators {separators:?}, limit {limit}"
                        );
                    }
                }
            }
        });
    });
}

#[test]
fn random_streams_in_random_pieces_give_the_messages_of_the_model() {
    let mut random = Random::from_environment();
    common::deadline(Duration::from_secs(120), || {
        selio::run(async {
            for _ in 0..300 {
                let length = random.below(40_000);
                // Few letters, so that separators come, and almost come, often; or many.
                let letters = [2, 4, 250][random.below(3)];
                let bytes = random_bytes(&mut random, length);
                let bytes: Vec<_> = bytes.into_iter().map(|byte| byte % letters).collect();
                let separators: Vec<_> = (0..1 + random.below(3))
                    .map(|_| {
                        let length = 1 + random.below(9);
                        let separator = random_bytes(&mut random, length);
                        separator
                            .into_iter()
                            .map(|byte| byte % letters)
                            .collect::<Vec<_>>()
                    })
                    .collect();
                let separators: Vec<_> = separators.iter().map(Vec::as_slice).collect();
                let limit = 1 + random.below(20_000);
                let mut cuts: Vec<_> = (0..random.below(30))
                    .map(|_| random.below(length + 1))
                    .collect();
                cuts.sort_unstable();
                let reader = StreamReader::new(Pieces::new(&bytes, &cuts));
                let outcomes = read_all(reader, &separators, limit).await;
                let expected = model(&bytes, &separators, limit);
                assert!(
                    outcomes == expected,
                    "{separators:?}, limit {limit}, cuts {cuts:?}"
                );
            }
        });
    });
}

/// Any call of a reader, chosen at random, against the front of the bytes.
async fn take_some(reader: &mut StreamReader, random: &mut Random, rest: &[u8]) -> usize {
    let n = 1 + random.below(10_000);
    match random.below(5) {
        0 => {
            let mut buffer = vec![0; n];
            let n = reader.read(&mut buffer).await.unwrap();
            assert!(buffer[..n] == rest[..n] && (n > 0 || rest.is_empty()));
            n
        }
        1 => {
            let chunk = reader.read_chunk(n).await.unwrap();
            assert!(chunk.len() <= n && chunk == &rest[..chunk.len()]);
            assert!(!chunk.is_empty() || rest.is_empty());
            chunk.len()
        }
        2 => {
            let mut buffer = vec![0; n];
            match reader.read_exact(&mut buffer).await {
                Ok(()) => assert!(buffer == rest[..n]),
                Err(error) => {
                    let error = error.downcast::<IncompleteReadError>().unwrap();
                    assert!(error.partial == rest && rest.len() < n);
                }
            }
            n.min(rest.len())
        }
        3 => {
            let line = reader.read_line().await.unwrap();
            let end = rest.iter().position(|&byte| byte == b'\n');
            assert!(line == &rest[..end.map_or(rest.len(), |at| at + 1)]);
            line.len()
        }
        _ => {
            // Dropped at its first `Pending`, if it has one.
            let mut line = Box::pin(reader.read_until(b"no such message"));
            if loopback::poll_once(&mut line).await.is_some() {
                return rest.len(); // The end has come, or too much: nothing to compare.
            }
            0
        }
    }
}

#[test]
fn random_calls_on_random_pieces_lose_and_double_nothing() {
    let seed = Random::from_environment().seed();
    on_each_backend(async || {
        for round in 0..5 {
            let mut random = Random::new(seed.wrapping_add(round));
            let bytes = random_bytes(&mut random, 200_000);
            let (one, other) = UnixStream::pair().unwrap();
            let (mut reader, _writer) = one.into_streams();
            reader.set_limit(1_000_000).unwrap();
            let (_reader, writer) = other.into_streams();
            let (sent, mut cuts) = (bytes.clone(), random.clone());
            let sender = spawn(async move {
                let mut rest = &sent[..];
                while !rest.is_empty() {
                    let (piece, later) = rest.split_at((1 + cuts.below(20_000)).min(rest.len()));
                    writer.write(piece);
                    writer.drain().await.unwrap();
                    if cuts.below(3) == 0 {
                        turns(1).await;
                    }
                    rest = later;
                }
            });
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                let n = take_some(&mut reader, &mut random, rest).await;
                rest = &rest[n..];
            }
            sender.await.unwrap();
        }
    });
}
