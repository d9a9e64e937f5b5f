//! Claims about lines: whoever waits is told with the line of the user that awaits, not with one of
//! selio's.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;

use std::cell::Cell;
use std::fs::File;
use std::future::{Future, poll_fn};
use std::io::{IoSlice, IoSliceMut};
use std::panic::Location;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use common::each_backend;
use selio::net::{TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream, pipe};
use selio::process::{Command, Stdio};
use selio::selector::Backend;
use selio::trace::{Event, Observer};
use selio::{Builder, IntoStreams, Runtime};

type Site = &'static Location<'static>;

/// The line that has begun to wait last.
#[derive(Clone, Default)]
struct Last(Rc<Cell<Option<Site>>>);

impl Observer for Last {
    fn event(&self, event: &Event<'_>) {
        match *event {
            Event::WouldBlock { site, .. } => self.0.set(site),
            Event::TimerSet { site, .. } => self.0.set(Some(site)),
            _ => {}
        }
    }
}

impl Last {
    fn watch(&self, backend: Backend) -> Runtime {
        let builder = Builder::new().backend(backend);
        builder.observer(self.clone()).build().unwrap()
    }

    /// Asserts that this future waits, and that the line of this call is told.
    #[track_caller]
    fn assert_waits<T>(&self, future: impl Future<Output = T>) -> impl Future<Output = ()> {
        let here = Location::caller();
        async move {
            self.0.set(None);
            let mut future = pin!(future);
            let is_ready = poll_fn(|cx| Poll::Ready(future.as_mut().poll(cx).is_ready())).await;
            assert!(!is_ready, "{here} has nothing to wait for");
            let told = self.0.get().expect("it is told that it waits");
            assert_eq!((told.file(), told.line()), (here.file(), here.line()));
        }
    }
}

/// What reads, and finds nothing.
macro_rules! assert_reads_wait {
    ($last:ident, $stream:expr) => {
        let mut buffer = [0; 8];
        $last.assert_waits($stream.read(&mut buffer)).await;
        $last.assert_waits($stream.read_exact(&mut buffer)).await;
    };
}

/// What writes, and finds no room.
macro_rules! assert_writes_wait {
    ($last:ident, $stream:expr) => {
        $last.assert_waits($stream.write(b"more")).await;
        let slices = [IoSlice::new(b"more")];
        $last.assert_waits($stream.write_vectored(&slices)).await;
        $last.assert_waits($stream.write_all(b"more")).await;
    };
}

#[test]
fn streams_and_their_halves_tell_the_line_of_the_caller() {
    each_backend(|backend| {
        let last = Last::default();
        last.watch(backend).block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            last.assert_waits(listener.accept()).await;
            let addr = listener.local_addr().unwrap();
            last.assert_waits(TcpStream::connect(addr)).await;
            let mut stream = TcpStream::connect(addr).await.unwrap();
            let (mut unix, _other) = UnixStream::pair().unwrap();
            macro_rules! assert_all_wait {
                ($stream:ident) => {
                    let mut buffer = [0; 8];
                    let mut slices = [IoSliceMut::new(&mut buffer)];
                    last.assert_waits($stream.read_vectored(&mut slices)).await;
                    last.assert_waits($stream.peek(&mut buffer)).await;
                    last.assert_waits($stream.readable()).await;
                    assert_reads_wait!(last, $stream);
                    let full = [0; 1 << 16];
                    while $stream.try_write(&full).is_ok() {}
                    last.assert_waits($stream.writable()).await;
                    assert_writes_wait!(last, $stream);
                    let (file, mut at) = (File::open(file!()).unwrap(), 0);
                    last.assert_waits($stream.send_file(&file, &mut at, None))
                        .await;
                    let (reader, writer) = $stream.split();
                    last.assert_waits(reader.peek(&mut buffer)).await;
                    assert_reads_wait!(last, reader);
                    assert_writes_wait!(last, writer);
                    let (reader, writer) = $stream.into_split();
                    last.assert_waits(reader.peek(&mut buffer)).await;
                    assert_reads_wait!(last, reader);
                    assert_writes_wait!(last, writer);
                };
            }
            assert_all_wait!(stream);
            assert_all_wait!(unix);
        });
    });
}

#[test]
fn readers_of_asyncio_tell_the_line_of_the_caller() {
    each_backend(|backend| {
        let last = Last::default();
        last.watch(backend).block_on(async {
            let (stream, _other) = UnixStream::pair().unwrap();
            let (mut reader, _writer) = stream.into_streams();
            assert_reads_wait!(last, reader);
            last.assert_waits(reader.read_chunk(8)).await;
            last.assert_waits(reader.read_line()).await;
            last.assert_waits(reader.read_until(b"\0")).await;
            last.assert_waits(reader.read_until_any(&[b"\r", b"\n"]))
                .await;
            last.assert_waits(reader.read_to_end(8)).await;
        });
    });
}

#[test]
fn pipes_and_child_processes_tell_the_line_of_the_caller() {
    each_backend(|backend| {
        let last = Last::default();
        last.watch(backend).block_on(async {
            let (reader, writer) = pipe().unwrap();
            let mut buffer = [0; 8];
            let mut slices = [IoSliceMut::new(&mut buffer)];
            last.assert_waits(reader.read_vectored(&mut slices)).await;
            last.assert_waits(reader.readable()).await;
            assert_reads_wait!(last, reader);
            while writer.try_write(&[0; 1 << 12]).is_ok() {}
            last.assert_waits(writer.writable()).await;
            assert_writes_wait!(last, writer);

            let mut child = Command::new("cat").stdin(Stdio::piped()).spawn().unwrap();
            last.assert_waits(child.exited()).await;
            last.assert_waits(child.wait()).await;
            child.wait().await.unwrap();
        });
    });
}

#[test]
fn datagrams_tell_the_line_of_the_caller() {
    each_backend(|backend| {
        let last = Last::default();
        last.watch(backend).block_on(async {
            let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
            let mut buffer = [0; 8];
            last.assert_waits(udp.recv(&mut buffer)).await;
            last.assert_waits(udp.recv_from(&mut buffer)).await;
            last.assert_waits(udp.recv_msg(&mut buffer)).await;
            last.assert_waits(udp.peek(&mut buffer)).await;
            last.assert_waits(udp.peek_from(&mut buffer)).await;
            last.assert_waits(udp.readable()).await;

            let (unix, _other) = UnixDatagram::pair().unwrap();
            last.assert_waits(unix.recv(&mut buffer)).await;
            last.assert_waits(unix.recv_from(&mut buffer)).await;
            last.assert_waits(unix.recv_msg(&mut buffer)).await;
            last.assert_waits(unix.peek(&mut buffer)).await;
            last.assert_waits(unix.readable()).await;
            while unix.try_send(b"more").is_ok() {}
            last.assert_waits(unix.send(b"more")).await;
            last.assert_waits(unix.writable()).await;

            let folder = std::env::temp_dir().join(format!("selio-sites-{}", std::process::id()));
            std::fs::create_dir_all(&folder).unwrap();
            let path = folder.join(backend.name());
            let full = UnixDatagram::bind(&path).unwrap();
            let sender = UnixDatagram::unbound().unwrap();
            while sender.try_send_to(b"more", &path).is_ok() {}
            last.assert_waits(sender.send_to(b"more", &path)).await;
            drop(full);
            let listener = UnixListener::bind(&path).unwrap();
            last.assert_waits(listener.accept()).await;
            drop(listener);
            std::fs::remove_dir_all(&folder).unwrap();
        });
    });
}
