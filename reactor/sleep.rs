//! What waits for an instant: `sleep`, `sleep_until`.
//!
//! Deadlines are counted from the call, not from the first poll, are never early, and stand in no
//! queue until they are polled. The clock is the monotonic one.

use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use super::timer::TimerId;
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
        now()
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

/// The time of the current runtime, which is that of the machine unless a test has another.
pub(crate) fn now() -> Instant {
    Reactor::with_current(|reactor| reactor.now()).unwrap_or_else(Instant::now)
}

/// The future of [`sleep`] and [`sleep_until`]. It may be awaited again: then it is over at once.
#[must_use = "futures do nothing unless you await them"]
pub struct Sleep {
    state: State,
    /// What made it, for messages, and where.
    pub(super) call: &'static str,
    pub(crate) site: &'static Location<'static>,
}

enum State {
    /// Until this instant; not polled yet.
    Until(Instant),
    /// For one turn of the loop; not polled yet.
    Turn,
    Never,
    Waiting(Queued),
    Over,
}

impl Sleep {
    /// Another call has made it, whose name messages tell.
    pub(crate) fn made_by(self, call: &'static str) -> Self {
        Self { call, ..self }
    }

    /// Waits again: until this instant, or for ever.
    pub(super) fn restart(&mut self, deadline: Option<Instant>) {
        self.state = deadline.map_or(State::Never, State::Until);
    }

    /// Another line has made it.
    pub(crate) fn made_at(self, site: &'static Location<'static>) -> Self {
        Self { site, ..self }
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
    timer: TimerId,
}

impl Queued {
    fn new(reactor: Rc<Reactor>, deadline: Instant, cx: &Context<'_>) -> Self {
        let waker = cx.waker().clone();
        let timer = reactor.timers.borrow_mut().insert(deadline, waker);
        Self { reactor, timer }
    }

    /// The deadline, if another runtime than the one that it waits in runs on this thread.
    fn deadline_elsewhere(&self) -> Option<Instant> {
        if self.reactor.is_current() || Reactor::current().is_none() {
            return None;
        }
        self.reactor.timers.borrow().deadline(self.timer)
    }

    fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        let timers = &self.reactor.timers;
        if !timers.borrow().has_expired(self.timer) {
            let waker = cx.waker().clone();
            let superfluous = timers.borrow_mut().exchange(self.timer, waker);
            drop(superfluous);
            if !timers.borrow().has_expired(self.timer) {
                return Poll::Pending;
            }
        }
        Poll::Ready(())
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        let waker = self.reactor.timers.borrow_mut().remove(self.timer);
        drop(waker);
    }
}
