//! A process that was started.

use std::fmt;
use std::future::Future;
use std::io;
use std::panic::Location;
use std::process::{self, ExitStatus};
use std::rc::Rc;

use rustix::process::Pid;

use super::communicate::Transcript;
use super::orphans;
use super::reaper::Reaper;
use crate::net::signal::SignalKind;
use crate::net::{PipeReader, PipeWriter};
use crate::reactor::Reactor;

/// What a child reads as its standard input. Dropping it lets the child read to the end.
pub type ChildStdin = PipeWriter;

/// What a child writes as its standard output.
pub type ChildStdout = PipeReader;

/// What a child writes as its standard error.
pub type ChildStderr = PipeReader;

/// A process that was started by [`Command::spawn`](super::Command::spawn).
///
/// Dropping it closes its pipes and lets it go on, unless
/// [`kill_on_drop`](super::Command::kill_on_drop) was asked for. Either way it does not stay a
/// zombie.
///
/// A process that writes to a pipe which nobody reads stops when the pipe is full: read what it
/// writes while you [`wait`](Self::wait), or let [`communicate`](Self::communicate) do that.
///
/// asyncio's counterpart is
/// [`Process`](https://docs.python.org/3/library/asyncio-subprocess.html#asyncio.subprocess.Process),
/// whose `returncode` is [`try_wait`](Self::try_wait) here.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
/// use selio::{process::Command, timeout};
///
/// # fn main() -> std::io::Result<()> {
/// selio::run(async {
///     let mut child = Command::new("sleep").arg("3600").spawn()?;
///     if timeout(Duration::from_millis(5), child.wait()).await.is_err() {
///         child.kill()?;
///     }
///     assert!(!child.wait().await?.success());
///     Ok(())
/// })
/// # }
/// ```
///
/// To read its lines as they come, put a [`StreamReader`](crate::StreamReader) around the pipe:
///
/// ```
/// use selio::{StreamReader, process::{Command, Stdio}};
///
/// # fn main() -> std::io::Result<()> {
/// selio::run(async {
///     let mut command = Command::shell("echo one; echo two");
///     let mut child = command.stdout(Stdio::piped()).spawn()?;
///     let mut stdout = StreamReader::new(child.stdout.take().expect("it is piped"));
///     assert_eq!(stdout.read_line().await?, b"one\n");
///     assert_eq!(stdout.read_line().await?, b"two\n");
///     assert!(child.wait().await?.success());
///     Ok(())
/// })
/// # }
/// ```
#[doc(alias = "Process")]
pub struct Child {
    /// Its standard input, if that was set to [`piped`](std::process::Stdio::piped). Take it to
    /// write to it from another task.
    pub stdin: Option<ChildStdin>,
    /// Its standard output, if that was set to [`piped`](std::process::Stdio::piped).
    pub stdout: Option<ChildStdout>,
    /// Its standard error, if that was set to [`piped`](std::process::Stdio::piped).
    pub stderr: Option<ChildStderr>,
    pub(super) transcript: Transcript,
    reaper: Rc<Reaper>,
    kill_on_drop: bool,
}

impl Child {
    pub(super) fn new(
        reactor: Rc<Reactor>,
        mut std: process::Child,
        kill_on_drop: bool,
        site: &'static Location<'static>,
    ) -> io::Result<Self> {
        let mut child = Self {
            stdin: None,
            stdout: None,
            stderr: None,
            transcript: Transcript::default(),
            reaper: Rc::new(Reaper::new(reactor, Pid::from_child(&std), site)),
            kill_on_drop: true, // If anything fails here, nobody would get to know of it.
        };
        child.stdin = std.stdin.take().map(PipeWriter::from_fd).transpose()?;
        child.stdout = std.stdout.take().map(PipeReader::from_fd).transpose()?;
        child.stderr = std.stderr.take().map(PipeReader::from_fd).transpose()?;
        child.kill_on_drop = kill_on_drop;
        Ok(child)
    }

