//! Thousands of small programs made by chance: tasks that lock, queue, notify, panic, cancel each
//! other and are taken apart by combinators in the middle. What must hold for all of them is looked
//! at whenever nobody is ready any more.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/tasks.rs"]
mod tasks;

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::env;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use futures::stream::{FuturesUnordered, StreamExt};
use futures::{AsyncWriteExt, FutureExt};
use selio::net::UnixStream;
use selio::sync::{
    Barrier, Condvar, Event, LifoQueue, Mutex, PriorityQueue, Queue, Semaphore, oneshot,
};
use selio::task::TaskId;
use selio::trace::Observer;
use selio::{
    Builder, Deadline, IncompleteReadError, IntoStreams, JoinHandle, Runtime, StreamReader,
    StreamWriter, TaskGroup, TaskLocal, gather, race, spawn, stats, task, timeout, wait, yield_now,
};

use crate::common::{Random, watched};
use crate::tasks::{OnDrop, Spy, message_of, quietly};

/// How long one of them may take.
const PATIENCE: Duration = Duration::from_secs(60);

type Op = Pin<Box<dyn Future<Output = ()>>>;

static DEPTH: TaskLocal<u32> = TaskLocal::new();

const PERMITS: usize = 2;

struct World {
    random: RefCell<Random>,
    /// What nobody waits for any more.
    is_closing: Cell<bool>,
    /// Whether tasks may cancel each other, and hold one thing while they wait for another.
    is_wild: bool,
    spawned: Cell<usize>,

    semaphore: Rc<Semaphore>,
    permits_held: Cell<usize>,
    mutex: Mutex<bool>,
    queue: Queue<Item>,
    lifo: LifoQueue<Item>,
    priority: PriorityQueue<Item>,
    items: Rc<Items>,
    tokens: Mutex<u32>,
    has_tokens: Condvar,
    event: Event,
    barrier: Barrier,
    senders: RefCell<Vec<oneshot::Sender<u32>>>,
    handles: RefCell<Vec<JoinHandle<()>>>,
    wakers: RefCell<Vec<Waker>>,
    limits: RefCell<Vec<Rc<Deadline>>>,
    jobs: RefCell<Rc<Queue<Item>>>,
    old_jobs: RefCell<Vec<Rc<Queue<Item>>>>,
    writer: StreamWriter,
    written: Cell<u8>,
    reader: Mutex<(StreamReader, u8)>,
    /// Whether the runtime runs that these two belong to.
    is_home: Cell<bool>,
    threads: Cell<usize>,
    /// How many futures are shared by the crate `futures`, which calls and drops wakers under a lock.
    shared: Cell<usize>,
    /// Runtimes that have begun something, and do not go on.
    guests: RefCell<Vec<Runtime>>,
}

#[derive(Default)]
struct Items {
    made: Cell<u32>,
    dropped: Cell<u32>,
}

struct Item(u32, Rc<Items>);

impl Ord for Item {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let left = COMPARISONS.get();
        if left == 0 {
            COMPARISONS.set(u32::MAX);
            panic!("a comparison");
        }
        if left < u32::MAX {
            COMPARISONS.set(left - 1);
        }
        self.0.cmp(&other.0)
    }
}
impl PartialOrd for Item {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl PartialEq for Item {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}
impl Eq for Item {}

impl Drop for Item {
    fn drop(&mut self) {
        self.1.dropped.set(self.1.dropped.get() + 1);
    }
}

/// Counts up, and down again when it is dropped.
struct Count<'a>(&'a Cell<usize>);
impl<'a> Count<'a> {
    fn new(cell: &'a Cell<usize>) -> Self {
        cell.set(cell.get() + 1);
        Self(cell)
    }
}
impl Drop for Count<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

struct PanicsAtItsEnd;
impl Drop for PanicsAtItsEnd {
    fn drop(&mut self) {
        if !thread::panicking() {
            panic!("at the end");
        }
    }
}

/// Does something wild when it is dropped.
struct Meddles(Rc<World>);
impl Drop for Meddles {
    fn drop(&mut self) {
        let world = &self.0;
        match world.below(8) {
            0 => drop(world.semaphore.try_acquire()),
            1 => world.event.set(),
            2 => drop(world.queue.get_nowait()),
            3 => drop(world.queue.put_nowait(world.item())),
            4 => world.has_tokens.notify_one(),
            5 => drop(world.mutex.try_lock()),
            6 => drop(task::dump().to_string()),
            _ => {
                if world.may_spawn() {
                    let world = Rc::clone(world);
                    drop(spawn(async move {
                        let _permit = world.semaphore.acquire().await;
                    }));
                }
            }
        }
    }
}

