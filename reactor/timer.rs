//! Deadlines in order: a heap with four children to a node, in which every timer knows its place,
//! so that one that is cancelled leaves at once.
//!
//! Most timers are timeouts, set far ahead and cancelled soon: they enter at the bottom of the heap
//! and leave from there, and hardly anything else moves. asyncio keeps a heap too, and lets cancelled
//! timers stay in it until they are half of it; tokio keeps a wheel, in which nothing moves either,
//! but whose deadlines are whole milliseconds.

use std::task::Waker;
use std::time::{Duration, Instant};

use slab::Slab;

/// How many children a node has. Four nodes are as long as a cache line.
const ARITY: usize = 4;

/// So many timers, and one in so many of all, are taken one by one before the rest is taken at once.
const FEW: usize = 16;

pub(super) struct TimerQueue {
    /// Deadlines are counted from here, in nanoseconds: 584 years fit into a `u64`.
    origin: Instant,
    heap: Vec<Node>,
    timers: Slab<Timer>,
    /// How many timers there ever were, and from 0 again after four billion: equal deadlines expire in
    /// the order of their insertion, if there were not two billion others between.
    sequence: u32,
}

#[derive(Clone, Copy)]
struct Node {
    deadline: u64,
    sequence: u32,
    timer: u32,
}

enum Timer {
    Waiting {
        place: u32,
        waker: Waker,
    },
    /// Whoever has set it has not looked yet.
    Expired,
}

/// Names a timer until whoever has set it removes it.
#[derive(Clone, Copy, Debug)]
pub(super) struct TimerId(u32);

impl Node {
    fn is_before(self, other: Self) -> bool {
        let age = self.sequence.wrapping_sub(other.sequence) as i32;
        self.deadline < other.deadline || self.deadline == other.deadline && age < 0
    }
}

