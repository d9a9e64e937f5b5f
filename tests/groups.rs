//! Task groups: when they end, what a failure does, and what is left behind.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/dropping.rs"]
mod dropping;
#[path = "common/tasks.rs"]
mod tasks;

use std::cell::{Cell, RefCell};
use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::io;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use selio::{
    Failure, GroupError, JoinError, JoinHandle, TaskGroup, race, sleep, spawn, stats, timeout,
    yield_now,
};

use crate::common::Random;
use crate::dropping::drop_at_each_pending;
use crate::tasks::{Entry, Ledger, Log, OnDrop, on_a_runtime, panic_of, poll_once, quietly};

type Words = Log<&'static str>;
type Result<T = (), E = &'static str> = std::result::Result<T, E>;

/// A test inside of a runtime, at whose end nothing is alive. Panics of tasks are part of it.
#[track_caller]
fn inside(test: impl AsyncFn()) {
    quietly(|| {
        on_a_runtime(|runtime| {
            runtime.block_on(test());
            assert_eq!((runtime.stats().tasks, runtime.stats().timers), (0, 0));
        });
    });
}

fn ok<T>(value: T) -> Result<T> {
    Ok(value)
}

async fn turns(count: u32) {
    for _ in 0..count {
        yield_now().await;
    }
}

/// Waits until it is cancelled, and then notes that.
fn waiting(log: &Words, name: &'static str) -> impl Future<Output = Result> + use<> {
    let log = log.clone();
    let noted = OnDrop::new(move || log.note(name));
    async move {
        let _noted = noted;
        pending().await
    }
}

/// What the failures say, in order.
fn messages<T: std::fmt::Debug, E: ToString>(result: Result<T, GroupError<E>>) -> Vec<String> {
    let failures = result.map_err(GroupError::into_failures).unwrap_err();
    let message = |failure| match failure {
        Failure::Error(error) => E::to_string(&error),
        Failure::Panic(panic) => message_of(panic),
    };
    failures.into_iter().map(message).collect()
}

fn message_of(panic: JoinError) -> String {
    tasks::message_of(&*panic.into_panic().unwrap())
}

// Its end

#[test]
fn a_group_ends_when_all_its_tasks_have_ended() {
    inside(async || {
        let log = Log::new();
        let given = TaskGroup::scope(async |group| {
            for (count, name) in [(5, "five"), (0, "none"), (2, "two")] {
                let log = log.clone();
                drop(group.spawn(async move {
                    turns(count).await;
                    log.note(name);
                    ok(())
                }));
            }
            log.note("body");
            Ok(7)
        });
        assert_eq!(given.await.unwrap(), 7);
        assert_eq!(log.take(), ["body", "none", "two", "five"]);
    });
}

#[test]
fn a_group_without_tasks_ends_with_its_body() {
    inside(async || {
        assert_eq!(TaskGroup::scope(async |_| ok(7)).await.unwrap(), 7);
        let failed = TaskGroup::scope(async |_| Result::<()>::Err("no")).await;
        assert_eq!(messages(failed), ["no"]);
    });
}

#[test]
fn the_results_of_tasks_are_had_from_their_handles_inside_and_outside_of_the_scope() {
    inside(async || {
        let (sum, late) = TaskGroup::scope(async |group| {
            let task = |number: u32| {
                group.spawn(async move {
                    turns(number).await;
                    ok(number)
                })
            };
            let (one, two, three) = (task(1), task(2), task(3));
            Ok((one.await.unwrap() + two.await.unwrap(), three))
        })
        .await
        .unwrap();
        assert!(late.is_finished());
        assert_eq!((sum, late.await.unwrap()), (3, 3));
    });
}

#[test]
fn tasks_that_spawn_siblings_are_waited_for_to_the_last() {
    async fn spawn_next(group: TaskGroup<Infallible>, left: u32, count: Rc<Cell<u32>>) {
        turns(left % 3).await;
        count.set(count.get() + 1);
        if left > 0 {
            let next = spawn_next(group.clone(), left - 1, count);
            group.spawn(async {
                Box::pin(next).await;
                Ok(())
            });
        }
    }
    inside(async || {
        let count = Rc::new(Cell::new(0));
        let scope = TaskGroup::scope(async |group| {
            spawn_next(group, 999, Rc::clone(&count)).await;
            Ok(())
        });
        scope.await.unwrap();
        assert_eq!(count.get(), 1000);
    });
}

