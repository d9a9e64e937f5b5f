//! Timers: never early, in order, gone when they are dropped, and asleep meanwhile.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/tasks.rs"]
mod tasks;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::pending;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::task::{Wake, Waker};
use std::thread;
use std::time::{Duration, Instant};

use selio::{
    Elapsed, Interval, MissedTicks, Sleep, Source, Stats, interval, interval_at, sleep,
    sleep_until, spawn, stats, timeout, timeout_at, yield_now,
};

use crate::common::Random;
use crate::tasks::beside_others::on_each_runtime;
use crate::tasks::{
    Ledger, Log, Spy, a_look, in_a_process_of_its_own, memory, on_a_runtime, panic_here, poll_once,
    poll_with,
};

const HOUR: Duration = Duration::from_secs(3600);

// When.

#[test]
fn no_timer_is_early() {
    let mut random = Random::from_environment();
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            let ended = Rc::new(Cell::new(0));
            for _ in 0..25_000 {
                let duration = Duration::from_nanos(random.next() % 300_000_000);
                let (created, timer) = (Instant::now(), sleep(duration));
                let ended = Rc::clone(&ended);
                spawn(async move {
                    timer.await;
                    assert!(created.elapsed() >= duration, "{duration:?}");
                    ended.set(ended.get() + 1);
                });
            }
            while stats().tasks > 0 {
                sleep(Duration::from_millis(1)).await;
            }
            assert_eq!(ended.get(), 25_000, "the others were early");
        });
    });
}

#[test]
fn timers_end_in_the_order_of_their_deadlines_and_equal_ones_in_that_of_their_awaiting() {
    let mut random = Random::from_environment();
    on_each_runtime(|runtime| {
        let log = Log::new();
        let start = Instant::now();
        let mut expected = Vec::new();
        runtime.block_on(async {
            for i in 0..5000 {
                // A coarse grid, so that many are equal.
                let deadline = start + Duration::from_millis(random.next() % 50);
                expected.push((deadline, i));
                let log = log.clone();
                spawn(async move {
                    sleep_until(deadline).await;
                    log.note((deadline, i));
                });
            }
            while stats().tasks > 0 {
                sleep(Duration::from_millis(1)).await;
            }
        });
        expected.sort_unstable();
        assert_eq!(log.take(), expected);
    });
}

#[test]
fn a_deadline_counts_from_the_call_and_not_from_the_first_poll() {
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            let timer = sleep(Duration::from_millis(20));
            let limit = timeout(Duration::from_millis(20), pending::<()>());
            thread::sleep(Duration::from_millis(20));
            let before = stats().selects;
            timer.await;
            limit.await.unwrap_err();
            assert_eq!(stats().selects, before, "there is nothing to wait for");
        });
    });
}

/// Durations and what follows from them at the borders of every number that counts time.
fn extremes() -> Vec<Duration> {
    let mut all = vec![Duration::MAX, HOUR * 24 * 365];
    for seconds in [
        u64::MAX,
        i64::MAX as u64,
        i64::MAX as u64 + 1,
        u64::from(u32::MAX),
        i32::MAX as u64,
        i32::MAX as u64 / 1000,
    ] {
        for seconds in [
            seconds.saturating_sub(1),
            seconds,
            seconds.saturating_add(1),
        ] {
            all.push(Duration::new(seconds, 0));
            all.push(Duration::new(seconds, 999_999_999));
        }
    }
    for many in [u64::MAX, u64::MAX - 1, i64::MAX as u64, i64::MAX as u64 + 1] {
        all.push(Duration::from_millis(many));
        all.push(Duration::from_micros(many));
        all.push(Duration::from_nanos(many));
    }
    all.push(Duration::from_millis(i32::MAX as u64));
    all.push(Duration::from_millis(i32::MAX as u64 + 1));
    all
}

