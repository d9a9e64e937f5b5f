//! The bytes that a reader has and nobody has asked for yet, and the pool that their memory is from.
//!
//! Most connections of a server say nothing most of the time. So memory belongs to those who hold
//! bytes: it comes from a pool of the thread when there is something to read, and goes back when
//! the last byte is taken.

use std::cell::RefCell;
use std::mem;

/// How many bytes there is room for at first.
pub(super) const SIZE: usize = 8 * 1024;

/// How many pieces of memory of that size a thread keeps for later: 512 KiB at most.
const SPARE: usize = 64;

thread_local! {
    static POOL: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// Bytes that are put in at the back and taken out at the front.
#[derive(Default)]
pub(super) struct Buffer {
    /// Without a capacity while there are no bytes.
    memory: Vec<u8>,
    /// How many of them were taken. They stay until somebody needs their room, so that they can be
    /// lent to whoever took them.
    taken: usize,
}

impl Buffer {
    #[inline]
    pub(super) fn bytes(&self) -> &[u8] {
        &self.memory[self.taken..]
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        self.memory.len() - self.taken
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes the first `n` bytes, and lends them.
    #[inline]
    pub(super) fn take(&mut self, n: usize) -> &[u8] {
        let start = self.taken;
        self.taken += n;
        &self.memory[start..self.taken]
    }

    /// Takes the first `n` bytes, which somebody has a copy of.
    pub(super) fn consume(&mut self, n: usize) {
        self.taken += n;
        self.release();
    }

    /// Takes all of the bytes, memory and all.
    pub(super) fn take_all(&mut self) -> Vec<u8> {
        let mut bytes = mem::take(&mut self.memory);
        bytes.drain(..mem::take(&mut self.taken));
        bytes
    }

    /// Puts bytes in that were taken a moment ago; there are no others.
    pub(super) fn put_back(&mut self, bytes: &[u8]) {
        debug_assert!(self.is_empty(), "they would come in the wrong order");
        self.taken = 0;
        self.memory.clear();
        self.make_room(bytes.len());
        self.memory.extend_from_slice(bytes);
    }

    /// Gives the memory back to the pool, if there are no bytes in it.
    #[inline]
    pub(super) fn release(&mut self) {
        if self.is_empty() && self.memory.capacity() > 0 {
            self.taken = 0;
            give_back(mem::take(&mut self.memory));
        }
    }

    /// Lets `read` put bytes in, once, and tells what it tells. `most` is how many the caller will
    /// need at a time: the room does not grow beyond that, except for what there is at first.
    pub(super) fn fill<R>(&mut self, most: usize, read: impl FnOnce(&mut Vec<u8>) -> R) -> R {
        self.make_room(most);
        let result = read(&mut self.memory);
        self.release();
        result
    }

    /// Makes room for one byte at least.
    #[inline]
    fn make_room(&mut self, most: usize) {
        if self.memory.capacity() == 0 {
            self.memory = borrow();
        } else if self.memory.len() == self.memory.capacity() {
            self.grow(most);
        }
    }

    /// Makes room where there is none left: that of what was taken, or else more.
    fn grow(&mut self, most: usize) {
        self.memory.drain(..mem::take(&mut self.taken));
        let (len, room) = (self.memory.len(), self.memory.capacity());
        if len > room / 2 {
            // The last step is a long one: while bytes move, they are there twice.
            let size = if room < most / 2 { 2 * room } else { most };
            self.memory.reserve_exact(size.max(len + 1) - len);
        }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        self.taken = self.memory.len();
        self.release();
    }
}

/// Memory of the usual size, from the pool if it has some.
fn borrow() -> Vec<u8> {
    let spare = POOL.try_with(|pool| pool.borrow_mut().pop());
    (spare.ok().flatten()).unwrap_or_else(|| Vec::with_capacity(SIZE))
}

/// Keeps memory of the usual size for the next one.
fn give_back(mut memory: Vec<u8>) {
    if memory.capacity() == SIZE {
        memory.clear();
        // At the exit of the thread there may be no pool any more.
        let _ = POOL.try_with(|pool| {
            let mut pool = pool.borrow_mut();
            if pool.len() < SPARE {
                pool.push(memory);
            }
        });
    }
}
