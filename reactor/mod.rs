//! The reactor: who waits for which handle, and for which instant.
//!
//! ```text
//!   Source<T>            Sleep, Interval
//!       |  wait_for          |  insert, remove          wakers come up
//!       v                    v                               ^
//!     Reactor:  slots    TimerQueue                          |
//!       |                                                    |
//!       |  poll(timeout):  select, then dispatch ------------+
//!       v
//!     Selector
//! ```
//!
//! It knows handles, deadlines and wakers, and nothing of tasks. Its one rule: **every borrow ends
//! before the first waker is called**, so that whoever is woken, or dropped, may come back in and
//! register, arm or drop whatever they like.
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
//! This is lazy in both directions. A server that reads, answers and reads again registers a
//! connection once for its whole life: when the next message arrives, its reader waits again, and
//! the registration is found armed. A connection whose handler is busy elsewhere costs one event,
//! and is then left alone: it cannot spin, be it with bytes that nobody reads, be it with a hang-up.

pub mod selector;
mod source;
mod time;
mod timer;
mod waiters;

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::io;
use std::os::fd::RawFd;
use std::panic::Location;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use slab::Slab;

use self::selector::{Backend, Event, Interest, Notifier, Selector};
use self::timer::TimerQueue;
use self::waiters::{Ticket, Waiters};

pub(crate) use self::source::Operation;
pub use self::source::{Direction, Source};
pub use self::time::{Interval, MissedTicks, Sleep, interval, interval_at, sleep, sleep_until};

/// How many operations on sockets that never have to wait a task may do before it must let the
/// others run: a peer that sends without a pause cannot starve them.
const BUDGET: u32 = 128;

thread_local! {
    static CURRENT: RefCell<Option<Rc<Reactor>>> = const { RefCell::new(None) };
}

pub(crate) struct Reactor {
    io: RefCell<Io>,
    timers: RefCell<TimerQueue>,
    clock: Box<dyn Clock>,
    budget: Cell<u32>,
    tickets: Cell<u32>,
    /// The last answer of the selector and whom it woke; kept for their memory.
    events: Cell<Vec<Event<Key>>>,
    woken: Cell<VecDeque<Waker>>,
    pub(crate) counters: Counters,
}

struct Io {
    selector: Selector<Key>,
    slots: Slab<Slot>,
    /// How many slots there ever were: what tells a new owner of a slot from an old one.
    generation: u32,
}

/// What the reactor keeps of one [`Source`].
struct Slot {
    generation: u32,
    fd: RawFd,
    armed: Option<Interest>,
    waiters: Waiters,
}

/// Names a slot for the life of its source. An event that was meant for an earlier owner of the
/// slot, or of the number of the handle, finds another generation there and hits nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    slot: u32,
    generation: u32,
}

/// What happened so far. The meaning of each is told where users read it, in `Stats`.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) selects: Cell<u64>,
    pub(crate) events: Cell<u64>,
    pub(crate) arms: Cell<u64>,
    pub(crate) disarms: Cell<u64>,
}

/// Adds to a counter.
pub(crate) fn count(counter: &Cell<u64>, more: usize) {
    counter.set(counter.get().wrapping_add(more as u64));
}

/// Where a reactor reads the time.
pub(crate) trait Clock {
    fn now(&self) -> Instant;
}

/// The clock of the machine, which never goes backwards.
pub(crate) struct Monotonic;

impl Clock for Monotonic {
    fn now(&self) -> Instant {
        Instant::now()
    }
}

impl Reactor {
    pub(crate) fn new(selector: Selector<Key>, clock: Box<dyn Clock>) -> Rc<Self> {
        Rc::new(Self {
            timers: RefCell::new(TimerQueue::new(clock.now())),
            io: RefCell::new(Io {
                selector,
                slots: Slab::new(),
                generation: 0,
            }),
            clock,
            budget: Cell::new(BUDGET),
            tickets: Cell::new(0),
            events: Cell::default(),
            woken: Cell::default(),
            counters: Counters::default(),
        })
    }

    /// Waits for readiness, for a deadline or for a notification, for at most `timeout` (`None`:
    /// for ever), and wakes whoever waited for what came.
    ///
    /// This is asyncio's `_run_once` up to the point where callbacks run.
    pub(crate) fn poll(&self, timeout: Option<Duration>) -> io::Result<()> {
        let mut woken = self.woken.take();
        self.select(self.until_next_timer(timeout), &mut woken)?;
        self.expire(&mut woken);
        wake_all(&mut woken);
        self.woken.set(woken);
        Ok(())
    }

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

