//! The bytes that a writer's output has no room for yet, and those who wait for them to be sent.
//!
//! Most connections take all that is written to them at once, and never have one of these.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::mem;
use std::rc::Rc;
use std::task::Waker;

use super::super::bell::Bell;
use super::super::explain::explain_by;
use crate::reactor::Reactor;

pub(super) struct WriteBuffer {
    bytes: RefCell<VecDeque<u8>>,
    marks: Cell<Marks>,
    /// There were more bytes than the high mark, and since then never as few as the low one.
    is_paused: Cell<bool>,
    /// The runtime in which a task sends them, while there is one.
    pub(super) flushed_in: RefCell<Option<Rc<Reactor>>>,
    /// That task. Who discards them wakes it, as nobody else may: an output that was dropped does not.
    pub(super) sender: Cell<Option<Waker>>,
    /// Why bytes were lost.
    error: Cell<Option<io::Error>>,
    /// Rung when something has changed for those who wait for it.
    pub(super) change: Bell,
}

/// When `drain` begins to wait, and when it ends: in bytes that are kept.
#[derive(Clone, Copy)]
pub(super) struct Marks {
    pub(super) low: usize,
    pub(super) high: usize,
}

impl Default for Marks {
    fn default() -> Self {
        Self {
            low: 16 * 1024,
            high: 64 * 1024,
        }
    }
}

impl WriteBuffer {
    pub(super) fn new() -> Self {
        Self {
            bytes: RefCell::default(),
            marks: Cell::default(),
            is_paused: Cell::new(false),
            flushed_in: RefCell::default(),
            sender: Cell::default(),
            error: Cell::default(),
            change: Bell::default(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.borrow().len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Keeps the slices, except for the first bytes, which were sent.
    pub(super) fn push(&self, slices: &[IoSlice<'_>], mut sent: usize) {
        let mut bytes = self.bytes.borrow_mut();
        for slice in slices {
            let skipped = sent.min(slice.len());
            sent -= skipped;
            bytes.extend(&slice[skipped..]);
        }
        drop(bytes);
        // It may be the output that writes, while it has those that were kept before.
        self.pause_if_many();
    }

    /// Lends the first bytes, as many as lie in a row.
    pub(super) fn with_first<R>(&self, send: impl FnOnce(&[u8]) -> R) -> R {
        send(self.bytes.borrow().as_slices().0)
    }

    /// Takes all of the bytes, for whoever may come back in meanwhile.
    pub(super) fn take(&self) -> VecDeque<u8> {
        self.bytes.take()
    }

    /// Puts back what was taken, before what was written meanwhile.
    pub(super) fn put_back(&self, mut taken: VecDeque<u8>) {
        let mut bytes = self.bytes.borrow_mut();
        taken.append(&mut bytes);
        *bytes = taken;
        drop(bytes);
        self.pause_or_resume();
    }

    /// So many bytes were sent.
    pub(super) fn sent(&self, n: usize) {
        let mut bytes = self.bytes.borrow_mut();
        if n == bytes.len() {
            mem::take(&mut *bytes); // Its memory goes too.
        } else {
            bytes.drain(..n);
            // Or half of it: a peer that is always the slower one never lets us send the last byte.
            if bytes.len() < bytes.capacity() / 4 {
                let half = bytes.capacity() / 2;
                bytes.shrink_to(half);
            }
        }
        drop(bytes);
        self.pause_or_resume();
    }

    /// Forgets the bytes: they will not be sent.
    pub(super) fn discard(&self) {
        drop(self.bytes.take());
        self.is_paused.set(false);
        if let Some(sender) = self.sender.take() {
            sender.wake();
        }
        self.change.ring();
    }

    pub(super) fn is_paused(&self) -> bool {
        self.is_paused.get()
    }

    pub(super) fn marks(&self) -> Marks {
        self.marks.get()
    }

    pub(super) fn set_marks(&self, marks: Marks) {
        self.marks.set(marks);
        self.pause_or_resume();
    }

    fn pause_if_many(&self) {
        if self.len() > self.marks.get().high {
            self.is_paused.set(true);
        }
    }

    fn pause_or_resume(&self) {
        self.pause_if_many();
        // The low mark is not above the high one.
        if self.len() <= self.marks.get().low && self.is_paused.replace(false) {
            self.change.ring();
        }
    }

    /// Remembers why bytes were lost, if this is the first time.
    pub(super) fn note(&self, error: io::Error) {
        let first = self.error.take().unwrap_or(error);
        self.error.set(Some(first));
    }

    /// What has become of the bytes, if some were lost. It is told each time.
    pub(super) fn result(&self, call: &str) -> io::Result<()> {
        match self.error.take() {
            None => Ok(()),
            Some(error) => {
                let copy = again(call, &error);
                self.error.set(Some(error));
                Err(copy)
            }
        }
    }
}

/// The error once more, for the next one who asks.
fn again(call: &str, error: &io::Error) -> io::Error {
    match error.raw_os_error() {
        Some(code) => explain_by(
            format!("{call}: the connection is lost: {error}"),
            io::Error::from_raw_os_error(code),
        ),
        None => io::Error::new(error.kind(), format!("{call}: {error}")),
    }
}
