//! Faults of writers that a hostile reader found: aborted ones, and outputs that lie or come back in.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod common;
#[path = "common/loopback.rs"]
mod loopback;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::pin::{Pin, pin};
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use futures::io::{AsyncWrite, AsyncWriteExt};
use loopback::{on_each_backend, poll_once, turns};
use selio::net::UnixStream;
use selio::{IntoStreams, StreamWriter, stats};

/// An output whose `poll_write` is this closure, and which has nothing else to do.
struct Output<F>(F);

impl<F: FnMut(&Waker, &[u8]) -> Poll<usize> + Unpin> AsyncWrite for Output<F> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        (self.0)(cx.waker(), bytes).map(Ok)
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[test]
fn who_aborts_an_output_that_takes_nothing_frees_its_task_and_those_who_wait() {
    on_each_backend(async || {
        let mut writer = StreamWriter::new(Output(|_: &Waker, _: &[u8]| Poll::Pending));
        writer.write(b"lost");
        turns(1).await;
        assert_eq!((stats().tasks, writer.pending()), (1, 4));

        writer.abort();
        turns(1).await;
        assert_eq!(stats().tasks, 0, "the task that sends waits for ever");
        writer.flush().await.unwrap();
        writer.wait_closed().await.unwrap();
    });
}

/// select(2) does not tell that such a socket was shut down.
#[test]
fn who_aborts_a_unix_socket_that_is_full_frees_its_task_and_those_who_wait() {
    on_each_backend(async || {
        let (stream, _peer) = UnixStream::pair().unwrap();
        let (reader, mut writer) = stream.into_streams();
        writer.write(&vec![0; 1 << 20]);
        turns(1).await;
        assert_eq!(stats().tasks, 1);

        writer.abort();
        turns(1).await;
        assert_eq!(stats().tasks, 0, "the task that sends waits for ever");
        writer.flush().await.unwrap();
        drop((reader, writer));
        assert_eq!(stats().sources, 1, "the socket is still open");
    });
}

#[test]
fn an_output_that_claims_to_have_taken_more_than_it_got_loses_nothing_in_silence() {
    on_each_backend(async || {
        let waiting = Rc::new(Cell::new(None));
        let place = Rc::clone(&waiting);
        let mut calls = 0;
        // The bytes that are kept lie in a ring. The third call gets the one before its seam, and
        // claims to have taken another one from behind it.
        let output = move |waker: &Waker, bytes: &[u8]| {
            calls += 1;
            match calls {
                1 => Poll::Ready(bytes.len() - 1),
                2 => {
                    place.set(Some(waker.clone()));
                    Poll::Pending
                }
                3 => Poll::Ready(bytes.len() + 1),
                _ => Poll::Ready(bytes.len()),
            }
        };
        let writer = StreamWriter::new(Output(output));
        writer.write(&[b'a'; 64]);
        turns(1).await;
        writer.write(&[b'b'; 60]);
        assert_eq!(writer.pending(), 61);
        writer.close();
        waiting.take().unwrap().wake();
        let error = writer.wait_closed().await.unwrap_err();
        assert!(error.to_string().contains("panicked"), "{error}");
    });
}

#[test]
fn who_writes_from_inside_of_an_output_ends_no_drain_too_early() {
    on_each_backend(async || {
        let place = Rc::new(RefCell::new(Weak::<StreamWriter>::new()));
        let writer = Rc::new(StreamWriter::new(Output({
            let place = Rc::clone(&place);
            let has_written = Cell::new(false);
            move |_: &Waker, _: &[u8]| {
                if !has_written.replace(true) {
                    place.borrow().upgrade().unwrap().write(b"a little");
                }
                Poll::Pending
            }
        })));
        *place.borrow_mut() = Rc::downgrade(&writer);
        writer.set_marks(10..=100).unwrap();
        writer.write(&[b'x'; 101]);
        turns(1).await;
        assert_eq!(writer.pending(), 109);
        let mut drained = pin!(writer.drain());
        assert!(poll_once(&mut drained).await.is_none(), "there is no room");
        writer.abort();
        poll_fn(|cx| drained.as_mut().poll(cx)).await.unwrap();
    });
}

#[test]
fn who_cancels_all_tasks_loses_nothing_that_was_written() {
    on_each_backend(async || {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (_reader, writer) = ours.into_streams();
        let (mut reader, _writer) = theirs.into_streams();
        let sent = vec![b'x'; 1 << 20];
        writer.write(&sent);
        writer.write_eof();
        assert!(writer.pending() > 0, "the socket has room for all of it");

        let all = selio::task::all_tasks();
        all.iter().for_each(selio::task::TaskRef::cancel);
        assert_eq!((all.len(), stats().tasks), (0, 1));
        let read = reader.read_to_end(sent.len()).await.unwrap();
        assert!(read == sent, "{} bytes came", read.len());
    });
}