#[test]
fn very_long_timers_neither_end_nor_panic_nor_spin() {
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            for duration in extremes() {
                let before = stats().selects;
                let mut sleeps = vec![sleep(duration)];
                if let Some(deadline) = Instant::now().checked_add(duration) {
                    sleeps.push(sleep_until(deadline));
                }
                for sleep in &mut sleeps {
                    assert!(poll_once(sleep).await.is_pending());
                }
                let mut limit = Box::pin(timeout(duration, pending::<()>()));
                assert!(poll_once(&mut limit).await.is_pending());
                let mut ticks = interval(duration);
                ticks.tick().await;
                {
                    let mut tick = Box::pin(ticks.tick());
                    assert!(poll_once(&mut tick).await.is_pending());
                    sleep(Duration::from_micros(10)).await;
                    assert!(poll_once(&mut tick).await.is_pending(), "{duration:?}");
                }
                ticks.reset();
                for sleep in &mut sleeps {
                    assert!(poll_once(sleep).await.is_pending(), "{duration:?}");
                }
                assert!(poll_once(&mut limit).await.is_pending(), "{duration:?}");
                let selects = stats().selects - before;
                assert!(selects <= 3, "{duration:?}: {selects} selects");
            }
            assert_eq!(stats().timers, 0);
        });
    });
}

#[test]
fn a_runtime_that_waits_for_a_very_long_timer_can_be_woken() {
    on_each_runtime(|runtime| {
        for duration in extremes() {
            let (send, receive) = async_channel::bounded(1);
            let thread = thread::spawn(move || send.send_blocking(7).unwrap());
            let received = runtime.block_on(timeout(duration, receive.recv()));
            assert_eq!(received, Ok(Ok(7)), "{duration:?}");
            thread.join().unwrap();
        }
    });
}

#[test]
fn a_sleep_of_zero_takes_one_turn() {
    on_a_runtime(|runtime| {
        let log = Log::new();
        runtime.block_on(async {
            let tasks = [0, 1, 2].map(|i| {
                let log = log.clone();
                spawn(async move {
                    for turn in 0..3 {
                        log.note((turn, i));
                        sleep(Duration::ZERO).await;
                    }
                })
            });
            let before = stats();
            sleep(Duration::ZERO).await;
            assert_eq!(log.len(), 3, "every other task ran once");
            assert_eq!(stats().turns - before.turns, 1);
            assert_eq!(stats().timers, 0);
            for task in tasks {
                task.await.unwrap();
            }
        });
        let expected: Vec<_> = (0..3)
            .flat_map(|turn| (0..3).map(move |i| (turn, i)))
            .collect();
        assert_eq!(log.take(), expected);
    });
}

#[test]
fn a_deadline_that_has_passed_still_lets_the_others_run() {
    on_each_runtime(|runtime| {
        let log = Log::new();
        runtime.block_on(async {
            let task_log = log.clone();
            let past = Instant::now();
            spawn(async move { task_log.note("the other") });
            sleep_until(past).await;
            log.note("the sleeper");
        });
        assert_eq!(log.take(), ["the other", "the sleeper"]);
    });
}

#[test]
fn a_sleep_that_is_over_stays_over() {
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            for duration in [Duration::ZERO, Duration::from_micros(1)] {
                let mut timer = sleep(duration);
                (&mut timer).await;
                assert_eq!(format!("{timer:?}"), "Sleep(over)");
                assert!(poll_once(&mut timer).await.is_ready());
                timer.await;
            }
        });
    });
}

// What it costs.

#[test]
fn a_sleep_takes_at_most_three_selects() {
    let mut random = Random::from_environment();
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            for _ in 0..100 {
                let duration = Duration::from_nanos(random.next() % 5_000_000);
                let before = stats();
                sleep(duration).await;
                let after = stats();
                assert!(after.selects - before.selects <= 3, "{duration:?}");
                assert!(after.turns - before.turns <= 3, "{duration:?}");
            }
        });
    });
}

