//! Permits: how many tasks may do something at the same time.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::rc::Rc;

use super::wait_list::WaitList;

/// A number of permits, which tasks acquire and release.
///
/// Those who wait get theirs in the order in which they came; who comes later overtakes nobody.
///
/// asyncio's counterparts are
/// [`Semaphore`](https://docs.python.org/3/library/asyncio-sync.html#asyncio.Semaphore) and, made by
/// [`bounded`](Self::bounded),
/// [`BoundedSemaphore`](https://docs.python.org/3/library/asyncio-sync.html#asyncio.BoundedSemaphore).
///
/// # Examples
///
/// No more than two at the same time:
///
/// ```
/// use std::{cell::Cell, rc::Rc};
/// use selio::sync::Semaphore;
///
/// # selio::run(async {
/// let semaphore = Rc::new(Semaphore::new(2));
/// let inside = Rc::new(Cell::new(0));
/// for _ in 0..10 {
///     let permit = semaphore.acquire_owned().await;
///     let inside = Rc::clone(&inside);
///     selio::spawn(async move {
///         let _permit = permit; // Released when the task has ended, however it ends.
///         inside.set(inside.get() + 1);
///         assert!(inside.get() <= 2);
///         selio::yield_now().await;
///         inside.set(inside.get() - 1);
///     });
/// }
/// # });
/// ```
#[doc(alias = "BoundedSemaphore")]
pub struct Semaphore {
    /// What there is to claim are the permits.
    waiters: WaitList,
    /// How many there are, whoever holds them.
    permits: Cell<usize>,
    /// How many there may be.
    bound: usize,
}

impl Semaphore {
    /// A semaphore with this number of permits. More may be added by [`release`](Self::release).
    #[must_use]
    pub const fn new(permits: usize) -> Self {
        Self::with_bound(permits, usize::MAX)
    }

    /// A semaphore that never has more permits than these: to release one too many is a panic
    /// instead of a slow mystery.
    #[must_use]
    pub const fn bounded(permits: usize) -> Self {
        Self::with_bound(permits, permits)
    }

    const fn with_bound(permits: usize, bound: usize) -> Self {
        Self {
            waiters: WaitList::new("Semaphore", permits),
            permits: Cell::new(permits),
            bound,
        }
    }

    /// Acquires a permit, when those who came before have theirs. It is released by dropping it.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost but the place in the line. If it was this one's turn, it is the next one's.
    #[track_caller]
    pub fn acquire(&self) -> impl Future<Output = Permit<&Self>> {
        self.waiters
            .wait(move |notified| self.waiters.claims(notified).then(|| Permit::of(self)))
    }

    /// [`acquire`](Self::acquire) for a permit that can be moved into a task.
    ///
    /// # Cancel safety
    ///
    /// That of [`acquire`](Self::acquire).
    #[track_caller]
    pub fn acquire_owned(self: &Rc<Self>) -> impl Future<Output = Permit<Rc<Self>>> {
        let permit = || Permit::of(Rc::clone(self));
        self.waiters
            .wait(move |notified| self.waiters.claims(notified).then(permit))
    }

    /// Acquires a permit if there is one now. `None` while the semaphore
    /// [is locked](Self::is_locked).
    pub fn try_acquire(&self) -> Option<Permit<&Self>> {
        self.waiters.try_claim().then(|| Permit::of(self))
    }

    /// [`try_acquire`](Self::try_acquire) for a permit that can be moved into a task.
    pub fn try_acquire_owned(self: &Rc<Self>) -> Option<Permit<Rc<Self>>> {
        self.waiters
            .try_claim()
            .then(|| Permit::of(Rc::clone(self)))
    }

    /// Adds a permit: a new one, or one that was [forgotten](Permit::forget). One that is held is
    /// released by dropping it.
    ///
    /// # Panics
    ///
    /// When a bounded semaphore would have more permits than at its beginning, or any other more
    /// than `usize::MAX`; those that are held count.
    #[track_caller]
    pub fn release(&self) {
        assert!(
            self.permits.get() < self.bound,
            "Semaphore::release: there would be more than {} permits; one that was acquired is \
             released by dropping it, this call is for new and for forgotten ones",
            self.bound
        );
        self.permits.update(|permits| permits + 1);
        self.waiters.release();
    }

    /// How many permits can be acquired at once: those that are neither held nor promised to
    /// somebody who waits.
    #[must_use]
    pub fn available(&self) -> usize {
        self.waiters.free()
    }

    /// Whether there is no permit that could be acquired at once.
    #[must_use]
    #[doc(alias = "locked")]
    pub fn is_locked(&self) -> bool {
        self.available() == 0
    }
}

/// A permit of a [`Semaphore`], released when it is dropped.
#[must_use = "the permit is released at once if it is dropped"]
#[clippy::has_significant_drop]
pub struct Permit<S: Deref<Target = Semaphore>> {
    semaphore: S,
    is_forgotten: bool,
}

impl<S: Deref<Target = Semaphore>> Permit<S> {
    /// For who has claimed it.
    fn of(semaphore: S) -> Self {
        Self {
            semaphore,
            is_forgotten: false,
        }
    }

    /// Drops this without releasing the permit: there is one less, until
    /// [`release`](Semaphore::release) adds it again.
    pub fn forget(mut self) {
        self.is_forgotten = true;
    }
}

impl<S: Deref<Target = Semaphore>> Drop for Permit<S> {
    fn drop(&mut self) {
        if self.is_forgotten {
            self.semaphore.permits.update(|permits| permits - 1);
        } else {
            self.semaphore.waiters.release();
        }
    }
}

impl<S: Deref<Target = Semaphore>> fmt::Debug for Permit<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Permit").field(&*self.semaphore).finish()
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Semaphore")
            .field("available", &self.available())
            .field("permits", &self.permits.get())
            .field("waiting", &self.waiters.waiting())
            .finish()
    }
}
