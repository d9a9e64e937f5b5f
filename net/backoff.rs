//! Pauses between tries, for the few things that no selector can tell.

use std::panic::Location;
use std::time::Duration;

use crate::reactor::sleep;

/// The longest pause.
const LONGEST: Duration = Duration::from_millis(50);

/// Pauses of 1 ms, 2 ms, and so on up to 50 ms.
pub(super) struct Backoff {
    next: Duration,
    /// The line that waits, for those who watch.
    site: &'static Location<'static>,
}

impl Backoff {
    pub(super) fn new(site: &'static Location<'static>) -> Self {
        let next = Duration::from_millis(1);
        Self { next, site }
    }

    pub(super) async fn pause(&mut self) {
        sleep(self.next).made_at(self.site).await;
        self.next = LONGEST.min(2 * self.next);
    }
}
