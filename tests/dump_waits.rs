//! Claims about every function that waits: the tree of the tasks says for what, and at which line of
//! the program.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/library.rs"]
mod library;

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::future::{Future, pending};
use std::io::{IoSlice, IoSliceMut, Read};
use std::mem;
use std::os::fd::AsFd;
use std::panic::Location;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::{self, Stdio};
use std::rc::Rc;
use std::time::{Duration, Instant};

use common::{child, deadline, each_backend, is_child};
use futures_lite::future::poll_once;
use futures_lite::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, StreamExt};
use selio::net::{
    TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream, lookup, pipe, stdin,
    stdout,
};
use selio::process::Command;
use selio::selector::Backend;
use selio::sync::{Barrier, Condvar, Event, Mutex, Queue, Semaphore, oneshot};
use selio::{
    Builder, Deadline, Direction, Handle, Interval, IntoStreams, JoinHandle, Server, Source,
    StreamReader, StreamWriter, TaskGroup, TaskLocal, as_completed, gather, interval,
    open_connection, open_unix_connection, race, run, sleep, sleep_until, spawn, spawn_named,
    start_server, task, timeout, timeout_at, to_thread, try_gather, wait, yield_now,
};

const SOON: Duration = Duration::from_secs(20);
/// How long the tree may say something else, while the row gets there.
const PATIENCE: Duration = Duration::from_secs(2);
const LONG: Duration = Duration::from_secs(1000);

/// A future that waits, and what the tree has to say of it.
struct Row {
    /// The function, as it stands in the sources.
    name: &'static str,
    /// What it waits for.
    what: &'static str,
    /// Where the row begins. The line that waits is between this and the next row.
    site: &'static Location<'static>,
    /// Whether anybody can know the line.
    has_line: bool,
    future: Pin<Box<dyn Future<Output = ()>>>,
}

#[track_caller]
fn row<T>(
    name: &'static str,
    what: &'static str,
    future: impl Future<Output = T> + 'static,
) -> Row {
    Row {
        name,
        what,
        site: Location::caller(),
        has_line: true,
        future: Box::pin(async move { drop(future.await) }),
    }
}

/// The same for what nobody knows the line of: the function is called through a trait, by the crate
/// that has the trait, or is a future itself.
#[track_caller]
fn row_without_line<T>(
    name: &'static str,
    what: &'static str,
    future: impl Future<Output = T> + 'static,
) -> Row {
    Row {
        has_line: false,
        ..row(name, what, future)
    }
}

/// What it is that takes no more.
trait Full {
    fn fill(self) -> Self;
}

macro_rules! impl_full {
    ($($type:ty: $method:ident),*) => {$(
        impl Full for $type {
            fn fill(self) -> Self {
                while self.$method(&[0; 512]).is_ok() {}
                self
            }
        }
    )*};
}

impl_full!(
    TcpStream: try_write,
    UnixStream: try_write,
    UnixDatagram: try_send,
    selio::net::PipeWriter: try_write,
    selio::net::Stdout: try_write
);

/// Both ends of a stream whose buffers stay as large as they are: those of other streams the system
/// makes larger when they are full.
async fn tcp() -> (TcpStream, TcpStream) {
    const BUFFER: usize = 64 * 1024;
    let listener = TcpListener::builder().recv_buffer_size(BUFFER);
    let listener = listener.bind("127.0.0.1:0").await.unwrap();
    let client = TcpStream::builder().send_buffer_size(BUFFER);
    let client = client.connect(listener.local_addr().unwrap());
    let client = client.await.unwrap();
    (client, listener.accept().await.unwrap().0)
}

/// Both ends of a stream of which one takes no more, even after what is on its way has arrived.
async fn full_tcp() -> (TcpStream, TcpStream) {
    let (mut one, other) = tcp().await;
    let a_while = Duration::from_millis(20);
    loop {
        one = one.fill();
        sleep(a_while).await;
        if one.try_write(&[0]).is_err() {
            return (one, other);
        }
    }
}

fn full_unix() -> (UnixStream, UnixStream) {
    let (one, other) = UnixStream::pair().unwrap();
    (one.fill(), other)
}

/// An address that answers to nobody: its backlog is full.
async fn deaf() -> (TcpListener, Vec<TcpStream>) {
    let builder = TcpListener::builder().backlog(1);
    let listener = builder.bind("127.0.0.1:0").await.unwrap();
    let addr = listener.local_addr().unwrap();
    let mut clients = Vec::new();
    let soon = Duration::from_millis(50);
    while let Ok(client) = timeout(soon, TcpStream::connect(addr)).await {
        clients.push(client.unwrap());
    }
    (listener, clients)
}

/// An interval, made at a line of its own, which has had its first tick.
async fn ticking() -> Interval {
    let mut interval = interval(LONG);
    interval.tick().await;
    interval
}

/// A server whose only connection does not end, and that connection.
async fn busy_server() -> (Server, TcpStream) {
    let server = Server::builder().max_connections(1);
    let listeners = TcpListener::bind_all("127.0.0.1:0").await.unwrap();
    let server = server
        .serve(listeners, async |_| pending::<()>().await)
        .unwrap();
    let client = TcpStream::connect(server.local_addrs()[0]).await.unwrap();
    while server.connections() == 0 {
        yield_now().await;
    }
    (server, client)
}

