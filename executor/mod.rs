//! The executor: which task runs next.
//!
//! ```text
//!   spawn ---> tasks: a slab of futures            JoinHandle <--- result
//!                |  ^                                   ^
//!                v  |  Pending                          |  Ready, or a panic
//!   wake ---> ready queue ---> run_ready: poll ---------+
//!                ^
//!                |  Mailbox: wakes and spawns from other threads
//! ```
//!
//! Its one rule: **a future is created, polled and dropped on the thread of its runtime only**, and
//! never while the executor is borrowed, so it may spawn, wake, cancel and drop whatever it likes.
//!
//! This file has the tasks, from their first poll to their end. `spawn.rs` starts them,
//! `runtime.rs` has the loop, `joining.rs` the way to their outcomes, and `shut_down.rs` the end;
//! `mailbox.rs` is the way in for other threads. What is built upon tasks stands above the executor.
//!
//! # The life of a task
//!
//! ```text
//!             insert              run_task
//!    spawn -----------> queued --------------> polled ------------------+
//!                         ^                      |        Ready: retire |
//!                    wake |             Pending: |     panic, cancelled |
//!                         |             put_back |   meanwhile: abandon |
//!                         |                      v                      v
//!                         +------------------- waiting -------------> ended
//!                                                    cancel, shut_down  |  poll_take: its handle
//!                                                                       |  takes the outcome
//!                                                                       v  detach: or is dropped
//!                                                                the slot is free
//! ```
//!
//! A task that is queued may be cancelled too. One whose handle is gone leaves its slot as it ends.

mod current;
mod end;
mod extensions;
mod inbox;
mod join;
mod joining;
mod key;
mod mailbox;
mod run_queue;
mod runtime;
mod shut_down;
mod slot;
mod snapshot;
mod spawn;
mod task;
mod task_local;
mod task_ref;
mod tell;
mod wakee;
mod waker;
mod yield_now;

use std::cell::{Cell, RefCell};
use std::mem;
use std::pin::Pin;
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use std::task::{Context, Poll, Waker};

use slab::Slab;

use self::extensions::Extensions;
use self::key::TaskKey;
use self::slot::{Joiner, Slot};
use self::task::{BoxedTask, Wakers};
use self::waker::TaskWaker;
use crate::reactor::{Reactor, count};

pub(crate) use self::end::End;
pub use self::join::{JoinError, JoinHandle};
#[cfg(test)]
pub(crate) use self::key::LAST;
pub(crate) use self::mailbox::{Mailbox, Message};
pub(crate) use self::run_queue::is_observed;
pub use self::runtime::Runtime;
pub(crate) use self::runtime::refuse_nesting;
pub(crate) use self::snapshot::{JoinedBy, Snapshot};
pub use self::spawn::{spawn, spawn_named};
pub(crate) use self::spawn::{spawn_at, spawn_named_at, spawn_own};
pub(crate) use self::task::{Outcome, Payload, contain, swallow};
pub(crate) use self::task_ref::Label;
pub use self::task_ref::{TaskRef, all_tasks, current};
pub(crate) use self::tell::tell_wait;
pub(crate) use self::wakee::{PolledTask, Wakee};
pub use self::yield_now::{YieldNow, yield_now};
pub use crate::reactor::TaskId;

pub(crate) struct Executor {
    tasks: RefCell<Slab<Slot>>,
    /// How many of them have not ended.
    pub(crate) alive: Cell<usize>,
    /// What is ready while the ready queue of the thread is not ours: the runtime does not run, or
    /// another one runs inside of it.
    parked: Cell<Vec<TaskKey>>,
    /// The waker of the future that `block_on` runs, which is no task.
    main: Arc<TaskWaker>,
    is_main_ready: Cell<bool>,
    /// Whether its reactor has an observer: asked for each poll.
    is_observed: bool,
    /// The task, or `main`, that is being polled, and what its waker points to.
    polled: Cell<Option<(TaskKey, NonNull<()>)>>,
    /// That task was cancelled during its poll, and has to end after it.
    is_cancelled: Cell<bool>,
    pub(crate) mailbox: Arc<Mailbox>,
    /// The wakers of the task that ended last, for the next one that is polled for the first time.
    spare_wakers: Cell<Option<Wakers>>,
    /// The small task that was awaited last, without its outcome: the next one takes its place in
    /// memory, if its future is of the same type.
    spare_task: Cell<Option<BoxedTask>>,
    pub(crate) reactor: Rc<Reactor>,
    pub(crate) extensions: Extensions,
    /// The panic of a task that nobody awaited, if such a one is to end `block_on`.
    unhandled: Option<Cell<Option<task::Payload>>>,
    pub(crate) panics: Cell<u64>,
    pub(crate) turns: Cell<u64>,
    pub(crate) polls: Cell<u64>,
}

