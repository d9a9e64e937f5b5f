//! What went wrong, with a word of which call it was and what it was about.

use std::error::Error;
use std::fmt::{self, Display};
use std::io;

/// The same error, whose message begins with the call and its target. It stays what it was: of the
/// same kind, and the original is its [`source`](Error::source), `raw_os_error` and all.
pub(super) fn explain(call: &str, target: &dyn Display, error: io::Error) -> io::Error {
    explain_by(format!("{call} {target}: {error}"), error)
}

/// The same with a message of another form.
pub(super) fn explain_by(message: String, error: io::Error) -> io::Error {
    // What was explained before is explained better now: the source is what lies below.
    let source = match error.downcast::<Explained>() {
        Ok(explained) => explained.source,
        Err(error) => error,
    };
    io::Error::new(source.kind(), Explained { message, source })
}

struct Explained {
    message: String,
    source: io::Error,
}

/// What `main` shows when it returns an error: the message, which has the words of the source in it.
impl fmt::Debug for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.message)
    }
}

impl Display for Explained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl Error for Explained {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&self.source)
    }
}
