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
//! never while the executor is borrowed: it may spawn, wake, cancel and drop whatever it likes.
//! This file is over 400 lines because that rule is checked best where all borrows stand together.
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
//!                                                    cancel, shut_down  |  poll_ended, detach:
//!                                                                       |  its handle takes the
//!                                                                       v  outcome, or is dropped
//!                                                                the slot is free
//! ```

mod handle;
mod inbox;
mod join;
mod mailbox;
mod remote;
mod run_queue;
mod runtime;
mod spawn;
mod stats;
mod structured;
mod task;
mod timeout;
mod waker;
mod yield_now;

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::marker::PhantomData;
use std::mem;
use std::panic::Location;
use std::pin::Pin;
use std::ptr::NonNull;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{Ordering, fence};
use std::task::{Context, Poll, Waker};

use slab::Slab;

use self::mailbox::{Mailbox, Message};
use self::task::{Run, Task, Wakers, contain, swallow};
use self::waker::TaskWaker;
use crate::reactor::{Reactor, count};

pub use self::handle::Handle;
pub use self::join::{JoinError, JoinHandle};
pub use self::remote::RemoteHandle;
pub(crate) use self::remote::remote;
pub use self::runtime::{Builder, Runtime, run};
pub(crate) use self::spawn::spawn_at;
pub use self::spawn::{spawn, spawn_named};
pub use self::stats::{Stats, stats};
pub use self::structured::{
    AsCompleted, Gather, Race, TryGather, Wait, as_completed, gather, race, try_gather, wait,
};
pub use self::task::TaskId;
pub use self::timeout::{Elapsed, Timeout, timeout, timeout_at};
pub use self::yield_now::{YieldNow, yield_now};

/// How many wakers of ended tasks are kept for the next ones.
const SPARE_WAKERS: usize = 1024;

/// How many times in a row the end of a runtime may find tasks that were spawned by the destructors
/// of those it has just cancelled.
const LAST_ROUNDS: usize = 100_000;

/// How many messages of other threads are taken in between two rounds of polls.
const MESSAGES: usize = 1024;

thread_local! {
    static CURRENT: RefCell<Option<Rc<Executor>>> = const { RefCell::new(None) };
}

pub(crate) struct Executor {
    tasks: RefCell<Slab<Slot>>,
    /// How many of them have not ended.
    alive: Cell<usize>,
    /// The ready queue, while the runtime does not run.
    parked: Cell<Vec<TaskKey>>,
    /// The waker of the future that `block_on` runs, which is no task.
    main: Arc<TaskWaker>,
    is_main_ready: Cell<bool>,
    /// Who is being polled, and what its waker points to.
    current: Cell<Option<(TaskKey, NonNull<()>)>>,
    mailbox: Arc<Mailbox>,
    spare_wakers: RefCell<Vec<Wakers>>,
    reactor: Rc<Reactor>,
    turns: Cell<u64>,
    polls: Cell<u64>,
}

struct Slot {
    generation: u32,
    /// The task has to end after its current poll.
    is_cancelled: bool,
    /// Its handle is gone: nobody will ask for its outcome.
    is_detached: bool,
    /// Its outcome waits for the handle.
    has_ended: bool,
    /// It is in the ready queue because a task that it awaits has ended.
    is_woken: bool,
    /// Taken out while the task is polled or dropped.
    task: Option<BoxedTask>,
    joiner: Joiner,
}

/// Who awaits the handle of a task.
enum Joiner {
    /// A task of this executor: its key is enough to wake it.
    Task(TaskKey),
    /// Any other future.
    Future(Waker),
}

impl Joiner {
    const NOBODY: Self = Self::Task(TaskKey::NOBODY);
}

type BoxedTask = Pin<Box<dyn Run>>;

/// Names a slot for the life of its task and its handle: a wake that comes too late finds another
/// generation there and does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct TaskKey {
    slot: u32,
    generation: u32,
}

impl TaskKey {
    /// The future that `block_on` runs.
    const MAIN: Self = Self {
        slot: u32::MAX,
        generation: 0,
    };

    const NOBODY: Self = Self {
        slot: u32::MAX,
        generation: 1,
    };

    fn new(slot: u32, TaskId(id): TaskId) -> Self {
        Self {
            slot,
            generation: id as u32,
        }
    }

    fn into_u64(self) -> u64 {
        u64::from(self.slot) << 32 | u64::from(self.generation)
    }

    fn from_u64(key: u64) -> Self {
        Self {
            slot: (key >> 32) as u32,
            generation: key as u32,
        }
    }
}

