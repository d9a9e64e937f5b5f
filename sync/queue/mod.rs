//! Queues between tasks: those who put wait for room, those who get wait for items.

mod buffer;
mod error;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::mem;

use self::buffer::{Buffer, Heap};
pub use self::error::{GetError, PutError, QueueShutDown};
use super::wait_list::WaitList;

/// A queue that gives the oldest item first. See [`AnyQueue`] for what it can do.
///
/// asyncio's counterpart is [`Queue`](https://docs.python.org/3/library/asyncio-queue.html#asyncio.Queue).
///
/// # Examples
///
/// Three workers, as on the page of asyncio:
///
/// ```
/// use std::rc::Rc;
/// use selio::sync::Queue;
///
/// # selio::run(async {
/// let queue = Rc::new(Queue::unbounded());
/// for n in 0..20 {
///     queue.put_nowait(n).unwrap();
/// }
/// let workers: Vec<_> = (0..3)
///     .map(|_| {
///         let queue = Rc::clone(&queue);
///         selio::spawn(async move {
///             let mut sum = 0;
///             while let Ok(n) = queue.get().await {
///                 sum += n;
///                 selio::yield_now().await;
///                 queue.task_done();
///             }
///             sum
///         })
///     })
///     .collect();
/// queue.join().await; // Every item has been worked on.
/// queue.shutdown(false); // No more will come: the workers end.
/// let mut total = 0;
/// for worker in workers {
///     total += worker.await.unwrap();
/// }
/// assert_eq!(total, 190);
/// # });
/// ```
#[doc(alias = "mpsc")]
pub type Queue<T> = AnyQueue<T, VecDeque<T>>;

/// A queue that gives the newest item first. See [`AnyQueue`] for what it can do.
///
/// asyncio's counterpart is [`LifoQueue`](https://docs.python.org/3/library/asyncio-queue.html#asyncio.LifoQueue).
///
/// # Examples
///
/// ```
/// use selio::sync::LifoQueue;
///
/// let queue = LifoQueue::unbounded();
/// queue.put_nowait("below").unwrap();
/// queue.put_nowait("above").unwrap();
/// assert_eq!(queue.get_nowait(), Ok("above"));
/// ```
pub type LifoQueue<T> = AnyQueue<T, Vec<T>>;

/// A queue that gives the smallest item first, and of equal ones the oldest. See [`AnyQueue`] for
/// what it can do.
///
/// What is smaller is up to the `Ord` of the items; a pair of a number and something else does,
/// and [`Reverse`](std::cmp::Reverse) makes the largest come first. That `Ord` must not use the
/// queue.
///
/// asyncio's counterpart is
/// [`PriorityQueue`](https://docs.python.org/3/library/asyncio-queue.html#asyncio.PriorityQueue).
///
/// # Examples
///
/// ```
/// use selio::sync::PriorityQueue;
///
/// let queue = PriorityQueue::unbounded();
/// queue.put_nowait((2, "code")).unwrap();
/// queue.put_nowait((1, "eat")).unwrap();
/// queue.put_nowait((3, "sleep")).unwrap();
/// assert_eq!(queue.get_nowait(), Ok((1, "eat")));
/// ```
pub type PriorityQueue<T> = AnyQueue<T, Heap<T>>;

/// What [`Queue`], [`LifoQueue`] and [`PriorityQueue`] have in common: all but the order of their
/// items.
///
/// Any number of tasks may put and get. Those who wait get their turn in the order in which they
/// came. An item that has come for somebody who waits stays in the queue until that task runs, but
/// is not there for others any more: [`get_nowait`](Self::get_nowait) may find nothing while
/// [`len`](Self::len) is 1. The same goes for room, and [`put_nowait`](Self::put_nowait).
pub struct AnyQueue<T, B> {
    buffer: RefCell<B>,
    /// `usize::MAX` if it has no bound.
    maxsize: usize,
    /// Put, and not reported done.
    unfinished: Cell<u64>,
    is_shut_down: Cell<bool>,
    /// What they claim are items.
    getters: WaitList,
    /// What they claim is room, for one item each.
    putters: WaitList,
    joiners: WaitList,
    items: PhantomData<T>,
}

