//! The reactor: who waits for which descriptor, and for which instant.
//!
//! ```text
//!   Source<T>            Sleep, Interval
//!       |  wait_for          |  insert, remove          wakers come up
//!       v                    v                               ^
//!     Reactor: arm       TimerQueue                          |
//!       |                                                    |
//!       |  poll(timeout):  select, then dispatch ------------+
//!       v
//!     Selector
//! ```
//!
//! A `Source` owns a `Watch`, which has a `WakerSet` for each direction. A `Waiter` is one call that
//! waits: it holds the ticket of its waker there.
//!
//! It knows file descriptors, deadlines and wakers, and nothing of tasks but the words in which
//! `observer.rs` tells of them. This file has the way down, to the selector, and the way up, to the
//! wakers. Its one rule: **every borrow ends before the first waker is cloned, called or dropped**, so
//! that what it runs may come back in: to register, to wait, or to drop a source.
//!
//! # The life of a registration
//!
//! ```text
//!   Source::new ----------> disarmed <-----------------------------+
//!                              |                                   |
//!                  wait_for: register                 an event that nobody waits for:
//!                              v                          disarm, deregister
//!   an event with a   +-----> armed -------------------------------+
//!   waiter: wake it,  |        |
//!   and stay armed    +--------+-----------> Source dropped: deregister, then close
//! ```
//!
//! Arming is lazy, and so is disarming. A server that reads, answers and reads again registers a
//! connection once for its whole life: whenever its reader waits again, it finds the registration
//! armed. A connection whose handler is busy elsewhere costs one event, and is then left alone:
//! neither bytes that nobody reads nor a hang-up can make the loop spin.

mod budget;
mod clock;
mod current;
mod elapsed;
mod interval;
mod observer;
pub mod selector;
mod sleep;
mod source;
mod tell;
mod timer;
mod waiter;
mod waker_set;
mod watch;

use std::cell::{Cell, RefCell};
use std::io;
use std::os::fd::RawFd;
use std::panic::Location;
use std::process;
use std::rc::Rc;
use std::task::Waker;
use std::time::{Duration, Instant};

use self::budget::FULL;
use self::clock::Clock;
use self::selector::{Backend, Interest, Notifier, Selector, lend};
use self::timer::TimerQueue;

pub(crate) use self::budget::{poll_spend, spend};
pub(crate) use self::clock::Monotonic;
pub(crate) use self::current::{Entered, OUTSIDE};
pub use self::elapsed::Elapsed;
pub use self::interval::{Interval, MissedTicks, interval, interval_at};
pub use self::observer::{By, Event, Observer, TaskId};
pub(crate) use self::observer::{OneLine, caller, on_behalf_of};
pub(crate) use self::sleep::now;
pub use self::sleep::{Sleep, sleep, sleep_until};
pub use self::source::{Direction, Source};
pub(crate) use self::tell::Awaited;
pub(crate) use self::waiter::Waiter;
pub(crate) use self::waker_set::{Ticket, WakerSet, wake_all};
pub(crate) use self::watch::{Loan, Watch};

pub(crate) struct Reactor {
    selector: RefCell<Selector<Rc<Watch>>>,
    timers: RefCell<TimerQueue>,
    clock: Box<dyn Clock>,
    observer: Option<Rc<dyn Observer>>,
    /// Its runtime runs on this thread: nobody else asks the selector.
    is_current: Cell<bool>,
    /// The one that runs it: a forked child has a copy of it.
    process: Cell<u32>,
    budget: Cell<u32>,
    /// A task has used up its budget: others may be ready that only the selector knows of.
    is_overdue: Cell<bool>,
    /// Always empty: `poll` takes it, fills it, and brings it back. Kept for its memory.
    woken: Cell<Vec<Waker>>,
    pub(crate) counters: Counters,
}

/// What happened so far. `Stats`, which users read, says what each means.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) selects: Cell<u64>,
    pub(crate) events: Cell<u64>,
    pub(crate) arms: Cell<u64>,
    pub(crate) disarms: Cell<u64>,
    pub(crate) sources: Cell<usize>,
}

