//! Faults that a hostile reader found inside of the process: what the code of a user may do in the
//! middle of things, and what is left behind by those who stop waiting.

#![allow(
    clippy::unwrap_used,
    clippy::async_yields_async,
    reason = "a test panics when it fails, and hands futures around"
)]

mod common;
#[path = "common/tasks.rs"]
mod tasks;

use std::cell::{Cell, RefCell};
use std::cmp::Ordering;
use std::fmt;
use std::future::pending;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::pin::pin;
use std::ptr;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{RawWaker, RawWakerVTable, Wake, Waker};
use std::time::{Duration, Instant};

use selio::net::Listener;
use selio::sync::{Mutex, PriorityQueue, oneshot};
use selio::trace::{Event, Observer};
use selio::{
    Builder, Deadline, JoinError, Runtime, Server, sleep, spawn, stats, task, wait, yield_now,
};

use crate::tasks::{OnDrop, on_a_runtime, panic_of, poll_once, poll_with, quietly};

// A waker that acts when it is cloned or dropped, once: what it does is in a thread-local, since a
// waker is `Send`.

type Act = Box<dyn FnOnce()>;

thread_local! {
    static WHEN_CLONED: RefCell<Option<Act>> = const { RefCell::new(None) };
    static WHEN_DROPPED: RefCell<Option<Act>> = const { RefCell::new(None) };
    static WAKES: Cell<u32> = const { Cell::new(0) };
}

static HOSTILE: RawWakerVTable = RawWakerVTable::new(
    |_| {
        act(WHEN_CLONED.take());
        RawWaker::new(ptr::null(), &HOSTILE)
    },
    |_| WAKES.set(WAKES.get() + 1),
    |_| WAKES.set(WAKES.get() + 1),
    |_| act(WHEN_DROPPED.take()),
);

fn act(act: Option<Act>) {
    if let Some(act) = act {
        act();
    }
}

fn hostile() -> Waker {
    #[allow(unsafe_code, reason = "no other waker sees its clones")]
    // SAFETY: there is nothing that it points to.
    unsafe {
        Waker::new(ptr::null(), &HOSTILE)
    }
}

#[test]
fn a_destructor_that_a_cancellation_runs_is_part_of_the_task_that_cancels() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let seen = Rc::new(RefCell::new(Vec::new()));
            let victim = || {
                let seen = Rc::clone(&seen);
                spawn(async move {
                    let _end = OnDrop::new(move || seen.borrow_mut().push(task::current()));
                    pending::<()>().await;
                })
            };
            let (first, second) = (victim(), victim());
            yield_now().await;
            let canceller = spawn(async move { first.cancel() });
            let whole = canceller.task();
            canceller.await.unwrap();
            second.cancel();
            assert_eq!(seen.take(), [Some(whole), None]);
        });
    });
}

#[test]
fn a_value_may_try_to_lock_its_mutex_while_it_is_shown() {
    #[derive(Default)]
    struct Curious(Option<Rc<Mutex<Curious>>>);

    impl fmt::Debug for Curious {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            let mutex = self.0.as_ref();
            write!(f, "{:?}", mutex.map(|mutex| mutex.try_lock().is_some()))
        }
    }

    let mutex = Rc::new(Mutex::new(Curious::default()));
    let inner = Rc::clone(&mutex);
    mutex.try_lock().unwrap().0 = Some(inner);
    let shown = format!("{mutex:?}");
    assert!(
        shown.contains("value: Some(false), is_locked: false"),
        "{shown}"
    );
    let guard = mutex.try_lock().unwrap().0.take();
    drop(guard);
}

#[test]
fn a_deadline_that_comes_closer_while_the_waker_is_cloned_is_not_missed() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            // The deadline and its timer clone the waker once each.
            for clones_before in 0..2 {
                let limit = Rc::new(Deadline::after(Duration::from_secs(3600)));
                let mut scope = pin!(limit.scope(pending::<()>()));
                let inner = Rc::clone(&limit);
                let mut move_it: Act = Box::new(move || inner.reschedule(Instant::now()));
                for _ in 0..clones_before {
                    move_it = Box::new(|| WHEN_CLONED.set(Some(move_it)));
                }
                WHEN_CLONED.set(Some(move_it));
                WAKES.set(0);
                assert!(poll_with(&mut scope, &hostile()).is_pending());
                assert!(WHEN_CLONED.take().is_none(), "it was cloned");
                sleep(Duration::from_millis(2)).await;
                assert!(WAKES.get() > 0, "it is woken: the deadline has passed");
                while poll_with(&mut scope, &hostile()).is_pending() {
                    sleep(Duration::from_millis(2)).await;
                }
            }
        });
    });
}

#[test]
fn who_stops_waiting_for_a_receiver_to_go_keeps_nothing_of_its_runtime() {
    struct Witness(#[expect(dead_code, reason = "it is only held")] Rc<()>);

    impl Observer for Witness {
        fn event(&self, _: &Event<'_>) {}
    }

    let witness = Rc::new(());
    let builder = Builder::new().observer(Witness(Rc::clone(&witness)));
    let runtime = builder.build().unwrap();
    let (mut sender, _receiver) = oneshot::channel::<()>();
    runtime.block_on(async {
        assert!(poll_once(&mut pin!(sender.closed())).await.is_pending());
    });
    drop(runtime);
    assert_eq!(Rc::strong_count(&witness), 1);
}

#[test]
fn a_wait_that_panics_as_it_drops_a_waker_detaches_its_own_tasks_and_no_stranger() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let mut tasks = vec![spawn(async {})];
            yield_now().await;
            // The task has ended: nobody need be woken for it.
            WHEN_DROPPED.set(Some(Box::new(|| panic!("do not drop me"))));
            quietly(|| {
                let poll = || poll_with(&mut wait(&mut tasks), &hostile());
                let _ = catch_unwind(AssertUnwindSafe(poll));
            });
            assert!(WHEN_DROPPED.take().is_none(), "a waker was dropped");
            assert!(tasks.is_empty(), "it was given to the wait");
            assert_eq!(spawn(async { 7 }).await.unwrap(), 7);
            assert!(task::all_tasks().is_empty());
        });
    });
}

