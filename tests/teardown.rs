//! The end of a runtime: it always comes, drops every future once and on its own thread, and
//! whatever is left in other hands does no harm.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]
#![allow(
    clippy::async_yields_async,
    reason = "handles leave the `block_on` that made them"
)]

mod common;
#[path = "common/tasks.rs"]
mod tasks;

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use selio::{
    Builder, Handle, JoinHandle, RemoteHandle, Runtime, Source, interval, sleep, spawn, stats,
    timeout, yield_now,
};

use crate::common::{deadline, each_backend, open_fds};
use crate::tasks::{
    Ledger, Log, OnDrop, in_a_process_of_its_own, memory, message_of, on_a_runtime, panic_of,
    poll_once, poll_with, quietly, runtime,
};

/// Who waits until its runtime ends, and how.
#[derive(Clone, Copy, Debug)]
enum State {
    NeverPolled,
    Waiting,
    Queued,
    Sleeping,
    OnASocket,
    JoiningAnother,
    InATimeout,
    /// The task has ended; its output lies in its handle, which another task holds.
    Ended,
}

const STATES: [State; 8] = [
    State::Waiting,
    State::Queued,
    State::Sleeping,
    State::OnASocket,
    State::JoiningAnother,
    State::InATimeout,
    State::Ended,
    State::NeverPolled,
];

/// What a destructor does.
#[derive(Clone, Copy, Debug)]
enum Act {
    Nothing,
    Spawn,
    SpawnByHandle,
    WakeAnother,
    CancelAnother,
    Sleep,
    OpenASource,
    AskForFigures,
    DropARuntime,
    Panic,
}

const ACTS: [Act; 10] = [
    Act::Nothing,
    Act::Spawn,
    Act::SpawnByHandle,
    Act::WakeAnother,
    Act::CancelAnother,
    Act::Sleep,
    Act::OpenASource,
    Act::AskForFigures,
    Act::DropARuntime,
    Act::Panic,
];

/// What a destructor finds at hand: a task that may end before or after its own.
#[derive(Default)]
struct Neighbour {
    waker: RefCell<Option<Waker>>,
    handle: RefCell<Option<JoinHandle<()>>>,
}

