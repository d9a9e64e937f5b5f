//! What waits for an instant: `sleep`, `interval`.
//!
//! Deadlines are counted from the call, not from the first poll, are never early, and cost nothing
//! until they are polled. The clock is the monotonic one.

use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures_core::Stream;

use super::timer::TimerKey;
use super::{Event, Reactor};

/// Waits until `duration` has passed since this call.
///
/// [`Duration::ZERO`] waits one turn of the loop, so that every other task that is ready runs
/// first, as [`asyncio.sleep(0)`](https://docs.python.org/3/library/asyncio-task.html#asyncio.sleep)
/// does; [`Duration::MAX`] waits for ever. It never ends early; on an idle machine it ends within
/// two milliseconds after the deadline.
///
/// # Panics
///
/// When it is polled for the first time outside of a runtime.
///
/// # Cancel safety
///
/// Nothing is lost; the timer leaves at once.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
///
/// let start = Instant::now();
/// selio::run(selio::sleep(Duration::from_millis(20)));
/// assert!(start.elapsed() >= Duration::from_millis(20));
/// ```
#[track_caller]
#[doc(alias = "call_later")]
#[doc(alias = "TimerHandle")]
pub fn sleep(duration: Duration) -> Sleep {
    let state = if duration.is_zero() {
        State::Turn
    } else {
        Instant::now()
            .checked_add(duration)
            .map_or(State::Never, State::Until)
    };
    Sleep {
        state,
        call: "selio::sleep",
        site: Location::caller(),
    }
}

/// Waits until this instant. If it has passed, the wait is over the next time that the loop looks
/// at its timers.
///
/// # Panics
///
/// When it is polled for the first time outside of a runtime.
///
/// # Cancel safety
///
/// Nothing is lost; the timer leaves at once.
#[track_caller]
#[doc(alias = "call_at")]
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep {
        state: State::Until(deadline),
        call: "selio::sleep_until",
        site: Location::caller(),
    }
}

/// The future of [`sleep`] and [`sleep_until`]. It may be awaited again: then it is over at once.
#[must_use = "futures do nothing unless you await them"]
pub struct Sleep {
    state: State,
    /// What made it, for messages.
    call: &'static str,
    site: &'static Location<'static>,
}

enum State {
    /// Not polled yet.
    Until(Instant),
    /// The same, for one turn of the loop.
    Turn,
    Never,
    Waiting(Queued),
    Over,
}

impl Sleep {
    /// The same, made by another call.
    pub(crate) fn on_behalf_of(self, call: &'static str) -> Self {
        Self { call, ..self }
    }

    /// The same, made at another place.
    pub(crate) fn made_at(self, site: &'static Location<'static>) -> Self {
        Self { site, ..self }
    }

    /// Where it was made.
    pub(crate) fn site(&self) -> &'static Location<'static> {
        self.site
    }

    fn expect_reactor(&self) -> Rc<Reactor> {
        Reactor::expect_current_at(self.call, self.site)
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if let State::Waiting(timer) = &self.state
            && let Some(deadline) = timer.deadline_elsewhere()
        {
            self.state = State::Until(deadline); // It has moved to another runtime.
        }
        match &self.state {
            State::Waiting(timer) => ready!(timer.poll(cx)),
            State::Until(deadline) => {
                let reactor = self.expect_reactor();
                let (deadline, site) = (*deadline, self.site);
                reactor.observe(move || Event::TimerSet { deadline, site });
                let timer = Queued::new(reactor, deadline, cx);
                self.state = State::Waiting(timer);
                return Poll::Pending;
            }
            State::Turn => {
                self.expect_reactor();
                self.state = State::Over;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            State::Never => {
                self.expect_reactor();
                return Poll::Pending;
            }
            State::Over => {}
        }
        self.state = State::Over;
        Poll::Ready(())
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.state {
            State::Until(_) | State::Turn => "Sleep(not polled yet)",
            State::Waiting(_) | State::Never => "Sleep(waiting)",
            State::Over => "Sleep(over)",
        })
    }
}

/// A timer in the queue, removed when it is dropped.
struct Queued {
    reactor: Rc<Reactor>,
    key: TimerKey,
}

impl Queued {
    fn new(reactor: Rc<Reactor>, deadline: Instant, cx: &Context<'_>) -> Self {
        let waker = cx.waker().clone();
        let key = reactor.timers.borrow_mut().insert(deadline, waker);
        Self { reactor, key }
    }

