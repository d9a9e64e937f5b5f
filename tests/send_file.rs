//! Claims about `send_file`, over TCP and over Unix sockets, by sendfile(2) and without it.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/loopback.rs"]
mod loopback;

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_lite::future::zip;
use loopback::{assert_error, on_each_backend, pair, poll_once};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};
use selio::net::{TcpStream, UnixStream};

/// A file that is removed when the test is over.
struct Temporary(PathBuf);

impl Temporary {
    fn new(bytes: &[u8]) -> Self {
        static LAST: AtomicUsize = AtomicUsize::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let name = format!("selio-send-file-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::write(&path, bytes).unwrap();
        Self(path)
    }

    fn open(&self) -> File {
        File::open(&self.0).unwrap()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

fn random(length: usize) -> Vec<u8> {
    loopback::random_bytes(&mut common::Random::from_environment(), length)
}

/// Either kind of stream.
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl Stream {
    async fn send_file(
        &self,
        file: impl AsFd,
        offset: &mut u64,
        count: Option<u64>,
    ) -> io::Result<u64> {
        match self {
            Self::Tcp(stream) => stream.send_file(file, offset, count).await,
            Self::Unix(stream) => stream.send_file(file, offset, count).await,
        }
    }

    async fn read(&self, buffer: &mut [u8]) -> usize {
        match self {
            Self::Tcp(stream) => stream.read(buffer).await.unwrap(),
            Self::Unix(stream) => stream.read(buffer).await.unwrap(),
        }
    }

    async fn read_to_end(&self) -> Vec<u8> {
        let (mut all, mut buffer) = (Vec::new(), vec![0; 50_000]);
        loop {
            match self.read(&mut buffer).await {
                0 => return all,
                n => all.extend_from_slice(&buffer[..n]),
            }
        }
    }

    fn fd(&self) -> std::os::fd::BorrowedFd<'_> {
        match self {
            Self::Tcp(stream) => stream.as_fd(),
            Self::Unix(stream) => stream.as_fd(),
        }
    }

    /// sendfile(2) refuses what is opened for appending.
    fn refuse_sendfile(&self) {
        let flags = fcntl_getfl(self.fd()).unwrap();
        fcntl_setfl(self.fd(), flags | OFlags::APPEND).unwrap();
    }
}

/// A connection of either kind, with sendfile(2) and without it.
async fn connections() -> Vec<(Stream, Stream)> {
    let mut all = Vec::new();
    for is_refused in [false, true] {
        let (one, other) = pair().await;
        all.push((Stream::Tcp(one), Stream::Tcp(other)));
        let (one, other) = UnixStream::pair().unwrap();
        all.push((Stream::Unix(one), Stream::Unix(other)));
        if is_refused {
            all[2].0.refuse_sendfile();
            all[3].0.refuse_sendfile();
        }
    }
    all
}

#[test]
fn a_file_arrives_as_it_is_however_slowly_it_is_read() {
    let bytes = random(3_333_333);
    let temporary = Temporary::new(&bytes);
    on_each_backend(async || {
        for (stream, peer) in connections().await {
            let mut file = temporary.open();
            file.seek(SeekFrom::Start(77)).unwrap();
            let send = async {
                let mut offset = 0;
                let sent = stream.send_file(&file, &mut offset, None).await.unwrap();
                assert_eq!((sent, offset), (3_333_333, 3_333_333));
                drop(stream);
            };
            let ((), all) = zip(send, peer.read_to_end()).await;
            assert!(all == bytes);
            assert_eq!(file.stream_position().unwrap(), 77, "it does not count");
        }
    });
}

#[test]
fn offset_and_count_choose_a_part_and_the_end_of_the_file_is_the_end() {
    let bytes = random(1000);
    let temporary = Temporary::new(&bytes);
    on_each_backend(async || {
        for (stream, peer) in connections().await {
            let file = temporary.open();
            for (start, count, expected) in [
                (0, Some(0), 0..0),
                (0, Some(10), 0..10),
                (990, Some(10), 990..1000),
                (990, Some(1000), 990..1000),
                (990, Some(u64::MAX), 990..1000),
                (500, None, 500..1000),
                (1000, None, 0..0),
                (5000, Some(10), 0..0),
            ] {
                let mut offset = start;
                let sent = stream.send_file(&file, &mut offset, count).await.unwrap();
                assert_eq!(sent as usize, expected.len());
                assert_eq!(offset, start + sent);
                let mut part = vec![0; expected.len()];
                let mut filled = 0;
                while filled < part.len() {
                    filled += peer.read(&mut part[filled..]).await;
                }
                assert!(part == bytes[expected]);
            }
        }
    });
}

#[test]
fn one_who_was_cancelled_goes_on_where_it_was() {
    let bytes = random(10_000_000);
    let temporary = Temporary::new(&bytes);
    on_each_backend(async || {
        for (stream, peer) in connections().await {
            let file = temporary.open();
            let (mut offset, mut all) = (0, Vec::new());
            let mut buffer = vec![0; 1 << 20];
            let mut cancelled = 0;
            loop {
                let sent = poll_once(&mut pin!(stream.send_file(&file, &mut offset, None))).await;
                if let Some(sent) = sent {
                    sent.unwrap();
                    break;
                }
                cancelled += 1;
                let n = peer.read(&mut buffer).await;
                all.extend_from_slice(&buffer[..n]);
                assert!(all.len() as u64 <= offset, "more came than was counted");
            }
            assert!(cancelled > 3, "{cancelled}");
            assert_eq!(offset, 10_000_000);
            drop(stream);
            all.extend(peer.read_to_end().await);
            assert!(all == bytes);
        }
    });
}

#[test]
fn a_peer_that_is_gone_is_an_error_and_the_offset_still_tells() {
    let temporary = Temporary::new(&random(10_000_000));
    on_each_backend(async || {
        for (stream, peer) in connections().await {
            let file = temporary.open();
            let mut offset = 0;
            {
                let mut send = pin!(stream.send_file(&file, &mut offset, None));
                assert!(poll_once(&mut send).await.is_none());
                drop(peer);
                let error = send.await.unwrap_err();
                let kinds = [ErrorKind::BrokenPipe, ErrorKind::ConnectionReset];
                assert!(kinds.contains(&error.kind()), "{error}");
            }
            assert!((1..10_000_000).contains(&offset), "{offset}");
        }
    });
}

#[test]
fn what_is_no_file_is_refused() {
    on_each_backend(async || {
        for (stream, _peer) in connections().await {
            let (reader, _writer) = io::pipe().unwrap();
            let mut offset = 0;
            let send = stream.send_file(&reader, &mut offset, None).await;
            assert_error(send, ErrorKind::NotSeekable, &[]);
            let directory = File::open("/").unwrap();
            let send = stream.send_file(&directory, &mut offset, None).await;
            assert_error(send, ErrorKind::IsADirectory, &[]);
            assert_eq!(offset, 0);
        }
    });
}

#[test]
fn files_that_the_system_makes_up_are_sent_too() {
    on_each_backend(async || {
        for (stream, peer) in connections().await {
            let Ok(mut file) = File::open("/proc/version") else {
                return println!("skipped: there is no /proc");
            };
            let mut expected = Vec::new();
            file.read_to_end(&mut expected).unwrap();
            let mut offset = 0;
            stream.send_file(&file, &mut offset, None).await.unwrap();
            assert_eq!(offset as usize, expected.len());
            drop(stream);
            assert!(peer.read_to_end().await == expected);
        }
    });
}
