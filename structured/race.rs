//! Waiting for several futures at once: for the first of them.

use std::future::{Future, poll_fn};
use std::ops::ControlFlow;
use std::pin::pin;
use std::task::Poll;

use super::children::Children;
use super::tuple::{Each, Tuple, for_each_tuple};

/// Waits for the first of these futures that ends, gives what it gives, and drops the others.
///
/// It takes anything that iterates over futures, or a tuple of up to eight futures of different
/// types, as long as all give the same. Of several that are ready at once, the first in the tuple
/// wins: in a loop, put first what must not starve. Of those that come from an iterator, it is the
/// first when they are polled for the first time, and after that the one that was woken first.
///
/// asyncio has no `race`, and spells it `wait(.., return_when=FIRST_COMPLETED)`, which leaves the
/// others running: for that there is [`wait`](crate::wait()).
///
/// # Panics
///
/// When there is no future at all: nobody would ever win.
///
/// # Cancel safety
///
/// That of the futures, which are dropped, as those that lose are: race only what loses nothing
/// thereby (the operations of this crate), or give a reference, and the loser may be awaited again.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// selio::run(async {
///     let fast = async {
///         selio::sleep(Duration::from_millis(1)).await;
///         "fast"
///     };
///     let slow = async { std::future::pending().await };
///     assert_eq!(selio::race((slow, fast)).await, "fast");
/// });
/// ```
///
/// In a loop, with a type for what may happen. The part of a line that has come before a tick is
/// not lost:
///
/// ```
/// use selio::{StreamReader, interval, race};
/// use std::{io, time::Duration};
///
/// enum Event<'a> {
///     Line(&'a [u8]),
///     Tick,
/// }
///
/// async fn count_lines(mut reader: StreamReader) -> io::Result<usize> {
///     let mut ticks = interval(Duration::from_secs(60));
///     let mut lines = 0;
///     loop {
///         let line = async { reader.read_line().await.map(Event::Line) };
///         let tick = async {
///             ticks.tick().await;
///             Ok(Event::Tick)
///         };
///         match race((line, tick)).await? {
///             Event::Line([]) => return Ok(lines),
///             Event::Line(_) => lines += 1,
///             Event::Tick => println!("{lines} lines so far"),
///         }
///     }
/// }
///
/// let input = StreamReader::new(&b"one\ntwo\n"[..]);
/// assert_eq!(selio::run(count_lines(input)).unwrap(), 2);
/// ```
#[track_caller]
#[doc(alias = "select")]
pub fn race<M, R: Race<M>>(futures: R) -> impl Future<Output = R::Output> {
    futures.race()
}

/// What [`race`] takes: iterators of futures, and tuples of futures, that give the same type.
///
/// `M` tells the two apart. It is inferred.
#[diagnostic::on_unimplemented(
    message = "`race` cannot wait for `{Self}`",
    note = "it takes one argument: a tuple, `race((a(), b()))`, or what iterates over futures",
    note = "all of them give one type: where they do not, put each into an `async` block that does"
)]
pub trait Race<M> {
    /// What each of them gives.
    type Output;

    /// See [`race`].
    #[track_caller]
    fn race(self) -> impl Future<Output = Self::Output>;
}

impl<I> Race<Each> for I
where
    I: IntoIterator<Item: Future>,
{
    type Output = <I::Item as Future>::Output;

    #[track_caller]
    fn race(self) -> impl Future<Output = Self::Output> {
        let mut children = Children::new(self);
        assert!(
            children.len() > 0,
            "selio::race: there is no future, and none would ever win; look whether the list is \
             empty first"
        );
        async move {
            let first = poll_fn(|cx| children.poll(cx, |_, output| ControlFlow::Break(output)));
            first.await.expect("it ends with the first of them")
        }
    }
}

macro_rules! impl_for_tuple {
    ($($F:ident $T:ident $f:ident),+) => {
        impl<Output, $($F: Future<Output = Output>),+> Race<Tuple> for ($($F,)+) {
            type Output = Output;

            fn race(self) -> impl Future<Output = Output> {
                async move {
                    let ($($f,)+) = self;
                    $(let mut $f = pin!($f);)+
                    poll_fn(|cx| {
                        $(
                            if let Poll::Ready(output) = $f.as_mut().poll(cx) {
                                return Poll::Ready(output);
                            }
                        )+
                        Poll::Pending
                    })
                    .await
                }
            }
        }
    };
}

for_each_tuple!(impl_for_tuple);
