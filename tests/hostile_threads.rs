//! Programs made by chance on several threads: each has a runtime after the other, and all spawn,
//! await and cancel what runs on any of them, while some of these come to their end.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/tasks.rs"]
mod tasks;

use std::env;
use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use selio::{
    Builder, Handle, RemoteHandle, gather, race, sleep, spawn, timeout, to_thread, yield_now,
};

use crate::common::{Random, watched};
use crate::tasks::quietly;

/// How long a program may take.
const PATIENCE: Duration = Duration::from_secs(60);

const THREADS: usize = 3;

/// What the threads share.
struct World {
    /// A way into the runtime that each of them has now.
    handles: Mutex<Vec<Handle>>,
    wakers: Mutex<Vec<Waker>>,
    given_away: Mutex<Vec<RemoteHandle<Counted>>>,
    random: Mutex<Random>,
    made: AtomicUsize,
    dropped: AtomicUsize,
    left: AtomicUsize,
}

/// Counts its own drop.
struct Counted(Arc<World>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dropped.fetch_add(1, Ordering::SeqCst);
    }
}

/// Belongs to the thread that made it.
struct Local(Rc<()>, thread::ThreadId);

impl Drop for Local {
    fn drop(&mut self) {
        assert_eq!(thread::current().id(), self.1, "dropped on another thread");
    }
}

impl World {
    fn below(&self, bound: usize) -> usize {
        self.random.lock().unwrap().below(bound)
    }

    fn counted(self: &Arc<Self>) -> Counted {
        self.made.fetch_add(1, Ordering::SeqCst);
        Counted(Arc::clone(self))
    }

    fn handle(&self) -> Handle {
        let handles = self.handles.lock().unwrap();
        let at = self.below(handles.len());
        handles[at].clone()
    }

    /// Whether one more task may be spawned.
    fn may_spawn(&self) -> bool {
        let left = &self.left;
        left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| {
            left.checked_sub(1)
        })
        .is_ok()
    }
}

type Op = Pin<Box<dyn Future<Output = ()>>>;

fn op(world: &Arc<World>) -> Op {
    let w = Arc::clone(world);
    match world.below(14) {
        0..=4 => Box::pin(async move {
            if w.may_spawn() {
                let (at, counted) = (w.handle(), w.counted());
                let remote = at.spawn({
                    let w = Arc::clone(&w);
                    move || {
                        let local = Local(Rc::new(()), thread::current().id());
                        async move {
                            let _local = &local.0;
                            op(&w).await;
                            op(&w).await;
                            counted
                        }
                    }
                });
                await_somehow(&w, remote).await;
            }
        }),
        5 => Box::pin(async move {
            yield_now().await;
        }),
        6 => Box::pin(async move {
            sleep(Duration::from_micros(w.below(50) as u64)).await;
        }),
        7 => Box::pin(async move {
            let remote = w.given_away.lock().unwrap().pop();
            if let Some(remote) = remote {
                await_somehow(&w, remote).await;
            }
        }),
        8 => Box::pin(async move {
            let wakers: Vec<_> = w.wakers.lock().unwrap().drain(..).collect();
            wakers.into_iter().for_each(Waker::wake);
        }),
        9 => Box::pin(async move {
            // Until anybody on any thread wakes it, or nobody does.
            let mut is_second = false;
            let woken = poll_fn(|cx| match std::mem::replace(&mut is_second, true) {
                true => Poll::Ready(()),
                false => {
                    w.wakers.lock().unwrap().push(cx.waker().clone());
                    Poll::Pending
                }
            });
            let _ = timeout(Duration::from_micros(200), woken).await;
        }),
        10 => Box::pin(async move {
            let counted = w.counted();
            let result = race((async { Some(to_thread(move || counted).await) }, async {
                yield_now().await;
                None
            }));
            drop(result.await);
        }),
        11 => Box::pin(async move {
            yield_now().await;
            panic!("told");
        }),
        12 => {
            let both = (op(world), op(world));
            Box::pin(async move {
                gather(both).await;
            })
        }
        _ => {
            let inner = op(world);
            Box::pin(async move {
                let task = spawn(inner);
                yield_now().await;
                if w.below(2) == 0 {
                    task.cancel();
                }
                let _ = task.await;
            })
        }
    }
}

async fn await_somehow(w: &Arc<World>, mut remote: RemoteHandle<Counted>) {
    match w.below(7) {
        0 => drop(remote),
        1 => {
            remote.cancel();
            drop(remote.await);
        }
        2 => remote.cancel(),
        3 => w.given_away.lock().unwrap().push(remote),
        4 => drop(timeout(Duration::from_micros(100), &mut remote).await),
        5 => {
            let wait = move || drop(remote.join_timeout(Duration::from_micros(100)));
            to_thread(wait).await;
        }
        _ => {
            // Two that wait for each other would wait for ever.
            if timeout(Duration::from_millis(50), &mut remote)
                .await
                .is_err()
            {
                remote.cancel();
                let _ = remote.await;
            }
        }
    }
}

/// One thread, whose runtimes follow each other.
fn live(world: &Arc<World>, place: usize, start: &Barrier, is_debug: bool) {
    for life in 0..3 {
        let runtime = Builder::new()
            .debug(is_debug)
            .max_threads(4)
            .build()
            .unwrap();
        world.handles.lock().unwrap()[place] = runtime.handle();
        if life == 0 {
            start.wait();
        }
        runtime.block_on(async {
            let tasks: Vec<_> = (0..4).map(|_| spawn(op(world))).collect();
            spawn(pending::<()>());
            for task in tasks {
                let _ = task.await;
            }
        });
        // It ends with what others have spawned, and are spawning, in the middle.
    }
}

fn run(seed: u64, is_debug: bool) {
    let somewhere = Builder::new().build().unwrap().handle(); // Its runtime is gone.
    let world = Arc::new(World {
        handles: Mutex::new(vec![somewhere; THREADS]),
        wakers: Mutex::default(),
        given_away: Mutex::default(),
        random: Mutex::new(Random::new(seed)),
        made: AtomicUsize::new(0),
        dropped: AtomicUsize::new(0),
        left: AtomicUsize::new(60),
    });
    let start = Barrier::new(THREADS);
    thread::scope(|scope| {
        for place in 0..THREADS {
            let (world, start) = (&world, &start);
            scope.spawn(move || quietly(|| live(world, place, start, is_debug)));
        }
    });
    // All runtimes are gone: whoever waits is told so.
    for remote in world.given_away.lock().unwrap().drain(..) {
        assert!(remote.is_finished());
        drop(remote.join());
    }
    for waker in world.wakers.lock().unwrap().drain(..) {
        waker.wake();
    }
    // Calls that were given up may still run, for a moment.
    while world.made.load(Ordering::SeqCst) > world.dropped.load(Ordering::SeqCst) {
        thread::yield_now();
    }
    while Arc::strong_count(&world) > 1 {
        thread::yield_now();
    }
}

#[test]
fn programs_on_several_threads_come_to_their_ends_and_drop_all_they_had() {
    let seed = Random::from_environment().seed();
    let programs = env::var("SELIO_PROGRAMS").map_or(40, |it| it.parse().unwrap());
    for seed in (0..programs).map(|n| seed.wrapping_add(n)) {
        for is_debug in [false, true] {
            let circumstances = || format!(", SELIO_SEED={seed} SELIO_PROGRAMS=1");
            watched(circumstances, PATIENCE, || run(seed, is_debug));
        }
    }
}
