//! Pauses between tries, for the few things that no selector can tell.

use std::time::Duration;

use crate::reactor::sleep;

/// The longest pause.
const LONGEST: Duration = Duration::from_millis(50);

/// Pauses of 1 ms, 2 ms, and so on up to 50 ms.
pub(super) struct Backoff(Duration);

impl Backoff {
    pub(super) fn new() -> Self {
        Self(Duration::from_millis(1))
    }

    pub(super) async fn pause(&mut self) {
        sleep(self.0).await;
        self.0 = LONGEST.min(2 * self.0);
    }
}
