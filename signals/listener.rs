//! Who listens to which signal, in the whole process: as long as nobody does, it does what it does
//! by default.
//!
//! signal-hook installs a handler for good: left alone, a program that has listened to Ctrl-C once
//! could not be ended by it ever after. So the first action of each signal that is listened to
//! emulates the default one while nobody listens, as `loop.remove_signal_handler` of asyncio brings
//! it back. `SIGPIPE` gets no such action: every Rust program ignores it from its start. And what the
//! program has caught by a handler of its own before is left to that one.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use signal_hook::SigId;
use signal_hook::consts::FORBIDDEN;
use signal_hook::{flag, low_level};

use super::SignalKind;
use super::actions::is_caught;

static LINES: Mutex<BTreeMap<i32, Line>> = Mutex::new(BTreeMap::new());

/// A signal that somebody listens to, or has listened to.
struct Line {
    listeners: usize,
    is_default: DefaultSwitch,
    /// Whether others had a handler for it before, which is called as ever.
    is_caught: bool,
}

/// Whether the signal does what it does by default. The handler reads it.
pub(crate) type DefaultSwitch = Arc<AtomicBool>;

/// Somebody who listens to a signal, until this is dropped.
pub(crate) struct Listener {
    kind: SignalKind,
    id: SigId,
}

impl Listener {
    /// Listens by an action of signal-hook, which `register` registers. Errors name the `call`.
    pub(crate) fn new(
        call: &str,
        kind: SignalKind,
        register: impl FnOnce(i32, &DefaultSwitch) -> io::Result<SigId>,
    ) -> io::Result<Self> {
        let number = kind.as_raw();
        if FORBIDDEN.contains(&number) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!(
                    "{call}: {kind} cannot be listened to: SIGKILL and SIGSTOP never reach the \
                     program, and after a fault it cannot go on"
                ),
            ));
        }
        let mut lines = lines();
        let line = lines.entry(number).or_insert_with(|| {
            let is_caught = is_caught(kind);
            let is_default = DefaultSwitch::new(AtomicBool::new(!is_caught));
            if kind != SignalKind::SIGPIPE {
                // It fails for those whose default nobody knows, such as real-time signals, and for
                // those that do not exist: `register` tells.
                let _ = flag::register_conditional_default(number, Arc::clone(&is_default));
            }
            Line {
                listeners: 0,
                is_default,
                is_caught,
            }
        });
        let id = match register(number, &line.is_default) {
            Ok(id) => id,
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                lines.remove(&number);
                let message = format!("{call}: there is no {kind}");
                return Err(io::Error::new(error.kind(), message));
            }
            Err(error) => return Err(error),
        };
        line.listeners += 1;
        if line.listeners == 1 {
            line.is_default.store(false, Ordering::SeqCst);
        }
        Ok(Self { kind, id })
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Some(line) = lines().get_mut(&self.kind.as_raw()) {
            line.listeners -= 1;
            if line.listeners == 0 {
                line.is_default.store(!line.is_caught, Ordering::SeqCst);
            }
        }
        low_level::unregister(self.id);
    }
}

fn lines() -> MutexGuard<'static, BTreeMap<i32, Line>> {
    LINES.lock().unwrap_or_else(PoisonError::into_inner)
}