#[test]
fn an_idle_runtime_sleeps() {
    on_each_runtime(|runtime| {
        let before = runtime.stats();
        runtime.block_on(async {
            let (_near, far) = UnixStream::pair().unwrap();
            for _ in 0..10 {
                spawn(pending::<()>());
                spawn(sleep(HOUR));
            }
            spawn(async move { Source::new(far).unwrap().readable().await.unwrap() });
            sleep(Duration::from_millis(200)).await;
        });
        let after = runtime.stats();
        assert!(after.selects - before.selects <= 3, "{after:?}");
        assert!(after.turns - before.turns <= 5, "{after:?}");
        assert_eq!(after.polls, 21, "each was polled once");
    });
}

#[test]
fn a_timer_leaves_the_moment_it_is_dropped() {
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            let mut timers: Vec<_> = (1..=100).map(|i| sleep(HOUR * i)).collect();
            assert_eq!(stats().timers, 0, "they cost nothing yet");
            for timer in &mut timers {
                assert!(poll_once(timer).await.is_pending());
            }
            let mut random = Random::from_environment();
            for left in (0..100).rev() {
                drop(timers.swap_remove(random.below(left + 1)));
                assert_eq!(stats().timers, left);
            }
        });
    });
}

#[test]
fn a_million_timers_that_are_set_and_cancelled_leave_nothing() {
    const NAME: &str = "a_million_timers_that_are_set_and_cancelled_leave_nothing";
    in_a_process_of_its_own(NAME, || {
        // Debug mode notes down who waits, and sorts out now and then who does not any more.
        let runtime = selio::Builder::new().debug(false).build().unwrap();
        runtime.block_on(async {
            let mut random = Random::from_environment();
            let mut timers = Vec::new();
            let mut before = 0;
            for round in 0..11 {
                for _ in 0..100_000 {
                    timers.push(sleep(HOUR + Duration::from_nanos(random.next() >> 20)));
                    let timer = timers.last_mut().expect("it was pushed");
                    assert!(poll_with(timer, Waker::noop()).is_pending());
                }
                assert_eq!(stats().timers, 100_000);
                timers.clear();
                assert_eq!(stats().timers, 0);
                if round == 0 {
                    before = memory();
                }
            }
            let growth = memory().saturating_sub(before);
            assert!(growth < 512, "{growth} KiB for a million timers");
        });
    });
}

#[test]
fn debug_mode_forgets_timers_that_are_gone() {
    in_a_process_of_its_own("debug_mode_forgets_timers_that_are_gone", || {
        let runtime = selio::Builder::new().debug(true).build().unwrap();
        runtime.block_on(async {
            let mut before = 0;
            for round in 0..300_000 {
                let mut timer = sleep(HOUR + Duration::from_nanos(round));
                assert!(poll_with(&mut timer, Waker::noop()).is_pending());
                if round == 10_000 {
                    before = memory();
                }
            }
            let growth = memory().saturating_sub(before);
            assert!(growth < 512, "{growth} KiB for 290,000 timers");
        });
    });
}

// Who is woken.

#[test]
fn of_two_who_poll_a_sleep_the_last_is_woken() {
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            let mut timer = sleep(Duration::from_millis(1));
            let (first, first_waker) = Spy::new();
            let (last, last_waker) = Spy::new();
            assert!(poll_with(&mut timer, &first_waker).is_pending());
            assert!(poll_with(&mut timer, &last_waker).is_pending());
            sleep(Duration::from_millis(1)).await;
            assert_eq!((first.wakes(), last.wakes()), (0, 1));
            assert!(poll_with(&mut timer, &first_waker).is_ready());
        });
    });
}

#[test]
fn a_sleep_may_move_to_another_task() {
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            let mut timer = sleep(Duration::from_millis(2));
            let first = spawn(async move {
                assert!(poll_once(&mut timer).await.is_pending());
                (timer, stats().polls)
            });
            let (timer, before) = first.await.unwrap();
            spawn(timer).await.unwrap();
            assert_eq!(stats().polls - before, 2, "once to wait, once to end");
        });
    });
}

/// A waker that drops timers on its thread.
struct Dropper;

thread_local! {
    static TO_DROP: RefCell<Vec<Sleep>> = const { RefCell::new(Vec::new()) };
}

impl Wake for Dropper {
    fn wake(self: Arc<Self>) {
        drop(TO_DROP.take());
    }
}