impl World {
    fn new(random: Random, is_wild: bool) -> Rc<Self> {
        let (a, b) = UnixStream::pair().unwrap();
        let (_, writer) = a.into_streams();
        let (reader, b) = b.into_streams();
        std::mem::drop(b);
        writer.set_marks(100..=1000).unwrap();
        Rc::new(Self {
            writer,
            written: Cell::new(0),
            reader: Mutex::new((reader, 0)),
            is_home: Cell::new(true),
            threads: Cell::new(0),
            shared: Cell::new(0),
            guests: RefCell::default(),
            random: RefCell::new(random),
            is_closing: Cell::new(false),
            is_wild,
            spawned: Cell::new(0),
            semaphore: Rc::new(Semaphore::new(PERMITS)),
            permits_held: Cell::new(0),
            mutex: Mutex::new(false),
            queue: Queue::bounded(2),
            lifo: LifoQueue::bounded(1),
            priority: PriorityQueue::bounded(2),
            items: Rc::default(),
            tokens: Mutex::new(0),
            has_tokens: Condvar::new(),
            event: Event::new(),
            barrier: Barrier::new(2),
            senders: RefCell::default(),
            handles: RefCell::default(),
            wakers: RefCell::default(),
            limits: RefCell::default(),
            jobs: RefCell::new(Rc::new(Queue::bounded(1))),
            old_jobs: RefCell::default(),
        })
    }

    fn below(&self, bound: usize) -> usize {
        self.random.borrow_mut().below(bound)
    }

    fn item(&self) -> Item {
        self.items.made.set(self.items.made.get() + 1);
        Item(self.items.made.get() % 7, Rc::clone(&self.items))
    }

    fn may_spawn(&self) -> bool {
        self.spawned.set(self.spawned.get() + 1);
        self.spawned.get() < 60 && !self.is_closing.get()
    }

    fn turns(&self) -> impl Future<Output = ()> + use<> {
        let n = self.below(4);
        async move {
            for _ in 0..n {
                yield_now().await;
            }
        }
    }
}

/// Something to do, by chance.
fn op(world: &Rc<World>, depth: u32) -> Op {
    let plain = plain_op(world, depth);
    if depth == 0 {
        return plain;
    }
    mangle(world, plain, depth)
}

