//! An echo server as a child process, so that its cost can be told from the client's.
//!
//! The binary starts itself again as `selio-bench serve PEER`. The child binds port 0, tells its
//! port and its process id in one line, and echoes until all expected connections have been closed
//! or until it is killed. Everything that is measured of it is read from `/proc`, from the outside,
//! except for the count of live heap bytes, which it answers on its standard input.

use crate::peers::Peer;
use crate::{heap, machine};
use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};
use std::ffi::OsStr;
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};
use std::{env, fs, process, thread};

/// How a server is started; a field for each option of `selio-bench serve`.
#[derive(Clone, Debug, Default)]
pub struct Options {
    pub core: Option<usize>,
    /// Exit after so many connections have been opened and closed.
    pub connections: Option<usize>,
    /// Count live heap bytes and answer every line on standard input with them.
    pub heap: bool,
}

/// The connections that are yet to be closed before the process exits.
static LEFT: AtomicUsize = AtomicUsize::new(usize::MAX);

/// Every peer's `handle_client` ends with this: the server exits when its last client has left.
///
/// Under callgrind and strace the figures are written when the process ends, and ending it here
/// keeps a shutdown that no two runtimes do alike out of them.
pub fn connection_closed() {
    if LEFT.fetch_sub(1, Relaxed) == 1 {
        process::exit(0);
    }
}

/// The child's side: serves until the last client has left.
pub fn serve(peer: &Peer, options: &Options) -> io::Result<()> {
    let serve = peer
        .serve
        .ok_or_else(|| io::Error::other(format!("{} serves no sockets", peer.name)))?;
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if let Some(core) = options.core {
        machine::pin(core)?;
    }
    machine::raise_file_limit()?;
    LEFT.store(options.connections.unwrap_or(usize::MAX), Relaxed);

    let listener = TcpListener::bind("127.0.0.1:0")?;
    listener.set_nonblocking(true)?;
    println!("{} {}", listener.local_addr()?, process::id());
    if options.heap {
        thread::spawn(answer_heap);
        heap::start_counting();
    }
    serve(listener)
}

/// Answers each line on standard input with the live heap bytes.
fn answer_heap() {
    let mut request = String::new();
    while io::stdin()
        .read_line(&mut request)
        .is_ok_and(|length| length > 0)
    {
        println!("{}", heap::live_bytes());
    }
}

/// The parent's side: a running server, killed when dropped.
#[derive(Debug)]
pub struct Server {
    /// The server itself, or the tool that it runs under.
    child: Child,
    pid: u32,
    pub address: SocketAddr,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Server {
    /// Starts `selio-bench serve PEER`.
    pub fn start(peer: &Peer, options: &Options) -> io::Result<Self> {
        Self::start_under::<&str>(&[], peer, options)
    }

    /// Starts `TOOL... selio-bench serve PEER`, `tool` being a command and its arguments.
    pub fn start_under<S: AsRef<OsStr>>(
        tool: &[S],
        peer: &Peer,
        options: &Options,
    ) -> io::Result<Self> {
        let itself = env::current_exe()?;
        let mut words = tool.iter().map(AsRef::as_ref).chain([itself.as_os_str()]);
        let mut command = Command::new(words.next().expect("the chain ends with the executable"));
        command.args(words).args(["serve", peer.name]);
        if let Some(core) = options.core {
            command.args(["--core", &core.to_string()]);
        }
        if let Some(connections) = options.connections {
            command.args(["--connections", &connections.to_string()]);
        }
        if options.heap {
            command.arg("--heap");
        }

        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let input = child
            .stdin
            .take()
            .expect("standard input was asked to be a pipe");
        let output = child
            .stdout
            .take()
            .expect("standard output was asked to be a pipe");
        let mut output = BufReader::new(output);
        let line = read_line(&mut output)?;
        let told = line
            .split_once(' ')
            .and_then(|(address, pid)| Some((address.parse().ok()?, pid.parse().ok()?)));
        let Some((address, pid)) = told else {
            child.kill()?;
            child.wait()?;
            return Err(io::Error::other(format!(
                "the {} server did not start",
                peer.name
            )));
        };
        Ok(Self {
            child,
            pid,
            address,
            input,
            output,
        })
    }

    /// The processor time of all threads of the server so far, user and system together.
    ///
    /// From `schedstat`, which counts nanoseconds; `stat` counts ticks of ten milliseconds. It is exact
    /// while the server waits, as it does when all its messages have been echoed.
    pub fn cpu_time(&self) -> io::Result<Duration> {
        let mut nanoseconds = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.pid))? {
            let text = fs::read_to_string(task?.path().join("schedstat"))?;
            let run_time = text
                .split(' ')
                .next()
                .and_then(|field| field.parse::<u64>().ok());
            nanoseconds += run_time.ok_or_else(|| unexpected("schedstat"))?;
        }
        Ok(Duration::from_nanos(nanoseconds))
    }

    /// The resident memory of the server in bytes.
    pub fn resident(&self) -> io::Result<u64> {
        let text = fs::read_to_string(format!("/proc/{}/smaps_rollup", self.pid))?;
        let line = text.lines().find_map(|line| line.strip_prefix("Rss:"));
        let kilobytes = line.and_then(|rest| rest.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        Ok(kilobytes.ok_or_else(|| unexpected("smaps_rollup"))? * 1024)
    }

    /// The live heap bytes of a server that was started with `heap`.
    pub fn live_heap(&mut self) -> io::Result<i64> {
        self.input.write_all(b"\n")?;
        let line = read_line(&mut self.output)?;
        line.parse().map_err(|_| unexpected("the server's heap"))
    }

    /// The number of threads of the server.
    pub fn threads(&self) -> io::Result<usize> {
        Ok(fs::read_dir(format!("/proc/{}/task", self.pid))?.count())
    }

    /// Waits until the server has exited by itself.
    pub fn wait(mut self, patience: Duration) -> io::Result<()> {
        let deadline = Instant::now() + patience;
        while Instant::now() < deadline {
            match self.child.try_wait()? {
                Some(status) if status.success() => return Ok(()),
                Some(status) => {
                    return Err(io::Error::other(format!("the server ended with {status}")));
                }
                None => thread::sleep(Duration::from_millis(5)),
            }
        }
        Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the server did not exit after its last client",
        ))
    }
}

impl Drop for Server {
    /// Kills the server, and the tool around it, and collects both; a server that is gone is fine.
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_some()) {
            return;
        }
        if let Some(pid) = Pid::from_raw(self.pid as i32) {
            let _ = kill_process(pid, Signal::KILL);
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn read_line(output: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    output.read_line(&mut line)?;
    Ok(line.trim_end().to_string())
}

fn unexpected(what: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("{what} reads other than expected"),
    )
}
