//! Several futures of different types: what `gather`, `try_gather` and `race` do with tuples.
//!
//! A tuple is short and its length is known, so that all of its futures are polled whenever one is
//! woken: that takes no list, no lock and no memory from the heap.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

/// Marks the traits that are implemented for tuples. The compiler cannot know that a tuple will
/// never iterate over futures, and so one trait cannot be implemented for both without a mark.
#[derive(Debug)]
pub enum Tuple {}

/// Marks the traits that are implemented for what iterates over futures.
#[derive(Debug)]
pub enum Each {}

pin_project! {
    /// A future, and then its output, until that is taken.
    #[project = Projection]
    #[project_replace = Replaced]
    pub(super) enum MaybeDone<F: Future> {
        Pending { #[pin] future: F },
        Done { output: F::Output },
        Taken,
    }
}

impl<F: Future> MaybeDone<F> {
    pub(super) fn new(future: F) -> Self {
        Self::Pending { future }
    }

    /// Whether it is done.
    pub(super) fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> bool {
        if let Projection::Pending { future } = self.as_mut().project() {
            match future.poll(cx) {
                Poll::Pending => return false,
                Poll::Ready(output) => self.set(Self::Done { output }),
            }
        }
        true
    }

    /// The output, which is there and was not taken.
    pub(super) fn take(self: Pin<&mut Self>) -> F::Output {
        match self.project_replace(Self::Taken) {
            Replaced::Done { output } => output,
            _ => panic!("a future of a tuple has no output, or it was taken"),
        }
    }
}

impl<F, T, E> MaybeDone<F>
where
    F: Future<Output = Result<T, E>>,
{
    /// The error, if it is done and has failed.
    pub(super) fn take_error(mut self: Pin<&mut Self>) -> Option<E> {
        match self.as_mut().project() {
            Projection::Done { output: Err(_) } => self.take().err(),
            _ => None,
        }
    }
}

/// Calls a macro for each length that a tuple may have, with a letter for the type of each future,
/// one for what it gives, and a name for its value.
macro_rules! for_each_tuple {
    ($call:ident) => {
        $call!(A T a);
        $call!(A T a, B U b);
        $call!(A T a, B U b, C V c);
        $call!(A T a, B U b, C V c, D W d);
        $call!(A T a, B U b, C V c, D W d, E X e);
        $call!(A T a, B U b, C V c, D W d, E X e, F Y f);
        $call!(A T a, B U b, C V c, D W d, E X e, F Y f, G Z g);
        $call!(A T a, B U b, C V c, D W d, E X e, F Y f, G Z g, H S h);
    };
}

pub(super) use for_each_tuple;
