//! What to run, and how: `std::process::Command`, whose processes are awaited.

use std::ffi::OsStr;
use std::fmt;
use std::future::Future;
use std::io;
use std::os::unix::process::CommandExt;
use std::panic::Location;
use std::path::Path;
use std::process::{self, ExitStatus, Output, Stdio};
use std::rc::Rc;

use rustix::io::Errno;

use super::{Child, orphans};
use crate::executor::contain;
use crate::net::explain::explain_by;
use crate::reactor::Reactor;

const TAKEN: &str = "why is not known, as its status was taken by other code of this program, which \
                     waits for any child by `waitpid(-1)`, or ignores SIGCHLD";

/// A process to be started: [`std::process::Command`], whose children are awaited.
///
/// The methods are std's. What is not here can be had from [`as_std_mut`](Self::as_std_mut).
/// asyncio's counterpart is
/// [`create_subprocess_exec`](https://docs.python.org/3/library/asyncio-subprocess.html#asyncio.create_subprocess_exec).
///
/// # Examples
///
/// ```
/// use selio::process::Command;
///
/// # fn main() -> std::io::Result<()> {
/// selio::run(async {
///     let output = Command::new("echo").arg("hello").output().await?;
///     assert!(output.status.success());
///     assert_eq!(output.stdout, b"hello\n");
///     Ok(())
/// })
/// # }
/// ```
///
/// To talk with it while it runs:
///
/// ```
/// use selio::process::{Command, Stdio};
///
/// # fn main() -> std::io::Result<()> {
/// selio::run(async {
///     let mut child = Command::new("tr")
///         .args(["a-z", "A-Z"])
///         .stdin(Stdio::piped())
///         .stdout(Stdio::piped())
///         .spawn()?;
///     let output = child.communicate("hello").await?;
///     assert_eq!(output.stdout, b"HELLO");
///     Ok(())
/// })
/// # }
/// ```
#[doc(alias = "create_subprocess_exec")]
#[doc(alias = "subprocess_exec")]
pub struct Command {
    std: process::Command,
    /// Whether standard input, output and error were set: std does not tell, and the defaults
    /// depend on what is called.
    is_set: [bool; 3],
    kill_on_drop: bool,
}

impl Command {
    /// Runs this program: a path, or a name that is looked for in `PATH`.
    pub fn new(program: impl AsRef<OsStr>) -> Self {
        Self::from(process::Command::new(program))
    }

    /// Runs this line in a shell, `/bin/sh`. Whatever comes from others must be quoted before it
    /// becomes a part of it, so prefer [`new`](Self::new). asyncio's counterpart is
    /// [`create_subprocess_shell`](https://docs.python.org/3/library/asyncio-subprocess.html#asyncio.create_subprocess_shell).
    #[doc(alias = "create_subprocess_shell")]
    #[doc(alias = "subprocess_shell")]
    pub fn shell(line: impl AsRef<OsStr>) -> Self {
        let mut command = Self::new("/bin/sh");
        command.arg("-c").arg(line);
        command
    }

    /// Adds an argument.
    pub fn arg(&mut self, arg: impl AsRef<OsStr>) -> &mut Self {
        self.std.arg(arg);
        self
    }

    /// Adds several arguments.
    pub fn args<S: AsRef<OsStr>>(&mut self, args: impl IntoIterator<Item = S>) -> &mut Self {
        self.std.args(args);
        self
    }