#[test]
fn an_item_that_is_lost_by_a_comparison_that_panics_leaves_its_room() {
    #[derive(PartialEq, Eq, Debug)]
    struct Moody(u32);

    impl PartialOrd for Moody {
        fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
            Some(self.cmp(other))
        }
    }

    impl Ord for Moody {
        fn cmp(&self, other: &Self) -> Ordering {
            assert!(!IS_MOODY.get(), "not today");
            self.0.cmp(&other.0)
        }
    }

    thread_local! {
        static IS_MOODY: Cell<bool> = const { Cell::new(false) };
    }

    let queue = PriorityQueue::bounded(3);
    for number in 0..3 {
        queue.put_nowait(Moody(number)).unwrap();
    }
    IS_MOODY.set(true);
    panic_of(|| queue.get_nowait());
    IS_MOODY.set(false);
    for number in queue.len()..3 {
        queue.put_nowait(Moody(number as u32)).unwrap();
    }
    assert!(queue.is_full());
    while !queue.is_empty() {
        queue.get_nowait().unwrap();
    }
}

#[test]
fn a_waker_that_panics_is_no_panic_of_the_task_that_another_thread_awaits() {
    struct Touchy;

    impl Wake for Touchy {
        fn wake(self: Arc<Self>) {
            panic!("do not wake me");
        }
    }

    on_a_runtime(|runtime| {
        let mut remote = runtime.handle().spawn(|| async { 7 });
        let touchy = Waker::from(Arc::new(Touchy));
        assert!(poll_with(&mut remote, &touchy).is_pending());
        quietly(|| {
            runtime.block_on(async {
                while !remote.is_finished() {
                    yield_now().await;
                }
                yield_now().await;
                assert_eq!(stats().panics, 0);
            });
        });
        assert_eq!(remote.join().unwrap(), 7);
    });
}

#[test]
fn who_waits_for_tasks_inside_of_another_runtime_is_told_so() {
    let here = Runtime::new().unwrap();
    let there = Runtime::new().unwrap();
    let mut tasks = vec![there.block_on(async { spawn(pending::<()>()) })];
    let wait = wait(&mut tasks).timeout(Duration::from_millis(1));
    let panic = panic_of(|| here.block_on(wait));
    let told = "belongs to a runtime that does not run on this thread";
    assert!(panic.message.contains(told), "{}", panic.message);
}

#[test]
fn a_writer_may_show_an_error_again_while_it_is_shown() {
    struct Nosy<'a>(&'a JoinError, Option<String>);

    impl fmt::Write for Nosy<'_> {
        fn write_str(&mut self, _: &str) -> fmt::Result {
            self.1 = Some(self.0.to_string());
            Ok(())
        }
    }

    on_a_runtime(|runtime| {
        let panic = runtime.block_on(async { spawn(async { panic!("told") }) });
        let error = quietly(|| runtime.block_on(panic)).unwrap_err();
        let mut nosy = Nosy(&error, None);
        fmt::write(&mut nosy, format_args!("{error}")).unwrap();
        assert_eq!(nosy.1, Some(error.to_string()));
    });
}

#[test]
fn a_server_outlives_a_report_whose_payload_panics() {
    struct Payload;

    impl Drop for Payload {
        fn drop(&mut self) {
            panic!("do not drop me");
        }
    }

    /// Fails once, and then waits for ever.
    #[derive(Default)]
    struct Broken(Cell<bool>);

    impl Listener for Broken {
        type Stream = ();
        type Addr = &'static str;

        async fn accept(&self) -> io::Result<((), &'static str)> {
            match self.0.replace(true) {
                false => Err(io::Error::other("broken")),
                true => std::future::pending().await,
            }
        }

        fn local_addr(&self) -> io::Result<&'static str> {
            Ok("nowhere")
        }
    }

    on_a_runtime(|runtime| {
        quietly(|| {
            runtime.block_on(async {
                let builder = Server::builder().on_error(|_| panic_any(Payload));
                let server = builder.serve([Broken::default()], async |()| {}).unwrap();
                for _ in 0..4 {
                    yield_now().await;
                }
                assert!(server.is_serving());
            });
        });
    });
}

#[test]
fn the_panic_of_a_remote_task_whose_handle_is_gone_is_told_and_counted() {
    let runtime = Builder::new().end_on_panic(true).build().unwrap();
    drop(
        runtime
            .handle()
            .spawn(|| async { panic!("nobody awaits me") }),
    );
    let panic = panic_of(|| runtime.block_on(sleep(Duration::from_secs(60))));
    assert_eq!(panic.message, "nobody awaits me");
    assert_eq!(runtime.stats().panics, 1);
}

#[test]
fn a_panic_that_main_leaves_behind_as_it_ends_is_not_put_off_to_the_next_block_on() {
    let runtime = Builder::new().end_on_panic(true).build().unwrap();
    let main = async {
        let task = spawn(async { panic!("nobody awaits me") });
        yield_now().await;
        drop(task);
    };
    let panic = panic_of(|| runtime.block_on(main));
    assert_eq!(panic.message, "nobody awaits me");
    runtime.block_on(yield_now());
}
