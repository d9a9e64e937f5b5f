//! Who waits for the end of a process, takes its status, and sends it signals until then.

use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::panic::Location;
use std::process::ExitStatus;
use std::rc::Rc;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};

use super::super::backoff::Backoff;
use super::orphans;
use crate::reactor::{Direction, Reactor, Source};

/// The reaper of one process. If it is dropped before it has seen the end, it leaves an orphan.
pub(super) struct Reaper {
    pid: Pid,
    /// The line that started it.
    site: &'static Location<'static>,
    end: Cell<End>,
    /// Readable once the process has ended. `None`: this system has no pidfd, or there was no file
    /// descriptor left for one.
    pidfd: Option<Source<OwnedFd>>,
    reactor: Rc<Reactor>,
}

/// What is known of the end.
#[derive(Clone, Copy, Debug)]
enum End {
    /// Nobody has seen it yet: it runs, or is a zombie.
    Unseen,
    Seen(ExitStatus),
    /// Somebody else has seen it, and we never shall.
    Taken,
}

impl Reaper {
    pub(super) fn new(reactor: Rc<Reactor>, pid: Pid, site: &'static Location<'static>) -> Self {
        let pidfd = pidfd(pid).map(|fd| Source::register(Rc::clone(&reactor), fd));
        Self {
            pid,
            site,
            end: Cell::new(End::Unseen),
            pidfd,
            reactor,
        }
    }

    pub(super) fn pid(&self) -> Pid {
        self.pid
    }

    pub(super) fn site(&self) -> &'static Location<'static> {
        self.site
    }

    /// Whether a task that is spawned here and now could wait.
    pub(super) fn is_at_home(&self) -> bool {
        self.reactor.is_current()
    }

    /// The status, if the process has ended: then this reaps it.
    pub(super) fn try_wait(&self) -> io::Result<Option<ExitStatus>> {
        if let End::Unseen = self.end.get() {
            let end = match reap(self.pid, self.pidfd.as_ref()) {
                Ok(None) => End::Unseen,
                Ok(Some(status)) => End::Seen(status),
                Err(Errno::CHILD) => End::Taken,
                Err(error) => return Err(error.into()),
            };
            self.end.set(end);
        }
        match self.end.get() {
            End::Unseen => Ok(None),
            End::Seen(status) => Ok(Some(status)),
            End::Taken => Err(self.taken()),
        }
    }

    /// Waits for the end, any number of tasks at once.
    pub(super) fn wait_at(
        &self,
        site: &'static Location<'static>,
    ) -> impl Future<Output = io::Result<ExitStatus>> {
        let pidfd = self.pidfd.as_ref();
        let readable = pidfd.map(|pidfd| pidfd.ready(Direction::Read, site));
        async move {
            if let Some(status) = self.try_wait()? {
                return Ok(status);
            }
            if let Some(readable) = readable {
                // In another runtime than ours, or where the selector has no room, it does not wait.
                let _ = readable.await;
            }
            // Who was told asks once, unless a debugger is to see the end before us. Who was not
            // asks from time to time.
            let mut backoff = Backoff::new(site);
            loop {
                if let Some(status) = self.try_wait()? {
                    return Ok(status);
                }
                backoff.pause().await;
            }
        }
    }

    /// Sends a signal, unless the process has ended.
    pub(super) fn send(&self, signal: Signal) -> io::Result<()> {
        // As long as we have not reaped it, the number is its own.
        if self.try_wait()?.is_some() {
            return Ok(());
        }
        match self.kill(signal) {
            Err(Errno::SRCH) => Ok(()), // Somebody else has reaped it, right now.
            result => Ok(result?),
        }
    }

    fn kill(&self, signal: Signal) -> rustix::io::Result<()> {
        #[cfg(target_os = "linux")]
        if let Some(pidfd) = &self.pidfd {
            return rustix::process::pidfd_send_signal(pidfd, signal);
        }
        kill_process(self.pid, signal)
    }

    #[cold]
    fn taken(&self) -> io::Error {
        io::Error::other(format!(
            "the exit status of process {} was taken by other code of this program, which waits \
             for any child by `waitpid(-1)`, or ignores SIGCHLD",
            self.pid
        ))
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        if let End::Unseen = self.end.get() {
            orphans::adopt(self.pid, self.pidfd.take().map(Source::into_inner));
        }
    }
}

impl fmt::Debug for Reaper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reaper")
            .field("pid", &self.pid.as_raw_nonzero())
            .field("end", &self.end.get())
            .finish()
    }
}

/// waitpid(2), which does not wait here.
#[cfg_attr(
    not(target_os = "linux"),
    allow(unused_variables, reason = "nobody has one")
)]
pub(super) fn reap(pid: Pid, pidfd: Option<impl AsFd>) -> rustix::io::Result<Option<ExitStatus>> {
    #[cfg(target_os = "linux")]
    if let Some(pidfd) = pidfd {
        use rustix::process::{WaitId, WaitIdOptions, waitid};
        // By its number alone we might reap another child: the next owner of the number, if other
        // code has reaped ours. So this looks first, and leaves the status where it is.
        let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        match waitid(WaitId::PidFd(pidfd.as_fd()), look) {
            Ok(None) => return Ok(None),
            Err(Errno::CHILD) => return Err(Errno::CHILD),
            Ok(Some(_)) | Err(_) => {} // Before Linux 5.4, no pidfd can be waited for.
        }
    }
    let status = waitpid(Some(pid), WaitOptions::NOHANG)?;
    Ok(status.map(|(_, status)| ExitStatus::from_raw(status.as_raw())))
}

/// A handle to a child that was not reaped yet, see
/// [pidfd_open(2)](https://man7.org/linux/man-pages/man2/pidfd_open.2.html). It is not handed on to
/// child processes.
#[cfg(target_os = "linux")]
fn pidfd(pid: Pid) -> Option<OwnedFd> {
    use rustix::process::{PidfdFlags, pidfd_open};
    pidfd_open(pid, PidfdFlags::empty()).ok()
}

/// A kqueue could tell, but nobody offers that without unsafe code.
#[cfg(not(target_os = "linux"))]
fn pidfd(_: Pid) -> Option<OwnedFd> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::fs::File;
    use std::process::Command;
    use std::time::Duration;

    use super::*;
    use crate::builder::run;
    use crate::executor::spawn;
    use crate::inspect::stats;
    use crate::reactor::sleep;

    /// The pidfd of a process that a debugger watches does so, and tokio has panicked on it.
    #[test]
    fn a_pidfd_that_is_readable_too_early_is_no_end_and_makes_nobody_spin() {
        run(async {
            let child = Command::new("sleep").arg("60").spawn();
            let pid = Pid::from_child(&child.expect("there is a `sleep`"));
            let reactor = Reactor::expect_current("test");
            let mut running = Reaper::new(Rc::clone(&reactor), pid, Location::caller());
            let null = File::open("/dev/null").expect("it is there, and always readable");
            running.pidfd = Some(Source::register(reactor, null.into()));
            let running = Rc::new(running);
            let waiting = spawn({
                let running = Rc::clone(&running);
                async move { running.wait_at(Location::caller()).await }
            });
            let before = stats().selects;
            sleep(Duration::from_millis(100)).await;
            assert!(!waiting.is_finished());
            assert!(stats().selects - before < 20);
            kill_process(running.pid, Signal::TERM).expect("it is ours");
            let status = waiting.await.expect("it does not panic");
            assert_eq!(status.expect("it has a status").signal(), Some(15));
        });
    }
}