fn endless() -> Command {
    let mut command = Command::new("sleep");
    command.arg("60").kill_on_drop(true);
    command
}

/// It outlives the test, and must not keep open what the test writes to.
fn unkilled() -> Command {
    let mut command = endless();
    command.kill_on_drop(false);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// Waits for a name, in line behind many others that the only thread has to look up before.
async fn in_line<T>(future: impl Future<Output = T>) -> T {
    struct Others(JoinHandle<()>);

    impl Drop for Others {
        fn drop(&mut self) {
            self.0.cancel();
        }
    }

    let _others = Others(spawn(async {
        let others = (0..2000).map(|_| Box::pin(lookup("localhost:1")));
        let mut others: Vec<_> = others.collect();
        for other in &mut others {
            drop(poll_once(other).await);
        }
        pending::<()>().await;
    }));
    yield_now().await;
    future.await
}

const READ: &str = "to read fd ";
const WRITE: &str = "to write fd ";
const TIMER: &str = "for a timer ";
const LOOKUP: &str = "for a name to be looked up";

/// Every public function that waits.
fn table() -> Vec<Row> {
    let mut rows = tcp_streams();
    rows.extend(unix_streams());
    rows.extend(listeners_and_servers());
    rows.extend(streams());
    rows.extend(datagrams());
    rows.extend(pipes_and_processes());
    #[cfg(feature = "signal")]
    rows.extend(signals());
    rows.extend(traits());
    rows.extend(timers_and_tasks());
    rows.extend(things_of_sync());
    rows
}

/// What all streams have.
macro_rules! rows_of_streams {
    ($type:ident, $pair:expr, $full:expr) => {
        vec![
            row(concat!(stringify!($type), "::read"), READ, async {
                let (one, _other) = $pair;
                one.read(&mut [0; 8]).await
            }),
            row(concat!(stringify!($type), "::read_vectored"), READ, async {
                let (one, _other) = $pair;
                one.read_vectored(&mut [IoSliceMut::new(&mut [0; 8])]).await
            }),
            row(concat!(stringify!($type), "::read_exact"), READ, async {
                let (one, _other) = $pair;
                one.read_exact(&mut [0; 8]).await
            }),
            row(concat!(stringify!($type), "::peek"), READ, async {
                let (one, _other) = $pair;
                one.peek(&mut [0; 8]).await
            }),
            row(concat!(stringify!($type), "::readable"), READ, async {
                let (one, _other) = $pair;
                one.readable().await
            }),
            row(concat!(stringify!($type), "::write"), WRITE, async {
                let (one, _other) = $full;
                one.write(b"more").await
            }),
            row(
                concat!(stringify!($type), "::write_vectored"),
                WRITE,
                async {
                    let (one, _other) = $full;
                    one.write_vectored(&[IoSlice::new(b"more")]).await
                },
            ),
            row(concat!(stringify!($type), "::write_all"), WRITE, async {
                let (one, _other) = $full;
                one.write_all(b"more").await
            }),
            row(concat!(stringify!($type), "::writable"), WRITE, async {
                let (one, _other) = $full;
                one.writable().await
            }),
            row(concat!(stringify!($type), "::send_file"), WRITE, async {
                let (one, _other) = $full;
                let file = File::open(file!()).unwrap();
                one.send_file(&file, &mut 0, None).await
            }),
            row("ReadHalf::read", READ, async {
                let (mut one, _other) = $pair;
                one.split().0.read(&mut [0; 8]).await
            }),
            row("ReadHalf::read_exact", READ, async {
                let (one, _other) = $pair;
                one.into_split().0.read_exact(&mut [0; 8]).await
            }),
            row("ReadHalf::peek", READ, async {
                let (mut one, _other) = $pair;
                one.split().0.peek(&mut [0; 8]).await
            }),
            row("WriteHalf::write", WRITE, async {
                let (one, _other) = $full;
                one.into_split().1.write(b"more").await
            }),
            row("WriteHalf::write_vectored", WRITE, async {
                let (mut one, _other) = $full;
                one.split().1.write_vectored(&[IoSlice::new(b"more")]).await
            }),
            row("WriteHalf::write_all", WRITE, async {
                let (mut one, _other) = $full;
                one.split().1.write_all(b"more").await
            }),
        ]
    };
}

fn tcp_streams() -> Vec<Row> {
    let mut rows = rows_of_streams!(TcpStream, tcp().await, full_tcp().await);
    rows.extend([
        row(
            "TcpStream::connect",
            LOOKUP,
            in_line(TcpStream::connect("localhost:1")),
        ),
        row("TcpStream::connect", WRITE, async {
            let (listener, _clients) = deaf().await;
            TcpStream::connect(listener.local_addr().unwrap()).await
        }),
        row("TcpStreamBuilder::connect", TIMER, async {
            let (listener, _clients) = deaf().await;
            let addr = listener.local_addr().unwrap();
            TcpStream::builder().connect([addr, addr]).await
        }),
    ]);
    rows
}

fn unix_streams() -> Vec<Row> {
    let mut rows = rows_of_streams!(UnixStream, UnixStream::pair().unwrap(), full_unix());
    rows.extend([
        row("UnixStream::send_with_fds", WRITE, async {
            let (one, other) = full_unix();
            one.send_with_fds(b"more", &[other.as_fd()]).await
        }),
        row("UnixStream::recv_with_fds", READ, async {
            let (one, _other) = UnixStream::pair().unwrap();
            one.recv_with_fds(&mut [0; 8], 1).await
        }),
        row("UnixStream::connect", TIMER, async {
            let path = path("backlog");
            let listener = UnixListener::builder().backlog(0).bind(&path).unwrap();
            let _client = UnixStream::connect(&path).await.unwrap();
            let result = UnixStream::connect(&path).await;
            drop(listener);
            result
        }),
        row("open_unix_connection", TIMER, async {
            let path = path("backlog-of-streams");
            let listener = UnixListener::builder().backlog(0).bind(&path).unwrap();
            let _client = UnixStream::connect(&path).await.unwrap();
            let result = open_unix_connection(&path).await;
            drop(listener);
            result
        }),
    ]);
    rows
}

/// Where a socket may be made.
fn path(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("selio-waits-{}-{name}", process::id()));
    let _ = fs::remove_file(&path);
    path
}