/// Adds to a counter.
pub(crate) fn count(counter: &Cell<u64>, more: usize) {
    counter.set(counter.get().wrapping_add(more as u64));
}

impl Reactor {
    pub(crate) fn new(
        selector: Selector<Rc<Watch>>,
        clock: Box<dyn Clock>,
        observer: Option<Rc<dyn Observer>>,
    ) -> Rc<Self> {
        Rc::new(Self {
            timers: RefCell::new(TimerQueue::new(clock.now())),
            selector: RefCell::new(selector),
            clock,
            observer,
            is_current: Cell::new(false),
            process: Cell::new(process::id()),
            budget: Cell::new(FULL),
            is_overdue: Cell::new(false),
            woken: Cell::default(),
            counters: Counters::default(),
        })
    }

    /// Waits for readiness, for a deadline or for a notification, for at most `timeout` (`None`:
    /// for ever), and wakes those that waited for what came.
    ///
    /// This is asyncio's `_run_once` up to the point where callbacks run.
    pub(crate) fn poll(&self, timeout: Option<Duration>) -> io::Result<()> {
        let mut woken = self.woken.take();
        self.is_overdue.set(false);
        self.select(self.until_next_timer(timeout), &mut woken)?;
        self.expire(&mut woken);
        wake_all(&mut woken);
        self.woken.set(woken);
        Ok(())
    }

    #[inline]
    fn until_next_timer(&self, timeout: Option<Duration>) -> Option<Duration> {
        if timeout == Some(Duration::ZERO) {
            return timeout;
        }
        match self.timers.borrow().next() {
            None => timeout,
            Some(deadline) => {
                let left = deadline.saturating_duration_since(self.clock.now());
                Some(timeout.map_or(left, |timeout| timeout.min(left)))
            }
        }
    }

    fn select(&self, timeout: Option<Duration>, woken: &mut Vec<Waker>) -> io::Result<()> {
        if timeout == Some(Duration::ZERO) && self.selector.borrow().is_empty() {
            return Ok(()); // Nobody wants to sleep, and nothing is registered.
        }
        if self.is_observed() {
            return self.select_observed(timeout, woken);
        }
        let mut found = Found::default();
        let mut selector = self.selector.borrow_mut();
        let result = selector.select_each(timeout, |event| found.dispatch(event, woken));
        drop(selector);
        self.settle(found);
        result
    }

    /// Counts what was found, and disarms what nobody waits for.
    #[inline]
    fn settle(&self, found: Found) {
        count(&self.counters.selects, 1);
        count(&self.counters.events, found.events);
        for (watch, interest) in found.unwanted {
            self.disarm(&watch, interest);
        }
    }

    /// Tells the selector to watch a source for more: a system call with epoll and kqueue.
    #[cold]
    fn arm(&self, watch: &Rc<Watch>, interest: Interest) -> io::Result<()> {
        let mut selector = self.selector.borrow_mut();
        let (fd, armed) = (watch.fd, watch.armed.get());
        let interest = armed.map_or(interest, |armed| armed | interest);
        match armed {
            None if selector.registration(lend(fd)).is_some() => return Err(watched_twice(fd)),
            None => selector.register(lend(fd), Rc::clone(watch), interest)?,
            Some(_) => selector.modify(lend(fd), Rc::clone(watch), interest)?,
        }
        drop(selector);
        watch.armed.set(Some(interest));
        count(&self.counters.arms, 1);
        self.observe(move || Event::Armed { fd, interest });
        Ok(())
    }

    /// Tells the selector to watch a source for less, or no longer: "registered with no interest"
    /// would not do, because hang-ups and errors are reported all the same.
    fn disarm(&self, watch: &Rc<Watch>, interest: Interest) {
        let Some(armed) = watch.armed.get() else {
            return;
        };
        let mut selector = self.selector.borrow_mut();
        let (fd, interest) = (watch.fd, armed.without(interest));
        watch.armed.set(interest);
        // It fails only if the descriptor was closed behind our back: nothing is left to disarm
        // then.
        let _ = match interest {
            Some(rest) => selector.modify(lend(fd), Rc::clone(watch), rest),
            None => selector.deregister(lend(fd)),
        };
        drop(selector);
        count(&self.counters.disarms, 1);
        self.observe(move || Event::Disarmed { fd, interest });
    }