impl Executor {
    pub(crate) fn new(reactor: Rc<Reactor>, ends_on_panic: bool) -> Rc<Self> {
        let mailbox = Arc::new(Mailbox::new(reactor.notifier(), reactor.is_observed()));
        Rc::new(Self {
            tasks: RefCell::default(),
            alive: Cell::new(0),
            parked: Cell::default(),
            main: Arc::new(TaskWaker::new(TaskKey::MAIN, Arc::clone(&mailbox))),
            is_main_ready: Cell::new(false),
            is_observed: reactor.is_observed(),
            polled: Cell::new(None),
            is_cancelled: Cell::new(false),
            mailbox,
            spare_wakers: Cell::default(),
            spare_task: Cell::default(),
            reactor,
            extensions: Extensions::default(),
            unhandled: ends_on_panic.then(Cell::default),
            panics: Cell::new(0),
            turns: Cell::new(0),
            polls: Cell::new(0),
        })
    }

    /// The wakers of a task that is polled for the first time: the spare ones, unless somebody still
    /// holds one. Two references are our own.
    #[inline]
    fn wakers(&self, key: TaskKey) -> Wakers {
        match self.spare_wakers.take() {
            Some(wakers) if Arc::strong_count(&wakers.typed) == 2 => {
                // All that others did with it, until they dropped it, has happened before.
                fence(Ordering::Acquire);
                wakers.typed.reuse(key);
                wakers
            }
            _ => self.new_wakers(key),
        }
    }

    #[cold]
    fn new_wakers(&self, key: TaskKey) -> Wakers {
        let typed = Arc::new(TaskWaker::new(key, Arc::clone(&self.mailbox)));
        let waker = Waker::from(Arc::clone(&typed));
        Wakers { typed, waker }
    }

    /// Whether nothing is ready to run.
    #[inline]
    fn is_idle(&self) -> bool {
        run_queue::is_empty() && !self.is_main_ready.get()
    }

    /// Runs the tasks that are in the queue now, and leaves their keys in `batch`. A task that is
    /// woken meanwhile, even by itself, runs in the next turn.
    fn run_ready(&self, batch: &mut Vec<TaskKey>) {
        batch.clear();
        run_queue::swap(batch);
        for &key in batch.iter() {
            match key {
                TaskKey::MAIN => self.is_main_ready.set(true),
                _ => self.run_task(key),
            }
        }
    }

    /// Polls the future of `block_on`, with a context that has its waker.
    #[inline]
    fn run_main<F: Future>(&self, main: Pin<&mut F>, cx: &mut Context<'_>) -> Poll<F::Output> {
        self.main.unqueue();
        self.reactor.renew_budget();
        self.set_polled(TaskKey::MAIN, cx.waker());
        let poll = if self.is_observed {
            self.run_main_observed(main, cx)
        } else {
            main.poll(cx)
        };
        self.polled.set(None);
        poll
    }

    fn run_task(&self, key: TaskKey) {
        let Some(mut task) = self.take_due(key) else {
            return; // It has ended, or has run in this turn already.
        };
        self.is_cancelled.set(false);
        self.reactor.renew_budget();
        count(&self.polls, 1);
        let poll = if self.is_observed {
            self.run_observed(key, &mut task)
        } else {
            contain(|| task.as_mut().run(self, key))
        };
        self.polled.set(None);
        match poll {
            Ok(Poll::Pending) => self.put_back(key, task),
            Ok(Poll::Ready(())) => self.retire(key, Some(task)),
            Err(panic) => self.abandon(key, task, Some(panic)),
        }
    }

