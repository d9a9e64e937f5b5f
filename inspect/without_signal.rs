//! Without the cargo feature `signal`, nobody listens to one: who asks is told so.

use std::io::{self, Write};
use std::os::fd::RawFd;
use std::rc::Rc;
use std::sync::Once;

use crate::executor::Executor;
use crate::signals::SignalKind;

/// Says so, once in the life of the process. It is no reason for a program to fail.
#[allow(clippy::unnecessary_wraps, reason = "with the feature, it may fail")]
pub(crate) fn dump_on_signal(_: &Rc<Executor>, kind: SignalKind, call: &str) -> io::Result<()> {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let line = format!(
            "selio: {call}: nobody listens to {kind}; build this program with selio's cargo \
             feature `signal`\n"
        );
        let _ = io::stderr().write_all(line.as_bytes());
    });
    Ok(())
}

pub(crate) fn dump_handle(_: &Executor) -> Option<RawFd> {
    None
}