fn listeners_and_servers() -> Vec<Row> {
    const END: &str = "for a Server to be closed, and its connections";
    vec![
        row(
            "TcpListener::bind",
            LOOKUP,
            in_line(TcpListener::bind("localhost:0")),
        ),
        row(
            "TcpListener::bind_all",
            LOOKUP,
            in_line(TcpListener::bind_all("localhost:0")),
        ),
        row("TcpListenerBuilder::bind", LOOKUP, async {
            in_line(TcpListener::builder().bind("localhost:0")).await
        }),
        row("TcpListenerBuilder::bind_all", LOOKUP, async {
            in_line(TcpListener::builder().bind_all("localhost:0")).await
        }),
        row("TcpListener::accept", READ, async {
            TcpListener::bind("127.0.0.1:0")
                .await
                .unwrap()
                .accept()
                .await
        }),
        row("Incoming", READ, async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            listener.incoming().next().await.unwrap()
        }),
        row("UnixListener::accept", READ, async {
            UnixListener::bind(path("accept")).unwrap().accept().await
        }),
        row("UnixIncoming", READ, async {
            let listener = UnixListener::bind(path("incoming")).unwrap();
            listener.incoming().next().await.unwrap()
        }),
        row(
            "start_server",
            LOOKUP,
            in_line(start_server("localhost:0", async |_, _| {})),
        ),
        row("Server::serve_forever", END, async {
            let (server, _client) = busy_server().await;
            server.serve_forever().await;
        }),
        row("Server::wait_closed", END, async {
            let (server, _client) = busy_server().await;
            server.close();
            server.wait_closed().await;
        }),
        row("Server::shutdown", END, async {
            let (server, _client) = busy_server().await;
            server.shutdown(LONG).await
        }),
        row("lookup", LOOKUP, in_line(lookup("localhost:1"))),
    ]
}

fn streams() -> Vec<Row> {
    fn reader() -> (StreamReader, (StreamWriter, UnixStream)) {
        let (one, other) = UnixStream::pair().unwrap();
        let (reader, writer) = one.into_streams();
        (reader, (writer, other))
    }

    fn full_writer() -> (StreamWriter, (StreamReader, UnixStream)) {
        let (one, other) = UnixStream::pair().unwrap();
        let (reader, writer) = one.into_streams();
        writer.write(&[0; 1 << 20]);
        (writer, (reader, other))
    }

    vec![
        row(
            "open_connection",
            LOOKUP,
            in_line(open_connection("localhost:1")),
        ),
        row("StreamReader::read", READ, async {
            let (mut reader, _other) = reader();
            reader.read(&mut [0; 8]).await
        }),
        row("StreamReader::read_chunk", READ, async {
            let (mut reader, _other) = reader();
            reader.read_chunk(8).await.map(<[u8]>::len)
        }),
        row("StreamReader::read_exact", READ, async {
            let (mut reader, _other) = reader();
            reader.read_exact(&mut [0; 8]).await
        }),
        row("StreamReader::read_line", READ, async {
            let (mut reader, _other) = reader();
            reader.read_line().await.map(<[u8]>::len)
        }),
        row("StreamReader::read_until", READ, async {
            let (mut reader, _other) = reader();
            reader.read_until(b"\0").await.map(<[u8]>::len)
        }),
        row("StreamReader::read_until_any", READ, async {
            let (mut reader, _other) = reader();
            reader
                .read_until_any(&[b"\r", b"\n"])
                .await
                .map(<[u8]>::len)
        }),
        row("StreamReader::read_to_end", READ, async {
            let (mut reader, _other) = reader();
            reader.read_to_end(8).await
        }),
        // What it reads from is called through a trait, but on behalf of this line.
        row("StreamReader::new", READ, async {
            let (reader, _writer) = pipe().unwrap();
            StreamReader::new(reader).read_line().await.map(<[u8]>::len)
        }),
        row(
            "StreamWriter::drain",
            "for a StreamWriter to have room",
            async {
                let (writer, _other) = full_writer();
                writer.drain().await
            },
        ),
        row(
            "StreamWriter::wait_closed",
            "for a StreamWriter to be closed",
            async {
                let (writer, _other) = full_writer();
                writer.close();
                writer.wait_closed().await
            },
        ),
    ]
}

