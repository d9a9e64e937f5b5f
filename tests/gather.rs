//! Several futures at once: `gather`, `try_gather`, `as_completed`, `race` and `wait`.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/dropping.rs"]
mod dropping;
#[path = "common/tasks.rs"]
mod tasks;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::{pending, poll_fn, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::rc::Rc;
use std::sync::mpsc::channel;
use std::task::{Poll, Waker};
use std::thread;
use std::time::Duration;

use futures_lite::{FutureExt, Stream, StreamExt};
use selio::sync::Event;
use selio::{
    JoinHandle, Runtime, as_completed, gather, race, sleep, spawn, spawn_named, stats, timeout,
    try_gather, wait, yield_now,
};

use crate::dropping::drop_at_each_pending;
use crate::tasks::{
    Ledger, Log, OnDrop, Spy, on_a_runtime, on_each_runtime, panic_here, panic_of, poll_once,
    poll_with, quietly,
};

/// A test inside of a runtime.
#[track_caller]
fn inside(test: impl AsyncFn()) {
    on_a_runtime(|runtime| runtime.block_on(test()));
}

/// The same where a panic of a task is part of the test.
#[track_caller]
fn inside_quietly(test: impl AsyncFn()) {
    quietly(|| inside(test));
}

/// A switch that futures wait for, and that counts how often they were polled.
#[derive(Default)]
struct Switch {
    is_on: Cell<bool>,
    polls: Cell<usize>,
    waiter: RefCell<Option<Waker>>,
}

impl Switch {
    fn turn_on(&self) {
        self.is_on.set(true);
        self.wake();
    }

    fn wake(&self) {
        let waiter = self.waiter.borrow().clone();
        waiter.unwrap().wake();
    }