    /// Sets an environment variable.
    pub fn env(&mut self, key: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> &mut Self {
        self.std.env(key, value);
        self
    }

    /// Sets several environment variables.
    pub fn envs<K, V>(&mut self, vars: impl IntoIterator<Item = (K, V)>) -> &mut Self
    where
        K: AsRef<OsStr>,
        V: AsRef<OsStr>,
    {
        self.std.envs(vars);
        self
    }

    /// Removes an environment variable.
    pub fn env_remove(&mut self, key: impl AsRef<OsStr>) -> &mut Self {
        self.std.env_remove(key);
        self
    }

    /// Removes all environment variables.
    pub fn env_clear(&mut self) -> &mut Self {
        self.std.env_clear();
        self
    }

    /// Runs it in this directory.
    pub fn current_dir(&mut self, dir: impl AsRef<Path>) -> &mut Self {
        self.std.current_dir(dir);
        self
    }

    /// Where standard input comes from: by default from ours, and nowhere for
    /// [`output`](Self::output).
    pub fn stdin(&mut self, stdin: impl Into<Stdio>) -> &mut Self {
        self.is_set[0] = true;
        self.std.stdin(stdin);
        self
    }

    /// Where standard output goes to: by default to ours, and to the result for
    /// [`output`](Self::output).
    #[doc(alias = "DEVNULL")]
    #[doc(alias = "PIPE")]
    pub fn stdout(&mut self, stdout: impl Into<Stdio>) -> &mut Self {
        self.is_set[1] = true;
        self.std.stdout(stdout);
        self
    }

    /// Where standard error goes to: by default to ours, and to the result for
    /// [`output`](Self::output).
    ///
    /// # Examples
    ///
    /// Both outputs in one pipe, as with `stderr=STDOUT` in Python:
    ///
    /// ```
    /// use selio::StreamReader;
    /// use selio::net::PipeReader;
    /// use selio::process::Command;
    ///
    /// # selio::run(async {
    /// let (reader, writer) = std::io::pipe()?;
    /// let mut command = Command::shell("echo out; echo err >&2");
    /// command.stdout(writer.try_clone()?).stderr(writer);
    /// let mut child = command.spawn()?;
    /// drop(command); // It has both writers, and the pipe would not end as long as it is there.
    ///
    /// let mut output = StreamReader::new(PipeReader::from_fd(reader)?);
    /// assert_eq!(output.read_to_end(1024).await?, b"out\nerr\n");
    /// assert!(child.wait().await?.success());
    /// # Ok::<(), std::io::Error>(())
    /// # }).unwrap();
    /// ```
    pub fn stderr(&mut self, stderr: impl Into<Stdio>) -> &mut Self {
        self.is_set[2] = true;
        self.std.stderr(stderr);
        self
    }

    /// Puts it into this process group; 0: into one of its own, which Ctrl-C in our terminal does
    /// not reach.
    pub fn process_group(&mut self, group: i32) -> &mut Self {
        self.std.process_group(group);
        self
    }

    /// Whether the process is killed when its [`Child`] is dropped before it has ended. By default
    /// it goes on, as with std.
    pub fn kill_on_drop(&mut self, kill: bool) -> &mut Self {
        self.kill_on_drop = kill;
        self
    }

    /// Starts the process. Its standard input, output and error are ours, unless they were set.
    ///
    /// This blocks the thread until the kernel has loaded the program: for about a millisecond.
    ///
    /// # Errors
    ///
    /// Those of [`std::process::Command::spawn`], `NotFound` among them, with a message that names
    /// the program. The error of the system is its [`source`](std::error::Error::source).
    ///
    /// # Panics
    ///
    /// Outside of a runtime.
    #[track_caller]
    #[doc(alias = "create_subprocess_exec")]
    pub fn spawn(&mut self) -> io::Result<Child> {
        let reactor = Reactor::expect_current("process::Command::spawn");
        self.start(reactor, Location::caller())
    }

    fn start(
        &mut self,
        reactor: Rc<Reactor>,
        site: &'static Location<'static>,
    ) -> io::Result<Child> {
        orphans::reap();
        // std waits for a process that has not come so far as to run the program, and panics if
        // others have done so before.
        let child = contain(|| self.std.spawn()).unwrap_or_else(|_| Err(io::Error::other(TAKEN)));
        let child = child.map_err(|error| self.cannot_run(error))?;
        Child::new(reactor, child, self.kill_on_drop, site)
    }

    /// Starts the process and waits for its end.
    ///
    /// # Errors
    ///
    /// Those of [`spawn`](Self::spawn) and [`Child::wait`].
    ///
    /// # Panics
    ///
    /// When it is polled outside of a runtime.
    ///
    /// # Cancel safety
    ///
    /// The process goes on, or is killed by [`kill_on_drop`](Self::kill_on_drop); its status is
    /// lost.
    #[track_caller]
    pub fn status(&mut self) -> impl Future<Output = io::Result<ExitStatus>> {
        let site = Location::caller();
        async move {
            let reactor = Reactor::expect_current_at("process::Command::status", site);
            self.start(reactor, site)?.wait_at(site).await
        }
    }

    /// Starts the process, and collects what it writes until its end. Standard input is empty
    /// unless it was set; what is set to go elsewhere is not collected. It is kept in memory: for
    /// more than fits there, read from [`Child::stdout`].
    ///
    /// # Errors
    ///
    /// Those of [`spawn`](Self::spawn) and [`Child::communicate`].
    ///
    /// # Panics
    ///
    /// When it is polled outside of a runtime.
    ///
    /// # Cancel safety
    ///
    /// The process goes on, or is killed by [`kill_on_drop`](Self::kill_on_drop); what it has
    /// written is lost. Where that matters, [`spawn`](Self::spawn) it and
    /// [`communicate`](Child::communicate).
    #[track_caller]
    pub fn output(&mut self) -> impl Future<Output = io::Result<Output>> {
        let site = Location::caller();
        async move {
            let reactor = Reactor::expect_current_at("process::Command::output", site);
            self.default_streams([Stdio::null(), Stdio::piped(), Stdio::piped()]);
            let child = self.start(reactor, site);
            // Those of `spawn`, for the next time.
            self.default_streams([Stdio::inherit(), Stdio::inherit(), Stdio::inherit()]);
            child?.communicate_at(site, Vec::new()).await
        }
    }

    /// What those streams are that were not set.
    fn default_streams(&mut self, [stdin, stdout, stderr]: [Stdio; 3]) {
        if !self.is_set[0] {
            self.std.stdin(stdin);
        }
        if !self.is_set[1] {
            self.std.stdout(stdout);
        }
        if !self.is_set[2] {
            self.std.stderr(stderr);
        }
    }

    /// std's command, to look at.
    #[must_use]
    pub fn as_std(&self) -> &process::Command {
        &self.std
    }

    /// std's command, for what has no method here: `uid`, `arg0`, `pre_exec`. Where the standard
    /// streams go to is better set here, so that [`output`](Self::output) knows.
    pub fn as_std_mut(&mut self) -> &mut process::Command {
        &mut self.std
    }

    #[cold]
    fn cannot_run(&self, error: io::Error) -> io::Error {
        let program = self.std.get_program().display();
        let dir = self.std.get_current_dir();
        let place = dir.map_or_else(String::new, |dir| format!(" in `{}`", dir.display()));
        let fix = match Errno::from_io_error(&error) {
            // The system does not tell which of the three was not found.
            Some(Errno::NOENT) if dir.is_some_and(|dir| !dir.is_dir()) => {
                "; run it in a directory that exists"
            }
            Some(Errno::NOENT) if self.is_there() => {
                "; install the interpreter that its first line names"
            }
            Some(Errno::NOENT) => "; install it, or give its path",
            Some(Errno::ACCESS) => "; it has to be a file that may be executed",
            Some(Errno::NOEXEC) => "; if it is a script, let it begin with the line `#!/bin/sh`",
            _ => "",
        };
        explain_by(
            format!("cannot run `{program}`{place}: {error}{fix}"),
            error,
        )
    }

    /// Whether the program is a path, and not the path is what is missing.
    fn is_there(&self) -> bool {
        let program = Path::new(self.std.get_program());
        let dir = self.std.get_current_dir().unwrap_or(Path::new(""));
        program.components().count() > 1 && dir.join(program).exists()
    }
}

impl From<process::Command> for Command {
    /// Where its standard streams were set to go to, [`output`](Command::output) does not know.
    fn from(std: process::Command) -> Self {
        Self {
            std,
            is_set: [false; 3],
            kill_on_drop: false,
        }
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.std.fmt(f)
    }
}