    /// The number of the process. Once it has ended, another one may get it.
    #[must_use]
    #[doc(alias = "pid")]
    pub fn id(&self) -> u32 {
        self.reaper.pid().as_raw_nonzero().get().cast_unsigned()
    }

    /// Closes its standard input, unless that was taken, and waits for its end. Any later call
    /// gives the same status at once.
    ///
    /// # Errors
    ///
    /// Other code of this program has taken the status: it waits for any child by `waitpid(-1)`, or
    /// ignores `SIGCHLD`.
    ///
    /// # Panics
    ///
    /// When it has to wait outside of a runtime.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: the process goes on, and can be waited for again.
    #[track_caller]
    pub fn wait(&mut self) -> impl Future<Output = io::Result<ExitStatus>> {
        self.wait_at(Location::caller())
    }

    /// The same for a call at `site`.
    pub(super) fn wait_at(
        &mut self,
        site: &'static Location<'static>,
    ) -> impl Future<Output = io::Result<ExitStatus>> {
        let (stdin, exited) = (&mut self.stdin, self.reaper.wait_at(site));
        async move {
            drop(stdin.take());
            exited.await
        }
    }

    /// Waits for its end, and leaves its standard input open: for several tasks that share the
    /// child, one of which kills it, say.
    ///
    /// # Errors
    ///
    /// Those of [`wait`](Self::wait).
    ///
    /// # Panics
    ///
    /// When it has to wait outside of a runtime.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost.
    #[track_caller]
    pub fn exited(&self) -> impl Future<Output = io::Result<ExitStatus>> {
        self.exited_at(Location::caller())
    }

    /// The same for a call at `site`.
    pub(super) fn exited_at(
        &self,
        site: &'static Location<'static>,
    ) -> impl Future<Output = io::Result<ExitStatus>> {
        self.reaper.wait_at(site)
    }

    /// The status, if the process has ended.
    ///
    /// # Errors
    ///
    /// Those of [`wait`](Self::wait).
    #[doc(alias = "returncode")]
    #[doc(alias = "poll")]
    pub fn try_wait(&self) -> io::Result<Option<ExitStatus>> {
        self.reaper.try_wait()
    }

    /// Kills it, with `SIGKILL`. [`wait`](Self::wait) then tells when it is gone. One that has ended
    /// is left as it is.
    ///
    /// # Errors
    ///
    /// Those of [`kill(2)`](https://man7.org/linux/man-pages/man2/kill.2.html), and those of
    /// [`try_wait`](Self::try_wait).
    pub fn kill(&self) -> io::Result<()> {
        self.send_signal(SignalKind::SIGKILL)
    }

    /// Asks it to end, with `SIGTERM`. One that has ended is left as it is.
    ///
    /// # Errors
    ///
    /// Those of [`kill`](Self::kill).
    pub fn terminate(&self) -> io::Result<()> {
        self.send_signal(SignalKind::SIGTERM)
    }

    /// Sends it a signal, by its name or by its number: `child.send_signal(SignalKind::SIGHUP)`. It
    /// never hits another process: one that has ended is left as it is.
    ///
    /// # Errors
    ///
    /// `InvalidInput` for a number that has no name, real-time signals among them; and those of
    /// [`kill`](Self::kill).
    pub fn send_signal(&self, kind: impl Into<SignalKind>) -> io::Result<()> {
        let kind = kind.into();
        let signal = kind.sendable().ok_or_else(|| {
            io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("Child::send_signal: {kind} has no name; those from 1 to 31 can be sent"),
            )
        })?;
        self.reaper.send(signal)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if self.kill_on_drop {
            // What can fail here is to kill a process with the rights of another user.
            let _ = self.kill();
        }
        orphans::leave(Rc::clone(&self.reaper));
    }
}

impl fmt::Debug for Child {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Child")
            .field("reaper", &self.reaper)
            .field("kill_on_drop", &self.kill_on_drop)
            .finish_non_exhaustive()
    }
}
