//! Waiting for several futures at once: for one after the other, as they end.

use std::fmt;
use std::future::{Future, poll_fn};
use std::ops::ControlFlow;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;

use super::children::Children;

/// Runs all of these futures at once, and gives their results in the order in which they end.
///
/// It is a [`Stream`], for whoever uses those; [`next`](AsCompleted::next) is there without. Nothing
/// runs unless somebody waits for the next result. asyncio's counterpart is
/// [`as_completed`](https://docs.python.org/3/library/asyncio-task.html#asyncio.as_completed), whose
/// `timeout` is a [`timeout`](crate::timeout()) around `next` here. To see which result is whose, give
/// futures that say so: `.map(async |url| (url, fetch(url).await))`.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// selio::run(async {
///     let mut numbers = selio::as_completed([8, 0, 4].map(async |number| {
///         selio::sleep(Duration::from_millis(5 * number)).await;
///         number
///     }));
///     let mut sorted = Vec::new();
///     while let Some(number) = numbers.next().await {
///         sorted.push(number);
///     }
///     assert_eq!(sorted, [0, 4, 8]);
/// });
/// ```
pub fn as_completed<I>(futures: I) -> AsCompleted<I::Item>
where
    I: IntoIterator<Item: Future>,
{
    AsCompleted(Children::new(futures))
}

/// The results of several futures, as they end. See [`as_completed`].
#[must_use = "its futures do nothing unless you wait for their results"]
pub struct AsCompleted<F>(Children<F>);

impl<F: Future> AsCompleted<F> {
    /// Waits for the next result. `None`: all futures have ended.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    pub async fn next(&mut self) -> Option<F::Output> {
        poll_fn(|cx| self.poll(cx)).await
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<F::Output>> {
        self.0.poll(cx, |_, output| ControlFlow::Break(output))
    }
}

impl<F: Future> Stream for AsCompleted<F> {
    type Item = F::Output;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<F::Output>> {
        self.poll(cx)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let len = self.0.len();
        (len, Some(len))
    }
}

impl<F> fmt::Debug for AsCompleted<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AsCompleted").field(&self.0).finish()
    }
}