fn datagrams() -> Vec<Row> {
    async fn udp() -> UdpSocket {
        UdpSocket::bind("127.0.0.1:0").await.unwrap()
    }

    fn unix() -> (UnixDatagram, UnixDatagram) {
        UnixDatagram::pair().unwrap()
    }

    fn full_unix() -> (UnixDatagram, UnixDatagram) {
        let (one, other) = unix();
        (one.fill(), other)
    }

    vec![
        row(
            "UdpSocket::bind",
            LOOKUP,
            in_line(UdpSocket::bind("localhost:0")),
        ),
        row(
            "UdpSocketBuilder::bind",
            LOOKUP,
            in_line(UdpSocket::builder().bind("localhost:0")),
        ),
        row("UdpSocket::connect", LOOKUP, async {
            let udp = udp().await;
            in_line(udp.connect("localhost:1")).await
        }),
        row("UdpSocket::send_to", LOOKUP, async {
            let udp = udp().await;
            in_line(udp.send_to(b"more", "localhost:1")).await
        }),
        row("UdpSocket::recv", READ, async {
            udp().await.recv(&mut [0; 8]).await
        }),
        row("UdpSocket::recv_from", READ, async {
            udp().await.recv_from(&mut [0; 8]).await
        }),
        row("UdpSocket::recv_msg", READ, async {
            udp().await.recv_msg(&mut [0; 8]).await
        }),
        row("UdpSocket::peek", READ, async {
            udp().await.peek(&mut [0; 8]).await
        }),
        row("UdpSocket::peek_from", READ, async {
            udp().await.peek_from(&mut [0; 8]).await
        }),
        row("UdpSocket::readable", READ, async {
            udp().await.readable().await
        }),
        row("UdpSocket::writable", WRITE, async {
            udp().await.writable().await
        }),
        row("UnixDatagram::recv", READ, async {
            unix().0.recv(&mut [0; 8]).await
        }),
        row("UnixDatagram::recv_from", READ, async {
            let (one, _other) = unix();
            one.recv_from(&mut [0; 8]).await
        }),
        row("UnixDatagram::recv_msg", READ, async {
            let (one, _other) = unix();
            one.recv_msg(&mut [0; 8]).await
        }),
        row("UnixDatagram::peek", READ, async {
            let (one, _other) = unix();
            one.peek(&mut [0; 8]).await
        }),
        row("UnixDatagram::readable", READ, async {
            let (one, _other) = unix();
            one.readable().await
        }),
        row("UnixDatagram::send", WRITE, async {
            let (one, _other) = full_unix();
            one.send(b"more").await
        }),
        row("UnixDatagram::writable", WRITE, async {
            let (one, _other) = full_unix();
            one.writable().await
        }),
        row("UnixDatagram::send_to", TIMER, async {
            let path = path("send_to");
            let _full = UnixDatagram::bind(&path).unwrap();
            let sender = UnixDatagram::unbound().unwrap();
            while sender.try_send_to(b"more", &path).is_ok() {}
            sender.send_to(b"more", &path).await
        }),
    ]
}

fn pipes_and_processes() -> Vec<Row> {
    vec![
        row("PipeReader::read", READ, async {
            let (reader, _writer) = pipe().unwrap();
            reader.read(&mut [0; 8]).await
        }),
        row("PipeReader::read_vectored", READ, async {
            let (reader, _writer) = pipe().unwrap();
            reader
                .read_vectored(&mut [IoSliceMut::new(&mut [0; 8])])
                .await
        }),
        row("PipeReader::read_exact", READ, async {
            let (reader, _writer) = pipe().unwrap();
            reader.read_exact(&mut [0; 8]).await
        }),
        row("PipeReader::readable", READ, async {
            let (reader, _writer) = pipe().unwrap();
            reader.readable().await
        }),
        row("PipeWriter::write", WRITE, async {
            let (_reader, writer) = pipe().unwrap();
            writer.fill().write(b"more").await
        }),
        row("PipeWriter::write_vectored", WRITE, async {
            let (_reader, writer) = pipe().unwrap();
            writer.fill().write_vectored(&[IoSlice::new(b"more")]).await
        }),
        row("PipeWriter::write_all", WRITE, async {
            let (_reader, writer) = pipe().unwrap();
            writer.fill().write_all(b"more").await
        }),
        row("PipeWriter::writable", WRITE, async {
            let (_reader, writer) = pipe().unwrap();
            writer.fill().writable().await
        }),
        row("Stdin::read", READ, async {
            stdin().unwrap().read(&mut [0; 8]).await
        }),
        row("Stdin::read_exact", READ, async {
            stdin().unwrap().read_exact(&mut [0; 8]).await
        }),
        row("Stdin::readable", READ, async {
            stdin().unwrap().readable().await
        }),
        row("Stdout::write", WRITE, async {
            stdout().unwrap().fill().write(b"more").await
        }),
        row("Stdout::write_all", WRITE, async {
            stdout().unwrap().fill().write_all(b"more").await
        }),
        row("Stdout::writable", WRITE, async {
            stdout().unwrap().fill().writable().await
        }),
        row("Child::wait", READ, async {
            endless().spawn().unwrap().wait().await
        }),
        row("Child::exited", READ, async {
            endless().spawn().unwrap().exited().await
        }),
        row("Child::communicate", READ, async {
            let mut child = endless().stdout(Stdio::piped()).spawn().unwrap();
            child.communicate("").await
        }),
        row("Command::status", READ, async { endless().status().await }),
        row("Command::output", READ, async { endless().output().await }),
        row("Source::readable", READ, async {
            let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
            Source::new(one).unwrap().readable().await
        }),
        row("Source::io", READ, async {
            let (one, _other) = std::os::unix::net::UnixStream::pair().unwrap();
            let one = Source::new(one).unwrap();
            one.io(Direction::Read, |mut one| one.read(&mut [0])).await
        }),
        row("Source::writable", WRITE, async {
            let (one, _other) = full_unix();
            Source::new(one.into_std().unwrap())
                .unwrap()
                .writable()
                .await
        }),
    ]
}

