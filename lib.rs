//! A miniature asyncio: `async fn handle_client`, served by one thread that asks one selector.
//!
//! ```no_run
//! use selio::net::{TcpListener, TcpStream};
//!
//! async fn handle_client(stream: TcpStream) -> std::io::Result<()> {
//!     let mut buffer = [0; 4096];
//!     loop {
//!         match stream.read(&mut buffer).await? {
//!             0 => return Ok(()),
//!             n => stream.write_all(&buffer[..n]).await?,
//!         }
//!     }
//! }
//!
//! fn main() -> std::io::Result<()> {
//!     selio::run(async {
//!         let listener = TcpListener::bind("127.0.0.1:5566").await?;
//!         loop {
//!             let Ok((stream, _)) = listener.accept().await else { continue }; // No descriptors left?
//!             selio::spawn(handle_client(stream));
//!         }
//!     })
//! }
//! ```
//!
//! `examples/echo.rs` is the same with arguments, and with errors that somebody reads.
//!
//! # The parts, from the top to the bottom
//!
//! | folder | what it answers | what to read first |
//! |---|---|---|
//! | [`net`] | what people call | [`net/tcp.rs`], `TcpStream::read` |
//! | `structured` | how one waits for several at once | [`structured/group.rs`], `TaskGroup::scope` |
//! | [`sync`] | how tasks wait for each other | [`sync/wait_list.rs`], `WaitList::wait` |
//! | `builder` | how all that follows is put together | [`builder/run.rs`], `run` |
//! | `inspect` | what can be seen of it | [`inspect/dump.rs`], `Dump::of` |
//! | `threads` | what other threads have to do with it | [`threads/pool.rs`], `on_thread` |
//! | `executor` | which task runs next | [`executor/runtime.rs`], `turn`: the loop |
//! | `reactor` | who waits for which descriptor, and for which instant | [`reactor/waiter.rs`], `Waiter::poll_io` |
//! | [`selector`] | which descriptors are ready | [`reactor/selector/mod.rs`], `Selector::select` |
//!
//! [`net/tcp.rs`]: ../src/selio/net/tcp.rs.html
//! [`structured/group.rs`]: ../src/selio/structured/group.rs.html
//! [`sync/wait_list.rs`]: ../src/selio/sync/wait_list.rs.html
//! [`builder/run.rs`]: ../src/selio/builder/run.rs.html
//! [`inspect/dump.rs`]: ../src/selio/inspect/dump.rs.html
//! [`threads/pool.rs`]: ../src/selio/threads/pool.rs.html
//! [`executor/runtime.rs`]: ../src/selio/executor/runtime.rs.html
//! [`reactor/waiter.rs`]: ../src/selio/reactor/waiter.rs.html
//! [`reactor/selector/mod.rs`]: ../src/selio/reactor/selector/mod.rs.html
//!
//! The one rule: **calls go down, only wakers come up.** A part may use those below it, never one
//! above; `structured` and `sync` know nothing of each other. This file is the only one that names
//! all of them. [`trace`], between executor and reactor, writes down what all of them tell; beside the
//! reactor, `signals` knows who in the process listens to which, and `task_local` which values hold.
//!
//! How all this works, from a blocking read to `await`, is told in the [`guide`].
//!
//! # From asyncio
//!
//! These are the first; [`guide::asyncio`] has every name, and [`guide::tokio`] is for those who come from there.
//!
//! | asyncio | selio |
//! |---|---|
//! | `asyncio.run(main())` | [`run`]`(main())` |
//! | `asyncio.Runner(loop_factory=..)` | [`Builder`], [`Runtime`] |
//! | `create_task(f())`, `task.cancel()` | [`spawn`]`(f())`, [`JoinHandle::cancel`] |
//! | `async with TaskGroup()`, `ExceptionGroup` | [`TaskGroup::scope`], [`GroupError`] |
//! | `contextvars.ContextVar` | [`TaskLocal`] |
//! | `gather` | [`gather`], [`try_gather`] |
//! | `as_completed`, `wait` | [`as_completed`], [`wait`], [`race`] |
//! | `sleep`, `sleep(0)` | [`sleep`], [`yield_now`] |
//! | `timeout`, `timeout_at`, `wait_for` | [`timeout`], [`timeout_at`]; to move it, [`Deadline`] |
//! | `Lock`, `Event`, `Condition`, `Semaphore`, `Barrier`, `Queue` | [`sync`] |
//! | `to_thread(f)` | [`to_thread`]`(f)` |
//! | `run_coroutine_threadsafe` | [`Handle::spawn`]; for `.result(5)`, [`RemoteHandle::join_timeout`] |
//! | `loop.getaddrinfo` | [`net::lookup`] |
//! | `loop.sock_accept`, `sock_recv`, `sock_sendall` | [`net::TcpListener`], [`net::TcpStream`] |
//! | `open_connection`, `StreamReader`, `StreamWriter` | [`open_connection`], [`StreamReader`], [`StreamWriter`] |
//! | `start_server`, `Server` | [`start_server`], [`Server`] |
//! | `create_datagram_endpoint`, `sock_recvfrom`, `sock_sendto` | [`net::UdpSocket`] |
//! | `start_unix_server`, `open_unix_connection` | [`start_unix_server`], [`open_unix_connection`] |
//! | `connect_read_pipe`, `connect_write_pipe` | [`net::PipeReader`], [`net::PipeWriter`]; [`net::stdin`], [`net::stdout`] |
//! | `create_subprocess_exec`, `create_subprocess_shell` | [`process::Command`] |
//! | `loop.add_signal_handler`, `Runner` at Ctrl-C | [`signal`], with the cargo feature `signal` |
//! | `loop.sendfile` | [`net::TcpStream::send_file`] |
//! | `loop.add_reader`, `add_writer` | [`Source`] |
//! | `selectors.DefaultSelector` | [`selector::Selector`] |

