//! `std::sync` for the executor under loom: its locks and atomics are loom's, so that loom may
//! switch threads at each of them.

pub(crate) use std::sync::PoisonError;

pub(crate) use loom::sync::{Condvar, Mutex, MutexGuard};

use std::mem::ManuallyDrop;
use std::ops::Deref;
use std::task::{RawWaker, RawWakerVTable, Waker};

use loom::alloc::Track;

use self::atomic::{AtomicUsize, Ordering, fence};

pub(crate) mod thread {
    pub(crate) use loom::thread::Builder;
    pub(crate) use std::thread::available_parallelism;
}

pub(crate) mod atomic {
    pub(crate) use loom::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence};

    #[derive(Debug)]
    pub(crate) struct AtomicBool(loom::sync::atomic::AtomicBool);

    impl AtomicBool {
        pub(crate) fn new(value: bool) -> Self {
            Self(loom::sync::atomic::AtomicBool::new(value))
        }

        pub(crate) fn load(&self, ordering: Ordering) -> bool {
            self.0.load(ordering)
        }

        pub(crate) fn swap(&self, value: bool, ordering: Ordering) -> bool {
            self.0.swap(value, ordering)
        }

        /// A swap whose result is dropped. loom takes no notice of what the standard promises for
        /// a swap, that no store comes between what it reads and what it writes, and would put
        /// the `false` of an old `swap(false)` after a newer `store(true)`.
        pub(crate) fn store(&self, value: bool, ordering: Ordering) {
            self.0.swap(value, ordering);
        }
    }
}

/// An `Arc` that counts in the memory of loom, with the orderings of std: `strong_count` is relaxed
/// and may be old. loom's own one is stronger than that, and would hide what hangs on it.
///
/// One that is never dropped fails the model.
pub(crate) struct Arc<T>(std::sync::Arc<Counted<T>>);

struct Counted<T> {
    count: AtomicUsize,
    value: T,
    _track: Track<()>,
}

impl<T> Arc<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(std::sync::Arc::new(Counted {
            count: AtomicUsize::new(1),
            value,
            _track: Track::new(()),
        }))
    }

    pub(crate) fn strong_count(this: &Self) -> usize {
        this.0.count.load(Ordering::Relaxed)
    }

    pub(crate) fn as_ptr(this: &Self) -> *const T {
        &this.0.value
    }
}

impl<T> Clone for Arc<T> {
    fn clone(&self) -> Self {
        self.0.count.fetch_add(1, Ordering::Relaxed);
        Self(std::sync::Arc::clone(&self.0))
    }
}

impl<T> Drop for Arc<T> {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::Release) == 1 {
            fence(Ordering::Acquire);
        }
    }
}

impl<T> Deref for Arc<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0.value
    }
}

/// `std::task::Wake`, implemented for the `Arc` instead of for what is in it: a method may not have
/// an `Arc` of ours as its `self`.
pub(crate) trait Wake {
    fn wake(self);
    fn wake_by_ref(&self);
}

impl<T: Send + Sync + 'static> From<Arc<T>> for Waker
where
    Arc<T>: Wake,
{
    fn from(waker: Arc<T>) -> Self {
        // SAFETY: `Calls` keeps the contract: each `RawWaker` owns one count, and `T` is `Send` and
        // `Sync`.
        unsafe { Waker::from_raw(Calls::<T>::raw(waker)) }
    }
}

struct Calls<T>(std::marker::PhantomData<T>);

impl<T: Send + Sync + 'static> Calls<T>
where
    Arc<T>: Wake,
{
    const TABLE: RawWakerVTable = RawWakerVTable::new(
        |data| Self::raw(Arc::clone(&*Self::borrow(data))),
        |data| ManuallyDrop::into_inner(Self::borrow(data)).wake(),
        |data| Self::borrow(data).wake_by_ref(),
        |data| drop(ManuallyDrop::into_inner(Self::borrow(data))),
    );

    fn raw(waker: Arc<T>) -> RawWaker {
        let waker = ManuallyDrop::new(waker);
        // SAFETY: the original is never used or dropped again.
        let data = std::sync::Arc::into_raw(unsafe { std::ptr::read(&waker.0) });
        RawWaker::new(data.cast(), &Self::TABLE)
    }

    /// The `Arc` that a `RawWaker` of ours is.
    fn borrow(data: *const ()) -> ManuallyDrop<Arc<T>> {
        // SAFETY: `data` is what `raw` has made, and only the table calls this.
        ManuallyDrop::new(Arc(unsafe { std::sync::Arc::from_raw(data.cast()) }))
    }
}

/// `std::thread_local!`: all threads of a model are one for the operating system.
macro_rules! local {
    ($($(#[$doc:meta])* $vis:vis static $name:ident: $type:ty = const { $value:expr };)*) => {$(
        $(#[$doc])*
        $vis static $name: $crate::sync::LocalKey<$type> = {
            loom::thread_local! { static LOCAL: $type = $value; }
            $crate::sync::LocalKey(&LOCAL)
        };
    )*};
}

pub(crate) use local;

/// Those methods of std's that loom's has not.
pub(crate) struct LocalKey<T: 'static>(pub(crate) &'static loom::thread::LocalKey<T>);

impl<T> LocalKey<T> {
    pub(crate) fn with<R>(&'static self, with: impl FnOnce(&T) -> R) -> R {
        self.0.with(with)
    }
}