#[cfg(feature = "signal")]
fn signals() -> Vec<Row> {
    use selio::signal::{SignalKind, ctrl_c, signal};

    vec![
        row("ctrl_c", READ, ctrl_c()),
        row("Signals::recv", READ, async {
            signal(SignalKind::SIGHUP).unwrap().recv().await
        }),
        row_without_line("Signals", READ, async {
            signal(SignalKind::SIGHUP).unwrap().next().await.unwrap()
        }),
    ]
}

fn traits() -> Vec<Row> {
    vec![
        row_without_line("AsyncRead for TcpStream", READ, async {
            let (mut one, _other) = tcp().await;
            AsyncReadExt::read(&mut one, &mut [0; 8]).await
        }),
        row_without_line("AsyncWrite for TcpStream", WRITE, async {
            let (mut one, _other) = full_tcp().await;
            AsyncWriteExt::write(&mut one, b"more").await
        }),
        row_without_line("AsyncRead for PipeReader", READ, async {
            let (mut reader, _writer) = pipe().unwrap();
            AsyncReadExt::read(&mut reader, &mut [0; 8]).await
        }),
        row_without_line("AsyncWrite for PipeWriter", WRITE, async {
            let (_reader, writer) = pipe().unwrap();
            AsyncWriteExt::write(&mut writer.fill(), b"more").await
        }),
        row_without_line("AsyncRead for Stdin", READ, async {
            AsyncReadExt::read(&mut stdin().unwrap(), &mut [0; 8]).await
        }),
        row_without_line("AsyncWrite for Stdout", WRITE, async {
            AsyncWriteExt::write(&mut stdout().unwrap().fill(), b"more").await
        }),
        row_without_line("AsyncRead for StreamReader", READ, async {
            let (one, _other) = UnixStream::pair().unwrap();
            let (mut reader, _writer) = one.into_streams();
            AsyncReadExt::read(&mut reader, &mut [0; 8]).await
        }),
        row_without_line("AsyncBufRead for StreamReader", READ, async {
            let (one, _other) = UnixStream::pair().unwrap();
            let (reader, _writer) = one.into_streams();
            reader.lines().next().await
        }),
        row_without_line(
            "AsyncWrite for StreamWriter",
            "for a StreamWriter to have room",
            async {
                let (one, _other) = UnixStream::pair().unwrap();
                let (_reader, mut writer) = one.into_streams();
                writer.write(&[0; 1 << 20]);
                AsyncWriteExt::write(&mut writer, b"more").await
            },
        ),
        row_without_line(
            "AsyncWrite for StreamWriter",
            "for a StreamWriter to have sent",
            async {
                let (one, _other) = UnixStream::pair().unwrap();
                let (_reader, mut writer) = one.into_streams();
                writer.write(&[0; 1 << 20]);
                AsyncWriteExt::flush(&mut writer).await
            },
        ),
    ]
}

fn timers_and_tasks() -> Vec<Row> {
    vec![
        row("Sleep", TIMER, sleep(LONG)),
        row("Sleep", TIMER, sleep_until(Instant::now() + LONG)),
        row("Interval::tick", TIMER, async {
            let mut interval = ticking().await;
            interval.tick().await
        }),
        row("Timeout", TIMER, timeout(LONG, pending::<()>())),
        row(
            "Timeout",
            TIMER,
            timeout_at(Instant::now() + LONG, pending::<()>()),
        ),
        row("Deadline::scope", TIMER, async {
            Deadline::after(LONG).scope(pending::<()>()).await
        }),
        row_without_line("JoinHandle", "for another to end", async {
            spawn_named("another", pending::<()>()).await
        }),
        row("RemoteHandle", "for a RemoteHandle", async {
            Handle::current().spawn(pending::<()>).await
        }),
        row("to_thread", "for a call on another thread", async {
            to_thread(|| drop(std::io::stdin().read(&mut [0; 8]))).await;
        }),
        row("TaskGroup::scope", "for a TaskGroup to end", async {
            let scope = TaskGroup::scope(async |group| {
                group.spawn(pending::<Result<(), ()>>());
                Ok(())
            });
            scope.await
        }),
        row("TaskLocal::scope", TIMER, async {
            static NUMBER: TaskLocal<u32> = TaskLocal::new();
            NUMBER.scope(7, sleep(LONG)).await;
        }),
        row("gather", TIMER, async { gather([sleep(LONG)]).await }),
        row("gather", TIMER, async {
            gather((sleep(LONG), async {})).await
        }),
        row("gather", READ, async {
            let (one, _other) = UnixStream::pair().unwrap();
            let read = async || one.read(&mut [0; 8]).await;
            gather([read(), read()]).await
        }),
        row("try_gather", TIMER, async {
            let late = async || {
                sleep(LONG).await;
                Err::<(), _>(())
            };
            try_gather([late(), late()]).await
        }),
        row("race", TIMER, async {
            race([sleep(LONG), sleep(LONG)]).await;
        }),
        row("AsCompleted::next", TIMER, async {
            as_completed([sleep(LONG)]).next().await
        }),
        row("Wait", TIMER, async {
            wait(&mut vec![spawn(pending::<()>())]).timeout(LONG).await
        }),
        row_without_line("Wait", "for another to end", async {
            wait(&mut vec![spawn_named("another", pending::<()>())]).await
        }),
    ]
}

