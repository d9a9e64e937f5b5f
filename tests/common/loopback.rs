//! What the tests of sockets share beyond [`common`]: connections over the loopback interface, and
//! processes of their own.
//!
//! A test uses it by `mod common;` and `#[path = "common/loopback.rs"] mod loopback;`.

#![allow(dead_code, reason = "no test uses all of it")]

use std::fmt::Debug;
use std::future::Future;
use std::io::{self, Read, Write};
use std::net;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Stdio};
use std::task::Poll;
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use selio::net::{TcpListener, TcpStream};
use selio::selector::Backend;
use selio::{Builder, Runtime, Stats};

use crate::common::{self, Random, child, is_child};

/// How long a blocking call of std may take. It needs moments; this is for the one that hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs a future on every backend in turn; see [`common::each_backend`].
#[track_caller]
pub(crate) fn on_each_backend(test: impl AsyncFn()) {
    common::each_backend(|backend| runtime(backend).block_on(test()));
}

/// The same for tests that may run beside each other; see [`common::beside_others`].
pub(crate) mod beside_others {
    use super::runtime;
    use crate::common;

    #[track_caller]
    pub(crate) fn on_each_backend(test: impl AsyncFn()) {
        common::beside_others::each_backend(|backend| runtime(backend).block_on(test()));
    }
}

/// Runs a future on every backend at once, each on a thread of its own, beside other tests: for one
/// that mostly waits, and measures its thread only.
#[track_caller]
pub(crate) fn on_all_backends(test: impl AsyncFn() + Copy + Send) {
    let _company = common::company();
    common::deadline(Duration::from_secs(60), || {
        thread::scope(|scope| {
            let threads: Vec<_> = (Backend::available().iter())
                .map(|&backend| {
                    (
                        backend,
                        scope.spawn(move || runtime(backend).block_on(test())),
                    )
                })
                .collect();
            for (backend, thread) in threads {
                assert!(
                    thread.join().is_ok(),
                    "that was with the backend `{backend}`"
                );
            }
        });
    });
}

pub(crate) fn runtime(backend: Backend) -> Runtime {
    (Builder::new().backend(backend).build()).expect("what is available can be built")
}

/// A connection over the loopback interface: the client and the server.
pub(crate) async fn pair() -> (TcpStream, TcpStream) {
    let (client, server) = std_pair();
    let take_over = |stream| TcpStream::from_std(stream).expect("a socket can be non-blocking");
    (take_over(client), take_over(server))
}

/// A connection whose one end is std's and blocks.
pub(crate) async fn half_std_pair() -> (net::TcpStream, TcpStream) {
    let (client, server) = std_pair();
    (
        client,
        TcpStream::from_std(server).expect("a socket can be non-blocking"),
    )
}

pub(crate) fn std_pair() -> (net::TcpStream, net::TcpStream) {
    let listener = net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let addr = listener.local_addr().expect("it is bound");
    let client = net::TcpStream::connect(addr).expect("somebody listens");
    let (server, _) = listener.accept().expect("somebody has connected");
    (client, server)
}

pub(crate) async fn listen() -> (TcpListener, net::SocketAddr) {
    let listener = (TcpListener::bind("127.0.0.1:0").await).expect("a port is free");
    let addr = listener.local_addr().expect("it is bound");
    (listener, addr)
}

/// An address that is taken, but on which nobody listens: connections are refused for as long as
/// the socket lives.
pub(crate) fn refusing() -> (OwnedFd, net::SocketAddr) {
    use rustix::net::{AddressFamily, SocketType, bind, getsockname, socket};
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).expect("a socket");
    bind(&socket, &net::SocketAddr::from(([127, 0, 0, 1], 0))).expect("a port is free");
    let addr = getsockname(&socket).expect("it is bound");
    let addr = addr.try_into().expect("an IP address");
    (socket, addr)
}

/// Closes the connection with a reset.
pub(crate) fn reset(stream: impl AsFd) {
    rustix::net::sockopt::set_socket_linger(&stream, Some(Duration::ZERO)).expect("SO_LINGER");
    drop(stream);
}

/// Blocks the thread until poll(2) reports one of these for the handle: that what a peer did has
/// arrived here.
pub(crate) fn block_until(fd: impl AsFd, flags: PollFlags) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let mut list = [PollFd::new(&fd, flags)];
        let timeout = Timespec::try_from(PATIENCE).expect("is short");
        match rustix::event::poll(&mut list, Some(&timeout)) {
            Ok(1) if list[0].revents().intersects(flags) => return,
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => panic!("poll(2): {error}"),
        }
        assert!(Instant::now() < deadline, "{flags:?} never came");
    }
}

/// Polls the future once, as a task that was woken would.
pub(crate) async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    std::future::poll_fn(|cx| {
        Poll::Ready(match std::pin::Pin::new(&mut *future).poll(cx) {
            Poll::Ready(output) => Some(output),
            Poll::Pending => None,
        })
    })
    .await
}

/// Lets the loop ask its selector so many times, and everybody whom it wakes have a turn.
pub(crate) async fn turns(n: u32) {
    for _ in 0..n {
        // A deadline that has passed when somebody looks: it is due with the events of that look.
        selio::sleep(Duration::from_nanos(1)).await;
        selio::yield_now().await;
    }
}