impl Executor {
    fn new(reactor: Rc<Reactor>) -> Rc<Self> {
        let mailbox = Arc::new(Mailbox::new(reactor.notifier()));
        Rc::new(Self {
            tasks: RefCell::default(),
            alive: Cell::new(0),
            parked: Cell::default(),
            main: Arc::new(TaskWaker::new(TaskKey::MAIN, Arc::clone(&mailbox))),
            is_main_ready: Cell::new(false),
            current: Cell::new(None),
            mailbox,
            spare_wakers: RefCell::default(),
            reactor,
            turns: Cell::new(0),
            polls: Cell::new(0),
        })
    }

    #[expect(clippy::box_collection, reason = "as in `JoinHandle`")]
    fn spawn<F>(
        self: &Rc<Self>,
        future: F,
        name: Option<Box<String>>,
        site: &'static Location<'static>,
    ) -> JoinHandle<F::Output>
    where
        F: Future + 'static,
    {
        let id = TaskId::next();
        let slot = self.insert(id, Box::pin(Task::new(future)));
        JoinHandle {
            executor: Rc::clone(self),
            id,
            slot,
            is_taken: false,
            name,
            site,
            output: PhantomData,
        }
    }

    fn insert(&self, id: TaskId, task: BoxedTask) -> u32 {
        let mut tasks = self.tasks.borrow_mut();
        let entry = tasks.vacant_entry();
        let key = TaskKey::new(entry.key() as u32, id);
        entry.insert(Slot {
            generation: key.generation,
            is_cancelled: false,
            is_detached: false,
            has_ended: false,
            is_woken: false,
            task: Some(task),
            joiner: Joiner::NOBODY,
        });
        self.alive.update(|alive| alive + 1);
        run_queue::push(key);
        key.slot
    }

    /// The wakers for a task that is polled for the first time: those of an ended one, if there are
    /// any that nobody else holds.
    fn wakers(&self, key: TaskKey) -> Wakers {
        if let Some(wakers) = self.spare_wakers.borrow_mut().pop() {
            wakers.typed.reuse(key);
            return wakers;
        }
        let typed = Arc::new(TaskWaker::new(key, Arc::clone(&self.mailbox)));
        let waker = Waker::from(Arc::clone(&typed));
        Wakers { typed, waker }
    }

    /// Whether nobody is ready to run.
    #[inline]
    fn is_idle(&self) -> bool {
        run_queue::is_empty() && !self.is_main_ready.get()
    }

    /// Runs what is ready: those who are in the queue now. Whoever is woken meanwhile, be it by
    /// itself, runs in the next turn. They are left in `batch`.
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

    fn run_task(&self, key: TaskKey) {
        let Some(mut task) = self.take(key) else {
            return; // It has ended: the wake came too late.
        };
        self.reactor.renew_budget();
        count(&self.polls, 1);
        let poll = contain(|| task.as_mut().run(self, key));
        self.current.set(None);
        match poll {
            Ok(Poll::Pending) => self.put_back(key, task),
            Ok(Poll::Ready(())) => self.retire(key, task),
            Err(panic) => self.abandon(key, task, Some(panic)),
        }
    }

    /// Takes a task that has not ended out of its slot.
    #[inline]
    fn take(&self, key: TaskKey) -> Option<BoxedTask> {
        self.slot(key, |slot| {
            slot.is_woken = false;
            slot.task.take_if(|_| !slot.has_ended)
        })?
    }

    /// The task waits, unless it was cancelled meanwhile.
    #[inline]
    fn put_back(&self, key: TaskKey, task: BoxedTask) {
        let mut task = Some(task);
        self.slot(key, |slot| {
            if !slot.is_cancelled {
                slot.task = task.take();
            }
        });
        if let Some(task) = task {
            self.abandon(key, task, None);
        }
    }

    /// Ends a task: now, or right after its current poll.
    fn cancel(&self, key: TaskKey) {
        match self.take(key) {
            Some(task) => self.abandon(key, task, None),
            None => drop(self.slot(key, |slot| slot.is_cancelled = true)),
        }
    }

    /// Drops the future of a task that has no result.
    fn abandon(&self, key: TaskKey, mut task: BoxedTask, panic: Option<task::Payload>) {
        task.as_mut().abandon(self, panic);
        self.retire(key, task);
    }

    /// The task has ended: its outcome waits for its handle, or goes with it.
    fn retire(&self, key: TaskKey, task: BoxedTask) {
        self.alive.update(|alive| alive - 1);
        let mut tasks = self.tasks.borrow_mut();
        let slot = &mut tasks[key.slot as usize];
        // Whatever else panics here is not the task's any more: the destructor of an outcome that
        // nobody wants, or the waker of a foreign executor.
        if slot.is_detached {
            tasks.remove(key.slot as usize);
            drop(tasks);
            swallow(|| drop(task));
        } else {
            slot.has_ended = true;
            slot.task = Some(task);
            let joiner = mem::replace(&mut slot.joiner, Joiner::NOBODY);
            drop(tasks);
            self.wake(joiner);
        }
    }

