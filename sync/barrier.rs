//! A place where tasks wait until all have come.

use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::future::Future;
use std::io;

use super::line::Notified;
use super::wait_list::WaitList;

/// A place where a fixed number of tasks wait for each other, round after round.
///
/// asyncio's counterpart is [`Barrier`](https://docs.python.org/3/library/asyncio-sync.html#asyncio.Barrier).
///
/// # Examples
///
/// ```
/// use std::rc::Rc;
/// use selio::sync::Barrier;
///
/// # selio::run(async {
/// let barrier = Rc::new(Barrier::new(3));
/// let tasks: Vec<_> = (0..3)
///     .map(|_| {
///         let barrier = Rc::clone(&barrier);
///         selio::spawn(async move { barrier.wait().await })
///     })
///     .collect();
/// let mut places = Vec::new();
/// for task in tasks {
///     places.push(task.await.unwrap().unwrap());
/// }
/// assert_eq!(places, [0, 1, 2]);
/// # });
/// ```
pub struct Barrier {
    parties: usize,
    is_broken: Cell<bool>,
    /// Those who have come in this round: all parties but one at most.
    waiters: WaitList,
}

impl Barrier {
    /// A barrier for this number of tasks.
    ///
    /// # Panics
    ///
    /// If `parties` is zero: nobody could be the last to come.
    #[must_use]
    #[track_caller]
    pub const fn new(parties: usize) -> Self {
        assert!(
            parties > 0,
            "Barrier::new(0): nobody could be the last to come; it needs one party at least"
        );
        Self {
            parties,
            is_broken: Cell::new(false),
            waiters: WaitList::new("Barrier", 0),
        }
    }

    /// Waits until as many tasks wait as the barrier has parties; then all of them go on, and the
    /// next round begins. Gives the place in the order in which they came, a different one to each,
    /// from 0 to `parties - 1`: so that one of them can do what is to be done once.
    ///
    /// # Errors
    ///
    /// [`BrokenBarrier`] if the barrier was [aborted](Self::abort), or is aborted or
    /// [reset](Self::reset) meanwhile.
    ///
    /// # Cancel safety
    ///
    /// Whoever is dropped has not come: the others wait for somebody else in its stead.
    #[track_caller]
    pub fn wait(&self) -> impl Future<Output = Result<usize, BrokenBarrier>> {
        self.waiters.wait(|notified| match notified {
            Some(Notified::WithAll(place)) => Some(Ok(place)),
            Some(_) => Some(Err(BrokenBarrier(()))),
            None if self.is_broken() => Some(Err(BrokenBarrier(()))),
            None if self.n_waiting() + 1 < self.parties => None,
            None => {
                self.waiters.notify_all();
                Some(Ok(self.parties - 1))
            }
        })
    }

    /// Makes the barrier as new. Those who wait get the error [`BrokenBarrier`].
    pub fn reset(&self) {
        self.is_broken.set(false);
        self.waiters.refuse_all();
    }

    /// Breaks the barrier: those who wait, and those who come until it is [reset](Self::reset), get
    /// the error [`BrokenBarrier`]. For a task that will not come, so that the others do not wait
    /// for ever.
    pub fn abort(&self) {
        self.is_broken.set(true);
        self.waiters.refuse_all();
    }

    /// How many tasks wait for each other here.
    #[must_use]
    pub fn parties(&self) -> usize {
        self.parties
    }

    /// How many have come in this round.
    #[must_use]
    pub fn n_waiting(&self) -> usize {
        self.waiters.waiting()
    }

    /// Whether the barrier was [aborted](Self::abort), and not [reset](Self::reset) since.
    #[must_use]
    #[doc(alias = "broken")]
    pub fn is_broken(&self) -> bool {
        self.is_broken.get()
    }
}

impl fmt::Debug for Barrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Barrier")
            .field("parties", &self.parties)
            .field("waiting", &self.n_waiting())
            .field("is_broken", &self.is_broken())
            .finish()
    }
}

/// A [`Barrier`] was aborted or reset.
///
/// It turns into an [`io::Error`] of kind [`Other`](io::ErrorKind::Other).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "BrokenBarrierError")]
pub struct BrokenBarrier(());

impl fmt::Display for BrokenBarrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the barrier was aborted or reset")
    }
}

impl Error for BrokenBarrier {}

impl From<BrokenBarrier> for io::Error {
    fn from(error: BrokenBarrier) -> Self {
        io::Error::other(error)
    }
}