#[test]
fn a_waker_may_drop_the_timer_that_wakes_it_and_others() {
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            let waker = Waker::from(Arc::new(Dropper));
            let now = Instant::now();
            for i in 0..30 {
                // Some expire together with it, some would much later.
                let mut timer = sleep_until(if i % 3 == 0 { now + HOUR } else { now });
                assert!(poll_with(&mut timer, &waker).is_pending());
                TO_DROP.with_borrow_mut(|all| all.push(timer));
            }
            a_look().await;
            assert_eq!((TO_DROP.take().len(), stats().timers), (0, 0));
        });
    });
}

// Timeouts.

#[test]
fn a_future_that_is_ready_never_touches_the_queue() {
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            let before = stats();
            for limit in [Duration::ZERO, Duration::from_nanos(1), HOUR, Duration::MAX] {
                assert_eq!(timeout(limit, async { 7 }).await, Ok(7));
            }
            assert_eq!(timeout_at(Instant::now(), async { 7 }).await, Ok(7));
            assert_eq!(stats(), before);
        });
    });
}

#[test]
fn a_result_that_comes_with_the_deadline_wins() {
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            let deadline = Instant::now() + Duration::from_millis(1);
            let both = timeout_at(deadline, sleep_until(deadline));
            assert_eq!(both.await, Ok(()));
            // However late it is looked at.
            let late = timeout(Duration::from_millis(1), sleep(Duration::from_millis(2)));
            let mut late = Box::pin(late);
            assert!(poll_once(&mut late).await.is_pending());
            thread::sleep(Duration::from_millis(3));
            assert_eq!(late.await, Ok(()));
        });
    });
}

#[test]
fn a_timeout_of_zero_gives_one_turn() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let before = stats().turns;
            assert!(timeout(Duration::ZERO, pending::<()>()).await.is_err());
            assert_eq!(stats().turns - before, 1);
            assert_eq!(timeout(Duration::ZERO, yield_now()).await, Ok(()));
            let twice = async {
                yield_now().await;
                yield_now().await;
            };
            assert!(timeout(Duration::ZERO, twice).await.is_err());
            assert_eq!(stats().timers, 0);
        });
    });
}

#[test]
fn of_nested_timeouts_the_shorter_counts() {
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            let short = Duration::from_millis(1);
            let inner = timeout(HOUR, timeout(short, pending::<()>())).await;
            assert!(matches!(inner, Ok(Err(_))));
            let outer = timeout(short, timeout(HOUR, pending::<()>())).await;
            assert!(outer.is_err());
            let mut deep: std::pin::Pin<Box<dyn Future<Output = Result<(), Elapsed>>>> =
                Box::pin(timeout(short, pending::<()>()));
            for _ in 0..100 {
                let inner = deep;
                deep =
                    Box::pin(async { timeout(HOUR, inner).await.expect("the inner is shorter") });
            }
            assert!(deep.await.is_err());
            assert_eq!(stats().timers, 0);
        });
    });
}

#[test]
fn what_has_timed_out_is_dropped_with_the_timeout_and_a_reference_survives() {
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            let ledger = Ledger::new();
            let entry = ledger.entry();
            let held = async move {
                let _entry = entry;
                pending::<()>().await;
            };
            assert!(timeout(Duration::from_millis(1), held).await.is_err());
            assert_eq!(ledger.alive(), 0);

            let (send, receive) = async_channel::bounded(1);
            let mut task = spawn(async move { receive.recv().await });
            assert!(timeout(Duration::from_millis(1), &mut task).await.is_err());
            send.try_send(7).unwrap();
            assert_eq!(task.await.unwrap(), Ok(7));
        });
    });
}

#[test]
fn elapsed_becomes_an_io_error_of_the_kind_timed_out() {
    on_a_runtime(|runtime| {
        let result: io::Result<()> = runtime.block_on(async {
            timeout(Duration::ZERO, pending::<()>()).await?;
            Ok(())
        });
        let error = result.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        let message = error.to_string();
        let place = format!("timed out: the limit set at {}:", file!());
        assert!(message.starts_with(&place), "{message}");
    });
}