impl TimerQueue {
    pub(super) fn new(origin: Instant) -> Self {
        Self {
            origin,
            heap: Vec::new(),
            timers: Slab::new(),
            sequence: 0,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.heap.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.heap.is_empty()
    }

    /// The deadline that comes first.
    pub(super) fn next(&self) -> Option<Instant> {
        self.instant(self.heap.first()?.deadline)
    }

    /// The deadline of this timer, if it has not expired.
    pub(super) fn deadline(&self, TimerId(id): TimerId) -> Option<Instant> {
        match self.timers[id as usize] {
            Timer::Waiting { place, .. } => self.instant(self.heap[place as usize].deadline),
            Timer::Expired => None,
        }
    }

    /// Calls `each` with the deadline and the waker of each timer that has not expired.
    pub(super) fn each(&self, mut each: impl FnMut(Instant, &Waker)) {
        for node in &self.heap {
            if let Timer::Waiting { waker, .. } = &self.timers[node.timer as usize]
                && let Some(deadline) = self.instant(node.deadline)
            {
                each(deadline, waker);
            }
        }
    }

    fn instant(&self, nanos: u64) -> Option<Instant> {
        self.origin.checked_add(Duration::from_nanos(nanos))
    }

    fn nanos(&self, instant: Instant) -> u64 {
        let since = instant.saturating_duration_since(self.origin);
        let nanos = since.as_secs().saturating_mul(1_000_000_000);
        nanos.saturating_add(since.subsec_nanos().into())
    }

    pub(super) fn insert(&mut self, deadline: Instant, waker: Waker) -> TimerId {
        let place = self.heap.len();
        let timer = self.timers.insert(Timer::Waiting {
            place: place as u32,
            waker,
        }) as u32;
        self.sequence = self.sequence.wrapping_add(1);
        self.heap.push(Node {
            deadline: self.nanos(deadline),
            sequence: self.sequence,
            timer,
        });
        self.sift_up(place);
        TimerId(timer)
    }

    pub(super) fn has_expired(&self, TimerId(id): TimerId) -> bool {
        matches!(self.timers[id as usize], Timer::Expired)
    }

    /// Has another waker woken, unless it has expired. Returns the one that has become superfluous,
    /// to be dropped once all borrows have ended.
    pub(super) fn exchange(&mut self, TimerId(id): TimerId, new: Waker) -> Waker {
        match &mut self.timers[id as usize] {
            Timer::Expired => new,
            Timer::Waiting { waker, .. } => std::mem::replace(waker, new),
        }
    }

    /// Forgets a timer, expired or not. Returns its waker, as `exchange` does.
    pub(super) fn remove(&mut self, TimerId(id): TimerId) -> Option<Waker> {
        match self.timers.remove(id as usize) {
            Timer::Expired => None,
            Timer::Waiting { place, waker } => {
                self.take(place as usize);
                Some(waker)
            }
        }
    }

    /// Expires every timer whose deadline is not after `now`, in order.
    pub(super) fn expire(&mut self, now: Instant, woken: &mut Vec<Waker>) {
        let now = self.nanos(now);
        for _ in 0..FEW + self.heap.len() / FEW {
            match self.heap.first() {
                Some(node) if node.deadline <= now => {
                    let node = self.take(0);
                    self.expire_one(node, woken);
                }
                _ => return,
            }
        }
        self.expire_many(now, woken);
    }

    /// Taking one after the other from the top moves the last one down from there each time. Where
    /// many are due, it is faster to sort them (mostly they are in order already) and to make a new
    /// heap of the rest. That costs as much as the heap is long: hence not before a part of it has
    /// turned out to be due.
    fn expire_many(&mut self, now: u64, woken: &mut Vec<Waker>) {
        let mut waiting = 0; // They come first, those that are due after them.
        for place in 0..self.heap.len() {
            if self.heap[place].deadline > now {
                self.heap.swap(place, waiting);
                waiting += 1;
            }
        }
        // Sequence numbers start again some day: counted from the oldest that there can be, they
        // are in order. Both as one number are compared without a branch.
        let oldest = self.sequence.wrapping_add(1);
        self.heap[waiting..].sort_unstable_by_key(|node| {
            u128::from(node.deadline) << 64 | u128::from(node.sequence.wrapping_sub(oldest))
        });
        for place in waiting..self.heap.len() {
            self.expire_one(self.heap[place], woken);
        }
        self.heap.truncate(waiting);
        // The rest is no heap any more: make it one, from the leaves up. Those that do not move in it
        // have to learn their places too.
        for place in (0..self.heap.len()).rev() {
            self.sift_down(place);
        }
    }

    fn expire_one(&mut self, node: Node, woken: &mut Vec<Waker>) {
        let timer = &mut self.timers[node.timer as usize];
        if let Timer::Waiting { waker, .. } = std::mem::replace(timer, Timer::Expired) {
            woken.push(waker);
        }
    }

    /// Takes a node out of the heap; the last one fills its place.
    fn take(&mut self, place: usize) -> Node {
        let node = self.heap.swap_remove(place);
        if place < self.heap.len() {
            self.sift_down(place);
            self.sift_up(place);
        }
        node
    }

    fn sift_up(&mut self, mut place: usize) {
        let node = self.heap[place];
        while place > 0 {
            let parent = (place - 1) / ARITY;
            if !node.is_before(self.heap[parent]) {
                break;
            }
            self.put(place, self.heap[parent]);
            place = parent;
        }
        self.put(place, node);
    }

    fn sift_down(&mut self, mut place: usize) {
        let node = self.heap[place];
        loop {
            let first = place * ARITY + 1;
            let children = first..(first + ARITY).min(self.heap.len());
            let least = children.reduce(|a, b| {
                if self.heap[b].is_before(self.heap[a]) {
                    b
                } else {
                    a
                }
            });
            match least {
                Some(child) if self.heap[child].is_before(node) => {
                    self.put(place, self.heap[child]);
                    place = child;
                }
                _ => break,
            }
        }
        self.put(place, node);
    }

    fn put(&mut self, at: usize, node: Node) {
        self.heap[at] = node;
        if let Timer::Waiting { place, .. } = &mut self.timers[node.timer as usize] {
            *place = at as u32;
        }
    }
}