    fn expire(&self, woken: &mut Vec<Waker>) {
        let mut timers = self.timers.borrow_mut();
        if !timers.is_empty() {
            let before = woken.len();
            timers.expire(self.clock.now(), woken);
            drop(timers);
            for _ in before..woken.len() {
                self.observe(|| Event::TimerFired);
            }
        }
    }

    /// A watch for a descriptor that nobody waits for yet: no system call.
    fn watch(self: &Rc<Self>, fd: RawFd) -> Rc<Watch> {
        self.counters.sources.update(|sources| sources + 1);
        Rc::new(Watch::new(Rc::clone(self), fd))
    }

    /// Forgets a descriptor that is about to be closed, or given away, and wakes those who still
    /// wait for it.
    fn forget(&self, watch: &Rc<Watch>) {
        self.counters.sources.update(|sources| sources - 1);
        if watch.armed.take().is_some() {
            // It fails only where nothing is left to do, as in `disarm`.
            let _ = self.selector.borrow_mut().deregister(lend(watch.fd));
        }
        wake_all(&mut watch.take_waiting());
    }

    /// Stores the waker until the descriptor is ready in this direction, and makes sure that the
    /// selector watches for that. Usually it does already, and there is no system call.
    // Inlined always: the call alone would cost 30 instructions a message.
    #[inline(always)]
    fn wait_for(
        &self,
        watch: &Rc<Watch>,
        direction: Direction,
        ticket: Ticket,
        site: Option<&'static Location<'static>>,
        waker: &Waker,
    ) -> io::Result<()> {
        if !self.is_current() {
            return Err(not_current());
        }
        if self.is_observed() {
            self.tell_would_block(watch, direction, site);
        }
        if !watch.is_armed(direction) {
            self.arm(watch, direction.interest())?;
        }
        watch.waiting(direction).insert(ticket, waker.clone());
        Ok(())
    }

    /// This process is the one that runs it from now on.
    pub(crate) fn claim(&self) {
        self.process.set(process::id());
    }

    /// Whether this process runs it, and not one that has forked this one, and goes on with its
    /// connections.
    pub(crate) fn is_ours(&self) -> bool {
        self.process.get() == process::id()
    }

    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    pub(crate) fn backend(&self) -> Backend {
        self.selector.borrow().backend()
    }

    pub(crate) fn notifier(&self) -> Notifier {
        self.selector.borrow().notifier()
    }

    pub(crate) fn timers(&self) -> usize {
        self.timers.borrow().len()
    }
}

/// What the selector has found.
#[derive(Default)]
struct Found {
    events: usize,
    /// What nobody waits for.
    unwanted: Vec<(Rc<Watch>, Interest)>,
}

impl Found {
    // Inlined always, as `Watch::dispatch`: two calls would cost 25 instructions an event.
    #[inline(always)]
    fn dispatch(&mut self, event: selector::Event<&Rc<Watch>>, woken: &mut Vec<Waker>) {
        self.events += 1;
        if let Some(interest) = event.key.dispatch(event, woken) {
            self.unwanted.push((Rc::clone(event.key), interest));
        }
    }
}

#[cold]
fn watched_twice(fd: RawFd) -> io::Error {
    io::Error::new(
        io::ErrorKind::AlreadyExists,
        format!(
            "Source: fd {fd} is awaited through another one already; share that, or make this one \
             of a `try_clone` of the descriptor"
        ),
    )
}

#[cold]
fn not_current() -> io::Error {
    io::Error::other(
        "this socket belongs to a runtime that does not run on this thread, and would wait for ever; \
         await it in the runtime that it was made in",
    )
}