fn plain_op(world: &Rc<World>, depth: u32) -> Op {
    let w = Rc::clone(world);
    let deeper = depth.saturating_sub(1);
    // Those from 22 on have others in them.
    match world.below(if depth > 0 { 60 } else { 22 }) {
        0 | 1 => Box::pin(async move {
            let _permit = w.semaphore.acquire().await;
            let _held = Count::new(&w.permits_held);
            assert!(w.permits_held.get() <= PERMITS);
            w.turns().await;
            if w.is_wild && deeper > 0 {
                op(&w, deeper).await;
            }
        }),
        2 | 3 => Box::pin(async move {
            let mut is_held = w.mutex.lock().await;
            *is_held = true;
            w.turns().await;
            if w.is_wild && deeper > 0 {
                op(&w, deeper).await;
            }
            *is_held = false;
        }),
        4 => Box::pin(async move {
            let _ = w.queue.put(w.item()).await;
        }),
        5 => Box::pin(async move {
            let _ = w.queue.get().await;
        }),
        6 => Box::pin(async move {
            let _ = w.lifo.put(w.item()).await;
        }),
        7 => Box::pin(async move {
            let _ = w.lifo.get().await;
        }),
        8 => Box::pin(async move {
            let _ = w.priority.put(w.item()).await;
        }),
        9 => Box::pin(async move {
            let _ = w.priority.get().await;
        }),
        10 => Box::pin(async move {
            let tokens = w.tokens.lock().await;
            let has_tokens = |tokens: &mut u32| *tokens > 0 || w.is_closing.get();
            let mut tokens = w.has_tokens.wait_for(tokens, has_tokens).await;
            *tokens = tokens.saturating_sub(1);
        }),
        11 => Box::pin(async move {
            *w.tokens.lock().await += 1;
            w.has_tokens.notify_one();
        }),
        12 => Box::pin(async move {
            w.event.wait().await;
        }),
        13 => Box::pin(async move {
            w.event.set();
            w.turns().await;
            if !w.is_closing.get() {
                w.event.clear();
            }
        }),
        14 => Box::pin(async move {
            let _ = w.barrier.wait().await;
        }),
        15 => Box::pin(async move {
            if w.is_closing.get() {
                return;
            }
            let (sender, receiver) = oneshot::channel();
            w.senders.borrow_mut().push(sender);
            let _ = receiver.await;
        }),
        16 => Box::pin(async move {
            let sender = w.senders.borrow_mut().pop();
            if let Some(mut sender) = sender {
                if w.below(2) == 0 {
                    let turns = w.turns();
                    race((async { sender.closed().await }, turns)).await;
                }
                let _ = sender.send(7);
            }
        }),
        17 => Box::pin(async move {
            match w.below(3) {
                0 => selio::sleep(Duration::ZERO).await,
                1 => selio::sleep_until(Instant::now()).await,
                _ => selio::sleep(Duration::from_micros(20)).await,
            }
        }),
        18 => Box::pin(async move {
            let handle = match w.handles.borrow_mut().pop() {
                Some(h) => h,
                None => return,
            };
            // Nobody waits for who waits for it.
            let ended = race((async { Some(handle.await) }, async {
                w.turns().await;
                None
            }))
            .await;
            drop(ended);
        }),
        19 => Box::pin(async move {
            // Kept, and woken late.
            poll_fn(|cx| {
                w.wakers.borrow_mut().push(cx.waker().clone());
                Poll::Ready(())
            })
            .await;
            yield_now().await;
            let waker = w.wakers.borrow_mut().pop();
            if let Some(waker) = waker {
                waker.wake();
            }
        }),
        20 => Box::pin(async move {
            let text = format!(
                "{:?} {:?} {:?} {:?} {:?}",
                w.semaphore, w.mutex, w.queue, w.event, w.barrier
            );
            assert!(!text.is_empty());
            drop(task::dump().to_string());
            assert!(task::all_tasks().len() <= stats().tasks);
        }),
        21 => Box::pin(async move {
            w.turns().await;
        }),
        22 | 23 => {
            let inner = op(world, deeper);
            Box::pin(async move {
                if w.may_spawn() {
                    let handle = spawn(inner);
                    w.turns().await;
                    match w.below(4) {
                        0 => drop(handle),
                        1 => drop(handle.await),
                        2 => handle.cancel(),
                        _ => w.handles.borrow_mut().push(handle),
                    }
                }
            })
        }
        24 => {
            let inner = (op(world, deeper), op(world, deeper));
            Box::pin(async move {
                gather(inner).await;
            })
        }
        25 => {
            let inner = vec![op(world, deeper), op(world, deeper), op(world, deeper)];
            Box::pin(async move {
                gather(inner).await;
            })
        }
        26 => {
            let inner = vec![op(world, deeper), op(world, deeper)];
            Box::pin(async move {
                race(inner).await;
            })
        }
        27 => {
            let inner = (op(world, deeper), op(world, deeper));
            Box::pin(async move {
                race(inner).await;
            })
        }
        28 => {
            let inner: Vec<_> = (0..3).map(|_| op(world, deeper)).collect();
            Box::pin(async move {
                let fails = w.below(4);
                let _ = TaskGroup::scope(async |group: TaskGroup<&str>| {
                    for inner in inner {
                        if w.may_spawn() {
                            group.spawn(async move {
                                inner.await;
                                Ok(())
                            });
                        }
                    }
                    w.turns().await;
                    if fails == 0 { Err("failed") } else { Ok(()) }
                })
                .await;
            })
        }
        29 => {
            let inner = op(world, deeper);
            Box::pin(async move {
                let depth = DEPTH.get().map_or(0, |depth| *depth);
                DEPTH
                    .scope(depth + 1, async {
                        assert_eq!(DEPTH.get().as_deref(), Some(&(depth + 1)));
                        inner.await;
                        assert_eq!(DEPTH.get().as_deref(), Some(&(depth + 1)));
                    })
                    .await;
            })
        }
        30 => Box::pin(async move {
            w.turns().await;
            panic!("in a poll");
        }),
        31 => {
            let inner = op(world, deeper);
            Box::pin(async move {
                let _end = PanicsAtItsEnd;
                inner.await;
            })
        }
        32 => {
            let inner = op(world, deeper);
            Box::pin(async move {
                let _end = Meddles(Rc::clone(&w));
                inner.await;
            })
        }
        33 => Box::pin(async move {
            let mut handles: Vec<_> = w.handles.take();
            let ended = wait(&mut handles)
                .first_completed()
                .timeout(Duration::ZERO)
                .await;
            drop(ended);
            w.handles.borrow_mut().append(&mut handles);
        }),
        34 => Box::pin(async move {
            if w.is_wild {
                let tasks = task::all_tasks();
                if !tasks.is_empty() {
                    tasks[w.below(tasks.len())].cancel();
                }
            }
        }),
        35 | 36 => Box::pin(async move {
            if w.is_closing.get() || !w.is_home.get() {
                return;
            }
            let big = if w.below(4) == 0 { 100_000 } else { 300 };
            let bytes: Vec<u8> = (0..w.below(big))
                .map(|_| w.written.replace(w.written.get().wrapping_add(1)))
                .collect();
            w.writer.write(&bytes);
            w.writer.drain().await.unwrap();
        }),
        37..=39 => Box::pin(async move {
            if !w.is_home.get() {
                return;
            }
            let mut guard = w.reader.lock().await;
            let (reader, next) = &mut *guard;
            read(&w, reader, next).await;
        }),
        40 => Box::pin(async move {
            let _running = Count::new(&w.threads);
            if !w.is_closing.get() {
                selio::to_thread(thread::yield_now).await;
            }
        }),
        41..=53 => more_ops(world, depth),
        _ => {
            let inner = op(world, deeper);
            Box::pin(async move {
                let limit = Rc::new(Deadline::after(Duration::from_secs(3600)));
                w.limits.borrow_mut().push(Rc::clone(&limit));
                let _ = limit.scope(inner).await;
                let limit = w.limits.borrow_mut().pop();
                if let Some(limit) = limit {
                    match w.below(3) {
                        0 => limit.reschedule(None),
                        1 => limit.reschedule(Instant::now()),
                        _ => limit.reschedule_after(Duration::from_secs(7200)),
                    }
                }
            })
        }
    }
}