// Intervals.

#[test]
fn an_interval_ticks_at_once_and_then_at_each_multiple() {
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            let period = Duration::from_millis(1);
            let before = Instant::now();
            let mut ticks = interval(period);
            let after = Instant::now();
            ticks.set_missed_ticks(MissedTicks::Burst);
            assert_eq!(ticks.period(), period);
            let first = ticks.tick().await;
            assert!((before..=after).contains(&first));
            for i in 1..20 {
                assert_eq!(ticks.tick().await, first + period * i);
                assert!(
                    Instant::now() >= first + period * i,
                    "a tick is never early"
                );
            }
        });
    });
}

/// When the tick after `due` is due, if the clock said `now` when that was taken.
fn following(missed: MissedTicks, due: Instant, period: Duration, now: Instant) -> Instant {
    let next = due + period;
    match missed {
        _ if next > now => next,
        MissedTicks::Burst => next,
        MissedTicks::Delay => now + period,
        MissedTicks::Skip => {
            let mut next = next;
            while next <= now {
                next += period;
            }
            next
        }
    }
}

/// The next tick, and between which instants it was taken.
async fn taken(ticks: &mut Interval) -> (Instant, Instant, Instant) {
    std::future::poll_fn(|cx| {
        let before = Instant::now();
        ticks.poll_tick(cx).map(|due| (due, before, Instant::now()))
    })
    .await
}

#[test]
fn missed_ticks_are_skipped_made_up_for_or_delayed_as_the_model_says() {
    let mut random = Random::from_environment();
    on_each_runtime(|runtime| {
        for missed in [MissedTicks::Skip, MissedTicks::Burst, MissedTicks::Delay] {
            runtime.block_on(async {
                let period = Duration::from_micros(1500);
                let start = Instant::now() + Duration::from_millis(1);
                let mut ticks = interval_at(start, period);
                ticks.set_missed_ticks(missed);
                let mut due = (start, start);
                for _ in 0..25 {
                    let (it, before, after) = taken(&mut ticks).await;
                    assert!(
                        (due.0..=due.1).contains(&it),
                        "{missed:?}: {it:?} not in {due:?}"
                    );
                    assert!(it <= after, "a tick is never early");
                    due = (
                        following(missed, it, period, before),
                        following(missed, it, period, after),
                    );
                    if random.below(3) == 0 {
                        thread::sleep(Duration::from_micros(random.next() % 8000));
                    }
                }
            });
        }
    });
}

#[test]
fn a_period_of_zero_is_refused_at_the_line_of_the_caller() {
    let message = panic_here(|| interval(Duration::ZERO));
    assert!(
        message.starts_with("selio::interval: ") && message.ends_with("use yield_now"),
        "{message}"
    );
    let message = panic_here(|| interval_at(Instant::now(), Duration::ZERO));
    assert!(message.starts_with("selio::interval_at: "), "{message}");
}

#[test]
fn a_tick_that_nobody_waited_for_is_not_lost() {
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            let start = Instant::now();
            let mut ticks = interval_at(start, HOUR);
            // Given up before it is due, and polled by another in between.
            assert!(poll_once(&mut Box::pin(ticks.tick())).await.is_pending());
            let (spy, waker) = Spy::new();
            assert!(poll_with(&mut Box::pin(ticks.tick()), &waker).is_pending());
            a_look().await;
            assert_eq!(spy.wakes(), 1);
            assert_eq!(ticks.tick().await, start);
            assert!(timeout(Duration::ZERO, ticks.tick()).await.is_err());
        });
    });
}

#[test]
fn reset_counts_a_whole_period_from_now_and_leaves_no_timer() {
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            let period = Duration::from_millis(3);
            let mut ticks = interval_at(Instant::now() + HOUR, period);
            assert!(poll_once(&mut Box::pin(ticks.tick())).await.is_pending());
            assert_eq!(stats().timers, 1);
            let before = Instant::now();
            ticks.reset();
            let after = Instant::now();
            assert_eq!(stats().timers, 0);
            let due = ticks.tick().await;
            assert!((before + period..=after + period).contains(&due));
        });
    });
}

