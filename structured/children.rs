//! Several futures in one task, each polled only when it was woken.
//!
//! asyncio makes a task of each coroutine that `gather` and `as_completed` are given. Here the
//! children stay futures of the task that waits for them: they may borrow what it has, dropping
//! them is all it takes to cancel them, and their panics and results need no way through a handle.
//!
//! The price is this file. A task has one waker, and when it is called nobody knows which child has
//! called it; to poll all of 10,000 each time one has something to do is quadratic. So each child
//! has a waker of its own, which puts its index on a list and wakes the task. A waker may be called
//! on any thread: hence the `Arc` and the lock around the list. The futures stay where they are.

use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::mem;
use std::ops::ControlFlow;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

use crate::inspect::ChildPoll;

/// How many children are polled before the other tasks have their turn.
const BATCH: usize = 128;

pub(super) struct Children<F> {
    children: Vec<Option<Child<F>>>,
    /// How many have not ended.
    alive: usize,
    woken: Arc<Woken>,
}

struct Child<F> {
    future: Pin<Box<F>>,
    waker: Waker,
}

impl<F: Future> Children<F> {
    pub(super) fn new(futures: impl IntoIterator<Item = F>) -> Self {
        let woken = Arc::new(Woken::default());
        let child = |(index, future)| {
            let woken = Arc::clone(&woken);
            Some(Child {
                future: Box::pin(future),
                waker: Waker::from(Arc::new(ChildWaker { index, woken })),
            })
        };
        let children: Vec<_> = futures.into_iter().enumerate().map(child).collect();
        let alive = children.len();
        woken.lock().push_all(alive);
        Self {
            children,
            alive,
            woken,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.alive
    }

    /// Polls those who were woken, in the order of their wakes, and hands over what each one ends
    /// with, together with its index. `None`: all have ended, and nothing has made it break off.
    ///
    /// A child that panics is dropped; the others may go on.
    pub(super) fn poll<B>(
        &mut self,
        cx: &mut Context<'_>,
        mut ended: impl FnMut(usize, F::Output) -> ControlFlow<B>,
    ) -> Poll<Option<B>> {
        let queued = self.woken.listen(cx.waker());
        // Whoever is woken from now on wakes the task, and is polled with its next poll.
        for _ in 0..queued.min(BATCH) {
            let Some(index) = self.woken.pop() else {
                break;
            };
            let Some(mut child) = self.children[index].take() else {
                continue; // It has ended: the wake came too late.
            };
            self.alive -= 1;
            let mut cx = Context::from_waker(&child.waker);
            let child_poll = ChildPoll::begin(&child.waker);
            let poll = child.future.as_mut().poll(&mut cx);
            child_poll.end(poll.is_pending());
            match poll {
                Poll::Pending => {
                    self.alive += 1;
                    self.children[index] = Some(child);
                }
                Poll::Ready(output) => {
                    drop(child);
                    if let ControlFlow::Break(found) = ended(index, output) {
                        return Poll::Ready(Some(found));
                    }
                }
            }
        }
        if self.alive == 0 {
            return Poll::Ready(None);
        }
        if queued > BATCH {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl<F> Drop for Children<F> {
    fn drop(&mut self) {
        let alive = self.children.iter().flatten();
        alive.for_each(|child| ChildPoll::forget(&child.waker));
        // Whoever still has the waker of a child, as a task that one waited for, wakes nobody.
        let task = self.woken.lock().task.take();
        drop(task);
    }
}

impl<F> fmt::Debug for Children<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Children")
            .field("alive", &self.alive)
            .field("of", &self.children.len())
            .finish()
    }
}

/// Who was woken, and whom that concerns.
#[derive(Default)]
struct Woken(Mutex<List>);

#[derive(Default)]
struct List {
    /// The indices of those who were woken and not polled since.
    indices: VecDeque<usize>,
    /// Which of them are in there.
    is_queued: Vec<bool>,
    /// The task that owns them, unless it was woken already.
    task: Option<Waker>,
}

impl List {
    /// Everybody is to be polled for the first time.
    fn push_all(&mut self, count: usize) {
        self.indices = (0..count).collect();
        self.is_queued = vec![true; count];
    }
}

impl Woken {
    fn lock(&self) -> MutexGuard<'_, List> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Wakes this task from now on. Returns how many were woken so far.
    fn listen(&self, waker: &Waker) -> usize {
        // A foreign waker is neither cloned nor dropped under the lock: it may wake one of ours.
        let waker = Some(waker.clone());
        let mut list = self.lock();
        let former = mem::replace(&mut list.task, waker);
        let queued = list.indices.len();
        drop(list);
        drop(former);
        queued
    }

    fn pop(&self) -> Option<usize> {
        let mut list = self.lock();
        let index = list.indices.pop_front()?;
        list.is_queued[index] = false;
        Some(index)
    }

    /// Queues a child. Returns the task if it has to be woken.
    fn push(&self, index: usize) -> Option<Waker> {
        let mut list = self.lock();
        if mem::replace(&mut list.is_queued[index], true) {
            return None;
        }
        list.indices.push_back(index);
        list.task.take()
    }
}

struct ChildWaker {
    index: usize,
    woken: Arc<Woken>,
}

impl Wake for ChildWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if let Some(task) = self.woken.push(self.index) {
            task.wake();
        }
    }
}