    /// This task, or the future of `block_on`, is about to be polled with this waker.
    #[inline]
    fn set_current(&self, key: TaskKey, waker: &Waker) {
        let waker = NonNull::new(waker.data().cast_mut());
        self.current.set(waker.map(|waker| (key, waker)));
    }

    /// Whose waker this is, if it is that of the task which is being polled.
    #[inline]
    fn polled_with(&self, waker: &Waker) -> Option<TaskKey> {
        let (key, current) = self.current.get()?;
        (current.as_ptr().cast_const() == waker.data()).then_some(key)
    }

    fn wake(&self, joiner: Joiner) {
        match joiner {
            Joiner::Task(TaskKey::MAIN) => {
                if self.main.queue() {
                    run_queue::push(TaskKey::MAIN);
                }
            }
            Joiner::Task(key) => {
                let was_woken = self.slot(key, |slot| mem::replace(&mut slot.is_woken, true));
                if was_woken == Some(false) {
                    run_queue::push(key);
                }
            }
            Joiner::Future(waker) => swallow(|| waker.wake()),
        }
    }

    /// Keeps the wakers of an ended task for another one. Two references are those in our hand:
    /// nobody else can wake through them, now or ever.
    #[inline]
    fn reclaim(&self, wakers: Option<Wakers>) {
        if let Some(wakers) = wakers
            && Arc::strong_count(&wakers.typed) == 2
        {
            // What others did with it before they dropped it comes before what is done now.
            fence(Ordering::Acquire);
            let mut spare = self.spare_wakers.borrow_mut();
            if spare.len() < SPARE_WAKERS {
                spare.push(wakers);
            }
        }
    }

    /// Waits until a task has ended, and then takes it. `None`: the end of the runtime has
    /// forgotten it.
    #[inline]
    fn poll_ended(&self, key: TaskKey, cx: &Context<'_>) -> Poll<Option<BoxedTask>> {
        let mut tasks = self.tasks.borrow_mut();
        let Some(slot) = tasks.get_mut(key.slot as usize) else {
            return Poll::Ready(None);
        };
        if slot.has_ended {
            let Slot { task, joiner, .. } = tasks.remove(key.slot as usize);
            drop(tasks);
            drop(joiner);
            return Poll::Ready(task);
        }
        match (self.polled_with(cx.waker()), &mut slot.joiner) {
            (Some(current), Joiner::Task(joiner)) => {
                *joiner = current;
                Poll::Pending
            }
            _ => {
                drop(tasks);
                self.join_with_waker(key, cx)
            }
        }
    }

    /// [`poll_ended`](Self::poll_ended) for a future that has a waker of its own, and not that of
    /// the task which polls it, or which is polled by another executor.
    #[cold]
    fn join_with_waker(&self, key: TaskKey, cx: &Context<'_>) -> Poll<Option<BoxedTask>> {
        let joiner = Joiner::Future(cx.waker().clone());
        let former = self.slot(key, |slot| {
            (mem::replace(&mut slot.joiner, joiner), slot.has_ended)
        });
        match former {
            Some((_, false)) => Poll::Pending,
            _ => self.poll_ended(key, cx), // A foreign waker has cancelled it.
        }
    }

    /// Waits until a task has ended, and leaves it where it is.
    fn poll_end(&self, key: TaskKey, cx: &Context<'_>) -> Poll<()> {
        let joiner = Joiner::Future(cx.waker().clone());
        let former = self.slot(key, |slot| mem::replace(&mut slot.joiner, joiner));
        drop(former);
        if self.has_ended(key) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }

    fn has_ended(&self, key: TaskKey) -> bool {
        self.slot(key, |slot| slot.has_ended).unwrap_or(true)
    }

    /// Nobody will ask for the outcome of this task. If it is there already, it is dropped.
    fn detach(&self, key: TaskKey) {
        let mut tasks = self.tasks.borrow_mut();
        let Some(slot) = tasks.get_mut(key.slot as usize) else {
            return;
        };
        slot.is_detached = true;
        let joiner = mem::replace(&mut slot.joiner, Joiner::NOBODY);
        let ended = slot.has_ended.then(|| tasks.remove(key.slot as usize));
        drop(tasks);
        drop((joiner, ended));
    }