// Fairness.

#[test]
fn a_zero_timer_that_is_set_again_for_ever_does_not_starve_a_socket() {
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            spawn(async {
                loop {
                    sleep(Duration::ZERO).await;
                }
            });
            spawn(async {
                loop {
                    sleep_until(Instant::now()).await;
                }
            });
            let (mut near, far) = UnixStream::pair().unwrap();
            let far = Source::new(far).unwrap();
            for _ in 0..20 {
                let before = stats().polls;
                let writer = spawn(std::future::ready(near.write_all(b"x")));
                far.readable().await.unwrap();
                far.get_ref().read_exact(&mut [0]).unwrap();
                writer.await.unwrap().unwrap();
                assert!(stats().polls - before <= 256);
            }
        });
    });
}

// The queue, against a model.

/// Notes its number when it is woken.
struct Numbered(usize, Arc<Mutex<Vec<usize>>>);

impl Wake for Numbered {
    fn wake(self: Arc<Self>) {
        self.1.lock().unwrap().push(self.0);
    }
}

/// Random timers are set, polled again, dropped and left to expire. The model is a map in the order
/// of the deadlines, and then of the first polls. The clock is the real one; what it says is known
/// before and after each look, and only what lies between may go either way.
#[test]
fn the_queue_behaves_like_an_ordered_map() {
    let mut random = Random::from_environment();
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            let woken = Arc::new(Mutex::new(Vec::new()));
            let mut model = BTreeMap::new();
            let mut timers: BTreeMap<usize, (Instant, usize, Sleep)> = BTreeMap::new();
            let waker = |number| Waker::from(Arc::new(Numbered(number, Arc::clone(&woken))));
            let (mut created, mut number) = (0, 0);
            for _ in 0..20_000 {
                match random.below(100) {
                    0..50 => {
                        let ahead = match random.below(4) {
                            0 => Duration::ZERO,
                            1 => Duration::from_micros(random.next() % 300),
                            2 => Duration::from_millis(random.next() % 30),
                            _ => HOUR,
                        };
                        let deadline = Instant::now() + ahead;
                        let mut timer = sleep_until(deadline);
                        (created, number) = (created + 1, number + 1);
                        assert!(poll_with(&mut timer, &waker(number)).is_pending());
                        model.insert((deadline, created), number);
                        timers.insert(created, (deadline, created, timer));
                    }
                    50..70 => {
                        // Polled again: its place stays, its waker is another.
                        let at = random.below(created + 1);
                        if let Some((_, (deadline, place, timer))) = timers.range_mut(at..).next() {
                            number += 1;
                            let key = (*deadline, *place);
                            let is_over = poll_with(timer, &waker(number)).is_ready();
                            assert_eq!(is_over, !model.contains_key(&key));
                            model.entry(key).and_modify(|old| *old = number);
                        }
                    }
                    70..97 => {
                        let at = random.below(created + 1);
                        if let Some((&place, _)) = timers.range(at..).next() {
                            let (deadline, ..) = timers.remove(&place).expect("it is there");
                            model.remove(&(deadline, place));
                        }
                    }
                    _ => {
                        let before = Instant::now();
                        sleep_until(before).await;
                        let after = Instant::now();
                        for number in woken.lock().unwrap().drain(..) {
                            let (key, expected) = model.pop_first().expect("somebody was woken");
                            assert_eq!(number, expected, "out of order");
                            assert!(key.0 <= after, "early");
                        }
                        if let Some(((deadline, _), _)) = model.first_key_value() {
                            assert!(*deadline > before, "forgotten");
                        }
                    }
                }
                assert_eq!(stats().timers, model.len());
                assert!(woken.lock().unwrap().is_empty(), "woken between two looks");
            }
        });
    });
}

#[test]
fn figures_of_a_new_runtime_are_zero() {
    on_each_runtime(|runtime| assert_eq!(runtime.stats(), Stats::default()));
}