#[test]
fn a_task_that_is_spawned_from_outside_while_the_group_is_ending_is_waited_for() {
    inside(async || {
        let (place, log) = (Rc::new(RefCell::new(None)), Log::new());
        let outside = spawn({
            let (place, log) = (Rc::clone(&place), log.clone());
            async move {
                turns(3).await;
                let group: TaskGroup<&str> = place.take().unwrap();
                group.spawn(async move {
                    turns(5).await;
                    log.note("late");
                    Ok(())
                });
            }
        });
        let scope = TaskGroup::scope(async |group| {
            group.spawn(async {
                turns(4).await;
                Ok(())
            });
            place.replace(Some(group));
            Ok(())
        });
        scope.await.unwrap();
        assert_eq!(log.take(), ["late"]);
        outside.await.unwrap();
    });
}

#[test]
fn a_task_that_is_spawned_after_the_end_is_never_polled() {
    inside(async || {
        let group = TaskGroup::scope(async |group| ok(group)).await.unwrap();
        let late = group.spawn(async { unreachable!("it was cancelled") });
        let late: JoinHandle<()> = late;
        assert!(late.is_finished() && late.await.unwrap_err().is_cancelled());
        assert_eq!(
            format!("{group:?}"),
            "TaskGroup { phase: Closed, tasks: [] }"
        );
    });
}

// Its failure

#[test]
fn the_first_error_cancels_the_siblings_and_the_body() {
    inside(async || {
        let log = Log::new();
        let failed = TaskGroup::scope(async |group| {
            group.spawn(waiting(&log, "one"));
            group.spawn(async {
                yield_now().await;
                Result::<()>::Err("no")
            });
            group.spawn(waiting(&log, "two"));
            waiting(&log, "body").await
        });
        assert_eq!(messages(failed.await), ["no"]);
        assert_eq!(log.take(), ["one", "two", "body"]);
    });
}

#[test]
fn an_error_of_the_body_cancels_the_tasks_and_is_one_of_the_failures() {
    inside(async || {
        let log = Log::new();
        let failed = TaskGroup::scope(async |group| {
            group.spawn(waiting(&log, "one"));
            group.spawn(waiting(&log, "two"));
            Result::<()>::Err("the body")
        });
        assert_eq!(messages(failed.await), ["the body"]);
        assert_eq!(log.take(), ["one", "two"]);
    });
}

#[test]
fn an_error_while_the_group_is_ending_fails_it_too() {
    inside(async || {
        let log = Log::new();
        let failed = TaskGroup::scope(async |group| {
            group.spawn(waiting(&log, "sibling"));
            group.spawn(async {
                turns(5).await;
                Result::<()>::Err("late")
            });
            Ok(7)
        });
        assert_eq!(messages(failed.await), ["late"]);
        assert_eq!(log.take(), ["sibling"]);
    });
}

#[test]
fn a_panic_cancels_the_siblings_and_the_failure_names_the_task() {
    inside(async || {
        let log = Log::new();
        let line = line!() + 3;
        let failed = TaskGroup::scope(async |group| {
            group.spawn(waiting(&log, "sibling"));
            group.spawn_named("buggy", async { panic!("a bug") }) as JoinHandle<()>;
            waiting(&log, "body").await
        });
        let error = failed.await.unwrap_err();
        assert_eq!(log.take(), ["sibling", "body"]);
        assert_eq!(
            error.to_string(),
            format!(
                "the task group failed: buggy (spawned at {}:{line}:19) panicked: a bug",
                file!()
            )
        );
        let [Failure::Panic(panic)] = error.failures() else {
            panic!("{error:?}");
        };
        assert!(panic.is_panic());
    });
}

