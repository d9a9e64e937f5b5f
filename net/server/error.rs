//! What went wrong in a server: told once, and its affair from then on.

use std::convert::Infallible;
use std::error::Error;
use std::fmt;
use std::io::{self, Write};
use std::panic::Location;

use super::super::backlog::is_exhausted;
use crate::executor::JoinError;
use crate::reactor::OneLine;

/// What a handler may return: nothing, or a `Result` whose error becomes text.
#[diagnostic::on_unimplemented(
    message = "a handler cannot return `{Self}`",
    label = "it returns `()`, or a `Result<(), E>` whose error becomes a `Box<dyn Error>`"
)]
pub trait HandlerOutput {
    /// The error, if there is one.
    ///
    /// # Errors
    ///
    /// That of the handler.
    fn into_result(self) -> Result<(), Box<dyn Error>>;
}

impl HandlerOutput for () {
    fn into_result(self) -> Result<(), Box<dyn Error>> {
        Ok(())
    }
}

impl HandlerOutput for Infallible {
    fn into_result(self) -> Result<(), Box<dyn Error>> {
        match self {}
    }
}

impl<T: HandlerOutput, E: Into<Box<dyn Error>>> HandlerOutput for Result<T, E> {
    fn into_result(self) -> Result<(), Box<dyn Error>> {
        match self {
            Ok(output) => output.into_result(),
            Err(error) => Err(error.into()),
        }
    }
}

/// Something that went wrong in a [`Server`](super::Server), for
/// [`ServerBuilder::on_error`](super::ServerBuilder::on_error). Its text tells all of it in one line.
#[derive(Debug)]
#[non_exhaustive]
pub struct ServerError {
    /// The name that was given to [`ServerBuilder::name`](super::ServerBuilder::name), else
    /// `server`, and the addresses that it listens on.
    pub server: String,
    /// Where the server was started.
    pub site: &'static Location<'static>,
    /// What it was.
    pub kind: ServerErrorKind,
}

/// What can go wrong in a [`Server`](super::Server).
#[derive(Debug)]
#[non_exhaustive]
pub enum ServerErrorKind {
    /// A handler has returned an error. Its connection is closed.
    Handler {
        /// Whom it served.
        peer: String,
        /// What it returned.
        error: Box<dyn Error>,
    },
    /// A handler has panicked. Its connection is closed.
    Panic {
        /// Whom it served.
        peer: String,
        /// What it panicked with.
        error: JoinError,
    },
    /// Nothing could be accepted, because the process or the system has run out of file
    /// descriptors or memory (`EMFILE`, `ENFILE`, `ENOBUFS`, `ENOMEM`), or because of an error that
    /// nobody expects. Clients wait; the server tries again when one of its connections is closed,
    /// and every 200 ms. This is told once, until ten seconds have passed without it.
    Accept {
        /// What accept(2) returned.
        error: io::Error,
    },
}

impl ServerError {
    /// What happens with it by default: one line on standard error.
    pub(super) fn print(&self) {
        // There is nobody left to hear of an error.
        let _ = writeln!(io::stderr(), "{self}");
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { server, site, kind } = self;
        let problem = match kind {
            ServerErrorKind::Handler { peer, error } => {
                format!("the handler of {peer} failed: {error}")
            }
            ServerErrorKind::Panic { peer, error } => format!("the handler of {peer}: {error}"),
            ServerErrorKind::Accept { error } if is_exhausted(error) => format!(
                "accept: {error}; clients wait until a connection is closed: raise the limit of \
                 file descriptors (`ulimit -n`), or set `ServerBuilder::max_connections` below it"
            ),
            ServerErrorKind::Accept { error } => {
                format!("accept: {error}; it is tried again from time to time")
            }
        };
        // A peer may have a say in what the error of its handler tells.
        let (server, problem) = (OneLine(server), OneLine(&problem));
        write!(f, "{server} (started at {site}): {problem}")
    }
}

impl Error for ServerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(match &self.kind {
            ServerErrorKind::Handler { error, .. } => &**error,
            ServerErrorKind::Panic { error, .. } => error,
            ServerErrorKind::Accept { error } => error,
        })
    }
}
