//! A time limit that can be moved while somebody waits under it: `Deadline`.
//!
//! [`timeout`](crate::timeout()) is the common case, whose limit is fixed. A limit on silence, on the
//! other hand, moves with each sign of life, and whoever gives those is inside of what is limited.
//! So the deadline is a value of its own, which the future may borrow that runs under it.
//!
//! To move it to a later time is one store: the timer in the queue is left as it is, and finds the
//! new time when it comes due. Only an earlier time has to wake those who wait.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;

use crate::reactor::{Elapsed, Sleep, Ticket, WakerSet, now, sleep_until};

/// A time limit that can be moved, for everything that runs under it by [`scope`](Self::scope).
///
/// asyncio's counterpart is what `asyncio.timeout()` gives, the class
/// [`Timeout`](https://docs.python.org/3/library/asyncio-task.html#asyncio.Timeout). One deadline may
/// limit several scopes, one after the other or at once. In an [`Rc`](std::rc::Rc) it can be moved by
/// other tasks too.
///
/// # Examples
///
/// A limit on silence: each message moves it.
///
/// ```
/// use selio::{Deadline, sleep};
/// use std::time::Duration;
///
/// const SILENCE: Duration = Duration::from_millis(20);
///
/// selio::run(async {
///     let deadline = Deadline::after(SILENCE);
///     let messages = deadline.scope(async {
///         for pause in [1, 1, 3600_000] {
///             sleep(Duration::from_millis(pause)).await;
///             deadline.reschedule_after(SILENCE);
///         }
///     });
///     assert!(messages.await.is_err());
///     assert!(deadline.expired());
/// });
/// ```
#[doc(alias = "timeout")]
#[doc(alias = "Timeout")]
pub struct Deadline {
    /// `None`: never.
    when: Cell<Option<Instant>>,
    expired: Cell<bool>,
    /// Who waits under it, to be woken when it comes closer.
    waiting: WakerSet,
}

impl Deadline {
    /// A deadline at this instant.
    #[must_use]
    pub fn at(when: Instant) -> Self {
        Self::new(Some(when))
    }

    /// A deadline after this duration, counted from now. [`Duration::MAX`] is none.
    #[must_use]
    pub fn after(duration: Duration) -> Self {
        Self::new(now().checked_add(duration))
    }

    /// No deadline yet: it is to be [set](Self::reschedule) later.
    #[must_use]
    pub fn never() -> Self {
        Self::new(None)
    }

    fn new(when: Option<Instant>) -> Self {
        Self {
            when: Cell::new(when),
            expired: Cell::new(false),
            waiting: WakerSet::default(),
        }
    }

    /// When it is. `None`: never.
    #[must_use]
    pub fn when(&self) -> Option<Instant> {
        self.when.get()
    }

    /// Whether it has ended a scope since it was set or moved: of nested ones, this tells which it
    /// was.
    #[must_use]
    pub fn expired(&self) -> bool {
        self.expired.get()
    }

    /// Moves it to this instant, which may have passed; or, by `None`, to the end of time.
    pub fn reschedule(&self, when: impl Into<Option<Instant>>) {
        let when = when.into();
        let former = self.when.replace(when);
        self.expired.set(false);
        let is_earlier = when.is_some_and(|when| former.is_none_or(|former| when < former));
        if is_earlier {
            self.waiting.wake();
        }
    }

    /// Moves it to this duration from now. [`Duration::MAX`] is the end of time.
    pub fn reschedule_after(&self, duration: Duration) {
        self.reschedule(now().checked_add(duration));
    }

    /// Waits for `future`, but not beyond the deadline, wherever that is moved meanwhile.
    ///
    /// As with [`timeout`](crate::timeout()), the future is polled first: one that is ready gives its
    /// result, however late it is.
    ///
    /// # Errors
    ///
    /// [`Elapsed`] when the deadline has passed. The future is dropped together with the scope.
    ///
    /// # Panics
    ///
    /// When it has to wait outside of a runtime.
    ///
    /// # Cancel safety
    ///
    /// That of `future`, as for [`timeout`](crate::timeout()).
    #[track_caller]
    pub fn scope<F: Future>(
        &self,
        future: F,
    ) -> impl Future<Output = Result<F::Output, Elapsed>> + use<'_, F> {
        Scope {
            future,
            limit: Limit {
                deadline: self,
                timer: None,
                ticket: Ticket::draw(),
                site: Location::caller(),
            },
        }
    }
}

impl fmt::Debug for Deadline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Deadline")
            .field("when", &self.when())
            .field("expired", &self.expired())
            .finish()
    }
}

pin_project! {
    /// The future of [`Deadline::scope`].
    struct Scope<'a, F> {
        #[pin]
        future: F,
        limit: Limit<'a>,
    }
}

impl<F: Future> Future for Scope<'_, F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(output) = this.future.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        // Only now: the future may have moved the deadline.
        this.limit.poll(cx).map(Err)
    }
}

/// What ties a scope to its deadline.
struct Limit<'a> {
    deadline: &'a Deadline,
    /// It is due when the deadline was the last time that we looked, or earlier.
    timer: Option<(Instant, Sleep)>,
    ticket: Ticket,
    site: &'static Location<'static>,
}

impl Limit<'_> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Elapsed> {
        // First of all: a foreign waker that is cloned may move the deadline, and is then woken.
        self.deadline
            .waiting
            .insert(self.ticket, cx.waker().clone());
        while let Some(when) = self.deadline.when() {
            let (due, timer) = match &mut self.timer {
                Some((due, timer)) if *due <= when => (*due, timer),
                timer => {
                    let sleep = sleep_until(when).made_by("Deadline::scope");
                    (when, &mut timer.insert((when, sleep.made_at(self.site))).1)
                }
            };
            ready!(Pin::new(timer).poll(cx));
            if due == when {
                self.deadline.expired.set(true);
                return Poll::Ready(Elapsed::new(self.site));
            }
            self.timer = None; // It was moved to a later time, which is waited for from now on.
        }
        self.timer = None;
        Poll::Pending
    }
}

impl Drop for Limit<'_> {
    fn drop(&mut self) {
        self.deadline.waiting.remove(self.ticket);
    }
}