#[test]
fn the_error_of_a_task_without_a_name_has_its_number() {
    inside(async || {
        let id = Cell::new(None);
        let failed = TaskGroup::scope(async |group| {
            let task: JoinHandle<()> = group.spawn(async { panic!("a bug") });
            id.set(Some(task.id()));
            ok(())
        });
        let message = failed.await.unwrap_err().to_string();
        let name = format!("task-{} (spawned at ", id.get().unwrap());
        assert!(message.contains(&name), "{message}");
    });
}

#[test]
fn a_panic_of_the_body_goes_on_and_cancels_the_tasks() {
    inside(async || {
        let log = Log::new();
        let task_log = log.clone();
        let task = spawn(async move {
            let scope = TaskGroup::scope(async |group| {
                group.spawn(waiting(&task_log, "child"));
                yield_now().await;
                panic!("the body") as Result
            });
            scope.await.unwrap();
        });
        assert_eq!(message_of(task.await.unwrap_err()), "the body");
        assert_eq!(log.take(), ["child"]);
    });
}

#[test]
fn no_failure_is_lost_and_all_are_told_in_order() {
    /// Panics when it is dropped.
    fn touchy(name: &'static str) -> impl Future<Output = Result> {
        let panicking = OnDrop::new(move || panic!("{name}"));
        async move {
            let _panicking = panicking;
            pending().await
        }
    }
    inside(async || {
        let log = Log::new();
        let failed = TaskGroup::scope(async |group| {
            group.spawn(waiting(&log, "one"));
            group.spawn(touchy("second"));
            group.spawn(touchy("third"));
            group.spawn(waiting(&log, "two"));
            turns(2).await;
            group.spawn(async { Result::<()>::Err("first") });
            pending().await
        });
        let failed: Result<(), _> = failed.await;
        assert_eq!(messages(failed), ["first", "second", "third"]);
        assert_eq!(log.take(), ["one", "two"]);

        // A failure from the middle of the body, which then fails itself.
        let failed = TaskGroup::scope(async |group| {
            let touchy = group.spawn(touchy("a destructor"));
            yield_now().await;
            touchy.cancel();
            Result::<()>::Err("the body")
        });
        assert_eq!(messages(failed.await), ["a destructor", "the body"]);
        let failed = TaskGroup::scope(async |group| {
            group.spawn(touchy("a destructor")).cancel();
            ok("the body succeeds")
        });
        assert_eq!(messages(failed.await), ["a destructor"]);
    });
}

#[test]
fn a_task_that_panics_as_it_ends_fails_the_group_and_keeps_its_result() {
    inside(async || {
        let task = Cell::new(None);
        let failed = TaskGroup::scope(async |group| {
            let panicking = OnDrop::new(|| panic!("a destructor"));
            // Not dropped by the future when it ends, but with it.
            let future = poll_fn(move |_| {
                let _captured = &panicking;
                Poll::Ready(ok(7))
            });
            task.set(Some(group.spawn(future)));
            Ok(())
        });
        assert_eq!(messages(failed.await), ["a destructor"]);
        assert_eq!(task.take().unwrap().await.unwrap(), 7);
    });
}

#[test]
fn the_handle_of_a_task_that_has_failed_says_that_it_was_cancelled() {
    inside(async || {
        let handle = Cell::new(None);
        let failed = TaskGroup::scope(async |group| {
            handle.set(Some(group.spawn(async { Result::<()>::Err("no") })));
            Ok(())
        });
        assert_eq!(messages(failed.await), ["no"]);
        assert!(handle.take().unwrap().await.unwrap_err().is_cancelled());
    });
}

#[test]
fn a_task_that_is_cancelled_or_handles_its_errors_fails_nobody() {
    inside(async || {
        let scope = TaskGroup::scope(async |group| {
            group.spawn(async { ok("no".parse::<u32>().unwrap_or(7)) });
            let endless: JoinHandle<()> = group.spawn(pending());
            yield_now().await;
            endless.cancel();
            assert!(endless.await.unwrap_err().is_cancelled());
            turns(3).await;
            Ok("went on")
        });
        assert_eq!(scope.await.unwrap(), "went on");
    });
}

