//! A rhythm: `interval`, a sleep that begins again.

use std::future::{Future, poll_fn};
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use futures_core::Stream;

use super::{Sleep, now, sleep_until};

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
    Interval::new("selio::interval", now(), period)
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
            sleep: sleep_until(start).made_by(call),
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

    /// [`tick`](Self::tick), for those who write futures by hand.
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    pub fn poll_tick(&mut self, cx: &mut Context<'_>) -> Poll<Instant> {
        ready!(Pin::new(&mut self.sleep).poll(cx));
        let Some(due) = self.next else {
            return Poll::Pending;
        };
        self.next = self.following(due, now());
        self.sleep.restart(self.next);
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
        self.next = now().checked_add(self.period);
        self.sleep.restart(self.next);
    }
}

impl Stream for Interval {
    type Item = Instant;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Instant>> {
        self.poll_tick(cx).map(Some)
    }
}