thread_local! {
    /// That of the program that runs: what comes from another thread has no other way to it.
    static WORLD: RefCell<Option<Rc<World>>> = const { RefCell::new(None) };
    /// After how many comparisons of items the next one panics.
    static COMPARISONS: Cell<u32> = const { Cell::new(u32::MAX) };
}

/// The waker of a stranger: wild when it is called, or when the last clone of it is dropped.
struct Stranger {
    called: usize,
    dropped: usize,
}

impl Wake for Stranger {
    fn wake(self: Arc<Self>) {
        mischief(self.called);
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        mischief(self.dropped);
    }
}

fn mischief(kind: usize) {
    let Some(world) = WORLD.with_borrow(Option::clone) else {
        return; // On another thread.
    };
    match kind {
        _ if world.shared.get() > 0 => {}
        0 | 1 => drop(Meddles(world)),
        2 if !thread::panicking() => panic!("a stranger"),
        3 => {
            let wakers = world.wakers.take();
            wakers.into_iter().for_each(Waker::wake);
        }
        4 => {
            let sender = world.senders.borrow_mut().pop();
            drop(sender);
        }
        5 => {
            let limits = world.limits.borrow().clone();
            limits.iter().for_each(|it| it.reschedule(Instant::now()));
        }
        6 if world.is_wild => {
            task::all_tasks().first().inspect(|task| task.cancel());
        }
        _ => {}
    }
}

/// Puts a permit back that was forgotten.
struct PutsBack<'a>(&'a Semaphore);
impl Drop for PutsBack<'_> {
    fn drop(&mut self) {
        self.0.release();
    }
}

/// A value of a task-local: who has it last may be surprised.
struct Value(Rc<World>);
impl Drop for Value {
    fn drop(&mut self) {
        drop(Meddles(Rc::clone(&self.0)));
        if self.0.below(3) == 0 && !thread::panicking() {
            panic!("the end of a value");
        }
    }
}

static VALUE: TaskLocal<Value> = TaskLocal::new();