#[test]
fn a_task_that_is_spawned_into_a_failed_group_is_never_polled() {
    inside(async || {
        let log = Log::new();
        let failed = TaskGroup::scope(async |group| {
            let (from_destructor, words) = (group.clone(), log.clone());
            let spawning = OnDrop::new(move || {
                words.note("spawning");
                let inner = waiting(&words, "dropped");
                from_destructor.spawn(async move {
                    inner.await?;
                    unreachable!("it was cancelled")
                }) as JoinHandle<()>;
            });
            group.spawn(async move {
                let _spawning = spawning;
                pending::<Result>().await
            });
            turns(2).await;
            Result::<()>::Err("no")
        });
        assert_eq!(messages(failed.await), ["no"]);
        assert_eq!(log.take(), ["spawning", "dropped"]);
    });
}

/// A destructor that spawns, whose destructor spawns, and so on.
#[test]
fn a_long_chain_of_spawning_destructors_needs_no_deep_stack() {
    fn link(group: TaskGroup<()>, left: u32, ended: Rc<Cell<bool>>) {
        let to_spawn = group.clone();
        let next = OnDrop::new(move || match left {
            0 => ended.set(true),
            _ => link(group, left - 1, ended),
        });
        to_spawn.spawn(async move {
            let _next = next;
            pending::<Result<(), ()>>().await
        });
    }
    inside(async || {
        let ended = Rc::new(Cell::new(false));
        let failed = TaskGroup::scope(async |group| {
            link(group, 100_000, Rc::clone(&ended));
            Result::<(), _>::Err(())
        });
        assert_eq!(failed.await.unwrap_err().failures().len(), 1);
        assert!(ended.get());
    });
}

#[test]
fn a_group_error_becomes_an_io_error_and_travels() {
    fn assert_error<T: std::error::Error + Send + Sync + 'static>(_: &T) {}

    inside(async || {
        let failed: io::Result<()> = async {
            TaskGroup::scope(async |group| {
                let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
                group.spawn(async move { Result::<(), _>::Err(refused()) });
                Ok(())
            })
            .await
            .inspect_err(assert_error)?;
            Ok(())
        }
        .await;
        let error = failed.unwrap_err();
        assert_eq!(
            error.to_string(),
            "the task group failed: connection refused"
        );
        assert!(error.get_ref().unwrap().is::<GroupError<io::Error>>());
    });
}

// Cancelling it

#[test]
fn dropping_the_scope_drops_all_tasks_before_it_returns() {
    inside(async || {
        let log = Log::new();
        let mut scope = Box::pin(TaskGroup::scope(async |group| {
            group.spawn(waiting(&log, "one"));
            group.spawn(waiting(&log, "two"));
            waiting(&log, "body").await
        }));
        assert!(poll_once(&mut scope).await.is_pending());
        yield_now().await;
        assert_eq!(stats().tasks, 2);
        drop(scope);
        assert_eq!(log.take(), ["one", "two", "body"]);
        assert_eq!(stats().tasks, 0);
    });
}

#[test]
fn a_scope_that_was_never_polled_runs_nothing() {
    inside(async || {
        drop(TaskGroup::scope(async |group| {
            let _task: JoinHandle<()> = group.spawn(async { unreachable!("it was dropped") });
            ok(())
        }));
        yield_now().await;
    });
}

#[test]
fn a_timeout_around_a_group_cancels_its_tasks_and_one_around_a_reference_does_not() {
    inside(async || {
        let log = Log::new();
        let mut scope = pin!(TaskGroup::scope(async |group| {
            let sibling = waiting(&log, "sibling");
            group.spawn(async move {
                sleep(Duration::from_millis(5)).await;
                Result::<()>::Err("late")
            });
            sibling.await
        }));
        timeout(Duration::ZERO, &mut scope).await.unwrap_err();
        assert_eq!((log.take().len(), stats().tasks), (0, 1));
        assert_eq!(messages(scope.await), ["late"]);
        assert_eq!(log.take(), ["sibling"]);

        let scope = TaskGroup::scope(async |group| {
            group.spawn(waiting(&log, "child"));
            Ok(())
        });
        timeout(Duration::from_millis(1), scope).await.unwrap_err();
        assert_eq!(log.take(), ["child"]);
    });
}

