//! What can be waited for, and what is reported.

use std::fmt;
use std::num::NonZeroU8;
use std::ops::BitOr;

/// What a descriptor is watched for: reading, writing, or both. It is never empty: who is
/// interested in nothing deregisters.
///
/// ```
/// use selio::selector::Interest;
///
/// let both = Interest::READABLE | Interest::WRITABLE;
/// assert!(both.is_readable() && both.is_writable());
/// assert_eq!(both.without(Interest::READABLE), Some(Interest::WRITABLE));
/// assert_eq!(Interest::WRITABLE.without(Interest::WRITABLE), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Interest(NonZeroU8);

impl Interest {
    /// A read would not wait. Python's `selectors.EVENT_READ`.
    #[doc(alias = "EVENT_READ")]
    pub const READABLE: Self = Self(NonZeroU8::new(0b01).expect("is not zero"));
    /// A write would not wait. Python's `selectors.EVENT_WRITE`.
    #[doc(alias = "EVENT_WRITE")]
    pub const WRITABLE: Self = Self(NonZeroU8::new(0b10).expect("is not zero"));
    /// Either.
    pub const BOTH: Self = Self(NonZeroU8::new(0b11).expect("is not zero"));

    /// Whether reading is part of it.
    #[must_use]
    pub const fn is_readable(self) -> bool {
        self.contains(Self::READABLE)
    }

    /// Whether writing is part of it.
    #[must_use]
    pub const fn is_writable(self) -> bool {
        self.contains(Self::WRITABLE)
    }

    /// Whether all of `other` is part of it.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0.get() & other.0.get() == other.0.get()
    }

    /// What remains without `other`; `None` if nothing does.
    #[must_use]
    pub const fn without(self, other: Self) -> Option<Self> {
        match NonZeroU8::new(self.0.get() & !other.0.get()) {
            None => None,
            Some(rest) => Some(Self(rest)),
        }
    }
}

impl fmt::Debug for Interest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.is_readable(), self.is_writable()) {
            (true, true) => "BOTH",
            (true, false) => "READABLE",
            (false, _) => "WRITABLE",
        })
    }
}

impl BitOr for Interest {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// A registered descriptor is ready for what it is watched for.
///
/// What happens in a runtime is a [`trace::Event`](crate::trace::Event), and what a task waits for
/// until it is set a [`sync::Event`](crate::sync::Event).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<K = usize> {
    /// The key that the descriptor was registered with.
    pub key: K,
    /// A read would not wait: there are bytes, the end of the stream, a hang-up or an error.
    pub readable: bool,
    /// A write would not wait: there is room, a hang-up or an error.
    pub writable: bool,
}

impl<K> Event<K> {
    pub(super) fn new(key: K, readable: bool, writable: bool) -> Self {
        Self {
            key,
            readable,
            writable,
        }
    }
}