    fn select(&self, timeout: Option<Duration>, woken: &mut VecDeque<Waker>) -> io::Result<()> {
        let io = &mut *self.io.borrow_mut();
        if io.selector.is_empty() && timeout == Some(Duration::ZERO) {
            return Ok(()); // Nothing is registered, and nobody wants to sleep.
        }
        let mut events = self.events.take();
        io.selector.select(&mut events, timeout)?;
        count(&self.counters.selects, 1);
        count(&self.counters.events, events.len());
        for event in &events {
            self.dispatch(io, event, woken);
        }
        self.events.set(events);
        Ok(())
    }

    /// An event that somebody waits for: they are woken, and the direction stays armed. One that
    /// nobody waits for: it is disarmed, or the selector would report it for ever.
    fn dispatch(&self, io: &mut Io, event: &Event<Key>, woken: &mut VecDeque<Waker>) {
        let Some(slot) = io.slots.get_mut(event.key.slot as usize) else {
            return;
        };
        if slot.generation != event.key.generation {
            return;
        }
        let mut unwanted = None;
        for (ready, direction) in [
            (event.readable, Direction::Read),
            (event.writable, Direction::Write),
        ] {
            if ready && !slot.waiters.take(direction, woken) {
                let interest = direction.interest();
                unwanted = Some(unwanted.map_or(interest, |other| other | interest));
            }
        }
        if let Some(unwanted) = unwanted {
            self.disarm(&mut io.selector, slot, event.key, unwanted);
        }
    }

    fn disarm(&self, selector: &mut Selector<Key>, slot: &mut Slot, key: Key, unwanted: Interest) {
        let Some(armed) = slot.armed else { return };
        slot.armed = armed.without(unwanted);
        count(&self.counters.disarms, 1);
        let fd = selector::lend(slot.fd);
        // What can fail here is only the memory of what was registered, because the handle was
        // closed behind our back; then there is nothing left to disarm.
        let _ = match slot.armed {
            Some(rest) => selector.modify(fd, key, rest),
            None => selector.deregister(fd),
        };
    }

    fn expire(&self, woken: &mut VecDeque<Waker>) {
        let mut timers = self.timers.borrow_mut();
        if !timers.is_empty() {
            timers.expire(self.clock.now(), woken);
        }
    }

    /// Registers a handle, which nobody waits for yet: no system call.
    fn insert(&self, fd: RawFd) -> Key {
        let io = &mut *self.io.borrow_mut();
        io.generation = io.generation.wrapping_add(1);
        let generation = io.generation;
        let slot = io.slots.insert(Slot {
            generation,
            fd,
            armed: None,
            waiters: Waiters::default(),
        });
        Key {
            slot: slot as u32,
            generation,
        }
    }

    /// Forgets a handle that is about to be closed, and wakes who still waits for it.
    fn remove(&self, key: Key) {
        let mut waiters = {
            let io = &mut *self.io.borrow_mut();
            let slot = io.slots.remove(key.slot as usize);
            if slot.armed.is_some() {
                // As in `disarm`: what can fail is only what needs not be done any more.
                let _ = io.selector.deregister(selector::lend(slot.fd));
            }
            slot.waiters
        };
        let mut woken = VecDeque::new();
        waiters.take(Direction::Read, &mut woken);
        waiters.take(Direction::Write, &mut woken);
        wake_all(&mut woken);
    }

    /// Stores the waker until the handle is ready in this direction, and sees to it that the
    /// selector watches it. Usually it does so already: then this is no system call.
    fn wait_for(
        &self,
        key: Key,
        direction: Direction,
        ticket: Ticket,
        waker: &Waker,
    ) -> io::Result<()> {
        let waker = waker.clone();
        let displaced;
        {
            let io = &mut *self.io.borrow_mut();
            let slot = &mut io.slots[key.slot as usize];
            let wanted = direction.interest();
            let interest = slot.armed.map_or(wanted, |armed| armed | wanted);
            if slot.armed != Some(interest) {
                let fd = selector::lend(slot.fd);
                match slot.armed {
                    None => io.selector.register(fd, key, interest)?,
                    Some(_) => io.selector.modify(fd, key, interest)?,
                }
                slot.armed = Some(interest);
                count(&self.counters.arms, 1);
            }
            displaced = slot.waiters.enrol(direction, ticket, waker);
        }
        drop(displaced);
        Ok(())
    }

