//! Claims about tasks as others see them: `task::current`, `task::all_tasks`, `TaskRef`, and the
//! panics of tasks that nobody awaits.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;

use std::cell::{Cell, RefCell};
use std::future::pending;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Stdio;
use std::rc::Rc;
use std::time::Duration;

use common::{child, deadline, is_child};
use selio::task::{self, TaskRef};
use selio::{Builder, run, spawn, spawn_named, stats, yield_now};

const SOON: Duration = Duration::from_secs(20);

#[test]
fn current_is_the_task_that_is_being_polled_and_nobody_else() {
    deadline(SOON, || {
        assert!(task::current().is_none());
        run(async {
            assert!(task::current().is_none(), "main is no task");
            let child = spawn_named("child", async {
                let before = task::current().unwrap();
                yield_now().await;
                assert_eq!(task::current().unwrap(), before);
                before
            });
            let id = child.id();
            let seen = child.await.unwrap();
            assert_eq!((seen.id(), seen.name().as_str()), (id, "child"));
            assert_eq!(seen.spawned_at().file(), file!());
            assert!(task::current().is_none());
        });
    });
}

#[test]
fn all_tasks_are_those_that_have_not_ended_in_the_order_of_their_spawns() {
    deadline(SOON, || {
        assert_eq!(task::all_tasks(), []);
        run(async {
            let ended = spawn(async {});
            yield_now().await;
            let tasks: Vec<_> = (0..100).map(|_| spawn(pending::<()>())).collect();
            tasks[50].cancel();
            let me = spawn(async { task::all_tasks() });
            let mut expected: Vec<_> = tasks.iter().map(|task| task.id()).collect();
            expected.remove(50);
            expected.push(me.id());
            let seen: Vec<_> = me.await.unwrap().iter().map(TaskRef::id).collect();
            assert_eq!(seen, expected);
            assert!(ended.is_finished());
        });
    });
}

#[test]
fn a_task_ref_cancels_from_wherever_it_has_got_to_and_keeps_nothing_alive() {
    deadline(SOON, || {
        let kept = RefCell::new(None);
        run(async {
            let task = spawn(pending::<()>());
            let other = task.task().clone();
            assert!(!other.is_finished());
            spawn(async move { other.cancel() }).await.unwrap();
            assert!(task.is_finished());
            assert!(task.await.unwrap_err().is_cancelled());
            let left = spawn(pending::<()>());
            *kept.borrow_mut() = Some(left.task());
        });
        let gone = kept.take().unwrap();
        assert!(gone.is_finished());
        gone.cancel();
    });
}

#[test]
fn a_task_ref_never_means_the_heir_of_its_slot() {
    deadline(SOON, || {
        run(async {
            let first = spawn(async {});
            let stale = first.task();
            first.await.unwrap();
            let heir = spawn(pending::<()>());
            stale.cancel();
            assert!(stale.is_finished());
            assert!(!heir.is_finished());
            assert_ne!(heir.task(), stale);
        });
    });
}

#[test]
fn a_task_that_cancels_itself_through_its_ref_ends_after_its_poll() {
    deadline(SOON, || {
        run(async {
            let count = Rc::new(Cell::new(0));
            let counted = Rc::clone(&count);
            let task = spawn(async move {
                task::current().unwrap().cancel();
                counted.set(1);
                yield_now().await;
                counted.set(2);
            });
            assert!(task.await.unwrap_err().is_cancelled());
            assert_eq!(count.get(), 1);
        });
    });
}

/// Runs this test again in a process of its own, and gives what it wrote to stderr.
fn stderr_of(test: &str) -> String {
    let output = child(test).stdout(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn the_panic_of_a_task_that_nobody_awaits_is_told_with_its_name_and_its_place() {
    let test = "the_panic_of_a_task_that_nobody_awaits_is_told_with_its_name_and_its_place";
    if !is_child() {
        let stderr = stderr_of(test);
        let told: Vec<_> = stderr
            .lines()
            .filter(|line| line.starts_with("selio: "))
            .collect();
        let place = format!("(spawned at {}:", file!());
        assert_eq!(told.len(), 2, "{stderr}");
        assert!(
            told[0].starts_with(&format!("selio: early {place}")),
            "{stderr}"
        );
        assert!(told[0].ends_with(" panicked: before its handle was dropped; nobody awaited it"));
        assert!(
            told[1].starts_with(&format!("selio: late {place}")),
            "{stderr}"
        );
        assert!(told[1].ends_with(" panicked: after it was detached; nobody awaited it"));
        return;
    }
    deadline(SOON, || {
        // To write a backtrace may be a slow poll.
        let runtime = Builder::new().debug(false).build().unwrap();
        runtime.block_on(async {
            let early = spawn_named("early", async { panic!("before its handle was dropped") });
            let seen = spawn(async { panic!("its handle tells") });
            yield_now().await;
            assert_eq!(stats().panics, 0);
            drop(early);
            drop(spawn_named("late", async {
                panic!("after it was detached")
            }));
            assert!(seen.await.unwrap_err().is_panic());
            yield_now().await;
            assert_eq!(stats().panics, 2);
        });
    });
}

#[test]
fn the_panic_of_a_task_that_nobody_awaits_ends_the_run_if_the_builder_says_so() {
    deadline(SOON, || {
        let runtime = Builder::new().end_on_panic(true).build().unwrap();
        let end = catch_unwind(AssertUnwindSafe(|| {
            runtime.block_on(async {
                let awaited = spawn(async { panic!("told by its handle") });
                assert!(awaited.await.unwrap_err().is_panic());
                drop(spawn(async { panic!("the end") }));
                pending::<()>().await;
            });
        }));
        assert_eq!(end.unwrap_err().downcast_ref(), Some(&"the end"));
        assert_eq!(
            runtime.block_on(async { 7 }),
            7,
            "the runtime is as good as before"
        );
    });
}
