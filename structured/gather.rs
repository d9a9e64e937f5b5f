//! Waiting for several futures at once: for all of them.

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::ops::ControlFlow;
use std::pin::pin;
use std::task::Poll;

use super::children::Children;
use super::tuple::{Each, MaybeDone, Tuple, for_each_tuple};

/// Waits for all of these futures at once. Their results come in the order in which they were given.
///
/// It takes anything that iterates over futures, and gives a `Vec`, or a tuple of up to eight futures
/// of different types, and gives a tuple. The futures need not be tasks, and may borrow. Each is
/// polled only when it was woken, so that ten thousand cost no more than their work; those of a tuple
/// are so few that all are polled.
///
/// asyncio's counterpart is
/// [`gather`](https://docs.python.org/3/library/asyncio-task.html#asyncio.gather) with
/// `return_exceptions=True`: a future that gives an `Err` stops nobody, and its `Err` is among the
/// results. To stop at the first one, use [`try_gather`]. A panic of one of them goes on here, and
/// drops the others; [`spawn`](crate::spawn) those that shall not share that fate, and gather their
/// handles.
///
/// # Cancel safety
///
/// The futures are dropped, and with them what they have given so far. To keep results, gather
/// handles by reference: `gather(tasks.iter_mut())`.
///
/// # Examples
///
/// ```
/// use selio::{gather, sleep};
/// use std::time::Duration;
///
/// selio::run(async {
///     let factor = 2;
///     let doubled = gather((1..=3).map(async |number| {
///         sleep(Duration::from_millis(4 - number)).await;
///         number * factor
///     }));
///     assert_eq!(doubled.await, [2, 4, 6]);
///
///     assert_eq!(gather((async { 7 }, async { "seven" })).await, (7, "seven"));
/// });
/// ```
#[doc(alias = "return_exceptions")]
#[doc(alias = "join")]
#[doc(alias = "join_all")]
pub fn gather<M, G: Gather<M>>(futures: G) -> impl Future<Output = G::Output> {
    futures.gather()
}

/// Waits for all of these futures at once, or for the first error, which drops the others.
///
/// It takes what [`gather`] takes, if all give results with the same type of error.
///
/// asyncio's counterpart is
/// [`gather`](https://docs.python.org/3/library/asyncio-task.html#asyncio.gather), which lets the
/// others go on: to have that, [`spawn`](crate::spawn) them. A [`TaskGroup`](crate::TaskGroup) tells
/// the errors of all, not only the first.
///
/// # Errors
///
/// The first error in time.
///
/// # Cancel safety
///
/// That of [`gather`].
///
/// # Examples
///
/// ```
/// use std::future::pending;
///
/// selio::run(async {
///     let both = selio::try_gather((async { Ok::<_, String>(1) }, async { Ok("one") }));
///     assert_eq!(both.await, Ok((1, "one")));
///
///     let failing = async { "7 seas".parse::<u32>() };
///     assert!(selio::try_gather((pending::<Result<(), _>>(), failing)).await.is_err());
/// });
/// ```
#[doc(alias = "try_join")]
pub fn try_gather<M, G: TryGather<M>>(
    futures: G,
) -> impl Future<Output = Result<G::Output, G::Error>> {
    futures.try_gather()
}

/// What [`gather`] takes: iterators of futures, and tuples of futures.
///
/// `M` tells the two apart. It is inferred.
#[diagnostic::on_unimplemented(
    message = "`gather` cannot wait for `{Self}`",
    note = "it takes one argument: a tuple, `gather((a(), b()))`, or what iterates over futures"
)]
pub trait Gather<M> {
    /// The results, in order.
    type Output;

    /// See [`gather`].
    fn gather(self) -> impl Future<Output = Self::Output>;
}

/// What [`try_gather`] takes: iterators of futures, and tuples of futures, that give a `Result`.
///
/// `M` tells the two apart. It is inferred.
#[diagnostic::on_unimplemented(
    message = "`try_gather` cannot wait for `{Self}`",
    note = "it takes one argument: a tuple, `try_gather((a(), b()))`, or what iterates over futures"
)]
pub trait TryGather<M> {
    /// The results, in order.
    type Output;
    /// What the first future that fails gives.
    type Error;

    /// See [`try_gather`].
    fn try_gather(self) -> impl Future<Output = Result<Self::Output, Self::Error>>;
}

impl<I> Gather<Each> for I
where
    I: IntoIterator<Item: Future>,
{
    type Output = Vec<<I::Item as Future>::Output>;

    fn gather(self) -> impl Future<Output = Self::Output> {
        let all = all(self, Ok::<_, Infallible>);
        async move {
            let Ok(outputs) = all.await;
            outputs
        }
    }
}

impl<I, T, E> TryGather<Each> for I
where
    I: IntoIterator<Item: Future<Output = Result<T, E>>>,
{
    type Output = Vec<T>;
    type Error = E;

    fn try_gather(self) -> impl Future<Output = Result<Vec<T>, E>> {
        all(self, |result| result)
    }
}

/// Waits for all of these futures, or until one gives what is an error to `check`.
fn all<F: Future, T, E>(
    futures: impl IntoIterator<Item = F>,
    check: impl Fn(F::Output) -> Result<T, E>,
) -> impl Future<Output = Result<Vec<T>, E>> {
    let mut children = Children::new(futures);
    async move {
        let mut outputs: Vec<_> = (0..children.len()).map(|_| None).collect();
        let all = poll_fn(|cx| {
            children.poll(cx, |index, output| match check(output) {
                Ok(output) => {
                    outputs[index] = Some(output);
                    ControlFlow::Continue(())
                }
                Err(error) => ControlFlow::Break(error),
            })
        });
        match all.await {
            Some(error) => Err(error),
            None => {
                let outputs = outputs.into_iter();
                Ok(outputs.map(|it| it.expect("all have ended")).collect())
            }
        }
    }
}

macro_rules! impl_for_tuple {
    ($($F:ident $T:ident $f:ident),+) => {
        impl<$($F: Future),+> Gather<Tuple> for ($($F,)+) {
            type Output = ($($F::Output,)+);

            fn gather(self) -> impl Future<Output = Self::Output> {
                async move {
                    let ($($f,)+) = self;
                    $(let mut $f = pin!(MaybeDone::new($f));)+
                    poll_fn(|cx| {
                        let mut is_done = true;
                        $(is_done &= $f.as_mut().poll(cx);)+
                        if is_done { Poll::Ready(()) } else { Poll::Pending }
                    })
                    .await;
                    ($($f.as_mut().take(),)+)
                }
            }
        }

        impl<Error, $($T, $F: Future<Output = Result<$T, Error>>),+> TryGather<Tuple> for ($($F,)+) {
            type Output = ($($T,)+);
            type Error = Error;

            fn try_gather(self) -> impl Future<Output = Result<Self::Output, Error>> {
                async move {
                    let ($($f,)+) = self;
                    $(let mut $f = pin!(MaybeDone::new($f));)+
                    poll_fn(|cx| {
                        let mut is_done = true;
                        $(
                            is_done &= $f.as_mut().poll(cx);
                            if let Some(error) = $f.as_mut().take_error() {
                                return Poll::Ready(Err(error));
                            }
                        )+
                        if is_done { Poll::Ready(Ok(())) } else { Poll::Pending }
                    })
                    .await?;
                    Ok(($($f.as_mut().take()?,)+))
                }
            }
        }
    };
}

for_each_tuple!(impl_for_tuple);
