//! The clock of a reactor: a value handed in, so that a test can have another one than the machine's.

use std::time::Instant;

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
