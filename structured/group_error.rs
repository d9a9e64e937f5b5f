//! Why a task group has failed.

use std::error::Error;
use std::fmt;
use std::io;

use crate::executor::JoinError;

/// All errors and panics of a [`TaskGroup`](crate::TaskGroup), in the order in which they happened.
///
/// There is at least one; the first is what made the group cancel the rest. Mostly it is the only one:
/// what is cancelled is dropped on the spot, and has no time to fail as well, unless a destructor
/// panics. To hear how each of several ends, whatever the others do, use [`gather`](crate::gather).
///
/// asyncio's counterpart is
/// [`ExceptionGroup`](https://docs.python.org/3/library/exceptions.html#ExceptionGroup). It turns into
/// an [`io::Error`], so that `?` works where those are returned.
///
/// # Examples
///
/// ```
/// use selio::{Failure, GroupError, TaskGroup};
///
/// selio::run(async {
///     let result: Result<(), GroupError<String>> = TaskGroup::scope(async |group| {
///         group.spawn(async { Err::<(), _>("no luck".to_owned()) });
///         Ok(())
///     })
///     .await;
///     let error = result.unwrap_err();
///     assert_eq!(error.to_string(), "the task group failed: no luck");
///     for failure in error.into_failures() {
///         match failure {
///             Failure::Error(error) => assert_eq!(error, "no luck"),
///             Failure::Panic(panic) => panic!("{panic}"),
///         }
///     }
/// });
/// ```
#[derive(Debug)]
#[doc(alias = "ExceptionGroup")]
pub struct GroupError<E> {
    failures: Vec<Failure<E>>,
}

/// How a member of a task group has failed.
#[derive(Debug)]
pub enum Failure<E> {
    /// It has given an `Err`.
    Error(E),
    /// It has panicked, or a destructor has when it was dropped. The error names the task.
    Panic(JoinError),
}

impl<E> GroupError<E> {
    pub(super) fn new(failures: Vec<Failure<E>>) -> Self {
        Self { failures }
    }

    /// All failures, in the order in which they happened.
    #[must_use]
    #[doc(alias = "exceptions")]
    pub fn failures(&self) -> &[Failure<E>] {
        &self.failures
    }

    /// The same, by value.
    #[must_use]
    pub fn into_failures(self) -> Vec<Failure<E>> {
        self.failures
    }
}

impl<E: fmt::Display> fmt::Display for GroupError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the task group failed")?;
        for (at, failure) in self.failures.iter().enumerate() {
            let separator = if at == 0 { ": " } else { "; " };
            write!(f, "{separator}{failure}")?;
        }
        Ok(())
    }
}

impl<E: fmt::Debug + fmt::Display> Error for GroupError<E> {}

impl<E: fmt::Display> fmt::Display for Failure<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Error(error) => error.fmt(f),
            Self::Panic(panic) => panic.fmt(f),
        }
    }
}

impl<E: Error + 'static> Error for Failure<E> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Error(error) => error.source(),
            Self::Panic(panic) => panic.source(),
        }
    }
}

impl<E> From<GroupError<E>> for io::Error
where
    E: fmt::Debug + fmt::Display + Send + Sync + 'static,
{
    fn from(error: GroupError<E>) -> Self {
        io::Error::other(error)
    }
}