fn things_of_sync() -> Vec<Row> {
    vec![
        row("Mutex::lock", "for a Mutex that waiter has", async {
            let mutex = Mutex::new(());
            let _guard = mutex.lock().await;
            drop(mutex.lock().await);
        }),
        row("Semaphore::acquire", "for a Semaphore", async {
            drop(Semaphore::new(0).acquire().await);
        }),
        row("Semaphore::acquire_owned", "for a Semaphore", async {
            Rc::new(Semaphore::new(0)).acquire_owned().await
        }),
        row("Queue::put", "for a Queue", async {
            let queue = Queue::bounded(1);
            queue.put(1).await.unwrap();
            queue.put(2).await
        }),
        row("Queue::get", "for a Queue", async {
            Queue::<u8>::unbounded().get().await
        }),
        row("Queue::join", "for a Queue", async {
            let queue = Queue::unbounded();
            queue.put(1).await.unwrap();
            queue.join().await;
        }),
        row("Event::wait", "for a Event", async {
            Event::new().wait().await;
        }),
        row("Barrier::wait", "for a Barrier", async {
            Barrier::new(2).wait().await
        }),
        row("Condvar::wait", "for a Condvar", async {
            let (mutex, condvar) = (Mutex::new(()), Condvar::new());
            let guard = mutex.lock().await;
            drop(condvar.wait(guard).await);
        }),
        row("Condvar::wait_for", "for a Condvar", async {
            let (mutex, condvar) = (Mutex::new(()), Condvar::new());
            let guard = mutex.lock().await;
            drop(condvar.wait_for(guard, |()| false).await);
        }),
        row("Receiver", "for a oneshot::Sender", async {
            let (_sender, receiver) = oneshot::channel::<()>();
            receiver.await
        }),
        row("Sender::closed", "for a oneshot::Receiver to go", async {
            let (mut sender, _receiver) = oneshot::channel::<()>();
            sender.closed().await;
        }),
    ]
}

/// What the tree says of the task `waiter`: what stands behind its name.
fn told() -> Option<String> {
    let dump = task::dump().to_string();
    let line = dump
        .lines()
        .find(|line| line.contains(" waiter (spawned at "))?;
    Some(line.split_once("): ")?.1.to_owned())
}

/// What is wrong with what the tree says of a row that waits. The next row begins at the line `end`.
fn fault(row: &Row, told: &str, end: u32) -> Option<&'static str> {
    if !told.starts_with("waits ") || !told.contains(row.what) {
        return Some("it does not wait for that");
    }
    let sites = told.split(" at ").skip(1);
    let mut lines = Vec::new();
    for site in sites {
        let mut parts = site.split(':');
        if parts.next() != Some(row.site.file()) {
            return Some("it names a line of somebody else");
        }
        lines.extend(parts.next().and_then(|line| line.parse::<u32>().ok()));
    }
    let is_ours = |line: &u32| (row.site.line()..end).contains(line);
    match (lines.is_empty(), row.has_line) {
        (true, true) => Some("it names no line"),
        (false, false) => Some("it names a line that nobody can know"),
        _ if !lines.iter().all(is_ours) => Some("it names another line"),
        _ => None,
    }
}

/// Runs a row until the tree says of it what it should; else gives what is wrong. The next row begins
/// at the line `end`.
async fn check(mut row: Row, end: u32) -> Option<String> {
    let waiter = spawn_named("waiter", mem::replace(&mut row.future, Box::pin(async {})));
    // It is queued behind the row: it looks first before anything can have happened to that.
    let looking = spawn(async move {
        let start = Instant::now();
        loop {
            let told = told().unwrap_or_else(|| "has ended".to_owned());
            let fault = fault(&row, &told, end)?;
            if start.elapsed() > PATIENCE {
                let Row { name, what, .. } = row;
                return Some(format!("{name}, `{what}`, {}: {fault}: {told}", row.site));
            }
            yield_now().await;
        }
    });
    let fault = looking.await.unwrap();
    waiter.cancel();
    fault
}