/// Cancels its task.
struct Cancels(JoinHandle<()>);
impl Drop for Cancels {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// Spawns into its group.
struct SpawnsSibling(Rc<World>, TaskGroup<&'static str>);
impl Drop for SpawnsSibling {
    fn drop(&mut self) {
        if self.0.may_spawn() {
            let world = Rc::clone(&self.0);
            drop(self.1.spawn(async move {
                world.event.wait().await;
                Ok(())
            }));
        }
    }
}

fn more_ops(world: &Rc<World>, depth: u32) -> Op {
    let w = Rc::clone(world);
    let deeper = depth.saturating_sub(1);
    let inner = op(world, deeper);
    match world.below(20) {
        17 => Box::pin(async move {
            let guest = w.guests.borrow_mut().pop();
            drop(guest);
        }),
        18 => Box::pin(async move {
            // Spawned from another thread.
            if !w.may_spawn() || w.is_closing.get() {
                return;
            }
            let _running = Count::new(&w.threads);
            let handle = selio::Handle::current();
            let remote = selio::to_thread(move || {
                handle.spawn(move || {
                    let world = WORLD.with_borrow(Option::clone);
                    async move {
                        if let Some(world) = world {
                            op(&world, deeper).await;
                        }
                    }
                })
            });
            let remote = remote.await;
            match w.below(3) {
                0 => drop(remote),
                1 => remote.cancel(),
                _ => race((async { drop(remote.await) }, w.turns())).await,
            }
        }),
        0 => Box::pin(async move {
            if !w.may_spawn() {
                return;
            }
            let mut remote = selio::Handle::current().spawn(move || {
                let world = WORLD.with_borrow(|world| world.clone());
                async move {
                    if let Some(world) = world {
                        let todo = op(&world, deeper);
                        todo.await;
                    }
                }
            });
            w.turns().await;
            match w.below(4) {
                0 => drop(remote),
                1 => {
                    remote.cancel();
                    let _ = remote.await;
                }
                2 => {
                    let _ = race((async { drop((&mut remote).await) }, w.turns())).await;
                }
                _ => drop(remote.await),
            }
        }),
        1 => Box::pin(async move {
            if let Some(task) = task::current() {
                task.cancel();
            }
            if w.below(2) == 0 {
                inner.await;
            }
            if w.below(4) == 0 {
                panic!("after it has cancelled itself");
            }
        }),
        2 => Box::pin(async move {
            match w.below(2) {
                0 => w.barrier.reset(),
                _ => {
                    w.barrier.abort();
                    w.barrier.reset();
                }
            }
        }),
        3 | 4 => Box::pin(async move {
            let queue = w.jobs.borrow().clone();
            match w.below(8) {
                0 | 1 => drop(queue.put(w.item()).await),
                2 | 3 => {
                    if queue.get().await.is_ok() {
                        w.turns().await;
                        queue.task_done();
                    }
                }
                4 => {
                    if queue.put_nowait(w.item()).is_ok() && queue.get_nowait().is_ok() {
                        queue.task_done();
                    }
                }
                5 => {
                    race((queue.join(), async { w.turns().await })).await;
                }
                n => {
                    queue.shutdown(n == 6);
                    w.jobs.replace(Rc::new(Queue::bounded(1 + w.below(2))));
                    w.old_jobs.borrow_mut().push(queue);
                }
            }
        }),
        5 => Box::pin(async move {
            let permit = w.semaphore.acquire().await;
            let _held = Count::new(&w.permits_held);
            permit.forget();
            let _back = PutsBack(&w.semaphore);
            w.turns().await;
        }),
        6 => Box::pin(async move {
            match w.below(3) {
                0 => w.has_tokens.notify(w.below(3)),
                1 => w.has_tokens.notify_all(),
                _ => {
                    let guard = w.tokens.lock().await;
                    let turns = w.turns();
                    let wait = async { drop(w.has_tokens.wait(guard).await) };
                    race((wait, turns)).await;
                    // Whoever was told of a token and took none tells the next one.
                    w.has_tokens.notify_all();
                }
            }
        }),
        7 => Box::pin(async move {
            COMPARISONS.set(w.below(4) as u32);
            let end = OnDrop::new(|| COMPARISONS.set(u32::MAX));
            let item = w.item();
            let result = match w.below(2) {
                0 => w.priority.put_nowait(item).is_ok(),
                _ => w.priority.get_nowait().is_ok(),
            };
            drop(end);
            let _ = result;
        }),
        8 => Box::pin(async move {
            let mut interval = selio::interval(Duration::from_nanos(1 + w.below(3) as u64));
            for _ in 0..w.below(4) {
                let tick = async {
                    interval.tick().await;
                };
                race((tick, w.turns())).await;
            }
        }),
        9 => {
            let other = op(world, deeper);
            Box::pin(async move {
                let works = async {
                    inner.await;
                    Ok(())
                };
                let fails = async {
                    w.turns().await;
                    Err::<(), _>("failed")
                };
                let works_too = async {
                    other.await;
                    Ok(())
                };
                let _ = selio::try_gather((works, fails, works_too)).await;
            })
        }
        10 => Box::pin(async move {
            let _ = TaskGroup::scope(async |group: TaskGroup<&'static str>| {
                let sibling = SpawnsSibling(Rc::clone(&w), group.clone());
                if w.may_spawn() {
                    let nested = group.clone();
                    group.spawn(async move {
                        let _sibling = sibling;
                        drop(nested);
                        inner.await;
                        Err::<(), _>("ended")
                    });
                }
                let _sibling = SpawnsSibling(Rc::clone(&w), group.clone());
                w.turns().await;
                if w.below(3) == 0 {
                    panic!("in a body");
                }
                Ok(())
            })
            .await;
        }),
        11 => Box::pin(async move {
            let value = Value(Rc::clone(&w));
            let handle = VALUE.scope(value, async {
                w.may_spawn().then(|| {
                    spawn(async move {
                        assert!(VALUE.get().is_some());
                        inner.await;
                        assert!(VALUE.get().is_some());
                    })
                })
            });
            if let Some(handle) = handle.await {
                let handle = Cancels(handle);
                w.turns().await;
                drop(handle);
            }
        }),
        12 => Box::pin(async move {
            // Woken on another thread.
            let waker = poll_fn(|cx| Poll::Ready(cx.waker().clone())).await;
            let _running = Count::new(&w.threads);
            if !w.is_closing.get() {
                selio::to_thread(move || waker.wake()).await;
            }
            inner.await;
        }),
        13 => Box::pin(async move {
            // Some of them wait for each other.
            let handle = w.handles.borrow_mut().pop();
            if let Some(handle) = handle.filter(|_| w.is_wild) {
                let mut handle = Cancels(handle);
                let _ = (&mut handle.0).await;
            }
        }),
        15 => Box::pin(async move {
            // A body that does something before it is a future.
            let panics = w.below(2) == 0;
            let mut inner = Some(inner);
            let scope = TaskGroup::scope(|group: TaskGroup<&str>| {
                if let Some(inner) = inner.take().filter(|_| w.may_spawn()) {
                    group.spawn(async move {
                        inner.await;
                        Ok(())
                    });
                }
                assert!(!panics, "before it begins");
                let turns = w.turns();
                async move {
                    turns.await;
                    Ok(())
                }
            });
            let _ = scope.await;
        }),
        16 => Box::pin(async move {
            let mut handles = w.handles.take();
            let mut ends = selio::as_completed(handles.iter_mut());
            let next = async {
                let _ = ends.next().await;
            };
            race((next, w.turns())).await;
            drop(ends);
            handles.retain(|handle| !handle.is_finished());
            w.handles.borrow_mut().append(&mut handles);
        }),
        14 => Box::pin(async move {
            let limit = Rc::new(Deadline::after(Duration::from_secs(3600)));
            w.limits.borrow_mut().push(Rc::clone(&limit));
            let nested = limit.scope(limit.scope(async {
                inner.await;
                limit.reschedule(Instant::now());
                w.event.wait().await;
            }));
            let _ = nested.await;
        }),
        _ => Box::pin(async move {
            let mut handles: Vec<_> = w.handles.take().into_iter().take(3).collect();
            let ended = race((
                async { wait(&mut handles).first_completed().await },
                async {
                    w.turns().await;
                    Vec::new()
                },
            ))
            .await;
            w.turns().await;
            drop(handles);
            drop(ended);
        }),
    }
}

/// Watches what happens, asks back in the middle of it, and looks whether each task is told of from
/// its beginning to its one end.
#[derive(Default)]
struct Watches {
    alive: RefCell<HashSet<TaskId>>,
    polled: Cell<Option<Option<TaskId>>>,
    events: Cell<u32>,
    complaint: Rc<RefCell<Option<String>>>,
}

impl Observer for Watches {
    fn event(&self, event: &selio::trace::Event<'_>) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.look(event))) {
            let complaint = format!("{event:?}: {}", message_of(&*panic));
            self.complaint.borrow_mut().get_or_insert(complaint);
        }
    }
}

