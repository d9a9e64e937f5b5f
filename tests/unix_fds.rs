//! File descriptors through Unix sockets: the peer gets its own, and none is left open by the way.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/dropping.rs"]
mod dropping;
#[path = "common/tasks.rs"]
mod tasks;

use std::fs::File;
use std::io::{ErrorKind, PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::pin::pin;

use rustix::io::{FdFlags, fcntl_getfd};
use selio::net::UnixStream;
use selio::stats;

use crate::common::open_fds;
use crate::dropping::drop_at_each_pending;
use crate::tasks::{on_each_runtime, poll_once};

/// Runs a test on every backend, which leaves no file open.
fn on_each_backend(test: impl AsyncFn(UnixStream, UnixStream)) {
    on_each_runtime(|runtime| {
        let fds = open_fds();
        runtime.block_on(async {
            let (here, there) = UnixStream::pair().unwrap();
            test(here, there).await;
            assert_eq!(stats().sources, 0);
        });
        assert_eq!(open_fds(), fds);
    });
}

/// That the last writer of the pipe is gone: nobody has kept a copy.
fn assert_no_writer_is_left(mut reader: PipeReader) {
    assert_eq!(reader.read(&mut [0; 1]).unwrap(), 0);
}

fn say_hello(fd: OwnedFd) {
    File::from(fd).write_all(b"hello").unwrap();
}

fn assert_hello(mut reader: PipeReader) {
    let mut text = String::new();
    reader.read_to_string(&mut text).unwrap();
    assert_eq!(text, "hello");
}

fn borrow(writers: &[PipeWriter]) -> Vec<BorrowedFd<'_>> {
    writers.iter().map(AsFd::as_fd).collect()
}

#[test]
fn a_file_descriptor_arrives_with_its_bytes_and_works_there() {
    on_each_backend(async |here, there| {
        let (reader, writer) = pipe().unwrap();
        let mut buffer = [0; 16];
        let mut waiting = Box::pin(there.recv_with_fds(&mut buffer, 4));
        assert!(poll_once(&mut waiting).await.is_pending());
        let sent = here.send_with_fds(b"take this", &[writer.as_fd()]).await;
        assert_eq!(sent.unwrap(), 9);
        drop(writer);
        let mut received = waiting.await.unwrap();
        assert_eq!((received.length, received.fds.len()), (9, 1));
        assert!(!received.is_truncated);
        let fd = received.fds.pop().unwrap();
        assert!(fcntl_getfd(&fd).unwrap().contains(FdFlags::CLOEXEC));
        say_hello(fd);
        assert_hello(reader);
        assert_eq!(&buffer[..9], b"take this");
    });
}

#[test]
fn they_come_in_order_and_are_not_mixed_with_those_of_the_next_message() {
    on_each_backend(async |here, there| {
        let (readers, writers): (Vec<_>, Vec<_>) = (0..3).map(|_| pipe().unwrap()).unzip();
        let fds = borrow(&writers);
        here.send_with_fds(b"one", &fds[..1]).await.unwrap();
        here.send_with_fds(b"two", &fds[1..]).await.unwrap();
        here.write_all(b"none").await.unwrap();
        drop(writers);
        let mut readers = readers.into_iter();
        for (bytes, count) in [("one", 1), ("two", 2), ("none", 0)] {
            let mut buffer = [0; 64];
            let received = there.recv_with_fds(&mut buffer, 64).await.unwrap();
            assert_eq!(&buffer[..received.length], bytes.as_bytes());
            assert_eq!((received.fds.len(), received.is_truncated), (count, false));
            for fd in received.fds {
                say_hello(fd);
                assert_hello(readers.next().unwrap());
            }
        }
        drop(here);
        let last = there.recv_with_fds(&mut [0; 1], 1).await.unwrap();
        assert_eq!((last.length, last.fds.len()), (0, 0));
    });
}

#[test]
fn those_that_nobody_has_asked_for_are_closed_and_reported() {
    for limit in 0..=4 {
        on_each_backend(async |here, there| {
            let (readers, writers): (Vec<_>, Vec<_>) = (0..4).map(|_| pipe().unwrap()).unzip();
            here.send_with_fds(b"x", &borrow(&writers)).await.unwrap();
            drop(writers);
            let received = there.recv_with_fds(&mut [0; 1], limit).await.unwrap();
            assert_eq!((received.length, received.fds.len()), (1, limit));
            assert_eq!(received.is_truncated, limit < 4);
            drop(received);
            readers.into_iter().for_each(assert_no_writer_is_left);
        });
    }
}

