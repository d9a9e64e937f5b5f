//! Faults of streams that a hostile reader found: aborted and lost ones, and foreign inputs and outputs
//! that lie, never wait, or come back in.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod common;
#[path = "common/loopback.rs"]
mod loopback;

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::io;
use std::net::Shutdown;
use std::pin::{Pin, pin};
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};

use futures::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use loopback::{on_each_backend, poll_once, runtime, turns};
use selio::net::UnixStream;
use selio::{IntoStreams, StreamReader, StreamWriter, spawn, stats, yield_now};

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

#[test]
fn who_writes_from_inside_of_an_output_ends_no_drain_between_the_marks_either() {
    on_each_backend(async || {
        let place = Rc::new(RefCell::new(Weak::<StreamWriter>::new()));
        let waiting = Rc::new(Cell::new(None));
        let output = {
            let (place, waiting) = (Rc::clone(&place), Rc::clone(&waiting));
            let mut calls = 0;
            move |waker: &Waker, _: &[u8]| {
                calls += 1;
                match calls {
                    1 => return Poll::Ready(20),
                    2 => waiting.set(Some(waker.clone())),
                    _ => place.borrow().upgrade().unwrap().write(b"x"),
                }
                Poll::Pending
            }
        };
        let writer = Rc::new(StreamWriter::new(Output(output)));
        *place.borrow_mut() = Rc::downgrade(&writer);
        writer.set_marks(10..=100).unwrap();
        writer.write(&[b'x'; 101]);
        turns(1).await;
        let mut drained = pin!(writer.drain());
        assert!(poll_once(&mut drained).await.is_none(), "81 are kept");
        waiting.take().unwrap().wake();
        turns(1).await;
        assert_eq!(writer.pending(), 82);
        assert!(poll_once(&mut drained).await.is_none(), "there is no room");
        writer.abort();
    });
}

/// An output that takes everything, and has these two things to do.
struct Ending<F, C> {
    flush: F,
    close: C,
}

impl<F, C> AsyncWrite for Ending<F, C>
where
    F: FnMut() -> Poll<io::Result<()>> + Unpin,
    C: FnMut() -> Poll<io::Result<()>> + Unpin,
{
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        (self.flush)()
    }

    fn poll_close(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        (self.close)()
    }
}

#[test]
fn an_output_that_aborts_its_own_stream_while_it_flushes_is_asked_nothing_more() {
    on_each_backend(async || {
        for fails in [false, true] {
            let place = Rc::new(RefCell::new(Weak::<StreamWriter>::new()));
            let inner = Rc::clone(&place);
            let writer = Rc::new(StreamWriter::new(Ending {
                flush: move || {
                    inner.borrow().upgrade().unwrap().abort();
                    Poll::Ready(match fails {
                        false => Ok(()),
                        true => Err(io::ErrorKind::Other.into()),
                    })
                },
                close: || panic!("it was aborted"),
            }));
            *place.borrow_mut() = Rc::downgrade(&writer);
            writer.write(b"x");
            turns(1).await;
            assert_eq!(stats().tasks, 0);
            writer.wait_closed().await.unwrap(); // Nobody asks what an aborted one has to say.
        }
    });
}

#[test]
fn an_output_that_is_being_flushed_in_a_runtime_that_does_not_run_says_so() {
    common::each_backend(|backend| {
        let (one, other) = (runtime(backend), runtime(backend));
        let mut writer = one.block_on(async {
            let (flush, close) = (|| Poll::Pending, || Poll::Ready(Ok(())));
            let writer = StreamWriter::new(Ending { flush, close });
            writer.write(b"x");
            turns(1).await;
            writer
        });
        assert_eq!(writer.pending(), 0);
        let error = other.block_on(writer.flush()).unwrap_err();
        assert!(error.to_string().contains("does not run"), "{error}");
    });
}

/// Lines without an end, and never a wait.
struct Lines;

impl AsyncRead for Lines {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let length = buffer.len().min(1 << 10);
        buffer[..length].fill(b' ');
        buffer[length - 1] = b'\n';
        Poll::Ready(Ok(length))
    }
}

#[test]
fn an_input_that_always_has_bytes_does_not_starve_the_others() {
    on_each_backend(async || {
        let read = Rc::new(Cell::new(0));
        let count = Rc::clone(&read);
        let reading = spawn(async move {
            let mut reader = StreamReader::new(Lines);
            for _ in 0..2_000 {
                reader.read_line().await.unwrap();
                count.set(count.get() + 1);
            }
        });
        yield_now().await;
        assert!((1..2_000).contains(&read.get()), "{} lines", read.get());
        let mut reader = StreamReader::new(Lines);
        let mut to_end = pin!(reader.read_to_end(1 << 20));
        assert!(poll_once(&mut to_end).await.is_none(), "all in one poll");
        reading.await.unwrap();
    });
}

#[test]
fn who_drains_an_output_that_always_has_room_does_not_starve_the_others() {
    on_each_backend(async || {
        let (flush, close) = (|| Poll::Ready(Ok(())), || Poll::Ready(Ok(())));
        let writer = StreamWriter::new(Ending { flush, close });
        let mut writing = pin!(async {
            for _ in 0..1_000 {
                writer.write(b"x");
                writer.drain().await.unwrap();
            }
        });
        assert!(poll_once(&mut writing).await.is_none(), "all in one poll");
        writing.await;
    });
}

/// A peer that hears nothing any more may still speak. TCP does not tell of such a one.
#[test]
fn who_closes_a_stream_that_takes_no_more_ends_its_reader() {
    type End = fn(&StreamWriter);
    let ends: [End; 2] = [StreamWriter::close, StreamWriter::abort];
    on_each_backend(async || {
        for end in ends {
            let (ours, peer) = UnixStream::pair().unwrap();
            let (mut reader, writer) = ours.into_streams();
            peer.shutdown(Shutdown::Read).unwrap();
            writer.write(b"to nobody");
            let error = writer.drain().await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::BrokenPipe);
            assert!(writer.is_closing());
            writer.wait_closed().await.unwrap_err();

            peer.write_all(b"still here\n").await.unwrap();
            assert_eq!(reader.read_line().await.unwrap(), b"still here\n");
            let reading = spawn(async move { reader.read_chunk(1).await.map(<[u8]>::len) });
            turns(1).await;
            end(&writer);
            turns(1).await;
            assert!(reading.is_finished(), "the reader waits for ever");
            assert_eq!(reading.await.unwrap().unwrap(), 0);
            writer.wait_closed().await.unwrap_err();
        }
    });
}
