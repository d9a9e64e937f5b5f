//! A value that one task at a time may use, across its awaits.

use std::cell::{RefCell, RefMut};
use std::fmt;
use std::future::Future;
use std::ops::{Deref, DerefMut};
use std::panic::Location;

use super::wait_list::WaitList;

/// A value that one task at a time may use.
///
/// Within one poll no other task runs, so what is used without an await in between needs a
/// [`RefCell`] only. A mutex is for what has to stay alone across awaits: a connection on which one
/// request is sent and its answer read, say.
///
/// Those who wait get it in the order in which they came; who comes later overtakes nobody. A task
/// that panics or is cancelled while it holds the lock releases it: there is no poisoning. A task
/// that locks what it has locked already waits for ever.
///
/// asyncio's counterpart is [`Lock`](https://docs.python.org/3/library/asyncio-sync.html#asyncio.Lock).
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
/// use selio::sync::Mutex;
///
/// # selio::run(async {
/// let balance = Rc::new(Mutex::new(100));
/// let clerks: Vec<_> = (0..10)
///     .map(|_| {
///         let balance = Rc::clone(&balance);
///         selio::spawn(async move {
///             let mut balance = balance.lock().await;
///             let before = *balance;
///             selio::yield_now().await; // The others run, but none of them gets at it.
///             *balance = before - 10;
///         })
///     })
///     .collect();
/// for clerk in clerks {
///     clerk.await.unwrap();
/// }
/// assert_eq!(*balance.lock().await, 0);
/// # });
/// ```
#[doc(alias = "Lock")]
pub struct Mutex<T: ?Sized> {
    /// The one thing to claim is the lock.
    waiters: WaitList,
    /// Borrowed by who has the lock.
    value: RefCell<T>,
}

impl<T> Mutex<T> {
    /// A mutex that nobody has locked.
    pub const fn new(value: T) -> Self {
        Self {
            waiters: WaitList::new("Mutex", 1),
            value: RefCell::new(value),
        }
    }

    /// The value.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Locks the mutex, when those who came before have released it. It is released by dropping the
    /// guard.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost but the place in the line. If it was this one's turn, it is the next one's.
    #[track_caller]
    #[doc(alias = "acquire")]
    pub fn lock(&self) -> impl Future<Output = MutexGuard<'_, T>> {
        self.lock_at(Location::caller())
    }

    /// The same for a call at `site`.
    pub(super) fn lock_at(
        &self,
        site: &'static Location<'static>,
    ) -> impl Future<Output = MutexGuard<'_, T>> {
        self.waiters
            .wait(|notified| self.waiters.claims(notified).then(|| self.guard()))
            .made_at(site)
    }

    /// Locks the mutex if that can be done at once. `None` while it [is locked](Self::is_locked).
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.waiters.try_claim().then(|| self.guard())
    }

    /// Whether it is locked, or released for somebody who waits: one would have to wait for it.
    #[must_use]
    #[doc(alias = "locked")]
    pub fn is_locked(&self) -> bool {
        self.waiters.free() == 0
    }

    /// The value, without a lock: nobody else can have one.
    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }

    /// For who has the lock.
    fn guard(&self) -> MutexGuard<'_, T> {
        self.waiters.set_holder();
        MutexGuard {
            value: self.value.borrow_mut(),
            release: Release(self),
        }
    }
}

/// A locked [`Mutex`]. It is released when this is dropped.
///
/// It may be kept across an await; so may two of them, but tasks that lock two mutexes in different
/// orders may wait for each other for ever.
#[must_use = "the mutex is released at once if the guard is dropped"]
#[clippy::has_significant_drop]
pub struct MutexGuard<'a, T: ?Sized> {
    // In this order: when the next one is woken, nothing is borrowed any more.
    value: RefMut<'a, T>,
    release: Release<'a, T>,
}

impl<'a, T: ?Sized> MutexGuard<'a, T> {
    /// The mutex that this is the guard of. To be called as `MutexGuard::mutex(&guard)`.
    #[must_use]
    pub fn mutex(guard: &Self) -> &'a Mutex<T> {
        guard.release.0
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

struct Release<'a, T: ?Sized>(&'a Mutex<T>);

impl<T: ?Sized> Drop for Release<'_, T> {
    fn drop(&mut self) {
        self.0.waiters.release();
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T> From<T> for Mutex<T> {
    fn from(value: T) -> Self {
        Self::new(value)
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut f = f.debug_struct("Mutex");
        let is_locked = self.is_locked();
        // Locked while it is shown: the value may come back and try to lock it.
        match self.try_lock() {
            Some(value) => f.field("value", &&*value),
            None => f.field("value", &format_args!("<locked>")),
        };
        f.field("is_locked", &is_locked)
            .field("waiting", &self.waiters.waiting())
            .finish()
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MutexGuard").field(&&**self).finish()
    }
}

impl<T: ?Sized + fmt::Display> fmt::Display for MutexGuard<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}