#[test]
fn cancelling_the_task_of_a_group_cancels_the_tasks_in_it() {
    inside(async || {
        let log = Log::new();
        let parent = spawn({
            let log = log.clone();
            TaskGroup::scope(async move |group| {
                let inner_log = log.clone();
                group.spawn(async move {
                    TaskGroup::scope(async |group| {
                        group.spawn(waiting(&inner_log, "grandchild"));
                        waiting(&inner_log, "inner body").await
                    })
                    .await
                    .map_err(|_| "inner")
                });
                group.spawn(waiting(&log, "child"));
                Ok(())
            })
        });
        turns(3).await;
        assert_eq!(stats().tasks, 4);
        parent.cancel();
        assert_eq!(log.take(), ["grandchild", "inner body", "child"]);
        assert!(parent.await.unwrap_err().is_cancelled());
    });
}

#[test]
fn a_task_may_cancel_the_owner_of_its_group() {
    inside(async || {
        let log = Log::new();
        let owner: Rc<RefCell<Option<JoinHandle<()>>>> = Rc::default();
        let place = Rc::clone(&owner);
        let scope_log = log.clone();
        owner.replace(Some(spawn(async move {
            let scope = TaskGroup::scope(async |group| {
                let log = scope_log.clone();
                group.spawn(async move {
                    place.borrow().as_ref().unwrap().cancel();
                    log.note("still running");
                    waiting(&log, "child").await
                });
                waiting(&scope_log, "body").await
            });
            scope.await.unwrap();
        })));
        turns(3).await;
        assert_eq!(log.take(), ["body", "still running", "child"]);
        let owner = owner.take().unwrap();
        assert!(owner.await.unwrap_err().is_cancelled());
    });
}

#[test]
fn a_destructor_that_panics_when_the_scope_is_dropped_harms_nobody() {
    inside(async || {
        let log = Log::new();
        let task_log = log.clone();
        let mut scope = Box::pin(TaskGroup::scope(async move |group| {
            group.spawn(async {
                let _touchy = OnDrop::new(|| panic!("a destructor"));
                pending::<Result>().await
            });
            group.spawn(waiting(&task_log, "sibling"));
            Ok(())
        }));
        assert!(poll_once(&mut scope).await.is_pending());
        yield_now().await;
        drop(scope);
        assert_eq!(log.take(), ["sibling"]);
    });
}

#[test]
fn a_group_in_a_runtime_that_is_dropped_drops_everything_once() {
    let ledger = Ledger::new();
    on_a_runtime(|runtime| {
        let entries: [Entry; 3] = [(); 3].map(|()| ledger.entry());
        runtime.block_on(async {
            let [one, two, three] = entries;
            spawn(TaskGroup::scope(async move |group| {
                for entry in [one, two] {
                    group.spawn(async move {
                        let _entry = entry;
                        pending::<Result>().await
                    });
                }
                let _entry = three;
                pending::<Result>().await
            }));
            turns(3).await;
        });
        assert_eq!(ledger.alive(), 3);
    });
    assert_eq!((ledger.alive(), ledger.dropped()), (0, 3));
}

#[test]
fn a_scope_that_is_polled_on_by_another_task_wakes_that_one() {
    inside(async || {
        let mut scope = Box::pin(TaskGroup::scope(async |group| {
            group.spawn(async {
                turns(5).await;
                Ok(())
            });
            ok(7)
        }));
        assert!(poll_once(&mut scope).await.is_pending());
        let other = spawn(scope);
        assert_eq!(other.await.unwrap().unwrap(), 7);
    });
}

#[test]
fn a_group_outside_of_a_runtime_is_refused_at_the_line_of_the_caller() {
    let panic = panic_of(|| {
        let mut scope = pin!(TaskGroup::scope(async |group| {
            group.spawn(async { ok(()) });
            Ok(())
        }));
        tasks::poll_with(&mut scope, std::task::Waker::noop())
    });
    assert!(panic.message.starts_with("TaskGroup::spawn: no runtime"));
    assert_eq!(panic.file, file!());
}

// Nests

