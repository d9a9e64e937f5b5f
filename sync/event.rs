//! Something that happens once, for all who wait for it.

use std::cell::Cell;
use std::fmt;
use std::future::Future;

use super::wait_list::WaitList;

/// A flag that tasks wait for.
///
/// asyncio's counterpart is [`Event`](https://docs.python.org/3/library/asyncio-sync.html#asyncio.Event).
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
/// use selio::sync::Event;
///
/// # selio::run(async {
/// let event = Rc::new(Event::new());
/// let waiter = selio::spawn({
///     let event = Rc::clone(&event);
///     async move {
///         event.wait().await;
///         "got it"
///     }
/// });
/// event.set();
/// assert_eq!(waiter.await.unwrap(), "got it");
/// # });
/// ```
#[doc(alias = "CancellationToken")]
#[doc(alias = "Notify")]
pub struct Event {
    is_set: Cell<bool>,
    waiters: WaitList,
}

impl Event {
    /// An event that has not happened.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            is_set: Cell::new(false),
            waiters: WaitList::new("Event", 0),
        }
    }

    /// Waits until the event is set; not at all if it is. Whoever was waiting then goes on, even if
    /// the event has been cleared since.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    #[track_caller]
    pub fn wait(&self) -> impl Future<Output = ()> {
        self.waiters
            .wait(|notified| (notified.is_some() || self.is_set()).then_some(()))
    }

    /// Sets the event, and wakes all who wait for it.
    pub fn set(&self) {
        self.is_set.set(true);
        self.waiters.notify_all();
    }

    /// Clears the event: who calls [`wait`](Self::wait) from now on waits for the next
    /// [`set`](Self::set).
    pub fn clear(&self) {
        self.is_set.set(false);
    }

    /// Whether the event is set.
    #[must_use]
    pub fn is_set(&self) -> bool {
        self.is_set.get()
    }
}

impl Default for Event {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Event")
            .field("is_set", &self.is_set())
            .field("waiting", &self.waiters.waiting())
            .finish()
    }
}
