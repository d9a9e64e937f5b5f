//! The list that everything in `selio::sync` waits in: what hostile wakers, other executors, moved
//! futures, crowds and chance do to it.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/tasks.rs"]
mod tasks;

use std::cell::{Cell, RefCell};
use std::cmp::Ordering;
use std::collections::VecDeque;
use std::future::Future;
use std::pin::{Pin, pin};
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, RawWaker, RawWakerVTable, Wake, Waker};
use std::time::Duration;

use selio::sync::{Barrier, Condvar, Event, Mutex, PriorityQueue, Queue, Semaphore};
use selio::{JoinHandle, spawn, yield_now};

use crate::common::{Random, deadline};
use crate::tasks::{Spy, in_a_process_of_its_own, on_a_runtime, panic_of, poll_with, quietly};

/// How long what is not measured may take.
const PATIENCE: Duration = Duration::from_secs(60);

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

// A waker that does something when it is called, cloned or dropped. What it does is in a
// thread-local, since a waker is `Send`.

thread_local! {
    static ACT: RefCell<Option<Rc<dyn Fn()>>> = const { RefCell::new(None) };
    static WHEN: Cell<Option<When>> = const { Cell::new(None) };
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum When {
    Cloned,
    Called,
    Dropped,
}

struct Hostile;

impl Hostile {
    fn act(now: When) {
        if WHEN.get() == Some(now)
            && let Some(act) = ACT.with_borrow(Clone::clone)
        {
            act();
        }
    }
}

impl Wake for Hostile {
    fn wake(self: Arc<Self>) {
        Self::act(When::Called);
    }
}

impl Drop for Hostile {
    fn drop(&mut self) {
        Self::act(When::Dropped);
    }
}

/// Polls with a waker that does this once, when it is called or dropped.
fn armed(when: When, act: impl Fn() + 'static) -> Waker {
    let act = Rc::new(act);
    let once: Rc<dyn Fn()> = Rc::new(move || {
        WHEN.set(None);
        act();
    });
    ACT.set(Some(once));
    WHEN.set(Some(when));
    Waker::from(Arc::new(Hostile))
}

#[test]
fn a_waker_that_uses_the_queue_finds_it_in_order() {
    for when in [When::Called, When::Dropped] {
        let queue = Rc::new(Queue::unbounded());
        let inner = Rc::clone(&queue);
        let waker = armed(when, move || {
            let _ = inner.get_nowait();
            inner.put_nowait(2).unwrap();
            assert!(format!("{inner:?}").contains("len"));
        });
        let mut get = pin!(queue.get());
        assert!(poll_with(&mut get, &waker).is_pending());
        drop(waker);
        queue.put_nowait(1).unwrap();
        assert_eq!(WHEN.get(), None, "{when:?}: it was called");
        let (_, waker) = Spy::new();
        assert_eq!(poll_with(&mut get, &waker), Poll::Ready(Ok(1)));
        assert_eq!(queue.get_nowait(), Ok(2));
    }
}

/// Acts when it is cloned, and tells when it is called, by forgetting what it was to do.
static CLONED: RawWakerVTable = RawWakerVTable::new(
    |_| {
        CLONES.set(CLONES.get() + 1);
        Hostile::act(When::Cloned);
        RawWaker::new(ptr::null(), &CLONED)
    },
    |_| {
        CLONES.set(CLONES.get() - 1);
        ACT.set(None);
    },
    |_| ACT.set(None),
    |_| CLONES.set(CLONES.get() - 1),
);

thread_local! {
    static CLONES: Cell<i32> = const { Cell::new(0) };
}

#[test]
fn what_comes_while_the_waker_is_cloned_is_not_missed() {
    let queue = Rc::new(Queue::unbounded());
    let inner = Rc::clone(&queue);
    drop(armed(When::Cloned, move || inner.put_nowait(7).unwrap()));
    #[allow(unsafe_code, reason = "no other waker has a clone of its own")]
    // SAFETY: there is nothing that it points to.
    let waker = unsafe { Waker::new(ptr::null(), &CLONED) };
    let mut get = pin!(queue.get());
    let mut poll = poll_with(&mut get, &waker);
    assert_eq!(WHEN.get(), None, "it was cloned");
    if poll.is_pending() {
        assert!(ACT.take().is_none(), "it was called, or nobody would poll");
        poll = poll_with(&mut get, &waker);
    }
    assert_eq!(poll, Poll::Ready(Ok(7)));
    assert_eq!(CLONES.get(), 0, "nobody is to be woken any more");
}

#[test]
fn a_waker_that_runs_the_next_one_at_once_finds_the_lock_free() {
    let mutex = Rc::new(Mutex::new(0));
    let guard = mutex.try_lock();
    // Like an executor that polls in the call of the waker.
    let lock: Rc<RefCell<Option<Boxed<'static, ()>>>> = Rc::default();
    let waker = armed(When::Called, {
        let lock = Rc::clone(&lock);
        move || {
            let mut lock = lock.take().unwrap();
            let (_, waker) = Spy::new();
            assert!(poll_with(&mut lock, &waker).is_ready());
        }
    });
    let inner = Rc::clone(&mutex);
    let mut first: Boxed<'static, ()> = Box::pin(async move { *inner.lock().await += 1 });
    assert!(poll_with(&mut first, &waker).is_pending());
    lock.replace(Some(first));
    drop(guard);
    assert_eq!(*mutex.try_lock().unwrap(), 1);
}

#[test]
fn a_condvar_takes_its_place_in_the_line_before_it_unlocks() {
    let pair = Rc::new((Mutex::new(()), Condvar::new()));
    let guard = pair.0.try_lock().unwrap();
    // Whoever gets the lock runs in the call of the waker, and notifies.
    let inner = Rc::clone(&pair);
    let hostile = armed(When::Called, move || inner.1.notify_one());
    let mut next = pin!(pair.0.lock());
    assert!(poll_with(&mut next, &hostile).is_pending());
    let (spy, waker) = Spy::new();
    let mut wait = pin!(pair.1.wait(guard));
    assert!(poll_with(&mut wait, &waker).is_pending());
    assert_eq!(spy.wakes(), 1);
}

#[test]
fn a_waker_that_panics_keeps_nobody_else_asleep() {
    let event = Event::new();
    let (spy, waker) = Spy::new();
    let hostile = armed(When::Called, || panic!("planned"));
    let (mut first, mut second) = (pin!(event.wait()), pin!(event.wait()));
    assert!(poll_with(&mut first, &hostile).is_pending());
    assert!(poll_with(&mut second, &waker).is_pending());
    quietly(|| event.set());
    assert_eq!(spy.wakes(), 1);
    assert!(poll_with(&mut first, &waker).is_ready());
    assert!(poll_with(&mut second, &waker).is_ready());

    let mutex = Mutex::new(());
    let guard = mutex.try_lock();
    let hostile = armed(When::Called, || panic!("planned"));
    let mut lock = pin!(mutex.lock());
    assert!(poll_with(&mut lock, &hostile).is_pending());
    quietly(|| drop(guard));
    assert!(poll_with(&mut lock, &waker).is_ready());
}

#[test]
fn a_future_that_moves_to_another_task_is_woken_there_only() {
    let queue = Queue::unbounded();
    let ((old, old_waker), (new, new_waker)) = (Spy::new(), Spy::new());
    let mut get = pin!(queue.get());
    assert!(poll_with(&mut get, &old_waker).is_pending());
    assert!(
        poll_with(&mut get, &old_waker).is_pending(),
        "nothing has changed"
    );
    assert!(poll_with(&mut get, &new_waker).is_pending());
    assert_eq!(Arc::strong_count(&old), 2, "the former waker is let go");
    queue.put_nowait(7).unwrap();
    assert_eq!((old.wakes(), new.wakes()), (0, 1));
    assert_eq!(poll_with(&mut get, &new_waker), Poll::Ready(Ok(7)));
}

#[test]
fn it_keeps_its_place_in_the_line_when_it_moves() {
    let semaphore = Semaphore::new(0);
    let ((first, waker), (second, other)) = (Spy::new(), Spy::new());
    let (mut one, mut two) = (pin!(semaphore.acquire()), pin!(semaphore.acquire()));
    assert!(poll_with(&mut one, &other).is_pending());
    assert!(poll_with(&mut two, &other).is_pending());
    assert!(poll_with(&mut one, &waker).is_pending());
    semaphore.release();
    assert_eq!((first.wakes(), second.wakes()), (1, 0));
}

#[test]
fn claims_are_passed_on_until_somebody_takes_them() {
    let semaphore = Semaphore::bounded(1);
    let permit = semaphore.try_acquire();
    let (_, waker) = Spy::new();
    let mut waiters: VecDeque<_> = (0..5).map(|_| Box::pin(semaphore.acquire())).collect();
    for waiter in &mut waiters {
        assert!(poll_with(waiter, &waker).is_pending());
    }
    drop(permit);
    for _ in 0..4 {
        // The one who has the claim goes, and nobody but the next one can have it.
        waiters.pop_front();
        assert!(semaphore.try_acquire().is_none());
        for waiter in waiters.iter_mut().skip(1) {
            assert!(poll_with(waiter, &waker).is_pending());
        }
    }
    assert!(poll_with(&mut waiters[0], &waker).is_ready());
    assert_eq!(semaphore.available(), 1);
}

#[test]
fn a_future_that_is_never_polled_leaves_no_trace() {
    let (mutex, barrier) = (Mutex::new(()), Barrier::new(2));
    let _guard = mutex.try_lock();
    drop((mutex.lock(), barrier.wait()));
    assert!(format!("{mutex:?}").contains("waiting: 0"));
    assert_eq!(barrier.n_waiting(), 0);
}

#[test]
fn any_executor_can_run_it() {
    deadline(PATIENCE, || {
        let local = futures_lite::future::zip;
        let queue = Queue::bounded(1);
        let put = async {
            for n in 0..1000 {
                queue.put(n).await.unwrap();
            }
            queue.shutdown(false);
        };
        let get = async {
            let mut sum = 0;
            while let Ok(n) = queue.get().await {
                sum += n;
            }
            sum
        };
        assert_eq!(futures_lite::future::block_on(local(put, get)).1, 499_500);
    });
}

#[test]
fn it_may_outlive_its_runtime_and_serve_in_the_next() {
    deadline(PATIENCE, || {
        let queue = Rc::new(Queue::unbounded());
        let inner = Rc::clone(&queue);
        selio::run(async move {
            spawn(async move { inner.get().await });
            yield_now().await;
        });
        assert!(format!("{queue:?}").contains("waiting_to_get: 0"));
        queue.put_nowait(7).unwrap();
        assert_eq!(selio::run(queue.get()), Ok(7));
    });
}

// A crowd. What is counted is not time: with a list that looks at everybody for each one who
// leaves, this would take hours, which the deadline does not allow.

#[test]
fn a_hundred_thousand_who_wait_leave_in_any_order_at_once() {
    const CROWD: usize = 100_000;
    deadline(PATIENCE, || {
        let mut random = Random::from_environment();
        let (spy, waker) = Spy::new();
        for order in ["first come", "last come", "random"] {
            let semaphore = Semaphore::new(0);
            let mut waiters: Vec<_> = (0..CROWD).map(|_| Box::pin(semaphore.acquire())).collect();
            for waiter in &mut waiters {
                assert!(poll_with(waiter, &waker).is_pending());
            }
            match order {
                "first come" => waiters.reverse(),
                "random" => {
                    for n in (1..waiters.len()).rev() {
                        waiters.swap(n, random.below(n + 1));
                    }
                }
                _ => {}
            }
            while waiters.len() > 1 {
                waiters.pop();
            }
            let woken = spy.wakes();
            semaphore.release();
            assert_eq!(spy.wakes(), woken + 1, "{order}: who is left is found");
            assert!(poll_with(&mut waiters[0], &waker).is_ready());
        }
    });
}

#[test]
fn who_comes_and_goes_behind_one_who_stays_takes_no_memory() {
    // Of its own: the crowd above takes memory meanwhile.
    let name = "who_comes_and_goes_behind_one_who_stays_takes_no_memory";
    in_a_process_of_its_own(name, || {
        let event = Event::new();
        let (_, waker) = Spy::new();
        let mut stays = pin!(event.wait());
        assert!(poll_with(&mut stays, &waker).is_pending());
        let mut last = None;
        let before = tasks::memory();
        for _ in 0..1_000_000 {
            let mut next = Box::pin(event.wait());
            assert!(poll_with(&mut next, &waker).is_pending());
            last = Some(next);
        }
        drop(last);
        assert!(tasks::memory() < before + 16 * 1024, "KiB");
        assert!(format!("{event:?}").contains("waiting: 1"));
    });
}

// Chance: tasks that come, wait, are cancelled and go, against a count of what there is.

#[test]
fn permits_are_conserved_whoever_is_cancelled_whenever() {
    const PERMITS: usize = 3;
    on_a_runtime(|runtime| {
        let mut random = Random::from_environment();
        for _ in 0..200 {
            runtime.block_on(async {
                let semaphore = Rc::new(Semaphore::bounded(PERMITS));
                let (inside, served) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(0)));
                let mut tasks: Vec<JoinHandle<()>> = Vec::new();
                for _ in 0..200 {
                    match random.below(4) {
                        0 | 1 => tasks.push(spawn({
                            let (semaphore, inside) = (Rc::clone(&semaphore), Rc::clone(&inside));
                            let (served, turns) = (Rc::clone(&served), random.below(4));
                            async move {
                                let _permit = semaphore.acquire().await;
                                let _inside = Inside::enter(&inside);
                                assert!(inside.get() <= PERMITS);
                                served.set(served.get() + 1);
                                for _ in 0..turns {
                                    yield_now().await;
                                }
                            }
                        })),
                        2 if !tasks.is_empty() => {
                            tasks.swap_remove(random.below(tasks.len())).cancel();
                        }
                        _ => yield_now().await,
                    }
                    assert!(inside.get() + semaphore.available() <= PERMITS);
                    let waiting = format!("{semaphore:?}").contains("waiting: 0");
                    assert!(semaphore.available() == 0 || waiting, "{semaphore:?}");
                }
                let left = tasks.len();
                let before = served.get();
                for task in tasks {
                    task.await.unwrap();
                }
                assert!(served.get() - before <= left);
                assert_eq!((semaphore.available(), inside.get()), (PERMITS, 0));
            });
        }
    });
}