#[test]
fn a_failure_of_an_inner_group_is_one_failure_of_the_outer_one() {
    inside(async || {
        let log = Log::new();
        let failed = TaskGroup::scope(async |outer| {
            outer.spawn(async {
                TaskGroup::scope(async |inner| {
                    inner.spawn(async { Result::<()>::Err("inner") });
                    pending::<Result>().await
                })
                .await
            });
            let sibling = waiting(&log, "outer sibling");
            outer.spawn(async {
                sibling.await.unwrap();
                Ok(())
            });
            Ok(())
        });
        let failures = failed.await.unwrap_err().into_failures();
        let [Failure::Error(inner)] = &failures[..] else {
            panic!("{failures:?}");
        };
        assert!(matches!(inner.failures(), [Failure::Error("inner")]));
        assert_eq!(log.take(), ["outer sibling"]);
    });
}

#[test]
fn an_inner_failure_that_is_handled_leaves_the_outer_group_alone() {
    inside(async || {
        let given = TaskGroup::scope(async |outer| {
            let sibling = outer.spawn(async {
                turns(9).await;
                ok("sibling")
            });
            let inner = TaskGroup::scope(async |inner| {
                inner.spawn(async { Result::<()>::Err("inner") });
                pending::<Result>().await
            });
            assert_eq!(messages(inner.await), ["inner"]);
            Ok(sibling.await.unwrap())
        });
        assert_eq!(given.await.unwrap(), "sibling");
    });
}

/// What a member of a random nest does.
async fn member(random: Rc<RefCell<Random>>, depth: u32, world: World) -> Result<(), u64> {
    let _alive = world.ledger.entry();
    let draw = |bound| random.borrow_mut().below(bound);
    match draw(if depth == 0 { 4 } else { 7 }) {
        0 => turns(draw(6) as u32).await,
        1 => sleep(Duration::from_micros(draw(50) as u64)).await,
        2 => {
            turns(draw(4) as u32).await;
            return Err(world.fail());
        }
        3 => {
            turns(draw(4) as u32).await;
            panic!("{}", world.fail());
        }
        4 => {
            let limit = Duration::from_micros(draw(50) as u64);
            let _ = timeout(limit, Box::pin(member(random, depth - 1, world))).await;
        }
        5 => {
            let children = [(); 2].map(|()| member(Rc::clone(&random), depth - 1, world.clone()));
            return race(children.map(Box::pin)).await;
        }
        _ => {
            let is_handled = draw(2) == 0;
            let result = nest(random, depth - 1, world).await;
            if let Err(error) = result
                && !is_handled
            {
                return Err(error.into_failures().iter().map(number_of).next().unwrap());
            }
        }
    }
    Ok(())
}

fn number_of(failure: &Failure<u64>) -> u64 {
    match failure {
        Failure::Error(number) => *number,
        Failure::Panic(panic) => {
            let message = panic.to_string();
            message.rsplit(' ').next().unwrap().parse().unwrap()
        }
    }
}

#[derive(Clone)]
struct World {
    ledger: Ledger,
    failed: Rc<Cell<u64>>,
}

impl World {
    fn fail(&self) -> u64 {
        self.failed.set(self.failed.get() + 1);
        self.failed.get()
    }
}

async fn nest(
    random: Rc<RefCell<Random>>,
    depth: u32,
    world: World,
) -> Result<(), GroupError<u64>> {
    let own = World {
        ledger: Ledger::new(),
        failed: Rc::clone(&world.failed),
    };
    let before = own.failed.get();
    let count = random.borrow_mut().below(5);
    let result = TaskGroup::scope(async |group| {
        for _ in 0..count {
            let child = member(Rc::clone(&random), depth, own.clone());
            group.spawn(Box::pin(child) as std::pin::Pin<Box<dyn Future<Output = _>>>);
        }
        Box::pin(member(Rc::clone(&random), depth, own.clone())).await
    })
    .await;
    assert_eq!(own.ledger.alive(), 0, "a member has outlived the scope");
    if let Err(error) = &result {
        let numbers: Vec<_> = error.failures().iter().map(number_of).collect();
        assert!(!numbers.is_empty() && numbers.is_sorted(), "{numbers:?}");
        assert!(numbers[0] > before, "{numbers:?} after {before}");
    }
    result
}