#[test]
fn reading_without_asking_closes_them() {
    on_each_backend(async |here, there| {
        let (reader, writer) = pipe().unwrap();
        here.send_with_fds(b"x", &[writer.as_fd()]).await.unwrap();
        drop(writer);
        assert_eq!(there.read(&mut [0; 8]).await.unwrap(), 1);
        assert_no_writer_is_left(reader);
    });
}

#[test]
fn a_stream_that_is_dropped_closes_what_was_on_its_way() {
    on_each_backend(async |here, there| {
        let (reader, writer) = pipe().unwrap();
        here.send_with_fds(b"x", &[writer.as_fd()]).await.unwrap();
        drop((writer, here, there));
        assert_no_writer_is_left(reader);
    });
}

#[test]
fn receiving_dropped_anywhere_loses_nothing() {
    on_each_runtime(|runtime| {
        let pendings = drop_at_each_pending(
            async || {
                let (here, there) = UnixStream::pair().unwrap();
                let (reader, writer) = pipe().unwrap();
                selio::spawn(async move {
                    here.send_with_fds(b"x", &[writer.as_fd()]).await.unwrap();
                });
                (there, reader)
            },
            async |(there, _)| there.recv_with_fds(&mut [0; 8], 1).await,
            async |(there, reader), got| {
                let received = match got {
                    Some(received) => received,
                    None => there.recv_with_fds(&mut [0; 8], 1).await,
                };
                say_hello(received.unwrap().fds.remove(0));
                assert_hello(reader);
            },
        );
        assert_eq!(runtime.block_on(pendings), 1);
    });
}

#[test]
fn sending_into_a_full_socket_waits_and_sends_nothing_when_it_is_dropped() {
    on_each_backend(async |here, there| {
        while here.try_write(&[0; 4096]).is_ok() {}
        let (reader, writer) = pipe().unwrap();
        {
            let fds = [writer.as_fd()];
            let mut sending = pin!(here.send_with_fds(b"x", &fds));
            assert!(poll_once(&mut sending).await.is_pending());
        }
        drop(writer);
        assert_no_writer_is_left(reader);
        drop(here);
        let mut buffer = [0; 4096];
        loop {
            let received = there.recv_with_fds(&mut buffer, 1).await.unwrap();
            assert!(received.fds.is_empty() && !received.is_truncated);
            if received.length == 0 {
                break;
            }
        }
    });
}

#[test]
fn what_cannot_be_sent_is_refused_with_a_reason() {
    on_each_backend(async |here, there| {
        let (_reader, writer) = pipe().unwrap();
        let fd = writer.as_fd();
        for (bytes, fds, problem) in [
            (&b""[..], vec![fd], "they go with a byte"),
            (b"x", vec![fd; 254], "at most 253"),
        ] {
            let error = here.send_with_fds(bytes, &fds).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains(problem), "{error}");
        }
        assert_eq!(here.send_with_fds(b"", &[]).await.unwrap(), 0);
        assert_eq!(here.send_with_fds(b"x", &[]).await.unwrap(), 1);
        assert_eq!(here.send_with_fds(b"y", &vec![fd; 253]).await.unwrap(), 1);
        let first = there.recv_with_fds(&mut [0; 1], usize::MAX).await.unwrap();
        assert_eq!((first.length, first.fds.len()), (1, 0));
        let second = there.recv_with_fds(&mut [0; 1], usize::MAX).await.unwrap();
        assert_eq!((second.fds.len(), second.is_truncated), (253, false));
        let nothing = there.recv_with_fds(&mut [], 1).await.unwrap();
        assert_eq!((nothing.length, nothing.fds.len()), (0, 0));
        drop(there);
        let error = here.send_with_fds(b"x", &[fd]).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
    });
}

#[cfg(any(target_os = "linux", target_os = "android"))]
#[test]
fn the_credentials_are_those_of_the_process_at_the_other_end() {
    use rustix::process::{getgid, getuid};

    on_each_backend(async |here, there| {
        for stream in [&here, &there] {
            let peer = stream.peer_cred().unwrap();
            assert_eq!(peer.pid, std::process::id());
            assert_eq!(peer.uid, getuid().as_raw());
            assert_eq!(peer.gid, getgid().as_raw());
        }
    });
}