thread_local! {
    /// What went wrong in destructors, whose panics nobody hears.
    static COMPLAINTS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn perform(act: Act, ledger: &Ledger, neighbour: &Neighbour) {
    let result = catch_unwind(AssertUnwindSafe(|| attempt(act, ledger, neighbour)));
    match result {
        Err(payload) if matches!(act, Act::Panic) => resume_unwind(payload),
        Err(payload) => COMPLAINTS.with_borrow_mut(|all| all.push(message_of(&*payload))),
        Ok(()) => {}
    }
}

fn attempt(act: Act, ledger: &Ledger, neighbour: &Neighbour) {
    let cx_waker = Waker::noop();
    match act {
        Act::Nothing => {}
        Act::Spawn => {
            let entry = ledger.entry();
            let task = spawn(async move {
                let _entry = entry;
                pending::<()>().await;
            });
            assert!(!task.is_finished());
        }
        Act::SpawnByHandle => {
            let task: RemoteHandle<()> = Handle::current().spawn(pending);
            assert!(
                task.is_finished(),
                "the runtime ends: it was cancelled at once"
            );
        }
        Act::WakeAnother => {
            if let Some(waker) = &*neighbour.waker.borrow() {
                waker.wake_by_ref();
            }
        }
        Act::CancelAnother => {
            if let Ok(handle) = neighbour.handle.try_borrow()
                && let Some(handle) = &*handle
            {
                handle.cancel();
            }
        }
        Act::Sleep => {
            let mut sleep = sleep(Duration::from_secs(1));
            assert!(poll_with(&mut sleep, cx_waker).is_pending());
            let mut tick = interval(Duration::from_secs(1));
            assert!(poll_with(&mut Box::pin(tick.tick()), cx_waker).is_pending());
        }
        Act::OpenASource => {
            let source = Source::new(UnixStream::pair().unwrap().0).unwrap();
            // The other end is closed, but nobody looks.
            assert!(poll_with(&mut Box::pin(source.readable()), cx_waker).is_pending());
        }
        Act::AskForFigures => {
            // The one that is being dropped counts, and its runtime is the current one.
            assert!(stats().tasks >= 1);
        }
        Act::DropARuntime => {
            let entry = ledger.entry();
            let inner = Runtime::new().unwrap();
            // It cannot run here, but a task can be sent to it.
            let task = inner.handle().spawn(pending::<()>);
            drop((inner, entry));
            assert!(task.is_finished());
        }
        Act::Panic => panic!("in the destructor"),
    }
}

/// Spawns a task in this state, whose destructor does this.
async fn bring_into(state: State, act: Act, ledger: &Ledger, neighbour: &Rc<Neighbour>) {
    let (entry, theirs, all) = (ledger.entry(), Rc::clone(neighbour), ledger.clone());
    let guard = OnDrop::new(move || {
        let _entry = entry;
        perform(act, &all, &theirs);
    });
    match state {
        State::NeverPolled => drop(spawn(async move { drop(guard) })),
        State::Waiting => drop(spawn(async move {
            let _guard = guard;
            pending::<()>().await;
        })),
        State::Queued => drop(spawn(async move {
            let _guard = guard;
            loop {
                yield_now().await;
            }
        })),
        State::Sleeping => drop(spawn(async move {
            let _guard = guard;
            sleep(Duration::from_secs(3600)).await;
        })),
        State::OnASocket => drop(spawn(async move {
            let _guard = guard;
            let (_near, far) = UnixStream::pair().unwrap();
            Source::new(far).unwrap().readable().await.unwrap();
        })),
        State::JoiningAnother => drop(spawn(async move {
            let _guard = guard;
            spawn(pending::<()>()).await.unwrap();
        })),
        State::InATimeout => drop(spawn(async move {
            let _guard = guard;
            timeout(Duration::from_secs(3600), pending::<()>())
                .await
                .unwrap();
        })),
        State::Ended => {
            let ended = spawn(async move { guard });
            drop(spawn(async move {
                pending::<()>().await;
                drop(ended);
            }));
        }
    }
    if !matches!(state, State::NeverPolled) {
        yield_now().await;
        yield_now().await;
    }
}

#[test]
fn a_runtime_ends_whatever_its_tasks_do_in_their_destructors() {
    each_backend(|backend| {
        quietly(|| {
            for state in STATES {
                for act in ACTS {
                    let ledger = Ledger::new();
                    let runtime = runtime(backend);
                    let neighbours: [Rc<Neighbour>; 2] = Default::default();
                    runtime.block_on(async {
                        // One neighbour is dropped before the subject, one after it.
                        for (place, neighbour) in neighbours.iter().enumerate() {
                            let (entry, theirs) = (ledger.entry(), Rc::clone(neighbour));
                            let task = spawn(async move {
                                let _entry = entry;
                                poll_fn(|cx| {
                                    theirs.waker.replace(Some(cx.waker().clone()));
                                    Poll::<()>::Pending
                                })
                                .await;
                            });
                            neighbour.handle.replace(Some(task));
                            if place == 0 || !matches!(state, State::NeverPolled) {
                                yield_now().await;
                            }
                            if place == 0 {
                                bring_into(state, act, &ledger, neighbour).await;
                                bring_into(state, act, &ledger, &neighbours[1]).await;
                            }
                        }
                    });
                    let before = runtime.stats().tasks;
                    assert!(before >= 3, "{state:?} {act:?}");
                    // No panic of a destructor comes out of it.
                    drop(runtime);
                    drop(neighbours);
                    assert_eq!(ledger.alive(), 0, "{state:?} {act:?}");
                    assert_eq!(COMPLAINTS.take(), [""; 0], "{state:?} {act:?}");
                    assert!(ledger.dropped() >= 4, "{state:?} {act:?}");
                }
            }
        });
    });
}

/// A task whose destructor spawns another of its kind, this many times in a row.
fn spawn_chain(ledger: &Ledger, left: usize) {
    let (entry, all) = (ledger.entry(), ledger.clone());
    let guard = OnDrop::new(move || {
        let _entry = entry;
        if left > 0 {
            spawn_chain(&all, left - 1);
        }
    });
    spawn(async move {
        let _guard = guard;
        pending::<()>().await;
    });
}

#[test]
fn a_chain_of_ten_thousand_destructors_that_spawn_comes_to_its_end() {
    let ledger = Ledger::new();
    on_a_runtime(|runtime| runtime.block_on(async { spawn_chain(&ledger, 10_000) }));
    assert_eq!((ledger.dropped(), ledger.alive()), (10_001, 0));
}

#[test]
fn a_chain_without_an_end_ends_with_a_panic_that_says_why() {
    deadline(Duration::from_secs(30), || {
        let runtime = Runtime::new().unwrap();
        let ledger = Ledger::new();
        runtime.block_on(async { spawn_chain(&ledger, usize::MAX) });
        let panic = panic_of(|| drop(runtime));
        assert!(
            panic.message.contains("the runtime cannot end"),
            "{}",
            panic.message
        );
        assert!(
            panic.message.contains("before you spawn in a `Drop`"),
            "{}",
            panic.message
        );
        // The thread is as good as new.
        assert_eq!(selio::run(async { spawn(async { 7 }).await.unwrap() }), 7);
    });
}

#[test]
fn wakers_may_be_used_and_dropped_on_any_thread_after_the_runtime() {
    each_backend(|backend| {
        let ledger = Ledger::new();
        let wakers = Rc::new(RefCell::new(Vec::new()));
        let runtime = runtime(backend);
        runtime.block_on(async {
            for i in 0..100 {
                let (entry, wakers) = (ledger.entry(), Rc::clone(&wakers));
                spawn(async move {
                    let _entry = entry;
                    poll_fn(|cx| {
                        for _ in 0..4 {
                            wakers.borrow_mut().push(cx.waker().clone());
                        }
                        // Some have ended, some wait, some are queued.
                        match i % 3 {
                            0 => return Poll::Ready(()),
                            1 => cx.waker().wake_by_ref(),
                            _ => {}
                        }
                        Poll::Pending
                    })
                    .await;
                });
            }
            poll_fn(|cx| {
                wakers.borrow_mut().push(cx.waker().clone());
                Poll::Ready(())
            })
            .await;
            yield_now().await;
            yield_now().await;
        });
        drop(runtime);
        assert_eq!(ledger.alive(), 0, "wakers hold no future");
        let mut wakers = wakers.take();
        let rest = wakers.split_off(20);
        thread::scope(|scope| {
            for part in rest.chunks(rest.len() / 3) {
                let part = part.to_vec();
                scope.spawn(move || {
                    for waker in part {
                        waker.wake_by_ref();
                        Waker::wake(waker.clone());
                        waker.wake();
                    }
                });
            }
        });
        drop(rest);
        for waker in wakers {
            waker.wake_by_ref();
            waker.wake();
        }
    });
}

#[test]
fn wakers_of_one_runtime_may_be_used_inside_of_another() {
    on_a_runtime(|other| {
        let place = Rc::new(RefCell::new(None::<Waker>));
        let theirs = Rc::clone(&place);
        let first = Runtime::new().unwrap();
        let task = first.block_on(async {
            let task = spawn(poll_fn(move |cx| {
                match theirs.replace(Some(cx.waker().clone())) {
                    None => Poll::Pending,
                    Some(_) => Poll::Ready(7),
                }
            }));
            yield_now().await;
            task
        });
        other.block_on(async {
            let before = stats().polls;
            place.borrow().as_ref().expect("it waits").wake_by_ref();
            yield_now().await;
            assert_eq!(stats().polls, before, "it is no task of this one");
        });
        assert_eq!(first.block_on(task).unwrap(), 7);
        drop(first);
        other.block_on(async {
            place.take().expect("it is there").wake();
            yield_now().await;
        });
    });
}

#[test]
fn a_handle_used_after_its_runtime_answers_cancelled_and_runs_nothing() {
    deadline(Duration::from_secs(10), || {
        let runtime = Runtime::new().unwrap();
        let handle = runtime.handle();
        drop(runtime);
        thread::scope(|scope| {
            let spawned = scope.spawn(|| {
                handle
                    .spawn(|| async { unreachable!("the runtime is gone") })
                    .join()
            });
            assert!(spawned.join().unwrap().unwrap_err().is_cancelled());
        });
        let here = handle.spawn(|| async {});
        assert!(here.is_finished());
        here.cancel();
        assert!(here.join().unwrap_err().is_cancelled());
        // In another runtime, it is awaited.
        let there = handle.spawn(|| async {});
        assert!(selio::run(there).unwrap_err().is_cancelled());
    });
}

#[test]
fn what_was_sent_but_never_started_is_cancelled_with_the_runtime() {
    deadline(Duration::from_secs(10), || {
        let runtime = Runtime::new().unwrap();
        let handle = runtime.handle();
        let sent = handle.spawn(|| async { unreachable!("nobody runs it") });
        assert!(!sent.is_finished());
        drop(runtime);
        assert!(sent.join().unwrap_err().is_cancelled());
    });
}

#[test]
fn handles_sleeps_and_intervals_may_outlive_their_runtime() {
    each_backend(|backend| {
        let runtime = runtime(backend);
        let (mut task, done, mut timer, ticks, source) = runtime.block_on(async {
            let (task, done) = (spawn(pending::<()>()), spawn(async { 7 }));
            let mut timer = sleep(Duration::from_secs(3600));
            assert!(poll_once(&mut timer).await.is_pending());
            let mut ticks = interval(Duration::from_secs(3600));
            ticks.tick().await;
            assert!(poll_once(&mut Box::pin(ticks.tick())).await.is_pending());
            let (near, far) = UnixStream::pair().unwrap();
            let source = Source::new(far).unwrap();
            assert!(
                poll_once(&mut Box::pin(source.readable()))
                    .await
                    .is_pending()
            );
            (task, done, timer, ticks, (source, near))
        });
        drop(runtime);
        let Poll::Ready(Err(error)) = poll_with(&mut task, Waker::noop()) else {
            panic!("it has ended");
        };
        assert!(error.is_cancelled());
        // A result that was there stays there.
        let mut done = done;
        assert!(matches!(
            poll_with(&mut done, Waker::noop()),
            Poll::Ready(Ok(7))
        ));
        assert!(poll_with(&mut timer, Waker::noop()).is_pending());
        let mut waits = Box::pin(source.0.readable());
        let Poll::Ready(Err(error)) = poll_with(&mut waits, Waker::noop()) else {
            panic!("it would wait for ever");
        };
        assert!(
            error.to_string().contains("does not run on this thread"),
            "{error}"
        );
        drop(waits);
        drop((task, done, timer, ticks, source));
    });
}

#[test]
fn a_runtime_dropped_while_its_thread_unwinds_does_not_abort() {
    const NAME: &str = "a_runtime_dropped_while_its_thread_unwinds_does_not_abort";
    in_a_process_of_its_own(NAME, || {
        for act in ACTS {
            let ledger = Ledger::new();
            let result = quietly(|| {
                catch_unwind(AssertUnwindSafe(|| {
                    let runtime = Runtime::new().unwrap();
                    runtime.block_on(async {
                        let neighbour = Rc::default();
                        for state in STATES {
                            bring_into(state, act, &ledger, &neighbour).await;
                        }
                    });
                    panic!("the first panic");
                }))
            });
            let payload = result.unwrap_err();
            assert_eq!(payload.downcast_ref(), Some(&"the first panic"));
            assert_eq!(ledger.alive(), 0, "{act:?}");
            assert_eq!(COMPLAINTS.take(), [""; 0], "{act:?}");
        }
        // Not even if it cannot end.
        let ledger = Ledger::new();
        let result = quietly(|| {
            catch_unwind(AssertUnwindSafe(|| {
                let runtime = Runtime::new().unwrap();
                runtime.block_on(async {
                    spawn_chain(&ledger, usize::MAX);
                    panic!("the first panic");
                });
            }))
        });
        let payload = result.unwrap_err();
        assert_eq!(payload.downcast_ref(), Some(&"the first panic"));
    });
}

#[test]
fn a_panic_of_main_drops_all_tasks_of_run() {
    let ledger = Ledger::new();
    let entry = ledger.entry();
    deadline(Duration::from_secs(10), || {
        let panic = panic_of(|| {
            selio::run(async {
                spawn(async move {
                    let _entry = entry;
                    pending::<()>().await;
                });
                yield_now().await;
                panic!("main is gone");
            });
        });
        assert_eq!(panic.message, "main is gone");
    });
    assert_eq!(ledger.alive(), 0);
}

#[test]
fn tasks_end_in_the_order_in_which_they_lie_and_each_may_still_use_the_next() {
    on_a_runtime(|_| {
        let log = Log::new();
        let runtime = Runtime::new().unwrap();
        runtime.block_on(async {
            for i in 0..10 {
                let log = log.clone();
                spawn(async move {
                    let _guard = OnDrop::new(move || log.note(i));
                    pending::<()>().await;
                });
            }
            yield_now().await;
        });
        drop(runtime);
        assert_eq!(log.take(), (0..10).collect::<Vec<_>>());
    });
}

#[test]
fn a_thousand_runtimes_leave_no_handle_and_no_memory_behind() {
    const NAME: &str = "a_thousand_runtimes_leave_no_handle_and_no_memory_behind";
    in_a_process_of_its_own(NAME, || {
        each_backend(|backend| {
            let mut before = (0, 0);
            for round in 0..1100 {
                if round == 100 {
                    before = (open_fds(), memory());
                }
                let runtime = Builder::new().backend(backend).build().unwrap();
                let handle = runtime.handle();
                let waker = runtime.block_on(async {
                    // Whoever looks for a cycle: a task that holds its own handle, one that waits
                    // for a socket, and one that sleeps.
                    let own: Rc<RefCell<Option<JoinHandle<()>>>> = Rc::default();
                    let theirs = Rc::clone(&own);
                    own.replace(Some(spawn(async move {
                        let _own = theirs;
                        pending::<()>().await;
                    })));
                    spawn(async {
                        let (_near, far) = UnixStream::pair().unwrap();
                        Source::new(far).unwrap().readable().await.unwrap();
                    });
                    spawn(sleep(Duration::from_secs(3600)));
                    yield_now().await;
                    poll_fn(|cx| Poll::Ready(cx.waker().clone())).await
                });
                drop(runtime);
                waker.wake();
                drop(handle.spawn(|| async {}));
            }
            assert_eq!(open_fds(), before.0);
            let growth = memory().saturating_sub(before.1);
            assert!(growth < 512, "{growth} KiB for 1,000 runtimes");
        });
    });
}

#[test]
fn runtimes_on_eight_threads_do_not_disturb_each_other() {
    each_backend(|backend| {
        thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        let count = Cell::new(0);
                        runtime(backend).block_on(async {
                            let tasks: Vec<_> = (0..10).map(|_| spawn(yield_now())).collect();
                            for task in tasks {
                                task.await.unwrap();
                                count.set(count.get() + 1);
                            }
                            sleep(Duration::from_micros(1)).await;
                        });
                        assert_eq!(count.get(), 10);
                    }
                });
            }
        });
    });
}

