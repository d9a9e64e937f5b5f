//! A future with a deadline.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;

use crate::reactor::{Elapsed, Sleep, sleep, sleep_until};

/// Waits for `future`, but no longer than `duration` from this call.
///
/// The future is polled first: one that is ready gives its result, however late it is (unless its
/// task has used up its budget of a hundred operations without a pause). A timeout of zero gives it
/// one turn of the loop; [`Duration::MAX`] is none. A limit that can be moved while the future runs
/// is a [`Deadline`](crate::Deadline). asyncio's counterpart is
/// [`wait_for`](https://docs.python.org/3/library/asyncio-task.html#asyncio.wait_for).
///
/// # Errors
///
/// [`Elapsed`] when the time is up. The future is dropped together with the timeout.
///
/// # Panics
///
/// When it has to wait outside of a runtime.
///
/// # Cancel safety
///
/// That of `future`. To keep it beyond its deadline, give a reference: `timeout(d, &mut future)`,
/// which is asyncio's `shield`. A task whose handle is dropped here goes on, see
/// [`JoinHandle`](crate::JoinHandle).
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// selio::run(async {
///     let silence = std::future::pending::<()>();
///     assert!(selio::timeout(Duration::from_millis(5), silence).await.is_err());
///     assert_eq!(selio::timeout(Duration::from_secs(5), async { 7 }).await, Ok(7));
/// });
/// ```
#[track_caller]
#[doc(alias = "wait_for")]
#[doc(alias = "shield")]
pub fn timeout<F: Future>(duration: Duration, future: F) -> Timeout<F> {
    Timeout {
        future,
        sleep: sleep(duration).made_by("selio::timeout"),
    }
}

/// Waits for `future`, but not beyond `deadline`. See [`timeout`].
///
/// # Errors
///
/// [`Elapsed`] when the time is up.
///
/// # Panics
///
/// When it has to wait outside of a runtime.
///
/// # Cancel safety
///
/// That of `future`, as for [`timeout`].
#[track_caller]
pub fn timeout_at<F: Future>(deadline: Instant, future: F) -> Timeout<F> {
    Timeout {
        future,
        sleep: sleep_until(deadline).made_by("selio::timeout_at"),
    }
}

pin_project! {
    /// The future of [`timeout`] and [`timeout_at`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless you await them"]
    pub struct Timeout<F> {
        #[pin]
        future: F,
        sleep: Sleep,
    }
}

impl<F> Timeout<F> {
    /// The same, made at another place.
    pub(crate) fn made_at(self, site: &'static Location<'static>) -> Self {
        let sleep = self.sleep.made_at(site);
        Self { sleep, ..self }
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(output) = this.future.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        ready!(Pin::new(&mut *this.sleep).poll(cx));
        Poll::Ready(Err(Elapsed::new(this.sleep.site)))
    }
}