    /// The deadline, if another runtime than the one that it waits in runs on this thread.
    fn deadline_elsewhere(&self) -> Option<Instant> {
        if self.reactor.is_current() || Reactor::current().is_none() {
            return None;
        }
        self.reactor.timers.borrow().deadline(self.key)
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        let timers = &self.reactor.timers;
        if !timers.borrow().has_expired(self.key) {
            let waker = cx.waker().clone();
            let superfluous = timers.borrow_mut().exchange(self.key, waker);
            drop(superfluous);
            if !timers.borrow().has_expired(self.key) {
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        let waker = self.reactor.timers.borrow_mut().remove(self.key);
        drop(waker);
    }
}

/// Ticks at once, and from then on every `period`.
///
/// # Panics
///
/// If the period is zero: it would tick without end.
///
/// # Examples
///
/// ```
/// use std::time::{Duration, Instant};
///
/// selio::run(async {
///     let start = Instant::now();
///     let mut interval = selio::interval(Duration::from_millis(5));
///     for _ in 0..3 {
///         interval.tick().await;
///     }
///     assert!(start.elapsed() >= Duration::from_millis(10));
/// });
/// ```
#[track_caller]
pub fn interval(period: Duration) -> Interval {
    Interval::new("selio::interval", Instant::now(), period)
}

/// Ticks first at `start`, and from then on every `period`.
///
/// # Panics
///
/// If the period is zero: it would tick without end.
#[track_caller]
pub fn interval_at(start: Instant, period: Duration) -> Interval {
    Interval::new("selio::interval_at", start, period)
}

/// What an [`Interval`] does about the ticks that came due while nobody waited for them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[doc(alias = "MissedTickBehavior")]
pub enum MissedTicks {
    /// Leaves them out, and keeps to the multiples of the period: with a period of 10 ms, a task
    /// that was busy from 20 ms to 45 ms sees ticks at 20, 45, 50, 60.
    #[default]
    Skip,
    /// Makes up for them, one after the other without a pause: 20, 45, 45, 50, 60.
    Burst,
    /// Counts anew from the late one: 20, 45, 55, 65.
    Delay,
}

/// Ticks in a fixed rhythm. See [`interval`].
///
/// It is a [`Stream`] too, which never ends.
#[derive(Debug)]
#[doc(alias = "IntervalStream")]
pub struct Interval {
    sleep: Sleep,
    /// When the next tick is due; `None`: never, it is too far ahead.
    next: Option<Instant>,
    period: Duration,
    missed: MissedTicks,
}

impl Interval {
    #[track_caller]
    fn new(call: &'static str, start: Instant, period: Duration) -> Self {
        assert!(
            !period.is_zero(),
            "{call}: a period of zero would tick without end; use yield_now"
        );
        Self {
            sleep: sleep_until(start).on_behalf_of(call),
            next: Some(start),
            period,
            missed: MissedTicks::default(),
        }
    }

    /// Waits for the next tick, and returns when it was due.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: a tick that nobody took is there for the next call.
    #[track_caller]
    pub fn tick(&mut self) -> impl Future<Output = Instant> {
        (self.sleep.call, self.sleep.site) = ("Interval::tick", Location::caller());
        poll_fn(|cx| self.poll_tick(cx))
    }

    /// The same, for those who write futures by hand.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        ready!(Pin::new(&mut self.sleep).poll(cx));
        let Some(due) = self.next else {
            return Poll::Pending;
        };
        self.next = self.following(due, Instant::now());
        self.sleep.state = self.next.map_or(State::Never, State::Until);
        Poll::Ready(due)
    }

    /// When the tick after `due` is due, which happens `now`.
    fn following(&self, due: Instant, now: Instant) -> Option<Instant> {
        let next = due.checked_add(self.period)?;
        if next > now {
            return Some(next);
        }
        match self.missed {
            MissedTicks::Burst => Some(next),
            MissedTicks::Delay => now.checked_add(self.period),
            MissedTicks::Skip => {
                let late = now.saturating_duration_since(due).as_nanos() % self.period.as_nanos();
                // It fits, unless somebody is 584 years late.
                now.checked_add(self.period.checked_sub(Duration::from_nanos(late as u64))?)
            }
        }
    }

    /// Says what happens to ticks that nobody took in time. [`MissedTicks::Skip`] by default.
    pub fn set_missed_ticks(&mut self, missed: MissedTicks) {
        self.missed = missed;
    }

    /// The time between two ticks.
    #[must_use]
    pub fn period(&self) -> Duration {
        self.period
    }

    /// Ticks next after a whole period from now.
    pub fn reset(&mut self) {
        self.next = Instant::now().checked_add(self.period);
        self.sleep.state = self.next.map_or(State::Never, State::Until);
    }
}

impl Stream for Interval {
    type Item = Instant;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Instant>> {
        self.poll_tick(cx).map(Some)
    }
}