    /// A ticket that nobody else who waits has.
    fn ticket(&self) -> Ticket {
        self.tickets.set(self.tickets.get().wrapping_add(1).max(1));
        Ticket(self.tickets.get())
    }

    /// Takes the waker back that was stored under this ticket, if it is still there: whoever
    /// waited does so no longer.
    fn dismiss(&self, key: Key, direction: Direction, ticket: Ticket) -> Option<Waker> {
        let io = &mut *self.io.borrow_mut();
        io.slots[key.slot as usize]
            .waiters
            .dismiss(direction, ticket)
    }

    /// Whether the waker that was stored under this ticket is still there: nothing came yet.
    fn is_waiting(&self, key: Key, direction: Direction, ticket: Ticket) -> bool {
        self.io.borrow_mut().slots[key.slot as usize]
            .waiters
            .contains(direction, ticket)
    }

    /// Spends one operation of the task that is being polled. When it has none left it yields, and
    /// starts anew: under a foreign executor, which knows nothing of this, no more is lost than a
    /// moment.
    fn spend(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self.budget.get() {
            0 => {
                self.renew_budget();
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            left => {
                self.budget.set(left - 1);
                Poll::Ready(())
            }
        }
    }

    /// The executor is about to poll another task.
    pub(crate) fn renew_budget(&self) {
        self.budget.set(BUDGET);
    }

    pub(crate) fn now(&self) -> Instant {
        self.clock.now()
    }

    pub(crate) fn backend(&self) -> Backend {
        self.io.borrow().selector.backend()
    }

    pub(crate) fn notifier(&self) -> Notifier {
        self.io.borrow().selector.notifier()
    }

    pub(crate) fn sources(&self) -> usize {
        self.io.borrow().slots.len()
    }

    pub(crate) fn timers(&self) -> usize {
        self.timers.borrow().len()
    }

    /// Makes this the reactor of the thread, until the guard is dropped.
    pub(crate) fn enter(self: &Rc<Self>) -> Entered {
        Entered(CURRENT.replace(Some(Rc::clone(self))))
    }

    /// The reactor of the runtime that runs on this thread.
    pub(crate) fn current() -> Option<Rc<Self>> {
        CURRENT
            .try_with(|current| current.borrow().clone())
            .ok()
            .flatten()
    }

    /// The same, for a call that means nothing without one.
    #[track_caller]
    pub(crate) fn expect_current(call: &str) -> Rc<Self> {
        Self::current().unwrap_or_else(|| panic!("{call}: {OUTSIDE}"))
    }

    /// The same, for a future that was made at `site` and is polled only now.
    pub(crate) fn expect_current_at(call: &str, site: &Location<'_>) -> Rc<Self> {
        Self::current().unwrap_or_else(|| panic!("{call} at {site}: {OUTSIDE}"))
    }

    /// Whether this is the reactor of the runtime that runs on this thread.
    fn is_current(self: &Rc<Self>) -> bool {
        CURRENT
            .try_with(|current| {
                current
                    .borrow()
                    .as_ref()
                    .is_some_and(|it| Rc::ptr_eq(it, self))
            })
            .unwrap_or(false)
    }
}

const OUTSIDE: &str =
    "no runtime runs on this thread; call it inside of `selio::run` or `Runtime::block_on`";

/// Makes the former reactor of the thread the current one again when it is dropped.
pub(crate) struct Entered(Option<Rc<Reactor>>);

impl Drop for Entered {
    fn drop(&mut self) {
        let former = self.0.take();
        // At the exit of the thread there may be no place left to put it.
        let _ = CURRENT.try_with(|current| current.replace(former));
    }
}

/// Wakes them all in order, and the rest too if one of the wakers panics.
fn wake_all(woken: &mut VecDeque<Waker>) {
    struct Rest<'a>(&'a mut VecDeque<Waker>);
    impl Drop for Rest<'_> {
        fn drop(&mut self) {
            while let Some(waker) = self.0.pop_front() {
                waker.wake();
            }
        }
    }
    let rest = Rest(woken);
    while let Some(waker) = rest.0.pop_front() {
        waker.wake();
    }
}