impl Watches {
    fn look(&self, event: &selio::trace::Event<'_>) {
        use selio::trace::Event;

        self.events.set(self.events.get() + 1);
        match self.events.get() % 61 {
            0 => drop(task::dump().to_string()),
            20 => drop(task::all_tasks()),
            40 => drop(task::current()),
            50 => assert!(stats().tasks < 1_000),
            _ => {}
        }
        match *event {
            Event::Spawned { task, .. } => {
                assert!(self.alive.borrow_mut().insert(task), "spawned twice");
            }
            Event::PollBegins { task } => {
                assert_eq!(self.polled.replace(Some(task)), None);
                assert!(task.is_none_or(|task| self.alive.borrow().contains(&task)));
                assert_eq!(
                    task::current().map(|task| task.id()),
                    None,
                    "it has not begun"
                );
            }
            Event::PollEnds { task, .. } => {
                assert_eq!(self.polled.take(), Some(task));
            }
            Event::Done { task, .. } | Event::Cancelled { task } => {
                assert_ne!(self.polled.get(), Some(Some(task)), "it is being polled");
                assert!(self.alive.borrow_mut().remove(&task), "ended twice");
            }
            _ => {}
        }
    }
}

/// What was read before the end.
fn partial(error: std::io::Error) -> Vec<u8> {
    let error = error.into_inner().unwrap();
    let incomplete = error.downcast::<IncompleteReadError>().unwrap();
    incomplete.partial
}

/// Reads somehow: the next bytes are the next ones, whoever was dropped in the middle before.
async fn read(world: &World, reader: &mut StreamReader, next: &mut u8) {
    let mut check = |bytes: &[u8]| {
        for byte in bytes {
            assert_eq!(byte, next, "a byte was lost");
            *next = next.wrapping_add(1);
        }
    };
    let big = if world.below(3) == 0 { 20_000 } else { 200 };
    let n = world.below(big);
    match world.below(5) {
        0 => {
            let mut buffer = vec![0; n];
            let n = reader.read(&mut buffer).await.unwrap();
            check(&buffer[..n]);
        }
        1 => {
            let mut buffer = vec![0; n];
            match reader.read_exact(&mut buffer).await {
                Ok(()) => check(&buffer),
                Err(error) => check(&partial(error)),
            }
        }
        2 => check(reader.read_line().await.unwrap()),
        3 => check(reader.read_chunk(n).await.unwrap()),
        _ => match reader.read_until(&[200, 201, 202]).await {
            Ok(bytes) => check(bytes),
            Err(error) => check(&partial(error)),
        },
    }
}

/// Takes it apart.
fn mangle(world: &Rc<World>, inner: Op, depth: u32) -> Op {
    let w = Rc::clone(world);
    let turns = world.turns();
    match world.below(16) {
        0 => Box::pin(async move {
            let _ = timeout(Duration::ZERO, inner).await;
        }),
        1 => Box::pin(async move { race((inner, turns)).await }),
        2 => Box::pin(async move {
            let mut all: FuturesUnordered<Op> = FuturesUnordered::new();
            all.push(inner);
            all.push(Box::pin(turns));
            while all.next().await.is_some() {}
        }),
        3 => Box::pin(async move {
            let mut all: FuturesUnordered<Op> = FuturesUnordered::new();
            all.push(inner);
            all.push(Box::pin(turns));
            all.next().await;
        }),
        4 => Box::pin(async move {
            // A stranger's waker first, which nobody hears.
            let mut inner = inner;
            let (_spy, waker) = Spy::new();
            if inner
                .as_mut()
                .poll(&mut Context::from_waker(&waker))
                .is_ready()
            {
                return;
            }
            turns.await;
            inner.await;
        }),
        5 => Box::pin(async move {
            // Begun here, ended by another task.
            let mut inner = inner;
            let begun = poll_fn(|cx| Poll::Ready(inner.as_mut().poll(cx))).await;
            if begun.is_pending() && w.may_spawn() {
                let handle = spawn(inner);
                let _ = handle.await;
            }
        }),
        6 => {
            let other = op(world, depth - 1);
            Box::pin(async move {
                let _shared = Count::new(&w.shared);
                let inner = inner.shared();
                race((inner.clone(), other)).await;
                inner.await;
            })
        }
        7 => Box::pin(async move {
            let mut completed = selio::as_completed(vec![inner, Box::pin(turns) as Op]);
            completed.next().await;
        }),
        8 => Box::pin(async move {
            // A panic is caught inside of the task, and the rest is dropped late.
            let mut inner = inner;
            let poll =
                poll_fn(
                    |cx| match catch_unwind(AssertUnwindSafe(|| inner.as_mut().poll(cx))) {
                        Ok(poll) => poll,
                        Err(_) => Poll::Ready(()),
                    },
                );
            poll.await;
        }),
        10 | 11 => Box::pin(async move {
            let mut inner = inner;
            for _ in 0..1 + w.below(3) {
                let (called, dropped) = (w.below(8), w.below(8));
                let waker = Waker::from(Arc::new(Stranger { called, dropped }));
                let mut cx = Context::from_waker(&waker);
                if inner.as_mut().poll(&mut cx).is_ready() {
                    return;
                }
                drop(waker);
                w.turns().await;
            }
            inner.await;
        }),
        9 => Box::pin(async move {
            let mut inner = inner.fuse();
            let mut turns = Box::pin(turns).fuse();
            futures::select! {
                () = inner => {}
                () = turns => {}
            }
        }),
        _ => inner,
    }
}

