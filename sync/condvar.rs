//! Waiting for the value in a mutex to change.

use std::fmt;
use std::future::{Future, poll_fn};
use std::mem;
use std::panic::Location;
use std::pin::pin;

use super::line::Notified;
use super::wait_list::WaitList;
use super::{Mutex, MutexGuard};

/// Lets tasks wait until the value in a [`Mutex`] has changed.
///
/// Whoever waits gives the guard away and gets it back; whoever has changed the value notifies. It
/// need not hold the lock to do so, unlike in asyncio, and one condvar may serve several mutexes.
///
/// asyncio's counterpart is
/// [`Condition`](https://docs.python.org/3/library/asyncio-sync.html#asyncio.Condition).
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
/// use selio::sync::{Condvar, Mutex};
///
/// # selio::run(async {
/// let level = Rc::new((Mutex::new(0), Condvar::new()));
/// let alarm = selio::spawn({
///     let level = Rc::clone(&level);
///     async move {
///         let (mutex, changed) = &*level;
///         let guard = mutex.lock().await;
///         *changed.wait_for(guard, |level| *level >= 3).await
///     }
/// });
/// for _ in 0..3 {
///     *level.0.lock().await += 1;
///     level.1.notify_all();
///     selio::yield_now().await;
/// }
/// assert_eq!(alarm.await.unwrap(), 3);
/// # });
/// ```
#[doc(alias = "Condition")]
pub struct Condvar {
    /// There is nothing to claim here but a look, and nobody asks for what is free.
    waiters: WaitList,
}

impl Condvar {
    /// A condvar that nobody waits for.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            waiters: WaitList::new("Condvar", 0),
        }
    }

    /// Unlocks the mutex, waits until it is notified, and locks the mutex again.
    ///
    /// No notification after the unlocking is missed. The value may have changed again before the
    /// mutex is locked: [`wait_for`](Self::wait_for) looks.
    ///
    /// # Cancel safety
    ///
    /// No notification is lost: one that was meant for this task alone goes to the next that waits.
    /// The guard is gone, and the mutex unlocked.
    #[track_caller]
    pub fn wait<'a, T: ?Sized>(
        &self,
        guard: MutexGuard<'a, T>,
    ) -> impl Future<Output = MutexGuard<'a, T>> {
        self.wait_at(Location::caller(), guard)
    }

    /// The same for a call at `site`.
    async fn wait_at<'a, T: ?Sized>(
        &self,
        site: &'static Location<'static>,
        guard: MutexGuard<'a, T>,
    ) -> MutexGuard<'a, T> {
        let mutex: &Mutex<T> = MutexGuard::mutex(&guard);
        let mut guard = Some(guard);
        let wait = self.waiters.wait(|notified| notified);
        let mut wait = pin!(wait.made_at(site));
        let how = poll_fn(|cx| {
            let poll = wait.as_mut().poll(cx);
            // Not before this has its place in the line: the unlocking may let another one run.
            drop(guard.take());
            poll
        })
        .await;
        let claim = (how == Notified::Alone).then(|| Claim(&self.waiters));
        let guard = mutex.lock_at(site).await;
        mem::forget(claim); // It was of use.
        guard
    }

    /// Waits until the condition holds, which is asked now and after each notification. In std it is
    /// [`wait_while`](std::sync::Condvar::wait_while), with the opposite condition.
    ///
    /// # Cancel safety
    ///
    /// That of [`wait`](Self::wait).
    #[track_caller]
    #[doc(alias = "watch")]
    pub fn wait_for<'a, T: ?Sized>(
        &self,
        mut guard: MutexGuard<'a, T>,
        mut condition: impl FnMut(&mut T) -> bool,
    ) -> impl Future<Output = MutexGuard<'a, T>> {
        let site = Location::caller();
        async move {
            while !condition(&mut guard) {
                guard = self.wait_at(site, guard).await;
            }
            guard
        }
    }

    /// Wakes so many of those who wait, those first who have waited longest.
    pub fn notify(&self, n: usize) {
        self.waiters.notify_many(n);
    }

    /// Wakes the one who has waited longest.
    pub fn notify_one(&self) {
        self.waiters.notify();
    }

    /// Wakes all who wait.
    pub fn notify_all(&self) {
        self.waiters.notify_all();
    }
}

/// A notification that goes to the next one if this is dropped.
struct Claim<'a>(&'a WaitList);

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.0.notify();
    }
}

impl Default for Condvar {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Condvar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Condvar")
            .field("waiting", &self.waiters.waiting())
            .finish()
    }
}
