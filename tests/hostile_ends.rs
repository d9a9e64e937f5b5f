//! Hostile ends: wakers that panic as they are dropped, bodies that panic before they are futures, and
//! what is polled on after a panic.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/tasks.rs"]
mod tasks;

use std::cell::Cell;
use std::cmp::Ordering;
use std::convert::Infallible;
use std::future::{Ready, pending};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Wake, Waker};
use std::time::Duration;

use selio::sync::{Event, Mutex, PriorityQueue, oneshot};
use selio::trace::{self, Observer};
use selio::{Builder, TaskGroup, spawn, spawn_named, stats, task, yield_now};

use crate::common::{child, deadline, is_child};
use crate::tasks::{on_a_runtime, panic_of, poll_with};

/// A waker whose last clone panics when it is dropped.
struct Touchy;

impl Wake for Touchy {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Touchy {
    fn drop(&mut self) {
        panic!("do not drop me");
    }
}

fn touchy() -> Waker {
    Waker::from(Arc::new(Touchy))
}

#[test]
fn a_receiver_whose_waker_panics_as_it_is_dropped_has_told_its_sender() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let (mut sender, mut receiver) = oneshot::channel::<u32>();
            assert!(poll_with(&mut receiver, &touchy()).is_pending());
            let told = spawn(async move { sender.closed().await });
            yield_now().await;
            assert_eq!(panic_of(|| drop(receiver)).message, "do not drop me");
            yield_now().await;
            assert!(told.is_finished());
        });
    });
}

#[test]
fn a_scope_whose_waker_panics_as_it_is_dropped_has_ended_its_tasks() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let mut scope = Box::pin(TaskGroup::scope(async |group| {
                group.spawn(pending::<Result<(), Infallible>>());
                pending::<Result<(), _>>().await
            }));
            assert!(poll_with(&mut scope, &touchy()).is_pending());
            assert_eq!(stats().tasks, 1);
            assert_eq!(panic_of(|| drop(scope)).message, "do not drop me");
            assert_eq!(stats().tasks, 0);
        });
    });
}

#[test]
fn a_body_that_panics_before_it_is_a_future_leaves_no_task() {
    fn body(group: TaskGroup<Infallible>) -> Ready<Result<(), Infallible>> {
        group.spawn(pending::<Result<(), _>>());
        panic!("before it is a future");
    }
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let panic = panic_of(|| drop(TaskGroup::scope(body)));
            assert_eq!(panic.message, "before it is a future");
            assert_eq!(stats().tasks, 0);
        });
    });
}

thread_local! {
    static IS_MOODY: Cell<bool> = const { Cell::new(false) };
}

/// Panics when it is compared, on bad days.
#[derive(Debug, PartialEq, Eq)]
struct Moody(u32);

impl PartialOrd for Moody {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Moody {
    fn cmp(&self, other: &Self) -> Ordering {
        assert!(!IS_MOODY.get(), "do not compare me");
        self.0.cmp(&other.0)
    }
}

#[test]
fn a_put_that_is_polled_on_after_a_panic_takes_no_room() {
    let queue = PriorityQueue::bounded(3);
    queue.put_nowait(Moody(1)).unwrap();
    let mut put = queue.put(Moody(2));
    let mut poll = || panic_of(|| poll_with(&mut put, Waker::noop())).message;
    IS_MOODY.set(true);
    assert_eq!(poll(), "do not compare me");
    IS_MOODY.set(false);
    assert_eq!(poll(), "Queue: a future was polled after its end");
    assert_eq!(queue.len(), 2);
    queue.put_nowait(Moody(3)).unwrap();
}

#[test]
fn a_dump_names_who_has_a_lock_now_and_not_who_had_it_when_the_wait_began() {
    let runtime = Builder::new().debug(true).build().unwrap();
    runtime.block_on(async {
        let mutex = Rc::new(Mutex::new(()));
        let hold = |name, turns| {
            let mutex = Rc::clone(&mutex);
            spawn_named(name, async move {
                let _guard = mutex.lock().await;
                for _ in 0..turns {
                    yield_now().await;
                }
            })
        };
        let _tasks = [hold("one", 3), hold("two", 3), hold("three", 3)];
        let mut dumps = String::new();
        for _ in 0..10 {
            yield_now().await;
            dumps += &task::dump().to_string();
        }
        let (former, later) = dumps.split_once("for a Mutex that two has at ").unwrap();
        assert!(former.contains("for a Mutex that one has at "), "{dumps}");
        assert!(!later.contains("for a Mutex that one has at "), "{dumps}");
    });
}

#[test]
fn who_is_woken_when_the_loop_says_that_it_sleeps_is_not_called_stuck() {
    struct Sets(Rc<Event>);

    impl Observer for Sets {
        fn event(&self, event: &trace::Event<'_>) {
            if let trace::Event::Sleeps { .. } = event {
                self.0.set();
            }
        }
    }

    if !is_child() {
        let test = "who_is_woken_when_the_loop_says_that_it_sleeps_is_not_called_stuck";
        let output = deadline(Duration::from_secs(30), || child(test).output().unwrap());
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !told.contains("stuck"), "{told}");
        return;
    }
    let event = Rc::new(Event::new());
    let builder = Builder::new().debug(true).observer(Sets(Rc::clone(&event)));
    builder.build().unwrap().block_on(event.wait());
}