impl<T, B: Buffer<T>> AnyQueue<T, B> {
    /// A queue of no more than `maxsize` items: asyncio's `Queue(maxsize)`.
    ///
    /// # Panics
    ///
    /// If `maxsize` is zero: nothing could ever be put.
    #[must_use]
    #[track_caller]
    pub fn bounded(maxsize: usize) -> Self {
        assert!(
            maxsize > 0,
            "{}::bounded(0): it would have no room for any item; `unbounded` has no bound, which is \
             what 0 means in asyncio",
            B::QUEUE
        );
        Self::with_maxsize(maxsize)
    }

    /// A queue that is never full: asyncio's `Queue()`. Who puts faster than others get fills the memory.
    #[must_use]
    #[doc(alias = "UnboundedSender")]
    pub fn unbounded() -> Self {
        Self::with_maxsize(usize::MAX)
    }

    // Not `new`: rustc shows who tries `Queue::new()` the two constructors above.
    fn with_maxsize(maxsize: usize) -> Self {
        Self {
            buffer: RefCell::default(),
            maxsize,
            unfinished: Cell::new(0),
            is_shut_down: Cell::new(false),
            getters: WaitList::new("Queue", 0),
            putters: WaitList::new("Queue", maxsize),
            joiners: WaitList::new("Queue", 0),
            items: PhantomData,
        }
    }

    /// Puts an item into the queue, when there is room for it.
    ///
    /// # Errors
    ///
    /// When the queue is shut down, be it meanwhile; the error holds the item.
    ///
    /// # Cancel safety
    ///
    /// Whoever is dropped while it waits has not put its item: the item, which it owns, is dropped
    /// with it. To give up waiting and keep the item, keep the future, which may be awaited again:
    /// `timeout(d, &mut put)`.
    #[track_caller]
    pub fn put(&self, item: T) -> impl Future<Output = Result<(), QueueShutDown<T>>> {
        let mut item = Some(item);
        self.putters.wait(move |notified| {
            let is_its_turn = self.putters.claims(notified) || self.is_shut_down();
            is_its_turn.then(|| match item.take() {
                Some(item) => self.push(item),
                None => unreachable!("a wait ends once"),
            })
        })
    }

    /// Puts an item into the queue if there is room now.
    ///
    /// # Errors
    ///
    /// [`PutError::Full`] if there is none, or only for those who wait already, and
    /// [`PutError::ShutDown`] after [`shutdown`](Self::shutdown). Both hold the item.
    pub fn put_nowait(&self, item: T) -> Result<(), PutError<T>> {
        if !self.putters.try_claim() && !self.is_shut_down() {
            return Err(PutError::Full(item));
        }
        Ok(self.push(item)?)
    }

    /// Takes the next item, when there is one.
    ///
    /// # Errors
    ///
    /// When the queue is shut down, be it meanwhile, and all of its items have been taken.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: the item is in the queue until this returns it.
    #[track_caller]
    pub fn get(&self) -> impl Future<Output = Result<T, QueueShutDown>> {
        self.getters.wait(|notified| {
            let is_its_turn = self.getters.claims(notified) || self.has_ended();
            is_its_turn.then(|| self.pop().ok_or(QueueShutDown(())))
        })
    }

    /// Takes the next item if there is one now.
    ///
    /// # Errors
    ///
    /// [`GetError::Empty`] if there is none, or only for those who wait already, and
    /// [`GetError::ShutDown`] if none will come.
    pub fn get_nowait(&self) -> Result<T, GetError> {
        if !self.getters.try_claim() && !self.has_ended() {
            return Err(GetError::Empty);
        }
        self.pop().ok_or(GetError::ShutDown)
    }

    /// Waits until every item that was put has been reported done.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    #[track_caller]
    pub fn join(&self) -> impl Future<Output = ()> {
        self.joiners
            .wait(|notified| (notified.is_some() || self.unfinished.get() == 0).then_some(()))
    }