    fn slot<R>(&self, key: TaskKey, with: impl FnOnce(&mut Slot) -> R) -> Option<R> {
        let mut tasks = self.tasks.borrow_mut();
        let slot = tasks.get_mut(key.slot as usize)?;
        (slot.generation == key.generation).then(|| with(slot))
    }

    /// Takes in what other threads have left in the mailbox.
    fn receive(self: &Rc<Self>) {
        // No more than that: who sends without a pause must not keep the tasks from running.
        for _ in 0..MESSAGES {
            let Some(message) = self.mailbox.inbox.pop() else {
                break;
            };
            match message {
                Message::Wake(waker) => {
                    waker.receive();
                    if waker.queue() {
                        run_queue::push(waker.key());
                    }
                }
                Message::Spawn(spawn) => spawn(self),
            }
        }
    }

    /// Cancels all tasks, and those that their destructors spawn, until none is left.
    fn shut_down(&self) {
        self.mailbox.inbox.close();
        while let Some(message) = self.mailbox.inbox.pop() {
            swallow(|| drop(message));
        }
        for _ in 0..LAST_ROUNDS {
            let unended = self.unended();
            if unended.is_empty() {
                break;
            }
            unended.into_iter().for_each(|key| self.cancel(key));
        }
        run_queue::swap(&mut Vec::new());
        let endless = self.unended();
        if !endless.is_empty() {
            self.alive.update(|alive| alive - endless.len());
            for key in endless {
                mem::forget(self.take(key));
                let joiner = self.slot(key, |slot| {
                    slot.has_ended = true;
                    mem::replace(&mut slot.joiner, Joiner::NOBODY)
                });
                joiner.into_iter().for_each(|joiner| self.wake(joiner));
            }
            assert!(
                std::thread::panicking(),
                "the runtime cannot end: its tasks spawn new ones in their destructors, {LAST_ROUNDS} \
                 times in a row; check `is_finished` or a flag of yours before you spawn in a `Drop`",
            );
        }
    }

    /// Those that have not ended, except those that are ending further up the stack: a task may
    /// own its runtime, whose end is then part of its own.
    fn unended(&self) -> Vec<TaskKey> {
        let tasks = self.tasks.borrow();
        let unended = tasks
            .iter()
            .filter(|(_, slot)| !slot.has_ended && slot.task.is_some());
        let key = |(slot, &Slot { generation, .. })| TaskKey {
            slot: slot as u32,
            generation,
        };
        unended.map(key).collect()
    }

    /// Makes this the executor of the thread, and its reactor the reactor, until the guard is
    /// dropped.
    fn enter(self: &Rc<Self>) -> Entered {
        // At the exit of the thread there may be no place left to put it.
        let former = CURRENT.try_with(|current| current.replace(Some(Rc::clone(self))));
        let queue = run_queue::enter(&self.mailbox, self.parked.take());
        Entered {
            ours: Rc::clone(self),
            former: former.ok().flatten(),
            queue,
            _reactor: self.reactor.enter(),
        }
    }

    /// Does something with the executor that runs on this thread.
    fn with_current<R>(with: impl FnOnce(&Rc<Self>) -> R) -> Option<R> {
        CURRENT
            .try_with(|current| {
                let current = current.borrow();
                let Some(executor) = &*current else {
                    // `with`, and the future that it may hold, is dropped after the borrow.
                    return None;
                };
                Some(with(executor))
            })
            .ok()
            .flatten()
    }

    /// The same, for a call that means nothing without one.
    #[track_caller]
    fn expect_current<R>(call: &str, with: impl FnOnce(&Rc<Self>) -> R) -> R {
        // No closure: it would have a place of its own, instead of the caller's.
        match Self::with_current(with) {
            Some(result) => result,
            None => panic!(
                "{call}: no runtime runs on this thread; call it inside of `selio::run` or \
                 `Runtime::block_on`, or use a `Handle` from another thread"
            ),
        }
    }
}

/// Makes the former executor of the thread the current one again when it is dropped.
struct Entered {
    ours: Rc<Executor>,
    former: Option<Rc<Executor>>,
    queue: run_queue::Displaced,
    _reactor: crate::reactor::Entered,
}

impl Drop for Entered {
    fn drop(&mut self) {
        let queue = mem::take(&mut self.queue);
        self.ours.parked.set(run_queue::leave(queue));
        let former = self.former.take();
        // Entered a second time from inside of another runtime, it has left its keys apart.
        if let Some(former) = &former {
            former.parked.take().into_iter().for_each(run_queue::push);
        }
        let ours = CURRENT.try_with(|current| current.replace(former));
        drop(ours);
    }
}