/// One program, in one runtime or in several that take turns.
fn run(runtimes: &[Runtime], seed: u64, is_wild: bool) {
    let mut random = Random::new(seed);
    let tasks = 1 + random.below(6);
    let runtime = &runtimes[0];
    let before = polls(runtimes);
    let world = runtime.block_on(async { World::new(random, is_wild) });
    WORLD.set(Some(Rc::clone(&world)));
    for number in 0..tasks {
        let place = number % runtimes.len();
        world.is_home.set(place == 0);
        runtimes[place].block_on(async {
            let depth = world.below(4) as u32;
            let todo: Vec<_> = (0..1 + world.below(3)).map(|_| op(&world, depth)).collect();
            let handle = spawn(async move {
                for todo in todo {
                    todo.await;
                }
            });
            match world.below(3) {
                0 => drop(handle),
                _ => world.handles.borrow_mut().push(handle),
            }
        });
    }
    for _ in 0..world.below(3) {
        let guest = Runtime::new().unwrap();
        world.is_home.set(false);
        guest.block_on(async {
            for _ in 0..1 + world.below(3) {
                let depth = world.below(4) as u32;
                let handle = spawn(op(&world, depth));
                match world.below(2) {
                    0 => drop(handle),
                    _ => world.handles.borrow_mut().push(handle),
                }
            }
            world.turns().await;
        });
        world.guests.borrow_mut().push(guest);
    }
    settle(runtimes, &world);
    loop {
        let Some(guest) = world.guests.borrow_mut().pop() else {
            break;
        };
        runtime.block_on(async { drop(guest) });
    }
    settle(runtimes, &world);
    look(&world);
    // Now let everybody go.
    world.is_closing.set(true);
    for _ in 0..200 {
        runtime.block_on(async {
            world.event.set();
            world.barrier.abort();
            drop(world.senders.take());
            world.queue.shutdown(false);
            let jobs = world.jobs.borrow().clone();
            jobs.shutdown(false);
            world.writer.write_eof();
            world.lifo.shutdown(false);
            world.priority.shutdown(false);
            world.has_tokens.notify_all();
            for limit in world.limits.take() {
                limit.reschedule(Instant::now());
            }
        });
        settle(runtimes, &world);
        look(&world);
        if runtimes.iter().all(|runtime| runtime.stats().tasks == 0) {
            break;
        }
        if world.threads.get() > 0 {
            runtime.block_on(selio::sleep(Duration::from_millis(1)));
        }
    }
    if is_wild {
        for runtime in runtimes {
            runtime.block_on(async {
                task::all_tasks().iter().for_each(task::TaskRef::cancel);
            });
        }
        settle(runtimes, &world);
        look(&world);
    }
    for runtime in runtimes {
        runtime.block_on(async { assert_eq!(stats().tasks, 0, "{}", task::dump()) });
    }
    runtime.block_on(async {
        drop(world.handles.take());
        // One of a stranger may panic.
        for waker in world.wakers.take() {
            let _ = catch_unwind(AssertUnwindSafe(|| drop(waker)));
        }
    });
    WORLD.take();
    assert_eq!(world.semaphore.available(), PERMITS);
    assert!(!world.mutex.is_locked());
    assert!(!world.tokens.is_locked());
    runtime.block_on(async {
        let mut guard = world.reader.lock().await;
        let (reader, next) = &mut *guard;
        let read_all = async {
            while !reader.at_eof() {
                read(&world, reader, next).await;
            }
        };
        // The task that sends what is kept may have been cancelled: who flushes starts another one.
        let mut writer = &world.writer;
        let (sent, ()) = gather((writer.flush(), read_all)).await;
        sent.unwrap();
        assert_eq!(*next, world.written.get(), "the last byte was lost");
    });
    for (place, runtime) in runtimes.iter().enumerate() {
        let stats = runtime.stats();
        let sources = if place == 0 { 2 } else { 0 };
        assert_eq!((stats.tasks, stats.timers, stats.sources), (0, 0, sources));
    }
    let polls = polls(runtimes) - before;
    assert!(polls < 40_000, "{polls} polls: something spins");
    while world.queue.get_nowait().is_ok() {}
    world
        .old_jobs
        .borrow_mut()
        .push(world.jobs.borrow().clone());
    for jobs in world.old_jobs.take() {
        while jobs.get_nowait().is_ok() {}
        let text = format!("{jobs:?}");
        assert!(
            text.ends_with("waiting_to_get: 0, waiting_to_put: 0 }"),
            "{text}"
        );
    }
    world.jobs.replace(Rc::new(Queue::bounded(1)));
    while world.lifo.get_nowait().is_ok() {}
    while world.priority.get_nowait().is_ok() {}
    assert_eq!(world.items.made.get(), world.items.dropped.get());
    for text in [
        format!("{:?}", world.semaphore),
        format!("{:?}", world.queue),
        format!("{:?}", world.event),
        format!("{:?}", world.has_tokens),
        format!("{:?}", world.barrier),
    ] {
        assert!(
            !text.contains("waiting: 1") && !text.contains("waiting_to_get: 1"),
            "{text}"
        );
    }
    let world = Rc::try_unwrap(world)
        .unwrap_or_else(|world| panic!("{} references are left", Rc::strong_count(&world)));
    drop(world);
    assert_eq!(runtime.stats().sources, 0);
}

