//! Claims about outputs of futures-io that come back in to the stream that polls them.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/loopback.rs"]
mod loopback;

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use futures::io::AsyncWrite;
use loopback::{alive, on_each_backend, turns};
use selio::{StreamWriter, stats};

/// Aborts the stream that it is the output of, takes a byte or nothing, and tells when it is gone.
struct Aborting {
    stream: Rc<RefCell<Option<Rc<StreamWriter>>>>,
    takes: Poll<io::Result<usize>>,
    calls: Rc<Cell<usize>>,
    is_gone: Rc<Cell<bool>>,
}

impl AsyncWrite for Aborting {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        self.calls.set(self.calls.get() + 1);
        self.stream.borrow().as_ref().unwrap().abort();
        match self.takes {
            Poll::Ready(Ok(n)) => Poll::Ready(Ok(n)),
            _ => Poll::Pending,
        }
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Drop for Aborting {
    fn drop(&mut self) {
        self.is_gone.set(true);
    }
}

#[test]
fn an_output_that_aborts_its_own_stream_is_dropped_and_asked_nothing_more() {
    on_each_backend(async || {
        for takes in [Poll::Pending, Poll::Ready(Ok(1))] {
            let stream = Rc::default();
            let (calls, is_gone) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(false)));
            let writer = Rc::new(StreamWriter::new(Aborting {
                stream: Rc::clone(&stream),
                takes,
                calls: Rc::clone(&calls),
                is_gone: Rc::clone(&is_gone),
            }));
            stream.replace(Some(Rc::clone(&writer)));
            writer.write(b"two");
            writer.wait_closed().await.unwrap();
            turns(2).await;
            assert_eq!((calls.get(), is_gone.get(), writer.pending()), (1, true, 0));
            assert_eq!(alive(&stats()), (0, 0, 0), "[tasks, sources, timers]");
            stream.replace(None);
        }
    });
}