#[cfg(not(unix))]
compile_error!("selio needs a Unix: Linux, macOS or a BSD; there is no selector for Windows yet");

#[cfg(unix)]
mod builder;
#[cfg(unix)]
mod executor;
#[cfg(unix)]
mod inspect;
#[cfg(unix)]
pub mod net;
#[cfg(unix)]
mod reactor;
#[cfg(unix)]
mod signals;
#[cfg(unix)]
mod structured;
#[cfg(unix)]
pub mod sync;
#[cfg(unix)]
mod task_local;
#[cfg(unix)]
mod threads;
#[cfg(unix)]
pub mod trace;

#[cfg(unix)]
#[doc(inline)]
pub use self::{
    builder::{Builder, run},
    executor::{JoinError, JoinHandle, Runtime, YieldNow, spawn, spawn_named, yield_now},
    inspect::{Stats, stats},
    net::stream::{
        IncompleteReadError, IntoStreams, LimitOverrunError, StreamReader, StreamWriter,
        open_connection, open_unix_connection,
    },
    net::{Server, process, signal, start_server, start_unix_server},
    reactor::{
        Direction, Elapsed, Interval, MissedTicks, Sleep, Source, interval, interval_at, selector,
        sleep, sleep_until,
    },
    structured::{
        AsCompleted, Deadline, Failure, Gather, GroupError, Race, TaskGroup, Timeout, TryGather,
        Wait, as_completed, gather, race, timeout, timeout_at, try_gather, wait,
    },
    task_local::TaskLocal,
    threads::{Handle, RemoteHandle, to_thread},
};

/// Tasks as others see them: who they are, what they wait for, and a way to end them.
///
/// | environment | what it gives |
/// |---|---|
/// | `SELIO_DEBUG=1` | since when each task waits, and for which lock; slow polls; who is stuck for ever |
/// | `SELIO_DUMP=SIGUSR1` | the tasks on stderr whenever that signal comes, with the cargo feature `signal` |
#[cfg(unix)]
pub mod task {
    pub use crate::executor::{TaskId, TaskRef, all_tasks, current};
    pub use crate::inspect::{Dump, dump};
}

#[cfg(all(unix, any(doc, doctest)))]
pub mod guide;

/// The examples of README.md are tests too.
#[cfg(doctest)]
#[doc = include_str!("README.md")]
struct Readme;