fn polls(runtimes: &[Runtime]) -> u64 {
    runtimes.iter().map(|runtime| runtime.stats().polls).sum()
}

/// Lets all of them run, until in none of them anybody is ready.
fn settle(runtimes: &[Runtime], world: &World) {
    loop {
        let before = polls(runtimes);
        for (place, runtime) in runtimes.iter().enumerate() {
            world.is_home.set(place == 0);
            runtime.block_on(quiet());
        }
        world.is_home.set(true);
        if runtimes.len() == 1 || polls(runtimes) == before {
            break;
        }
    }
}

/// Waits until nobody is ready, and no timer is near.
async fn quiet() {
    let mut still = 0;
    while still < 3 {
        let before = stats();
        selio::sleep_until(Instant::now()).await;
        yield_now().await;
        let after = stats();
        // Our own polls are not counted.
        let near = after.timers > 0 && {
            // Wait for those of 20 us.
            selio::sleep(Duration::from_micros(60)).await;
            stats().polls != after.polls
        };
        still = if before.polls == after.polls && !near {
            still + 1
        } else {
            0
        };
    }
}

/// Nobody is ready: whoever waits does so for something that is not there.
fn look(world: &World) {
    let semaphore = &world.semaphore;
    assert_eq!(
        semaphore.available() + world.permits_held.get(),
        PERMITS,
        "a permit is on its way to nobody: {semaphore:?}\n{}",
        task::dump()
    );
    let queue = format!("{:?}", world.queue);
    if !world.queue.is_empty() {
        assert!(
            queue.contains("waiting_to_get: 0"),
            "{queue}\n{}",
            task::dump()
        );
    }
    if !world.queue.is_full() {
        assert!(queue.contains("waiting_to_put: 0"), "{queue}");
    }
    if let Some(tokens) = world.tokens.try_lock() {
        let waiting = format!("{:?}", world.has_tokens);
        assert!(
            *tokens == 0 || waiting.contains("waiting: 0"),
            "{} {waiting}",
            *tokens
        );
    }
    if world.event.is_set() {
        assert!(format!("{:?}", world.event).contains("waiting: 0"));
    }
}

#[test]
fn programs_made_by_chance_keep_what_is_promised() {
    let seed = Random::from_environment().seed();
    let programs = env::var("SELIO_PROGRAMS").map_or(150, |it| it.parse().unwrap());
    for (is_debug, is_watched, number) in [
        (true, false, 1),
        (false, false, 1),
        (true, true, 1),
        (false, false, 2),
        (true, true, 3),
    ] {
        let builder = Builder::new().debug(is_debug);
        let watches = Watches::default();
        let complaint = Rc::clone(&watches.complaint);
        let builder = match is_watched {
            true => builder.observer(watches),
            false => builder,
        };
        let runtimes: Vec<_> = (0..number)
            .map(|_| builder.clone().build().unwrap())
            .collect();
        for seed in (0..programs).map(|n| seed.wrapping_add(n)) {
            for is_wild in [false, true] {
                let circumstances = || format!(", SELIO_SEED={seed} SELIO_PROGRAMS=1");
                watched(circumstances, PATIENCE, || {
                    let program = || quietly(|| run(&runtimes, seed, is_wild));
                    if let Err(panic) = catch_unwind(AssertUnwindSafe(program)) {
                        let told = message_of(&*panic);
                        panic!("SELIO_SEED={seed} SELIO_PROGRAMS=1: {told}");
                    }
                    if let Some(told) = complaint.take() {
                        panic!("SELIO_SEED={seed} SELIO_PROGRAMS=1: {told}");
                    }
                });
            }
        }
    }
}
