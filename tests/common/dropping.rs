//! Drops an operation at each of its `Pending`s once, and lets the test look whether something is
//! lost.
//!
//! A future may be dropped whenever it has returned `Pending`: by a timeout, in a race, at the end
//! of its task. Two moments differ: before its waker was called, when it has to leave the list
//! that it waits in, and after, when it may hold what it was woken for, and has to pass it on.
//!
//! A test uses it by `mod common;` and `#[path = "common/dropping.rs"] mod dropping;`, inside of a
//! selio runtime, on every backend if sockets are involved:
//!
//! ```ignore
//! on_each_backend(async || {
//!     let pendings = drop_at_each_pending(
//!         async || {
//!             let queue = Rc::new(Queue::unbounded());
//!             let producer = Rc::clone(&queue);
//!             spawn(async move { producer.put(7).await });
//!             queue
//!         },
//!         async |queue| queue.get().await,
//!         async |queue, got| match got {
//!             Some(item) => assert_eq!(item, Ok(7)),
//!             None => assert_eq!(queue.get().await, Ok(7), "the item is still there"),
//!         },
//!     );
//!     assert_eq!(pendings.await, 1);
//! });
//! ```

#![allow(dead_code, reason = "no test uses all of it")]

use std::fmt;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;

use selio::{sleep, stats, yield_now};

/// How often the loop may look before what the world has left behind counts as leaked.
const LOOKS: u32 = 1000;

/// Builds a world, starts the operation there, drops it at its first `Pending`, and hands the world
/// over to be checked; again for the second `Pending`, and so on, until the operation ends before
/// it can be dropped. All that twice: dropped at once, and dropped after its waker was called.
///
/// What lets the operation go on, a task that releases the lock, say, is started with the world.
/// The check gets what the operation returned, or `None` if it was dropped. A value that borrows
/// from the world (a guard) has to be dropped by the operation.
///
/// Each poll has a waker of its own, and only a call of the latest one counts: an operation that
/// keeps an older one, as if it could not move to another task, is never polled again. After the
/// check, as many tasks, sources and timers have to be alive as before: no others of the runtime may
/// come and go meanwhile.
///
/// Returns how many `Pending`s the operation had, the most that were seen. A test asserts it, lest
/// it tests nothing.
pub(crate) async fn drop_at_each_pending<W, T>(
    world: impl AsyncFn() -> W,
    operation: impl AsyncFn(&mut W) -> T,
    check: impl AsyncFn(W, Option<T>),
) -> usize {
    let mut pendings = 0;
    for moment in [Moment::BeforeItsWake, Moment::AfterItsWake] {
        for n in 0.. {
            let _told = Told { n, moment };
            let before = alive();
            let mut world = world().await;
            let result = run(operation(&mut world), n, moment).await;
            let has_ended = result.is_some();
            check(world, result).await;
            assert_alive(before).await;
            if has_ended {
                pendings = pendings.max(n);
                break;
            }
        }
    }
    pendings
}

/// When the operation is dropped, at its `Pending`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Moment {
    BeforeItsWake,
    AfterItsWake,
}

/// Runs a future until its `n`th `Pending`, counted from 0, and drops it there.
pub(crate) async fn run<F: Future>(future: F, n: usize, moment: Moment) -> Option<F::Output> {
    let mut future = pin!(future);
    for pending in 0.. {
        let woken = poll_fn(|cx| Poll::Ready(Woken::new(cx))).await;
        let waker = Waker::from(Arc::clone(&woken));
        if let Poll::Ready(result) = future.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(result);
        }
        if (pending, moment) == (n, Moment::BeforeItsWake) {
            break;
        }
        poll_fn(|_| woken.poll()).await;
        if pending == n {
            break;
        }
    }
    None
}

/// Whether the waker that is made of this was called. Whoever waits for that is woken through the
/// waker of the task.
struct Woken {
    is_woken: AtomicBool,
    task: Waker,
}

impl Woken {
    fn new(cx: &Context<'_>) -> Arc<Self> {
        Arc::new(Self {
            is_woken: AtomicBool::new(false),
            task: cx.waker().clone(),
        })
    }

    fn poll(&self) -> Poll<()> {
        match self.is_woken.load(Ordering::Acquire) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.is_woken.store(true, Ordering::Release);
        self.task.wake_by_ref();
    }
}

/// Says where the operation was dropped if the rest panics.
struct Told {
    n: usize,
    moment: Moment,
}

impl Drop for Told {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{self}");
        }
    }
}

impl fmt::Display for Told {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = match self.moment {
            Moment::BeforeItsWake => "before its wake",
            Moment::AfterItsWake => "after its wake",
        };
        let n = self.n;
        write!(f, "that was the operation dropped at Pending {n}, {moment}")
    }
}

/// The tasks, sources and timers that are alive.
fn alive() -> [usize; 3] {
    let stats = stats();
    [stats.tasks, stats.sources, stats.timers]
}

/// Waits until so many are alive: what the world has started may need some turns for its end.
async fn assert_alive(before: [usize; 3]) {
    for _ in 0..LOOKS {
        if alive() == before {
            return;
        }
        sleep(Duration::from_nanos(1)).await;
        yield_now().await;
    }
    assert_eq!(alive(), before, "[tasks, sources, timers] are left behind");
}