    async fn is_on(&self) {
        poll_fn(|cx| {
            self.polls.set(self.polls.get() + 1);
            self.waiter.replace(Some(cx.waker().clone()));
            match self.is_on.get() {
                true => Poll::Ready(()),
                false => Poll::Pending,
            }
        })
        .await;
    }
}

fn switches(count: usize) -> Vec<Switch> {
    (0..count).map(|_| Switch::default()).collect()
}

/// A future that says that it was dropped.
fn noted(log: &Log<&'static str>, name: &'static str) -> impl Future<Output = ()> + use<> {
    let log = log.clone();
    let noted = OnDrop::new(move || log.note(name));
    async move {
        let _noted = noted;
        pending::<()>().await;
    }
}

// gather

#[test]
fn results_come_in_the_order_of_the_futures_whatever_the_order_of_their_ends() {
    inside(async || {
        let ends = Log::new();
        let sleeps = [3, 1, 2].map(async |turns| {
            for _ in 0..turns {
                yield_now().await;
            }
            ends.note(turns);
            turns
        });
        assert_eq!(gather(sleeps).await, [3, 1, 2]);
        assert_eq!(ends.take(), [1, 2, 3]);
        let tuple = (
            async { sleep(Duration::ZERO).await },
            ready(2),
            async { "three" },
            ready(4.0),
            ready('5'),
            ready(6_u8),
            ready(Some(7)),
            ready([8]),
        );
        assert_eq!(
            gather(tuple).await,
            ((), 2, "three", 4.0, '5', 6, Some(7), [8])
        );
    });
}

#[test]
fn to_wait_for_nothing_is_not_to_wait() {
    let (_, waker) = Spy::new();
    let nobody = Vec::<std::future::Ready<()>>::new;
    let mut gathered = pin!(gather(nobody()));
    assert_eq!(poll_with(&mut gathered, &waker), Poll::Ready(vec![]));
    let nobody = Vec::<std::future::Ready<Result<(), ()>>>::new();
    let mut gathered = pin!(try_gather(nobody));
    assert_eq!(poll_with(&mut gathered, &waker), Poll::Ready(Ok(vec![])));
    let mut none = as_completed(Vec::<std::future::Ready<()>>::new());
    assert_eq!(none.size_hint(), (0, Some(0)));
    assert_eq!(
        poll_with(&mut Box::pin(none.next()), &waker),
        Poll::Ready(None)
    );
    let mut tasks = Vec::<JoinHandle<()>>::new();
    let done = poll_with(&mut wait(&mut tasks).first_completed(), &waker);
    assert!(matches!(done, Poll::Ready(done) if done.is_empty()));
}

#[test]
fn of_ten_thousand_futures_each_is_polled_only_when_it_was_woken() {
    inside(async || {
        let all = switches(10_000);
        let mut gathered = pin!(gather(all.iter().map(Switch::is_on)));
        while poll_once(&mut gathered).await.is_pending() {
            let polled = all.iter().filter(|it| it.polls.get() == 1).count();
            if polled == all.len() {
                break;
            }
        }
        for (on, switch) in all.iter().rev().enumerate() {
            switch.turn_on();
            if on + 1 < all.len() {
                assert!(poll_once(&mut gathered).await.is_pending());
            }
        }
        assert_eq!(gathered.await.len(), 10_000);
        assert!(all.iter().all(|switch| switch.polls.get() == 2));
    });
}

#[test]
fn a_future_that_is_woken_often_is_polled_once() {
    let [one, two] = [Switch::default(), Switch::default()];
    let (spy, waker) = Spy::new();
    let mut gathered = pin!(gather([one.is_on(), two.is_on()]));
    assert!(poll_with(&mut gathered, &waker).is_pending());
    (0..5).for_each(|_| one.wake());
    assert_eq!(spy.wakes(), 1);
    assert!(poll_with(&mut gathered, &waker).is_pending());
    assert_eq!((one.polls.get(), two.polls.get()), (2, 1));
    (0..5).for_each(|_| one.wake());
    assert_eq!(spy.wakes(), 2);
}

#[test]
fn of_two_who_poll_a_gather_the_last_is_woken() {
    let switch = Switch::default();
    let ((first, one), (second, two)) = (Spy::new(), Spy::new());
    let mut gathered = pin!(gather([switch.is_on()]));
    assert!(poll_with(&mut gathered, &one).is_pending());
    assert!(poll_with(&mut gathered, &two).is_pending());
    switch.turn_on();
    assert_eq!((first.wakes(), second.wakes()), (0, 1));
    assert!(poll_with(&mut gathered, &two).is_ready());
    // It has ended, and its waker is still there.
    switch.wake();
}

#[test]
fn a_wake_from_another_thread_reaches_its_future() {
    on_each_runtime(|runtime| {
        let (send, receive) = channel::<(usize, Waker)>();
        let waker = thread::spawn(move || {
            let mut wakers: Vec<_> = receive.iter().take(100).collect();
            wakers.sort_by_key(|(index, _)| usize::MAX - index);
            wakers.into_iter().for_each(|(_, waker)| waker.wake());
        });
        let ends = Log::new();
        let futures = (0..100).map(async |index| {
            let mut was_polled = false;
            poll_fn(|cx| {
                if was_polled {
                    return Poll::Ready(());
                }
                was_polled = true;
                send.send((index, cx.waker().clone())).unwrap();
                Poll::Pending
            })
            .await;
            ends.note(index);
        });
        runtime.block_on(gather(futures));
        assert!(ends.take().into_iter().rev().eq(0..100));
        waker.join().unwrap();
    });
}

#[test]
fn a_future_that_wakes_itself_lets_the_other_tasks_run() {
    inside(async || {
        let log = Log::new();
        let other = spawn({
            let log = log.clone();
            async move {
                for _ in 0..3 {
                    log.note("other");
                    yield_now().await;
                }
            }
        });
        gather([(); 2].map(async |()| {
            for _ in 0..3 {
                log.note("member");
                yield_now().await;
            }
        }))
        .await;
        other.await.unwrap();
        let round = ["member", "member", "other"];
        assert_eq!(log.take(), [round, round, round].concat());
    });
}

#[test]
fn a_thousand_ready_futures_do_not_keep_the_other_tasks_from_running() {
    inside(async || {
        let polled = Rc::new(Cell::new(0));
        let count = Rc::clone(&polled);
        let seen = spawn(async move { count.get() });
        gather((0..1000).map(async |_| polled.set(polled.get() + 1))).await;
        let seen = seen.await.unwrap();
        assert!((1..500).contains(&seen), "{seen}");
    });
}

#[test]
fn what_gather_is_given_may_borrow() {
    inside(async || {
        let mut buffers = vec![[0; 2]; 3];
        let fill = async |(byte, buffer): (usize, &mut [u8; 2])| {
            yield_now().await;
            buffer.fill(byte as u8);
        };
        gather(buffers.iter_mut().enumerate().map(fill)).await;
        assert_eq!(buffers, [[0, 0], [1, 1], [2, 2]]);
    });
}

#[test]
fn an_error_among_the_gathered_stops_nobody() {
    inside(async || {
        let results = gather([Err("no"), Ok(1), Err("never")].map(async |result| {
            yield_now().await;
            result
        }));
        assert_eq!(results.await, [Err("no"), Ok(1), Err("never")]);
    });
}

#[test]
fn try_gather_gives_the_first_error_in_time_and_drops_the_others() {
    inside(async || {
        let log = Log::new();
        let waiting = async || {
            noted(&log, "waiting").await;
            Ok(())
        };
        let late = async {
            yield_now().await;
            Err("late")
        };
        let futures = vec![
            waiting().boxed_local(),
            late.boxed_local(),
            (async { Err("first") }).boxed_local(),
        ];
        assert_eq!(try_gather(futures).await, Err("first"));
        assert_eq!(log.take(), ["waiting"]);

        let failed = try_gather((waiting(), ready(Ok(1)), ready(Err::<(), _>("no")))).await;
        assert_eq!(failed, Err("no"));
        assert_eq!(log.take(), ["waiting"]);
    });
}

#[test]
fn try_gather_without_an_error_gives_all() {
    inside(async || {
        let all = try_gather((0..300).map(async |i| {
            yield_now().await;
            Ok::<_, ()>(i)
        }));
        assert!(all.await.unwrap().into_iter().eq(0..300));
        let both = try_gather((ready(Ok::<_, ()>(1)), async { Ok("one") }));
        assert_eq!(both.await, Ok((1, "one")));
    });
}

#[test]
fn gathered_handles_let_the_tasks_go_on_after_an_error_or_a_panic() {
    inside_quietly(async || {
        let mut tasks = vec![spawn(async { Err("no") })];
        tasks.push(spawn(async {
            for _ in 0..9 {
                yield_now().await;
            }
            Ok(7)
        }));
        let first = try_gather(tasks.iter_mut().map(async |task| task.await.unwrap()));
        assert_eq!(first.await, Err("no"));
        let slow = tasks.pop().unwrap();
        assert!(!slow.is_finished());
        assert_eq!(slow.await.unwrap(), Ok(7));

        let (failed, seven) = gather((spawn(async { panic!("a bug") }), spawn(async { 7 }))).await;
        let failed: Result<(), _> = failed;
        assert!(failed.unwrap_err().is_panic());
        assert_eq!(seven.unwrap(), 7);
    });
}

#[test]
fn a_panic_of_a_gathered_future_goes_on_and_drops_the_others() {
    inside_quietly(async || {
        let log = Log::new();
        let futures = vec![
            noted(&log, "one").boxed_local(),
            async { panic!("a bug") }.boxed_local(),
            noted(&log, "two").boxed_local(),
        ];
        let task = spawn(async move { gather(futures).await.len() });
        let error = task.await.unwrap_err().to_string();
        assert!(error.ends_with("panicked: a bug"), "{error}");
        assert_eq!(log.take(), ["one", "two"]);
    });
}

#[test]
fn dropping_a_gather_drops_its_futures_and_their_timers() {
    inside(async || {
        let ledger = Ledger::new();
        let mut gathered = Box::pin(gather((0..100).map(|_| {
            let entry = ledger.entry();
            async move {
                let _entry = entry;
                sleep(Duration::from_secs(3600)).await;
            }
        })));
        assert!(poll_once(&mut gathered).await.is_pending());
        assert_eq!((stats().timers, ledger.alive()), (100, 100));
        drop(gathered);
        assert_eq!((stats().timers, ledger.alive()), (0, 0));
    });
}

/// A foreign waker whose clones and drops wake others, which may belong to the same gather.
#[test]
fn a_waker_that_wakes_a_child_when_it_is_dropped_finds_nothing_borrowed() {
    struct Waking(Waker);

    impl std::task::Wake for Waking {
        fn wake(self: std::sync::Arc<Self>) {}
    }

    impl Drop for Waking {
        fn drop(&mut self) {
            self.0.wake_by_ref();
        }
    }

    let switch = Switch::default();
    let mut gathered = pin!(gather([switch.is_on()]));
    assert!(poll_with(&mut gathered, Waker::noop()).is_pending());
    let child = switch.waiter.borrow().clone().unwrap();
    let waking = Waker::from(std::sync::Arc::new(Waking(child)));
    assert!(poll_with(&mut gathered, &waking).is_pending());
    drop(waking);
    let (spy, waker) = Spy::new();
    assert!(poll_with(&mut gathered, &waker).is_pending());
    assert_eq!(spy.wakes(), 1, "the former waker was dropped, and woke it");
}

// as_completed

#[test]
fn as_completed_gives_results_in_the_order_of_their_ends() {
    inside(async || {
        let all = switches(4);
        let futures = all.iter().enumerate().map(async |(index, switch)| {
            switch.is_on().await;
            index
        });
        let mut completed = as_completed(futures);
        assert!(
            poll_once(&mut Box::pin(completed.next()))
                .await
                .is_pending()
        );
        for (left, index) in [(3, 2), (2, 0), (1, 3), (0, 1)] {
            all[index].turn_on();
            assert_eq!(completed.next().await, Some(index));
            assert_eq!(completed.size_hint(), (left, Some(left)));
        }
        assert_eq!(completed.next().await, None);
        assert_eq!(completed.next().await, None);
    });
}

#[test]
fn who_stops_waiting_for_the_next_result_loses_none() {
    inside(async || {
        let sleeps = (0..50).map(async |i| {
            sleep(Duration::from_micros(i * 50)).await;
            i
        });
        let mut completed = as_completed(sleeps);
        let mut seen = Vec::new();
        while seen.len() < 50 {
            if let Ok(Some(i)) = timeout(Duration::ZERO, completed.next()).await {
                seen.push(i);
            }
        }
        assert!(seen.into_iter().eq(0..50));
    });
}

#[test]
fn as_completed_is_a_stream() {
    inside(async || {
        let stream = as_completed((0..10).map(async |i| i));
        let even: Vec<_> = stream.filter(|i| i % 2 == 0).collect().await;
        assert_eq!(even, [0, 2, 4, 6, 8]);
    });
}

#[test]
fn a_future_that_panics_leaves_the_results_of_the_others() {
    inside(async || {
        let mut completed = as_completed([1, 2, 3].map(async |i| {
            assert_ne!(i, 2, "a bug");
            i
        }));
        let mut seen = Vec::new();
        loop {
            let next = || poll_with(&mut Box::pin(completed.next()), Waker::noop());
            match quietly(|| catch_unwind(AssertUnwindSafe(next))) {
                Err(_) => seen.push(0),
                Ok(Poll::Ready(Some(i))) => seen.push(i),
                Ok(end) => break assert_eq!(end, Poll::Ready(None)),
            }
        }
        assert_eq!(seen, [1, 0, 3]);
    });
}

// race

#[test]
fn of_a_race_the_first_is_given_and_the_others_are_dropped() {
    inside(async || {
        let log = Log::new();
        let slow = async {
            noted(&log, "slow").await;
            "slow"
        };
        let fast = async {
            yield_now().await;
            "fast"
        };
        assert_eq!(race((slow, fast)).await, "fast");
        assert_eq!(log.take(), ["slow"]);

        let runners = [3, 1, 2].map(|turns| {
            let log = &log;
            async move {
                let _noted = OnDrop::new(|| log.note("left"));
                for _ in 0..turns {
                    yield_now().await;
                }
                turns
            }
        });
        assert_eq!(race(runners).await, 1);
        assert_eq!(log.take(), ["left"; 3]);
    });
}

#[test]
fn of_several_that_are_ready_at_once_the_first_in_the_list_wins() {
    inside(async || {
        assert_eq!(race([ready(1), ready(2)]).await, 1);
        assert_eq!(race((ready(1), async { 2 })).await, 1);
    });
}

#[test]
fn of_several_from_an_iterator_the_one_that_was_woken_first_wins() {
    inside(async || {
        let (events, first) = (vec![Event::new(), Event::new()], Cell::new(None));
        let waiting = events.iter().enumerate();
        let race = race(waiting.map(async |(place, event)| {
            event.wait().await;
            place
        }));
        let wake = async {
            yield_now().await;
            events[1].set();
            events[0].set();
        };
        gather((async { first.set(Some(race.await)) }, wake)).await;
        assert_eq!(first.get(), Some(1));
    });
}

#[test]
fn a_loser_given_by_reference_may_go_on() {
    inside(async || {
        let mut task = spawn(async {
            yield_now().await;
            7
        });
        let nothing = async { Ok(0) };
        assert_eq!(race((nothing, &mut task)).await.unwrap(), 0);
        assert_eq!(task.await.unwrap(), 7);
    });
}

#[test]
fn a_race_of_nobody_is_refused_at_the_line_of_the_caller() {
    let message = panic_here(|| drop(race(Vec::<std::future::Ready<()>>::new())));
    assert!(message.starts_with("selio::race: there is no future"));
}

// wait

/// Tasks that end after so many turns, and give that number.
fn turns<const N: usize>(turns: [u32; N]) -> Vec<JoinHandle<u32>> {
    let task = |turns: u32| {
        spawn_named(turns.to_string(), async move {
            for _ in 0..turns {
                yield_now().await;
            }
            turns
        })
    };
    turns.map(task).into()
}

fn names<T>(tasks: &[JoinHandle<T>]) -> Vec<String> {
    tasks.iter().map(JoinHandle::name).collect()
}

#[test]
fn wait_takes_all_when_all_have_ended() {
    inside(async || {
        let mut tasks = turns([3, 1, 2]);
        let done = wait(&mut tasks).await;
        assert!(tasks.is_empty());
        let results = gather(done).await.into_iter().map(Result::unwrap);
        assert!(results.eq([3, 1, 2]));
    });
}

#[test]
fn wait_for_the_first_takes_it_and_leaves_the_others_running() {
    inside(async || {
        let mut tasks = turns([9, 3, 6, 3]);
        let mut done = Vec::new();
        while !tasks.is_empty() {
            done.push(names(&wait(&mut tasks).first_completed().await));
        }
        assert_eq!(done, [vec!["3", "3"], vec!["6"], vec!["9"]]);
    });
}

#[test]
fn what_has_ended_before_the_wait_is_done_at_once() {
    inside(async || {
        let mut tasks = turns([0, 9]);
        while !tasks[0].is_finished() {
            yield_now().await;
        }
        let done = poll_once(&mut wait(&mut tasks).first_completed()).await;
        assert!(matches!(done, Poll::Ready(done) if names(&done) == ["0"]));
        assert_eq!(names(&tasks), ["9"]);
    });
}

#[test]
fn wait_for_the_first_error_ends_with_an_err_a_panic_or_a_cancelled_task() {
    type Failing = fn() -> JoinHandle<Result<(), &'static str>>;

    inside_quietly(async || {
        let failures: [Failing; 3] = [
            || spawn(async { Err("no") }),
            || spawn(async { panic!("a bug") }),
            || {
                let task = spawn(pending());
                task.cancel();
                task
            },
        ];
        for failure in failures {
            let good = spawn(async { Ok(()) });
            yield_now().await;
            let mut tasks = vec![spawn(pending()), good, failure()];
            let done = wait(&mut tasks).first_error().await;
            // The one that has succeeded is done too.
            assert_eq!((done.len(), tasks.len()), (2, 1));
            let [good, failed] = <[_; 2]>::try_from(done).unwrap();
            assert_eq!(good.await.unwrap(), Ok(()));
            assert!(!matches!(failed.await, Ok(Ok(()))));
            tasks[0].cancel();
        }
    });
}

#[test]
fn wait_for_the_first_error_without_one_is_wait_for_all() {
    inside(async || {
        let task = |turns: u32| {
            spawn(async move {
                for _ in 0..turns {
                    yield_now().await;
                }
                Ok::<_, ()>(turns)
            })
        };
        let mut tasks: Vec<_> = [2, 0, 1].map(task).into();
        assert_eq!(wait(&mut tasks).first_error().await.len(), 3);
    });
}

#[test]
fn when_the_time_is_up_wait_takes_those_that_have_ended_and_keeps_the_others_alive() {
    inside(async || {
        let switch = Rc::new(Switch::default());
        let slow = Rc::clone(&switch);
        let mut tasks = vec![
            spawn(async move { slow.is_on().await }),
            spawn(async { yield_now().await }),
        ];
        let done = wait(&mut tasks).timeout(Duration::from_millis(5)).await;
        assert_eq!((done.len(), tasks.len(), stats().timers), (1, 1, 0));
        assert_eq!(wait(&mut tasks).timeout(Duration::ZERO).await.len(), 0);
        assert!(!tasks[0].is_finished());
        switch.turn_on();
        let done = wait(&mut tasks).timeout(Duration::MAX).await;
        assert_eq!((done.len(), tasks.len()), (1, 0));
    });
}

#[test]
fn a_wait_that_is_dropped_leaves_every_handle_with_its_result() {
    inside(async || {
        let mut tasks = turns([0, 1, 2, 3, u32::MAX]);
        while tasks.iter().filter(|task| !task.is_finished()).count() > 1 {
            timeout(Duration::ZERO, wait(&mut tasks)).await.unwrap_err();
        }
        tasks.pop();
        let results = gather(tasks).await.into_iter().map(Result::unwrap);
        assert!(results.eq([0, 1, 2, 3]));
    });
}

#[test]
fn wait_looks_only_at_those_that_have_ended() {
    inside(async || {
        let all: Rc<[Switch]> = switches(10_000).into();
        let task = |index: usize| {
            let all = Rc::clone(&all);
            spawn(async move { all[index].is_on().await })
        };
        let mut tasks: Vec<_> = (0..all.len()).map(task).collect();
        let others = spawn({
            let all = Rc::clone(&all);
            async move {
                for switch in all.iter() {
                    switch.turn_on();
                    yield_now().await;
                }
            }
        });
        yield_now().await;
        assert_eq!(wait(&mut tasks).await.len(), 10_000);
        others.await.unwrap();
        assert_eq!(stats().tasks, 0);
    });
}

#[test]
fn a_wait_for_the_task_of_another_runtime_is_refused() {
    on_a_runtime(|other| {
        let mut tasks = vec![other.block_on(async { [spawn(pending::<()>())] })];
        let [task] = tasks.pop().unwrap();
        let mut tasks = vec![task];
        let runtime = Runtime::new().unwrap();
        let panic = panic_of(|| runtime.block_on(async { wait(&mut tasks).await.len() }));
        assert!(panic.message.contains("belongs to a runtime"), "{panic:?}");
    });
}

/// The rotation of a queue of futures, as a user might write it with `race` in a loop.
#[test]
fn a_race_in_a_loop_by_reference_takes_everybody_once() {
    inside(async || {
        let mut tasks: VecDeque<_> = turns([5, 0, 3, 1, 1]).into();
        let mut order = Vec::new();
        while !tasks.is_empty() {
            let first = race(tasks.iter_mut().enumerate().map(async |(at, task)| {
                let turns = task.await.unwrap();
                (at, turns)
            }));
            let (at, turns) = first.await;
            drop(tasks.remove(at));
            order.push(turns);
        }
        assert_eq!(order, [0, 1, 1, 3, 5]);
    });
}

// Dropped at each Pending

/// Tasks that end with 1, 2 and 3, one after the other.
async fn three_tasks() -> Vec<JoinHandle<u32>> {
    turns([1, 2, 3])
}

/// Each of the results is there once, given or still to be had.
async fn assert_all(tasks: Vec<JoinHandle<u32>>, given: Vec<u32>) {
    let left = gather(tasks).await.into_iter().map(Result::unwrap);
    let mut all: Vec<_> = left.chain(given).collect();
    all.sort_unstable();
    assert_eq!(all, [1, 2, 3]);
}

#[test]
fn a_wait_that_is_dropped_at_any_pending_loses_no_result() {
    inside(async || {
        for first_completed in [false, true] {
            let pendings = drop_at_each_pending(
                three_tasks,
                async |tasks| match first_completed {
                    true => wait(tasks).first_completed().await,
                    false => wait(tasks).timeout(Duration::from_secs(3600)).await,
                },
                async |tasks, done| {
                    let done = gather(done.into_iter().flatten()).await;
                    assert_all(tasks, done.into_iter().map(Result::unwrap).collect()).await;
                },
            );
            assert!(pendings.await >= if first_completed { 1 } else { 2 });
        }
    });
}

#[test]
fn an_as_completed_that_is_dropped_at_any_pending_loses_no_result() {
    inside(async || {
        let pendings = drop_at_each_pending(
            async || as_completed(three_tasks().await),
            async |completed| completed.next().await.unwrap().unwrap(),
            async |completed, given| {
                let left = completed.map(Result::unwrap).collect::<Vec<_>>();
                let all: Vec<_> = given.into_iter().chain(left.await).collect();
                assert_eq!(all, [1, 2, 3]);
            },
        );
        assert_eq!(pendings.await, 1);
    });
}

#[test]
fn a_gather_or_a_race_of_references_that_is_dropped_at_any_pending_leaves_its_tasks() {
    inside(async || {
        let pendings = drop_at_each_pending(
            three_tasks,
            async |tasks| {
                let results = gather(tasks.iter_mut()).await;
                tasks.clear();
                results.into_iter().map(Result::unwrap).collect()
            },
            async |tasks, given| {
                let unfinished = tasks.into_iter().filter(|task| !task.is_finished());
                let left = gather(unfinished).await;
                assert!(given.is_none_or(|given: Vec<_>| given == [1, 2, 3] && left.is_empty()));
            },
        );
        assert!(pendings.await >= 2);
        let pendings = drop_at_each_pending(
            three_tasks,
            async |tasks| {
                let first = race(tasks.iter_mut()).await.unwrap();
                drop(tasks.remove(0));
                vec![first]
            },
            async |tasks, given| assert_all(tasks, given.unwrap_or_default()).await,
        );
        assert_eq!(pendings.await, 1);
    });
}