#[test]
fn whatever_waits_says_for_what_and_at_which_line_of_the_program() {
    let test = "whatever_waits_says_for_what_and_at_which_line_of_the_program";
    if !is_child() {
        // Standard input that never comes, and an output that nobody takes.
        let mut command = child(test);
        command.stdin(process::Stdio::piped());
        command.stdout(process::Stdio::piped());
        command.stderr(process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut told = String::new();
        let mut stderr = child.stderr.take().unwrap();
        stderr.read_to_string(&mut told).unwrap();
        assert!(child.wait().unwrap().success(), "{told}");
        return;
    }
    for &backend in Backend::available() {
        let builder = Builder::new().backend(backend).debug(true).max_threads(1);
        let runtime = builder.build().unwrap();
        let faults = deadline(SOON, || {
            runtime.block_on(async {
                let rows = table();
                let starts: Vec<_> = rows.iter().map(|row| row.site.line()).collect();
                let mut faults = Vec::new();
                for row in rows {
                    let line = row.site.line();
                    let end = starts.iter().filter(|start| **start > line).min();
                    faults.extend(check(row, end.copied().unwrap_or(u32::MAX)).await);
                    if faults.len() == 5 {
                        break; // Each takes its time, and these will do.
                    }
                }
                faults
            })
        });
        if !faults.is_empty() {
            eprintln!("{backend}:\n{}", faults.join("\n"));
            process::exit(1);
        }
    }
    process::exit(0); // Without a word on standard output.
}

#[test]
fn what_each_of_several_futures_in_one_task_waits_for_is_told_until_it_is_over() {
    type Waiting = Pin<Box<dyn Future<Output = ()>>>;

    each_backend(|backend| {
        let runtime = Builder::new().backend(backend).debug(true).build().unwrap();
        runtime.block_on(async {
            let (queue, event) = (Rc::new(Queue::<u8>::unbounded()), Rc::new(Event::new()));
            let (one, other) = UnixStream::pair().unwrap();
            let another = spawn_named("another", pending::<()>());
            let first = line!() + 1;
            let all: [Waiting; 6] = [
                Box::pin({
                    let queue = Rc::clone(&queue);
                    async move { queue.get().await.map_or((), |_| ()) }
                }),
                Box::pin({
                    let event = Rc::clone(&event);
                    async move { event.wait().await }
                }),
                Box::pin(async move { one.read(&mut [0; 8]).await.map_or((), |_| ()) }),
                Box::pin(sleep(LONG)),
                Box::pin(async move { another.await.unwrap() }),
                Box::pin(async {
                    for _ in 0..5 {
                        yield_now().await; // The others are not polled with it.
                    }
                }),
            ];
            let last = line!();
            let waiter = spawn_named("waiter", gather(all));
            let told_after_a_while = async || {
                // So often that the loop looks after its sockets, too.
                for _ in 0..100 {
                    yield_now().await;
                }
                told().unwrap()
            };
            let waits = |told: &str| {
                let told = told.split(", since ").next().unwrap();
                let told = told.strip_prefix("waits ").unwrap();
                let mut waits: Vec<_> = told.split(", ").map(str::to_owned).collect();
                waits.sort();
                waits
            };
            let told = told_after_a_while().await;
            let all = waits(&told);
            let begin = [
                "for a Event",
                "for a Queue",
                "for a timer ",
                "for another to end",
                READ,
            ];
            assert_eq!(all.len(), begin.len(), "{told}");
            for (wait, begin) in all.iter().zip(begin) {
                assert!(wait.starts_with(begin), "{told}");
                let Some((_, site)) = wait.split_once(&format!(" at {}:", file!())) else {
                    assert_eq!(wait, "for another to end", "{told}");
                    continue;
                };
                let line: u32 = site.split(':').next().unwrap().parse().unwrap();
                assert!((first..last).contains(&line), "{told}");
            }

            event.set();
            // To drop it would not do while another test starts a process, which has a copy at first.
            other.shutdown(std::net::Shutdown::Both).unwrap();
            let told = told_after_a_while().await;
            let left = waits(&told);
            assert_eq!(left.len(), 3, "{told}");
            assert!(left[0].starts_with("for a Queue"), "{told}");
            waiter.cancel();
        });
    });
}

#[test]
fn the_tasks_of_selio_itself_name_the_line_that_has_caused_them() {
    each_backend(|backend| {
        let runtime = Builder::new().backend(backend).debug(true).build().unwrap();
        runtime.block_on(async {
            let serve = line!() + 1;
            let server = start_server("127.0.0.1:0", async |_, writer: StreamWriter| {
                writer.write(&[0; 1 << 23]);
            });
            let server = server.await.unwrap();
            let write = serve + 1;
            let bounded = line!() + 4;
            let (listener, max) = (UnixListener::bind(path("bounded")).unwrap(), 0);
            let _bounded = Server::builder()
                .max_connections(max)
                .serve([listener], async |_| {})
                .unwrap();
            let child = line!() + 1;
            drop(unkilled().spawn().unwrap());

            let spawned = |line: u32| format!(" (spawned at {}:{line}:", file!());
            let at = |line: u32| format!(" at {}:{line}:", file!());
            let expected = [
                // An acceptor, the handler of the connection, and who sends what that has written.
                (spawned(serve), READ, at(serve)),
                (
                    spawned(serve),
                    "for a StreamWriter to have sent everything",
                    at(serve),
                ),
                (spawned(write), WRITE, String::new()),
                (
                    spawned(bounded),
                    "for a Server to have room for a connection",
                    at(bounded),
                ),
                (" reaper of process ".to_owned(), READ, at(child)),
            ];
            let addr = server.local_addrs()[0];
            let _client = TcpStream::connect(addr).await.unwrap();
            let start = Instant::now();
            loop {
                let dump = task::dump().to_string();
                let is_told = |(task, what, site): &&(String, &str, String)| {
                    let mut lines = dump.lines().filter(|line| line.contains(task.as_str()));
                    lines.any(|line| {
                        let told = line.split_once("): waits ").map_or("", |(_, told)| told);
                        told.contains(what) && told.contains(site.as_str())
                    })
                };
                let untold: Vec<_> = expected.iter().filter(|it| !is_told(it)).collect();
                if untold.is_empty() {
                    break;
                }
                assert!(start.elapsed() < SOON, "{untold:#?} of {dump}");
                yield_now().await;
            }
        });
    });
}

/// The functions of the library that wait, as `Type::function`, and the types that are awaited.
fn functions() -> BTreeSet<String> {
    let mut functions = BTreeSet::new();
    let is_there = |path: &PathBuf| {
        cfg!(feature = "signal") || !path.starts_with(library::root().join("net/signal"))
    };
    for path in library::files().into_iter().filter(is_there) {
        let text = fs::read_to_string(path).unwrap();
        let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
        let mut owner = "";
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let code = line.trim_start();
            let is_inner = line.len() - code.len();
            if let Some(header) = code.strip_prefix("impl")
                && (is_inner == 0 || header.contains(" $"))
            {
                owner = name_of(header);
                if header.contains(" Future for ") || header.contains(" Stream for ") {
                    functions.insert(owner.to_owned());
                }
                for it in ["AsyncRead for", "AsyncWrite for", "AsyncBufRead for"] {
                    if header.contains(it) {
                        functions.insert(format!("{it} {owner}"));
                    }
                }
            }
            let code = code.replace("pub async fn", "pub fn async");
            let Some(signature) = code.strip_prefix("pub fn ") else {
                continue;
            };
            let mut signature = signature.to_owned();
            while !signature.ends_with('{') && !signature.ends_with(';') {
                signature += lines.next().unwrap();
            }
            let is_async = signature.starts_with("async ");
            if is_async || signature.contains("-> impl Future") {
                let name = signature.trim_start_matches("async ");
                let name = name.split(['<', '(']).next().unwrap();
                functions.insert(match is_inner {
                    0 => name.to_owned(),
                    _ => format!("{owner}::{name}"),
                });
            }
        }
    }
    functions
}

