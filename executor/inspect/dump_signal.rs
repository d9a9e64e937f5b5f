//! The signal that has the tasks told: [`Builder::dump_on_signal`].
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

use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use signal_hook::low_level::pipe;

use crate::executor::{Builder, Executor};
use crate::reactor::{Direction, OneLine, Source};
use crate::signals::{Listener, SignalKind};

/// The signal that a runtime listens to.
pub(in crate::executor) struct DumpSignal {
    kind: SignalKind,
    // The order matters, see `Signals` in net/signal.
    _listener: Listener,
    receiver: Source<UnixStream>,
}

impl Builder {
    /// Tells the tasks on stderr, as [`task::dump`](crate::task::dump) does, whenever the process
    /// gets this signal, with the cargo feature `signal`. By default it is the one that the
    /// environment variable `SELIO_DUMP` names, as in `SELIO_DUMP=SIGUSR1`, if any.
    ///
    /// A runtime that sleeps is woken for it; one whose thread is held by a poll that does not end
    /// tells them after that poll, and one that does not run when it runs again. Each runtime that
    /// asks for it tells its own. As long as there is one, the signal does not do what it does by
    /// default, which for `SIGUSR1` is to end the process.
    ///
    /// [`build`](Self::build) gives an error for what cannot be listened to; see
    /// [`signal`](crate::signal::signal). It takes two file descriptors.
    ///
    /// # Examples
    ///
    /// After `kill -USR1`, this program says that `main` waits for a timer:
    ///
    /// ```no_run
    /// use selio::{Builder, signal::SignalKind, sleep};
    /// use std::time::Duration;
    ///
    /// let runtime = Builder::new().dump_on_signal(SignalKind::SIGUSR1).build()?;
    /// runtime.block_on(sleep(Duration::from_secs(3600)));
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    #[doc(alias = "faulthandler")]
    pub fn dump_on_signal(mut self, kind: impl Into<SignalKind>) -> Self {
        self.dump_signal = Some((kind.into(), "Builder::dump_on_signal"));
        self
    }
}

impl Executor {
    /// Tells the tasks whenever this signal comes, until [`stop_dumping`](Self::stop_dumping).
    pub(in crate::executor) fn dump_on_signal(
        self: &Rc<Self>,
        kind: SignalKind,
        call: &str,
    ) -> io::Result<()> {
        let (receiver, sender) = UnixStream::pair()?;
        receiver.set_nonblocking(true)?;
        let signal = DumpSignal {
            kind,
            _listener: Listener::new(call, kind, |number, _| pipe::register(number, sender))?,
            receiver: Source::register(Rc::clone(&self.reactor), receiver),
        };
        let _entered = self.enter(); // A source is awaited in its own runtime only.
        signal.arm()?;
        self.dump_signal.replace(Some(Rc::new(signal)));
        Ok(())
    }

    /// The runtime ends.
    pub(in crate::executor) fn stop_dumping(&self) {
        let signal = self.dump_signal.take();
        drop(signal); // This wakes who waits, who finds that there is nothing to tell any more.
    }

    /// The handle that is watched for the signal, and for no task.
    pub(in crate::executor) fn dump_handle(&self) -> Option<RawFd> {
        let signal = self.dump_signal.borrow();
        let signal = signal.as_ref()?;
        Some(signal.receiver.get_ref().as_raw_fd())
    }

    fn answer_signal(self: &Rc<Self>) {
        let signal = self.dump_signal.borrow().clone();
        if let Some(signal) = signal {
            let has_come = signal.take();
            if has_come {
                self.tell_tasks(signal.kind);
            }
            // Where the selector has no room any more, this was the last time.
            let _ = signal.arm();
        }
    }

    fn tell_tasks(self: &Rc<Self>, kind: SignalKind) {
        let thread = thread::current();
        let name = OneLine(thread.name().unwrap_or("without a name"));
        let dump = self.dump();
        // In one piece, as other threads may be asked too; and not by eprintln, which panics if
        // stderr is closed.
        let text = format!("selio: {kind}: the tasks of thread {name}:\n{dump}\n");
        let _ = io::stderr().write_all(text.as_bytes());
    }
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
}

/// The waker that waits for the byte. It is woken in the runtime that the signal belongs to.
struct Asked;

impl Wake for Asked {
    fn wake(self: Arc<Self>) {
        let executor = Executor::current();
        if let Some(executor) = executor {
            executor.answer_signal();
        }
    }
}