    /// Reports that the work on an item is done: to be called once for each item that was got, where
    /// somebody waits in [`join`](Self::join).
    ///
    /// # Panics
    ///
    /// When it is called more often than items were put.
    #[track_caller]
    pub fn task_done(&self) {
        let Some(unfinished) = self.unfinished.get().checked_sub(1) else {
            panic!(
                "{}::task_done: called more often than items were put; call it once for each item \
                 that was got",
                B::QUEUE
            );
        };
        self.set_unfinished(unfinished);
    }

    /// Ends the queue. From now on nobody can put; those who wait to put get their items back.
    ///
    /// The items that are left can still be got; then [`get`](Self::get) fails, for those who wait
    /// too. If `immediate`, the items are dropped instead, and count as done: [`join`](Self::join)
    /// waits only for those that were got before.
    pub fn shutdown(&self, immediate: bool) {
        self.is_shut_down.set(true);
        let mut dropped = B::default();
        if immediate {
            mem::swap(&mut dropped, &mut *self.buffer.borrow_mut());
        }
        self.putters.notify_all();
        if self.is_empty() {
            self.getters.notify_all();
        }
        let done = dropped.len() as u64;
        if done > 0 {
            self.set_unfinished(self.unfinished.get().saturating_sub(done));
        }
        // Last of all come the destructors of the items, which may do anything.
        drop(dropped);
    }

    /// Whether [`shutdown`](Self::shutdown) was called.
    #[must_use]
    pub fn is_shut_down(&self) -> bool {
        self.is_shut_down.get()
    }

    /// The number of items in the queue; asyncio's `qsize`.
    #[must_use]
    #[doc(alias = "qsize")]
    pub fn len(&self) -> usize {
        self.buffer.borrow().len()
    }

    /// Whether there is no item in the queue.
    #[must_use]
    #[doc(alias = "empty")]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether there are as many items in the queue as it may have.
    #[must_use]
    #[doc(alias = "full")]
    pub fn is_full(&self) -> bool {
        self.len() >= self.maxsize
    }

    /// The number of items that the queue may have, `None` if there is no bound.
    #[must_use]
    pub fn maxsize(&self) -> Option<usize> {
        (self.maxsize < usize::MAX).then_some(self.maxsize)
    }

    /// Whether no item will ever be got again.
    fn has_ended(&self) -> bool {
        self.is_shut_down() && self.is_empty()
    }

    /// For who has claimed room, unless the queue is shut down.
    fn push(&self, item: T) -> Result<(), QueueShutDown<T>> {
        if self.is_shut_down() {
            return Err(QueueShutDown(item));
        }
        // A comparison that panics has put its item all the same: it must be counted, or the queue
        // would never be empty again.
        let _counting = OnDrop(|| {
            self.unfinished.update(|unfinished| unfinished + 1);
            self.getters.release();
        });
        self.buffer.borrow_mut().push(item);
        Ok(())
    }

    /// For who has claimed an item, which a shutdown may have dropped since.
    fn pop(&self) -> Option<T> {
        // A comparison that panics has taken an item all the same: its room is free.
        let freeing = OnDrop(|| {
            self.putters.release();
            if self.has_ended() {
                self.getters.notify_all();
            }
        });
        let item = self.buffer.borrow_mut().pop();
        if item.is_none() {
            mem::forget(freeing);
        }
        item
    }

    fn set_unfinished(&self, unfinished: u64) {
        self.unfinished.set(unfinished);
        if unfinished == 0 {
            self.joiners.notify_all();
        }
    }
}

/// Does what is due, even if a comparison panics meanwhile.
struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

impl<T, B: Buffer<T>> Default for AnyQueue<T, B> {
    fn default() -> Self {
        Self::unbounded()
    }
}

impl<T, B: Buffer<T>> fmt::Debug for AnyQueue<T, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct(B::QUEUE)
            .field("len", &self.len())
            .field("maxsize", &self.maxsize())
            .field("unfinished", &self.unfinished.get())
            .field("is_shut_down", &self.is_shut_down())
            .field("waiting_to_get", &self.getters.waiting())
            .field("waiting_to_put", &self.putters.waiting())
            .finish()
    }
}
