//! What a queue keeps its items in: that alone makes the difference between the three queues.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::thread;

use crate::executor::swallow;

/// Public only because it stands in the types of the queues; its path is private.
pub trait Buffer<T>: Default {
    /// The name of the queue that has it.
    const QUEUE: &str;

    fn push(&mut self, item: T);
    fn pop(&mut self) -> Option<T>;
    fn len(&self) -> usize;
}

impl<T> Buffer<T> for VecDeque<T> {
    const QUEUE: &str = "Queue";

    fn push(&mut self, item: T) {
        self.push_back(item);
    }

    fn pop(&mut self) -> Option<T> {
        self.pop_front()
    }

    fn len(&self) -> usize {
        self.len()
    }
}

impl<T> Buffer<T> for Vec<T> {
    const QUEUE: &str = "LifoQueue";

    fn push(&mut self, item: T) {
        self.push(item);
    }

    fn pop(&mut self) -> Option<T> {
        self.pop()
    }

    fn len(&self) -> usize {
        self.len()
    }
}

/// The items of a [`PriorityQueue`](super::PriorityQueue).
#[derive(Debug)]
pub struct Heap<T> {
    /// The numbers keep equal items in the order in which they came.
    items: BinaryHeap<Reverse<(Item<T>, u64)>>,
    next: u64,
}

/// An item, until it is taken. A comparison that panics drops the one that was being got: if that
/// panics too, it stops here, or it would abort the process.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Item<T>(Option<T>);

impl<T> Drop for Item<T> {
    fn drop(&mut self) {
        if thread::panicking() {
            let item = self.0.take();
            swallow(|| drop(item));
        }
    }
}

impl<T: Ord> Default for Heap<T> {
    fn default() -> Self {
        Self {
            items: BinaryHeap::new(),
            next: 0,
        }
    }
}

impl<T: Ord> Buffer<T> for Heap<T> {
    const QUEUE: &str = "PriorityQueue";

    fn push(&mut self, item: T) {
        self.items.push(Reverse((Item(Some(item)), self.next)));
        self.next += 1;
    }

    fn pop(&mut self) -> Option<T> {
        let Reverse((mut item, _)) = self.items.pop()?;
        item.0.take()
    }

    fn len(&self) -> usize {
        self.items.len()
    }
}