    /// Takes a task out of its slot to be polled, once in a turn: the first poll saw all that it was
    /// woken for before.
    #[inline]
    fn take_due(&self, key: TaskKey) -> Option<BoxedTask> {
        let turn = self.turns.get();
        self.slot(key, |slot| {
            if slot.turn == turn {
                return None;
            }
            slot.turn = turn;
            slot.polls = slot.polls.wrapping_add(1);
            slot.take_unended()
        })?
    }

    /// Takes a task out of its slot, if it has not ended.
    #[inline]
    fn take(&self, key: TaskKey) -> Option<BoxedTask> {
        self.slot(key, Slot::take_unended)?
    }

    /// The task waits, unless it was cancelled meanwhile.
    #[inline]
    fn put_back(&self, key: TaskKey, task: BoxedTask) {
        if self.is_cancelled.get() {
            self.abandon(key, task, None);
        } else {
            self.slot(key, |slot| slot.task = Some(task));
        }
    }

    /// Ends a task: now, or right after its current poll.
    fn cancel(&self, key: TaskKey) {
        match self.take(key) {
            Some(task) => self.abandon(key, task, None),
            None if self.polled.get().is_some_and(|(polled, _)| polled == key) => {
                self.is_cancelled.set(true);
            }
            None => {}
        }
    }

    /// The same from outside of this runtime too: it is entered, so that the destructors of the
    /// task find it.
    fn cancel_from_anywhere(self: &Rc<Self>, key: TaskKey) {
        let is_here = Executor::current().is_some_and(|current| Rc::ptr_eq(&current, self));
        let _entered = (!is_here).then(|| self.enter());
        self.cancel(key);
    }

    /// Drops the future of a task that has no result.
    #[cold]
    fn abandon(&self, key: TaskKey, mut task: BoxedTask, panic: Option<task::Payload>) {
        let is_cancelled = panic.is_none();
        let left = task_local::leave();
        task.as_mut().abandon(panic);
        drop(left);
        if self.is_observed && is_cancelled {
            self.tell_cancel(key);
        }
        self.retire(key, Some(task));
    }

    /// The task has ended. Its outcome waits for the handle; if that is gone, it is dropped.
    fn retire(&self, key: TaskKey, task: Option<BoxedTask>) {
        self.alive.update(|alive| alive - 1);
        let mut tasks = self.tasks.borrow_mut();
        let slot = &mut tasks[key.slot()];
        slot.task = task;
        if slot.is_detached() {
            let slot = tasks.remove(key.slot());
            drop(tasks);
            self.discard(slot);
        } else {
            let joiner = mem::replace(&mut slot.joiner, Joiner::Task(TaskKey::ENDED));
            drop(tasks);
            self.wake_joiner(joiner, key);
        }
    }

    /// This task, or the future of `block_on`, is about to be polled with this waker.
    #[inline]
    fn set_polled(&self, key: TaskKey, waker: &Waker) {
        let waker = NonNull::new(waker.data().cast_mut());
        self.polled.set(waker.map(|waker| (key, waker)));
    }

    /// The key of the task that is being polled, if this is its waker.
    #[inline]
    fn polled_with(&self, waker: &Waker) -> Option<TaskKey> {
        let (key, polled) = self.polled.get()?;
        (polled.as_ptr().cast_const() == waker.data()).then_some(key)
    }

    fn slot<R>(&self, key: TaskKey, with: impl FnOnce(&mut Slot) -> R) -> Option<R> {
        let mut tasks = self.tasks.borrow_mut();
        let slot = tasks.get_mut(key.slot())?;
        key.is_of(slot.id).then(|| with(slot))
    }

    /// The number of a task that has a slot. `None` for the future of `block_on`.
    fn id(&self, key: TaskKey) -> Option<TaskId> {
        self.slot(key, |slot| slot.id)
    }

    fn keys(&self, are_meant: impl Fn(&Slot) -> bool) -> Vec<TaskKey> {
        let tasks = self.tasks.borrow();
        let meant = tasks.iter().filter(|(_, slot)| are_meant(slot));
        let key = |(slot, &Slot { id, .. })| TaskKey::new(slot as u32, id);
        meant.map(key).collect()
    }

    /// The panic that is to end `block_on`.
    #[inline]
    fn unhandled(&self) -> Option<task::Payload> {
        self.unhandled.as_ref()?.take()
    }
}
