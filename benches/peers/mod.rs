//! The runtimes that are measured, each in its own file and in its own idiom.
//!
//! Read two of the files side by side: they hold the same programs in the same order, so what
//! differs is the runtime. Rules that keep it fair:
//!
//! - The runtime is built outside of the clock; the clock runs inside of it.
//! - The measuring code is itself a spawned task, not the `block_on` future. For every peer this is
//!   as fast or much faster: smol's `block_on`, for one, looks at the reactor at each wake of its
//!   own future. It is also what a server's code is: a task among tasks. One line shows the other
//!   way too, because that is where a program's first task comes from.
//! - Every echo server has one task per connection, a 4,096-byte buffer in that task, and leaves
//!   the sockets' options alone. Two servers are there to show something else: what selio's streams,
//!   which lend memory to those who have something to say, cost beside its bare sockets, and what
//!   `start_server`, which looks after its connections, costs beside a loop that accepts.
//! - Python's servers stand beside them in the pictures of `plots` only: another language, another
//!   order of magnitude, the same wire.

mod by_hand;
mod local_pool;
mod monoio;
pub mod python;
mod selio;
mod smol;
mod tokio;

use std::io;
use std::net::TcpListener;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// selio first, with bare sockets, with its streams and with its server, then the loop that no
/// runtime can beat, then the other runtimes.
pub const ALL: [Peer; 8] = [
    selio::PEER,
    selio::STREAMS,
    selio::SERVER,
    by_hand::PEER,
    tokio::PEER,
    smol::PEER,
    monoio::PEER,
    local_pool::PEER,
];

/// The runtimes but selio: the best of these is what a ratio compares with.
pub const OTHERS: &[&str] = &["tokio", "smol", "monoio", "LocalPool"];

/// The name of the loop without a runtime.
pub const BY_HAND: &str = "by hand";

/// The size of the buffer of every connection in every server.
pub const BUFFER: usize = 4096;

/// What is put around a future that is ready long before.
pub const SECOND: Duration = Duration::from_secs(1);

/// Runs an operation so many times inside of a runtime; returns how long all of them took.
pub type Program = fn(usize) -> io::Result<Duration>;

/// One runtime.
#[derive(Debug)]
pub struct Peer {
    pub name: &'static str,
    pub programs: Programs,
    /// Serves echoes on a listener until the process ends.
    pub serve: Option<fn(TcpListener) -> io::Result<()>>,
    /// How many bytes of buffer a connection's task has.
    pub buffer: usize,
}

/// The programs of `micro`; `None` where the runtime has no such thing.
#[derive(Debug)]
pub struct Programs {
    /// Spawn a task and await it, one at a time.
    pub spawn_await: Option<Program>,
    /// The same, by the main future.
    pub spawn_await_main: Option<Program>,
    /// Spawn all tasks, then await them all.
    pub spawn_all: Option<Program>,
    /// Ten tasks that yield, together so many times.
    pub yield_now: Option<Program>,
    /// Two tasks and two channels of one place: there and back.
    pub ping_pong: Option<Program>,
    /// A timeout around a future that is ready when it is first polled.
    pub timeout_ready: Option<Program>,
    /// A timeout around a future that is ready when it is polled again.
    pub timeout_pending: Option<Program>,
    /// So many tasks, each asleep until its moment within the same millisecond.
    pub sleeps: Option<Program>,
    /// A thread answers each request of a task: there and back.
    pub wake: Option<Program>,
}

/// What a peer has that only serves.
pub const NO_PROGRAMS: Programs = Programs {
    spawn_await: None,
    spawn_await_main: None,
    spawn_all: None,
    yield_now: None,
    ping_pong: None,
    timeout_ready: None,
    timeout_pending: None,
    sleeps: None,
    wake: None,
};

/// How long the `index`th sleep lasts: a whole number of microseconds up to 1,000, in no order.
pub fn nap(index: usize) -> Duration {
    Duration::from_micros((index as u64 * 7919) % 1000 + 1)
}

/// A plain thread that answers each request: the other end of every `wake` program.
///
/// It ends when the sender of requests is dropped.
pub fn answering_thread() -> (mpsc::Sender<()>, async_channel::Receiver<()>) {
    let (request, requests) = mpsc::channel();
    let (answer, answers) = async_channel::bounded(1);
    thread::spawn(
        move || {
            while requests.recv().is_ok() && answer.send_blocking(()).is_ok() {}
        },
    );
    (request, answers)
}