#[test]
fn random_nests_of_groups_timeouts_and_races_leave_nobody_behind() {
    let random = Random::from_environment();
    let seeds = Rc::new(RefCell::new(random));
    inside(async || {
        for _ in 0..3000 {
            let world = World {
                ledger: Ledger::new(),
                failed: Rc::default(),
            };
            // The body of the outermost group may panic too.
            let result = spawn(nest(Rc::clone(&seeds), 3, world.clone())).await;
            let has_failed = !matches!(result, Ok(Ok(())));
            assert!(!has_failed || world.failed.get() > 0);
            if let Err(panic) = result {
                let message = message_of(panic);
                assert!(message.parse::<u64>().is_ok(), "{message}");
            }
            assert_eq!((stats().tasks, stats().timers), (0, 0));
        }
    });
}

// Many

#[test]
fn ten_thousand_tasks_cost_their_own_polls_and_one_of_the_owner() {
    inside(async || {
        let before = stats();
        let polls_of_the_body = Cell::new(0);
        let scope = TaskGroup::scope(async |group| {
            for i in 0..10_000 {
                group.spawn(async move {
                    sleep(Duration::from_micros(i % 97)).await;
                    ok(())
                });
            }
            polls_of_the_body.set(polls_of_the_body.get() + 1);
            Ok(())
        });
        let mut scope = pin!(scope);
        let mut polls_of_the_owner = 0;
        poll_fn(|cx| {
            polls_of_the_owner += 1;
            scope.as_mut().poll(cx)
        })
        .await
        .unwrap();
        assert_eq!((polls_of_the_body.get(), polls_of_the_owner), (1, 2));
        let after = stats();
        assert_eq!(after.polls - before.polls, 20_000);
        assert_eq!(
            (after.tasks, after.timers, after.sources),
            (before.tasks, before.timers, before.sources)
        );
    });
}

#[test]
fn a_failure_among_ten_thousand_tasks_leaves_none() {
    inside(async || {
        let ledger = Ledger::new();
        let failed = TaskGroup::scope(async |group| {
            for i in 0..10_000 {
                let entry = ledger.entry();
                group.spawn(async move {
                    let _entry = entry;
                    sleep(Duration::from_secs(3600)).await;
                    ok(i)
                });
            }
            yield_now().await;
            assert_eq!((stats().tasks, stats().timers), (10_000, 10_000));
            Result::<()>::Err("no")
        });
        assert_eq!(messages(failed.await), ["no"]);
        assert_eq!((stats().tasks, stats().timers), (0, 0));
        assert_eq!(ledger.alive(), 0);
    });
}

#[test]
fn a_group_that_is_dropped_at_any_pending_leaves_nothing_behind() {
    inside(async || {
        let pendings = drop_at_each_pending(
            async || Ledger::new(),
            async |ledger| {
                TaskGroup::scope(async |group| {
                    for i in 0..3 {
                        let entry = ledger.entry();
                        group.spawn(async move {
                            let _entry = entry;
                            sleep(Duration::from_micros(i)).await;
                            ok(())
                        });
                    }
                    turns(2).await;
                    Ok(())
                })
                .await
                .unwrap();
            },
            async |ledger, _| assert_eq!((ledger.alive(), ledger.dropped()), (0, 3)),
        );
        assert!(pendings.await >= 3);
    });
}

#[test]
fn tasks_that_end_do_not_wake_a_body_that_waits_for_something_else() {
    inside(async || {
        let mut polls = 0;
        let mut scope = pin!(TaskGroup::scope(async |group| {
            for _ in 0..5 {
                group.spawn(async { ok(()) });
                sleep(Duration::from_millis(1)).await;
            }
            Ok(())
        }));
        let counted = poll_fn(|cx| {
            polls += 1;
            scope.as_mut().poll(cx)
        });
        counted.await.unwrap();
        assert_eq!(polls, 6, "one for each sleep, and the first");
    });
}

#[test]
fn a_scope_that_has_ended_takes_no_tasks_even_if_it_is_kept() {
    inside(async || {
        let mut scope = pin!(TaskGroup::scope(async |group| ok(group)));
        let group = scope.as_mut().await.unwrap();
        let late = group.spawn(async { ok(()) });
        assert!(late.await.unwrap_err().is_cancelled());
    });
}
