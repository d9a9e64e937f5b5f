//! Claims about pipes: bytes, the end, a reader that is gone, closing, and the way from std and
//! back.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/loopback.rs"]
mod loopback;

use std::fs::File;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::pin::pin;
use std::process::{Command, Stdio};
use std::time::Duration;

use futures_lite::future::zip;
use futures_lite::{AsyncReadExt, AsyncWriteExt};
use loopback::{assert_error, on_each_backend, poll_once, turns};
use rustix::fs::{OFlags, fcntl_getfl};
use rustix::io::{FdFlags, fcntl_getfd};
use selio::net::{PipeReader, PipeWriter, pipe};
use selio::timeout;

/// Writes until there is no more room.
fn fill(writer: &PipeWriter) -> usize {
    let mut total = 0;
    loop {
        match writer.try_write(&[b'x'; 64 * 1024]) {
            Ok(n) => total += n,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return total,
            Err(error) => panic!("try_write: {error}"),
        }
    }
}

#[test]
fn what_is_written_is_read_in_order_and_then_comes_the_end() {
    on_each_backend(async || {
        let (reader, writer) = pipe().unwrap();
        let bytes = loopback::random_bytes(&mut common::Random::from_environment(), 1 << 20);
        let write = async {
            writer.write_all(&bytes).await.unwrap();
            drop(writer);
        };
        let read = async {
            let (mut all, mut buffer) = (Vec::new(), vec![0; 10_007]);
            loop {
                match reader.read(&mut buffer).await.unwrap() {
                    0 => return all,
                    n => all.extend_from_slice(&buffer[..n]),
                }
            }
        };
        let ((), all) = zip(write, read).await;
        assert!(all == bytes);
        assert_eq!(reader.read(&mut [0]).await.unwrap(), 0);
    });
}

#[test]
fn a_reader_waits_for_bytes_and_a_writer_for_room() {
    on_each_backend(async || {
        let (reader, writer) = pipe().unwrap();
        let mut buffer = [0; 8];
        {
            let mut read = pin!(reader.read(&mut buffer));
            assert!(poll_once(&mut read).await.is_none());
            writer.write_all(b"ping").await.unwrap();
            assert_eq!(read.await.unwrap(), 4);
        }
        assert_eq!(&buffer[..4], b"ping");

        let full = fill(&writer);
        let mut write = pin!(writer.write(b"more"));
        assert!(poll_once(&mut write).await.is_none());
        reader.read_exact(&mut vec![0; full]).await.unwrap();
        assert_eq!(write.await.unwrap(), 4);
    });
}

#[test]
fn slices_are_filled_and_written_in_order_even_more_than_the_system_takes_at_once() {
    on_each_backend(async || {
        let (reader, writer) = pipe().unwrap();
        let slices = [IoSlice::new(b""), IoSlice::new(b"pi"), IoSlice::new(b"ng")];
        assert_eq!(writer.write_vectored(&slices).await.unwrap(), 4);
        let (mut none, mut a, mut b) = ([0; 0], [0; 1], [0; 8]);
        let mut buffers = [&mut none[..], &mut a, &mut b].map(IoSliceMut::new);
        assert_eq!(reader.read_vectored(&mut buffers).await.unwrap(), 4);
        assert_eq!((&a, &b[..3]), (b"p", &b"ing"[..]));

        let slices = vec![IoSlice::new(b"x"); 1025];
        assert_eq!(writer.write_vectored(&slices).await.unwrap(), 1024);
        let slices = [vec![IoSlice::new(b""); 1025], vec![IoSlice::new(b"y")]].concat();
        assert_eq!(writer.write_vectored(&slices).await.unwrap(), 1);
        let mut bytes = vec![0; 1026];
        let mut buffers: Vec<_> = bytes.chunks_mut(1).map(IoSliceMut::new).collect();
        assert_eq!(reader.read_vectored(&mut buffers).await.unwrap(), 1024);
        assert_eq!(reader.try_read(&mut [0; 8]).unwrap(), 1);
    });
}

#[test]
fn nothing_to_read_into_or_to_write_never_waits() {
    on_each_backend(async || {
        let (mut reader, mut writer) = pipe().unwrap();
        fill(&writer);
        assert_eq!(writer.write(b"").await.unwrap(), 0);
        assert_eq!(writer.write_vectored(&[]).await.unwrap(), 0);
        let empty = [IoSlice::new(b"")];
        assert_eq!(writer.write_vectored(&empty).await.unwrap(), 0);
        writer.write_all(b"").await.unwrap();
        assert_eq!(AsyncWriteExt::write(&mut writer, b"").await.unwrap(), 0);
        let written = AsyncWriteExt::write_vectored(&mut writer, &empty).await;
        assert_eq!(written.unwrap(), 0);

        let (empty, _writer) = pipe().unwrap();
        assert_eq!(empty.read(&mut []).await.unwrap(), 0);
        assert_eq!(empty.read_vectored(&mut []).await.unwrap(), 0);
        empty.read_exact(&mut []).await.unwrap();
        assert_eq!(AsyncReadExt::read(&mut reader, &mut []).await.unwrap(), 0);
    });
}

