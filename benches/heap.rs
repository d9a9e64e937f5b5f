//! Counts the live bytes of the heap, so that memory per connection is a figure without noise.
//!
//! What it counts: the bytes asked for (`Layout::size`) by everything in the process, be it the
//! runtime, its tasks, its tables with their spare capacity, or the buffers. What it does not: the
//! allocator's own headers and rounding, stacks, and the kernel's side of a socket. The resident
//! size, printed beside it, has those of user space, and the page granularity with them.
//!
//! Only a server that was started to be asked for its heap counts. Everywhere else the price is one
//! predictable branch per allocation, the same for every peer.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicIsize, Ordering::Relaxed};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static IS_COUNTING: AtomicBool = AtomicBool::new(false);
static LIVE: AtomicIsize = AtomicIsize::new(0);

/// The system's allocator with a counter in front.
#[derive(Debug)]
struct Counting;

fn count(bytes: isize) {
    if IS_COUNTING.load(Relaxed) {
        LIVE.fetch_add(bytes, Relaxed);
    }
}

// SAFETY: every call goes to `System` with the arguments that came in; a counter changes nothing.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as isize);
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc_zeroed`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count(size as isize - layout.size() as isize);
        // SAFETY: the caller keeps the contract of `GlobalAlloc::realloc`.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(-(layout.size() as isize));
        // SAFETY: the caller keeps the contract of `GlobalAlloc::dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// Starts counting; what is freed later but was allocated before makes the count negative.
pub fn start_counting() {
    IS_COUNTING.store(true, Relaxed);
}

/// The live bytes since [`start_counting`].
pub fn live_bytes() -> isize {
    LIVE.load(Relaxed)
}
