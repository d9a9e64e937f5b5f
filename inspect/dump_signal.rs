//! The signal that has the tasks told: [`Builder::dump_on_signal`](crate::Builder::dump_on_signal).
//!
//! ```text
//!   kernel --> handler of signal-hook --> a byte into a socket pair, of each runtime that asked
//!                                                  |
//!   stderr <-- dump <-- Asked::wake <-- selector: readable
//! ```
//!
//! Nobody is polled for it: the waker that waits for the byte tells the tasks by itself, when all
//! wakers are called and nothing is borrowed. So it is no task, shows up in no figure but that of the
//! sources, and costs a runtime whose signal does not come nothing. The handler itself could not do
//! it: it interrupts the thread anywhere, and may hardly do more than write a byte.

use std::io::{self, Read};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use signal_hook::low_level::pipe;

use super::Dump;
use crate::executor::Executor;
use crate::reactor::{Direction, OneLine, Source};
use crate::signals::{Listener, SignalKind};
use crate::trace::write_to_stderr;

/// The signal that a runtime listens to, until it ends.
pub(super) struct DumpSignal {
    kind: SignalKind,
    // The order matters, see `Signals` in net/signal.
    _listener: Listener,
    receiver: Source<UnixStream>,
}

/// Tells the tasks of this runtime whenever this signal comes. Errors name the `call`.
pub(crate) fn dump_on_signal(
    executor: &Rc<Executor>,
    kind: SignalKind,
    call: &str,
) -> io::Result<()> {
    let (receiver, sender) = UnixStream::pair()?;
    receiver.set_nonblocking(true)?;
    let signal = DumpSignal {
        kind,
        _listener: Listener::new(call, kind, |number, _| pipe::register(number, sender))?,
        receiver: Source::register(Rc::clone(&executor.reactor), receiver),
    };
    let _entered = executor.enter(); // A source is awaited in its own runtime only.
    signal.arm()?;
    executor.extensions.insert(Rc::new(signal));
    Ok(())
}

/// The descriptor that is watched for the signal, and for no task.
pub(crate) fn dump_handle(executor: &Executor) -> Option<RawFd> {
    let signal = executor.extensions.get::<DumpSignal>()?;
    Some(signal.receiver.get_ref().as_raw_fd())
}

impl DumpSignal {
    /// Waits for the next byte.
    fn arm(&self) -> io::Result<()> {
        // Not before the selector has said so: then there is nothing to try, and no budget to spend.
        self.receiver.set_drained();
        let waker = Waker::from(Arc::new(Asked));
        let mut cx = Context::from_waker(&waker);
        match self.receiver.poll_io(&mut cx, Direction::Read, |_| Ok(())) {
            Poll::Ready(result) => result,
            Poll::Pending => Ok(()),
        }
    }

    /// Takes what has come, and returns whether anything has: signals close to each other are one.
    fn take(&self) -> bool {
        let mut bytes = [0; 1024];
        let mut receiver = self.receiver.get_ref();
        let mut has_come = false;
        while matches!(receiver.read(&mut bytes), Ok(1..)) {
            has_come = true;
        }
        has_come
    }

    fn tell_tasks(&self, executor: &Executor) {
        let thread = thread::current();
        let name = OneLine(thread.name().unwrap_or("without a name"));
        let dump = Dump::of(executor);
        // In one piece, as other threads may be asked too; and not by eprintln, which panics if
        // stderr is closed.
        let text = format!(
            "selio: {}: the tasks of thread {name}:\n{dump}\n",
            self.kind
        );
        let _ = write_to_stderr(&text);
    }
}

/// The waker that waits for the byte. It is woken in the runtime that the signal belongs to.
struct Asked;

impl Wake for Asked {
    fn wake(self: Arc<Self>) {
        let Some(executor) = Executor::current() else {
            return;
        };
        // When the runtime ends, it is woken for the last time, and there is nothing to tell.
        let Some(signal) = executor.extensions.get::<DumpSignal>() else {
            return;
        };
        if signal.take() {
            signal.tell_tasks(&executor);
        }
        // Where the selector has no room any more, this was the last time.
        let _ = signal.arm();
    }
}