/// Counts who is inside.
struct Inside(Rc<Cell<usize>>);

impl Inside {
    fn enter(count: &Rc<Cell<usize>>) -> Self {
        count.set(count.get() + 1);
        Self(Rc::clone(count))
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

#[test]
fn items_are_conserved_whoever_is_cancelled_whenever() {
    on_a_runtime(|runtime| {
        let mut random = Random::from_environment();
        for _ in 0..200 {
            runtime.block_on(items_are_conserved(&mut random));
        }
    });
}

async fn items_are_conserved(random: &mut Random) {
    let maxsize = 1 + random.below(4);
    let queue = Rc::new(Queue::bounded(maxsize));
    let (put, got) = (
        Rc::new(RefCell::new(Vec::new())),
        Rc::new(RefCell::new(Vec::new())),
    );
    let mut tasks: Vec<JoinHandle<()>> = Vec::new();
    for n in 0..300 {
        match random.below(6) {
            0 | 1 => tasks.push(spawn({
                let (queue, put) = (Rc::clone(&queue), Rc::clone(&put));
                async move {
                    if queue.put(n).await.is_ok() {
                        put.borrow_mut().push(n);
                    }
                }
            })),
            2 | 3 => tasks.push(spawn({
                let (queue, got) = (Rc::clone(&queue), Rc::clone(&got));
                async move {
                    if let Ok(item) = queue.get().await {
                        got.borrow_mut().push(item);
                        queue.task_done();
                    }
                }
            })),
            4 if !tasks.is_empty() => {
                tasks.swap_remove(random.below(tasks.len())).cancel();
            }
            _ => yield_now().await,
        }
        assert!(queue.len() <= maxsize);
    }
    // Let those who can go on, then end it: nobody may be left waiting.
    for _ in 0..4 * tasks.len() {
        yield_now().await;
    }
    let state = format!("{queue:?}");
    let nobody_gets = state.contains("waiting_to_get: 0");
    let nobody_puts = state.contains("waiting_to_put: 0");
    assert!(nobody_gets || queue.is_empty(), "{state}");
    assert!(nobody_puts || queue.is_full(), "{state}");
    queue.shutdown(false);
    for task in tasks {
        task.await.unwrap();
    }
    while let Ok(item) = queue.get_nowait() {
        got.borrow_mut().push(item);
        queue.task_done();
    }
    queue.join().await;
    assert_eq!(*put.borrow(), *got.borrow(), "each item once, in order");
}

#[test]
fn who_panics_at_its_turn_has_left_the_line() {
    /// Cannot be compared while it is told not to.
    struct Moody<'a>(&'a Cell<bool>);
    impl PartialEq for Moody<'_> {
        fn eq(&self, other: &Self) -> bool {
            self.cmp(other).is_eq()
        }
    }
    impl Eq for Moody<'_> {}
    impl PartialOrd for Moody<'_> {
        fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
            Some(self.cmp(other))
        }
    }
    impl Ord for Moody<'_> {
        fn cmp(&self, _: &Self) -> Ordering {
            assert!(!self.0.get(), "planned");
            Ordering::Equal
        }
    }
    let panics = Cell::new(false);
    let queue = PriorityQueue::bounded(2);
    assert!(queue.put_nowait(Moody(&panics)).is_ok());
    assert!(queue.put_nowait(Moody(&panics)).is_ok());
    let (spy, waker) = Spy::new();
    let mut put = Box::pin(queue.put(Moody(&panics)));
    assert!(poll_with(&mut put, &waker).is_pending());
    assert!(queue.get_nowait().is_ok());
    panics.set(true);
    panic_of(|| poll_with(&mut put, &waker));
    panics.set(false);
    // Another one takes the same place, and keeps it.
    let mut next = pin!(queue.put(Moody(&panics)));
    assert!(poll_with(&mut next, &waker).is_pending());
    drop(put);
    assert!(format!("{queue:?}").contains("waiting_to_put: 1"));
    assert!(queue.get_nowait().is_ok());
    assert_eq!(spy.wakes(), 2);
    assert!(poll_with(&mut next, &waker).is_ready());
}

#[test]
fn a_future_polled_after_its_end_panics_and_harms_nothing() {
    let queue = Queue::unbounded();
    queue.put_nowait(7).unwrap();
    let (_, waker) = Spy::new();
    let mut get = pin!(queue.get());
    assert!(poll_with(&mut get, &waker).is_ready());
    panic_of(|| poll_with(&mut get, &waker));
    assert!(queue.is_empty());
}