/// Everything that a peer sends, until it sends no more.
pub(crate) async fn read_to_end(stream: &TcpStream) -> io::Result<Vec<u8>> {
    let (mut all, mut buffer) = (Vec::new(), [0; 16 * 1024]);
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(all),
            n => all.extend_from_slice(&buffer[..n]),
        }
    }
}

/// Writes until there is no more room. How much it was.
///
/// For a moment only: what was sent may still be on its way to the peer's buffer.
pub(crate) fn fill(stream: &TcpStream) -> usize {
    let mut total = 0;
    loop {
        match stream.try_write(&[b'x'; 64 * 1024]) {
            Ok(n) => total += n,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return total,
            Err(error) => panic!("try_write: {error}"),
        }
    }
}

/// [`fill`], until none comes any more: TCP tries for 200 ms and more to squeeze the last bytes into
/// the peer's buffer, and then there is room in ours.
pub(crate) fn stuff(stream: &TcpStream) -> usize {
    let moment = Timespec::try_from(Duration::from_millis(350)).expect("is short");
    let mut total = fill(stream);
    loop {
        let mut list = [PollFd::new(stream, PollFlags::OUT)];
        let _ = rustix::event::poll(&mut list, Some(&moment));
        match fill(stream) {
            0 => return total,
            n => total += n,
        }
    }
}

/// Sends back what comes, until no more comes.
pub(crate) async fn echo(stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            n => stream.write_all(&buffer[..n]).await?,
        }
    }
}

/// One message there and back, blocking: for a client outside of the runtime.
pub(crate) fn ping(mut client: &net::TcpStream, message: &[u8]) -> io::Result<()> {
    client.write_all(message)?;
    let mut answer = vec![0; message.len()];
    client.read_exact(&mut answer)?;
    if answer == message {
        return Ok(());
    }
    Err(io::Error::other("the echo differs"))
}

/// The same from inside of the runtime that serves the client, with no file descriptor of its own:
/// everybody else has turns until the echo is there.
pub(crate) async fn ask(mut client: &net::TcpStream, message: &[u8]) {
    client.write_all(message).expect("there is room");
    client.set_nonblocking(true).expect("it is a socket");
    let mut answer = vec![0; message.len()];
    let mut filled = 0;
    while filled < answer.len() {
        match client.read(&mut answer[filled..]) {
            Ok(0) => panic!("the server has closed the connection"),
            Ok(n) => filled += n,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => turns(1).await,
            Err(error) => panic!("no echo: {error}"),
        }
    }
    client.set_nonblocking(false).expect("it is a socket");
    assert_eq!(answer, message);
}

/// Makes the blocking calls of a socket of std fail, instead of hanging, when nothing comes.
pub(crate) fn impatient(stream: net::TcpStream) -> net::TcpStream {
    (stream.set_read_timeout(Some(PATIENCE))).expect("SO_RCVTIMEO");
    (stream.set_write_timeout(Some(PATIENCE))).expect("SO_SNDTIMEO");
    stream
}

/// So many random bytes.
pub(crate) fn random_bytes(random: &mut Random, length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length.next_multiple_of(8));
    while bytes.len() < length {
        bytes.extend_from_slice(&random.next().to_ne_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// How much processor time this thread has used.
#[cfg(not(target_os = "netbsd"))]
pub(crate) fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.try_into().expect("time is not negative")
}

/// As for [`cpu_time`](crate::common::cpu_time).
#[cfg(target_os = "netbsd")]
pub(crate) fn thread_time() -> Duration {
    Duration::ZERO
}

/// What is alive in the runtime.
pub(crate) fn alive(stats: &Stats) -> (usize, usize, usize) {
    (stats.tasks, stats.sources, stats.timers)
}

/// Asserts that it failed, in this way, with a message that has all these parts.
pub(crate) fn assert_error<T: Debug>(
    result: io::Result<T>,
    kind: io::ErrorKind,
    parts: &[&dyn std::fmt::Display],
) {
    let error = result.expect_err("it should have failed");
    let message = error.to_string();
    assert_eq!(error.kind(), kind, "{message}");
    for part in parts {
        assert!(message.contains(&part.to_string()), "{message}");
    }
}

/// Runs a test in a process of its own, because it lowers limits, say. `name` is the name of the
/// test that calls.
pub(crate) fn alone(name: &str, test: impl FnOnce()) {
    if is_child() {
        return test();
    }
    let _turn = common::turn();
    let child = child(name).stdout(Stdio::piped()).spawn();
    let output = (child.and_then(Child::wait_with_output)).expect("a process");
    let text = String::from_utf8_lossy(&output.stdout);
    print!("{text}");
    assert!(
        output.status.success() && text.contains("1 passed"),
        "the test `{name}` failed in its process: {}",
        output.status
    );
}

/// A process that is killed when the test ends, or fails.
#[derive(Debug)]
pub(crate) struct Killed(pub(crate) Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Lets this process open as many files as the system allows it. How many that are.
pub(crate) fn raise_file_limit() -> usize {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let limit = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, limit).expect("up to the hard limit");
    maximum.map_or(usize::MAX, |files| files as usize)
}

/// Lets this process open files with numbers below `files` only.
pub(crate) fn lower_file_limit(files: usize) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = Rlimit {
        current: Some(files as u64),
        ..getrlimit(Resource::Nofile)
    };
    setrlimit(Resource::Nofile, limit).expect("limits can be lowered");
}
