//! The error of whoever has waited long enough.

use std::error::Error;
use std::fmt;
use std::io;
use std::panic::Location;

/// The deadline of a [`timeout`](crate::timeout()) or of a [`Deadline`](crate::Deadline) has passed.
///
/// Its message names the line that has set the limit: of nested ones, it tells which it was. It turns
/// into an [`io::Error`] of kind [`TimedOut`](io::ErrorKind::TimedOut), so that `?` works where those
/// are returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(alias = "TimeoutError")]
pub struct Elapsed {
    site: &'static Location<'static>,
}

impl Elapsed {
    pub(crate) fn new(site: &'static Location<'static>) -> Self {
        Self { site }
    }

    /// Where the limit was set: the place of the call of [`timeout`](crate::timeout()), say.
    #[must_use]
    pub fn location(&self) -> &'static Location<'static> {
        self.site
    }
}

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "timed out: the limit set at {} has passed", self.site)
    }
}

impl Error for Elapsed {}

impl From<Elapsed> for io::Error {
    fn from(elapsed: Elapsed) -> Self {
        io::Error::new(io::ErrorKind::TimedOut, elapsed)
    }
}