#[test]
fn try_read_and_try_write_never_wait() {
    on_each_backend(async || {
        let (reader, writer) = pipe().unwrap();
        let error = reader.try_read(&mut [0; 4]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        fill(&writer);
        let error = writer.try_write(b"x").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        let mut buffer = [0; 100];
        reader.readable().await.unwrap();
        while reader.try_read(&mut buffer).is_ok() {}
        writer.writable().await.unwrap();
        assert_eq!(writer.try_write(b"x").unwrap(), 1);
    });
}

#[test]
fn writing_fails_when_nobody_can_read_even_for_who_waits_already() {
    on_each_backend(async || {
        let (reader, writer) = pipe().unwrap();
        fill(&writer);
        let mut write = pin!(writer.write(b"x"));
        assert!(poll_once(&mut write).await.is_none());
        drop(reader);
        assert_error(write.await, ErrorKind::BrokenPipe, &[]);
        assert_error(writer.write_all(b"x").await, ErrorKind::BrokenPipe, &[]);
        assert_error(writer.try_write(b"x"), ErrorKind::BrokenPipe, &[]);
    });
}

#[test]
fn a_reader_that_waits_comes_to_the_end_when_the_writer_is_dropped_or_closed() {
    on_each_backend(async || {
        for is_closed in [false, true] {
            let (reader, mut writer) = pipe().unwrap();
            let mut buffer = [0; 8];
            let mut read = pin!(reader.read(&mut buffer));
            assert!(poll_once(&mut read).await.is_none());
            if is_closed {
                writer.close().await.unwrap();
                assert_eq!(read.await.unwrap(), 0);
            } else {
                drop(writer);
                assert_eq!(read.await.unwrap(), 0);
            }
        }
    });
}

#[test]
fn a_closed_writer_says_so_and_closing_twice_is_no_error() {
    on_each_backend(async || {
        let (_reader, mut writer) = pipe().unwrap();
        writer.close().await.unwrap();
        writer.close().await.unwrap();
        for result in [
            writer.write(b"x").await,
            writer.write_all(b"x").await.map(|()| 0),
            writer.try_write(b"x"),
            writer.writable().await.map(|()| 0),
        ] {
            let parts: [&dyn std::fmt::Display; 1] = [&"PipeWriter: it was closed"];
            assert_error(result, ErrorKind::BrokenPipe, &parts);
        }
        assert_eq!(format!("{writer:?}"), "PipeWriter { fd: None }");
    });
}

#[test]
fn an_early_end_says_how_much_has_come() {
    on_each_backend(async || {
        let (reader, writer) = pipe().unwrap();
        writer.write_all(b"abc").await.unwrap();
        drop(writer);
        let read = reader.read_exact(&mut [0; 8]).await;
        let parts: [&dyn std::fmt::Display; 2] = [&"PipeReader::read_exact", &"3 of 8 bytes"];
        assert_error(read, ErrorKind::UnexpectedEof, &parts);
    });
}

/// epoll(7) and poll(2) report a hang-up whatever one asks for, for as long as it lasts.
#[test]
fn a_pipe_whose_other_end_is_gone_does_not_spin() {
    on_each_backend(async || {
        let (reader, writer) = pipe().unwrap();
        let (full_reader, full_writer) = pipe().unwrap();
        fill(&full_writer);
        // Both are watched by the selector, and then nobody waits any more.
        assert!(poll_once(&mut pin!(reader.read(&mut [0]))).await.is_none());
        assert!(
            poll_once(&mut pin!(full_writer.write(b"x")))
                .await
                .is_none()
        );
        drop((writer, full_reader));
        turns(3).await;
        let before = selio::stats();
        turns(10).await;
        assert_eq!(selio::stats().events - before.events, 0);
    });
}

#[test]
fn a_cancelled_operation_takes_and_writes_nothing() {
    on_each_backend(async || {
        let (reader, writer) = pipe().unwrap();
        for _ in 0..100 {
            assert!(
                poll_once(&mut pin!(reader.read(&mut [0; 8])))
                    .await
                    .is_none()
            );
        }
        writer.write_all(b"ping").await.unwrap();
        assert_eq!(reader.read(&mut [0; 8]).await.unwrap(), 4);

        let full = fill(&writer);
        for _ in 0..100 {
            assert!(poll_once(&mut pin!(writer.write(b"lost"))).await.is_none());
        }
        reader.read_exact(&mut vec![0; full]).await.unwrap();
        turns(2).await;
        let error = reader.try_read(&mut [0; 8]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn pipes_come_from_std_and_go_back_to_it_blocking() {
    on_each_backend(async || {
        let (reader, writer) = io::pipe().unwrap();
        let reader = PipeReader::from_fd(reader).unwrap();
        let writer = PipeWriter::from_fd(writer).unwrap();
        assert!(fcntl_getfl(&reader).unwrap().contains(OFlags::NONBLOCK));
        writer.write_all(b"ping").await.unwrap();
        let (mut reader, mut writer) = (reader.into_std().unwrap(), writer.into_std().unwrap());
        assert!(!fcntl_getfl(&reader).unwrap().contains(OFlags::NONBLOCK));
        assert!(!fcntl_getfl(&writer).unwrap().contains(OFlags::NONBLOCK));
        writer.write_all(b"pong").unwrap();
        drop(writer);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert_eq!(text, "pingpong");
        assert_eq!(selio::stats().sources, 0);
    });
}

#[test]
fn no_child_process_inherits_a_pipe() {
    on_each_backend(async || {
        let (reader, writer) = pipe().unwrap();
        assert!(fcntl_getfd(&reader).unwrap().contains(FdFlags::CLOEXEC));
        assert!(fcntl_getfd(&writer).unwrap().contains(FdFlags::CLOEXEC));
    });
}

#[test]
fn a_child_process_talks_through_pipes() {
    on_each_backend(async || {
        let mut child = Command::new("cat")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut stdin = PipeWriter::from_fd(child.stdin.take().unwrap()).unwrap();
        let mut stdout = PipeReader::from_fd(child.stdout.take().unwrap()).unwrap();
        let bytes = vec![b'x'; 1 << 20]; // more than fits into both pipes
        let mut answer = Vec::new();
        let write = async {
            stdin.write_all(&bytes).await.unwrap();
            stdin.close().await.unwrap(); // or cat would wait for more
        };
        let read = stdout.read_to_end(&mut answer);
        let ((), read) = zip(write, read).await;
        assert_eq!(read.unwrap(), bytes.len());
        assert!(answer == bytes);
        assert!(child.wait().unwrap().success());
    });
}

#[test]
fn what_is_no_pipe_is_refused_by_name() {
    on_each_backend(async || {
        let (socket, _peer) = std::os::unix::net::UnixStream::pair().unwrap();
        let fd = socket.as_raw_fd();
        assert_error(
            PipeReader::from_fd(socket),
            ErrorKind::InvalidInput,
            &[&format!("PipeReader::from_fd: fd {fd} is no pipe")],
        );
        let file = File::open("/dev/null").unwrap();
        assert_error(
            PipeWriter::from_fd(file),
            ErrorKind::InvalidInput,
            &[&"PipeWriter::from_fd", &"is no pipe", &"Source"],
        );
        assert_eq!(selio::stats().sources, 0);
    });
}

#[test]
fn the_wrong_end_of_a_pipe_is_refused_by_name() {
    on_each_backend(async || {
        let (reader, writer) = io::pipe().unwrap();
        let (kind, problem) = (ErrorKind::InvalidInput, "is the other end of a pipe");
        let parts: [&dyn std::fmt::Display; 2] = [&"PipeWriter::from_fd", &problem];
        assert_error(PipeWriter::from_fd(reader), kind, &parts);
        let parts: [&dyn std::fmt::Display; 2] = [&"PipeReader::from_fd", &problem];
        assert_error(PipeReader::from_fd(writer), kind, &parts);
    });
}

/// A named pipe may be open for both.
#[test]
fn a_named_pipe_is_a_pipe() {
    on_each_backend(async || {
        let path = std::env::temp_dir().join(format!("selio-fifo-{}", std::process::id()));
        assert!(
            Command::new("mkfifo")
                .arg(&path)
                .status()
                .unwrap()
                .success()
        );
        let both = File::options().read(true).write(true).open(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        let writer = PipeWriter::from_fd(both.try_clone().unwrap()).unwrap();
        let reader = PipeReader::from_fd(both).unwrap();
        writer.write_all(b"ping").await.unwrap();
        assert_eq!(reader.read(&mut [0; 8]).await.unwrap(), 4);
    });
}

#[test]
fn pipes_leave_no_file_descriptor_behind() {
    on_each_backend(async || {
        let before = common::open_fds();
        for _ in 0..1000 {
            let (reader, writer) = pipe().unwrap();
            assert!(poll_once(&mut pin!(reader.read(&mut [0]))).await.is_none());
            let _fd: OwnedFd = reader.into();
            drop(writer);
        }
        assert_eq!(common::open_fds(), before);
        assert_eq!(selio::stats().sources, 0);
    });
}

#[test]
fn a_read_that_timed_out_leaves_the_bytes_to_the_next_one() {
    on_each_backend(async || {
        let (reader, writer) = pipe().unwrap();
        let mut buffer = [0; 4];
        let short = timeout(Duration::from_millis(1), reader.read(&mut buffer)).await;
        assert!(short.is_err());
        writer.write_all(b"ping").await.unwrap();
        reader.read_exact(&mut buffer).await.unwrap();
        assert_eq!(&buffer, b"ping");
    });
}

#[test]
fn a_pipe_outside_of_a_runtime_says_what_to_do() {
    let _turn = common::turn(); // A backtrace opens files.
    let panic = std::panic::catch_unwind(pipe).unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(message.contains("pipe: no runtime runs"), "{message}");
}