/// As `TcpStream` in `<'a> Stream for &TcpStream<'a> {`.
fn name_of(header: &str) -> &str {
    let header = header.split(" where").next().unwrap();
    let header = header.rsplit(" for ").next().unwrap();
    let generics = header.starts_with('<').then(|| header.find("> ")).flatten();
    let name = header[generics.map_or(0, |end| end + 2)..].trim_start_matches([' ', '&']);
    name.split(['<', ' ']).next().unwrap()
}

/// What has no row of its own, and why.
const EXCEPTIONS: &[(&str, &str)] = &[
    (
        "UdpSocket::send",
        "Linux has always room for a datagram, or drops it",
    ),
    ("YieldNow", "it does not wait: its task is ready"),
    (
        "start_unix_server",
        "it does not wait: a path is bound at once",
    ),
    ("AsCompleted", "a stream; see `AsCompleted::next`"),
    ("Interval", "a stream; see `Interval::tick`"),
    ("AnyQueue::put", "see `Queue::put`"),
    ("AnyQueue::get", "see `Queue::get`"),
    ("AnyQueue::join", "see `Queue::join`"),
    // Made by macros:
    ("$stream::send_file", "see `TcpStream::send_file`"),
    ("$stream::read_vectored", "see `TcpStream::read_vectored`"),
    ("$stream::read_exact", "see `TcpStream::read_exact`"),
    ("$stream::peek", "see `TcpStream::peek`"),
    ("$stream::write_vectored", "see `TcpStream::write_vectored`"),
    ("$stream::write_all", "see `TcpStream::write_all`"),
    ("$stream::readable", "see `TcpStream::readable`"),
    ("$stream::writable", "see `TcpStream::writable`"),
    ("$half::read", "see `ReadHalf::read`"),
    ("$half::read_exact", "see `ReadHalf::read_exact`"),
    ("$half::peek", "see `ReadHalf::peek`"),
    ("$half::write", "see `WriteHalf::write`"),
    ("$half::write_vectored", "see `WriteHalf::write_vectored`"),
    ("$half::write_all", "see `WriteHalf::write_all`"),
    ("AsyncRead for $reader", "see `AsyncRead for TcpStream`"),
    ("AsyncWrite for $writer", "see `AsyncWrite for TcpStream`"),
    // Not public, and inside of others:
    ("Accept", "see `TcpListener::accept`"),
    ("Child", "what a task of a group runs"),
    ("End", "see `Wait`"),
    (
        "Scope",
        "see `TaskGroup::scope`, `TaskLocal::scope` and `Deadline::scope`",
    ),
    ("Until", "see `StreamWriter::drain`"),
];

#[test]
fn no_function_that_waits_is_forgotten_here() {
    let rows: BTreeSet<_> = run(async { table().iter().map(|row| row.name).collect() });
    let functions = functions();
    assert!(functions.len() > 100, "{functions:#?}");
    let is_known = |name: &str| {
        rows.contains(name) || EXCEPTIONS.iter().any(|(exception, _)| *exception == name)
    };
    let unknown: Vec<_> = functions.iter().filter(|name| !is_known(name)).collect();
    assert!(unknown.is_empty(), "these need a row: {unknown:#?}");
    let is_gone = |(name, _): &&(&str, &str)| !functions.contains(*name);
    let gone: Vec<_> = EXCEPTIONS.iter().filter(is_gone).collect();
    assert!(
        gone.is_empty(),
        "these are no exceptions any more: {gone:#?}"
    );
}