thread_local! {
    static LAST: RefCell<Option<Runtime>> = const { RefCell::new(None) };
}

#[test]
fn a_runtime_in_a_thread_local_ends_with_its_thread() {
    const NAME: &str = "a_runtime_in_a_thread_local_ends_with_its_thread";
    in_a_process_of_its_own(NAME, || {
        // Thread-locals are destroyed in the order in which they were first used, or in the other:
        // ours may be gone before the user's, or still be there.
        for is_first in [true, false] {
            for act in ACTS {
                thread::spawn(move || {
                    if is_first {
                        LAST.set(Some(Runtime::new().unwrap()));
                    }
                    let runtime = LAST.take().map_or_else(Runtime::new, Ok).unwrap();
                    runtime.block_on(async {
                        let (ledger, neighbour) = (Ledger::new(), Rc::default());
                        for state in STATES {
                            bring_into(state, act, &ledger, &neighbour).await;
                        }
                    });
                    LAST.set(Some(runtime));
                })
                .join()
                .unwrap();
            }
        }
    });
}

#[test]
fn a_message_that_panics_when_it_is_dropped_does_not_stop_the_end() {
    on_a_runtime(|_| {
        quietly(|| {
            let (ledger, runtime) = (Ledger::new(), Runtime::new().unwrap());
            let entry = ledger.entry();
            runtime.block_on(async {
                let own: Rc<RefCell<Option<JoinHandle<()>>>> = Rc::default();
                let theirs = Rc::clone(&own);
                own.replace(Some(spawn(async move {
                    let _cycle = (theirs, entry);
                    pending::<()>().await;
                })));
            });
            let guard = OnDrop::new(|| panic!("in the drop of a message"));
            let sent = runtime.handle().spawn(move || async move { drop(guard) });
            drop(runtime);
            assert!(sent.join().unwrap_err().is_cancelled());
            assert_eq!(ledger.alive(), 0);
        });
    });
}
