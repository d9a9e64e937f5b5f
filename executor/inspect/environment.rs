//! `SELIO_DUMP`: the signal that has the tasks told, for programs that do not ask for one.

use std::env;
use std::io;

use crate::reactor::signal::SignalKind;

const VARIABLE: &str = "SELIO_DUMP";

/// The signal that the environment asks for, and who asks.
pub(in crate::executor) fn signal_from_environment()
-> io::Result<Option<(SignalKind, &'static str)>> {
    let Some(value) = env::var_os(VARIABLE).filter(|value| !value.is_empty()) else {
        return Ok(None);
    };
    match value.to_str().and_then(SignalKind::named) {
        Some(kind) => Ok(Some((kind, VARIABLE))),
        None => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            format!(
                "{VARIABLE}: `{}` is no signal; name one, as in SIGUSR1, or write its number",
                value.display()
            ),
        )),
    }
}
