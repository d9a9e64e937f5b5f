//! Faults that a hostile reader found in sockets, streams and servers: numbers that are too large,
//! runtimes that do not run, texts of peers, and a selector that cannot be opened anew.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod common;
#[path = "common/loopback.rs"]
mod loopback;
#[path = "common/tasks.rs"]
mod tasks;

use std::cell::RefCell;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use futures_lite::future::poll_once;
use loopback::{listen, on_each_backend, runtime};
use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use selio::net::{Server, TcpListener, TcpStream, UdpSocket, UnixStream};
use selio::selector::{Backend, Interest, Selector};
use selio::sync::Event;
use selio::{IntoStreams, StreamWriter};

use common::{cpu_time, each_backend};
use tasks::in_a_process_of_its_own;

/// Those who asked for more than the system calls can say got `EINVAL`, and no socket.
#[test]
fn who_asks_for_too_much_memory_gets_what_the_system_allows() {
    on_each_backend(async || {
        for bytes in [i32::MAX as usize + 1, u32::MAX as usize, usize::MAX] {
            let builder = TcpListener::builder();
            let builder = builder.recv_buffer_size(bytes).send_buffer_size(bytes);
            let listener = builder.bind("127.0.0.1:0").await.unwrap();
            let builder = TcpStream::builder();
            let builder = builder.recv_buffer_size(bytes).send_buffer_size(bytes);
            let addr = listener.local_addr().unwrap();
            builder.connect(addr).await.unwrap();
            let builder = UdpSocket::builder();
            let builder = builder.recv_buffer_size(bytes).send_buffer_size(bytes);
            builder.bind("127.0.0.1:0").await.unwrap();
        }
    });
}

/// `EOVERFLOW`, where sendfile(2) was asked for what is beyond the end of any file.
#[test]
fn nothing_is_sent_of_a_file_from_far_behind_its_end() {
    on_each_backend(async || {
        let (stream, _peer) = UnixStream::pair().unwrap();
        let file = File::open("Cargo.toml").unwrap();
        for bits in 20..63 {
            for count in [None, Some(1), Some(u64::MAX)] {
                let mut offset = 1 << bits;
                assert_eq!(
                    stream.send_file(&file, &mut offset, count).await.unwrap(),
                    0
                );
                assert_eq!(offset, 1 << bits);
            }
        }
    });
}

/// It has a task that sends what is kept, but in a runtime that nobody runs.
#[test]
fn a_stream_that_is_being_sent_says_so_when_its_runtime_does_not_run() {
    async fn assert_elsewhere(writer: &StreamWriter) {
        let call = async { writer.drain().await.unwrap_err() };
        let drained = poll_once(call).await.expect("it does not wait");
        let text = drained.to_string();
        assert!(text.contains("does not run on this thread"), "{text}");
        let call = async { writer.wait_closed().await.unwrap_err() };
        let closed = poll_once(call).await.expect("it does not wait");
        let text = closed.to_string();
        assert!(text.contains("does not run on this thread"), "{text}");
    }
    each_backend(|backend| {
        let (home, other) = (runtime(backend), runtime(backend));
        let (near, far) = home.block_on(async { UnixStream::pair().unwrap() });
        let (near, far) = home.block_on(async { (near.into_streams(), far.into_streams()) });
        let ((_reader, socket), (mut peer, _writer)) = (near, far);
        let piped = home.block_on(async {
            let (_reader, writer) = UnixStream::pair().unwrap();
            std::mem::forget(_reader);
            StreamWriter::new(writer)
        });
        for writer in [&socket, &piped] {
            home.block_on(async {
                writer.write(&vec![0; 1 << 20]);
                writer.close();
                assert!(poll_once(writer.drain()).await.is_none());
            });
            other.block_on(assert_elsewhere(writer));
            futures_lite::future::block_on(assert_elsewhere(writer));
        }
        home.block_on(async {
            let sent = async { socket.wait_closed().await.unwrap() };
            let received = async { peer.read_to_end(1 << 20).await.unwrap().len() };
            assert_eq!(selio::gather((sent, received)).await, ((), 1 << 20));
        });
    });
}

/// Who can make a handler fail with words of its own could make up lines of a log.
#[test]
fn a_failure_of_a_handler_is_told_in_one_line_whatever_its_error_says() {
    on_each_backend(async || {
        let (listener, addr) = listen().await;
        let (reports, told) = (Rc::new(RefCell::new(Vec::new())), Rc::new(Event::new()));
        let (list, telling) = (Rc::clone(&reports), Rc::clone(&told));
        let builder = Server::builder().name("a\nname").on_error(move |error| {
            list.borrow_mut().push(error.to_string());
            telling.set();
        });
        let server = builder.serve([listener], async |_stream: TcpStream| {
            io::Result::<()>::Err(io::Error::other("GET /\nserver: all is well\x1b[2J"))
        });
        let server = server.unwrap();
        let _client = TcpStream::connect(addr).await.unwrap();
        told.wait().await;
        let report = reports.borrow().concat();
        assert!(!report.contains(char::is_control), "{report:?}");
        assert!(report.contains(r"GET /\nserver: all is well"), "{report}");
        drop(server);
    });
}

/// A number that no handle of this process gets by itself, and that `select` can still hold.
const CHOSEN: i32 = 900;

fn chosen(handle: impl Into<OwnedFd>) -> OwnedFd {
    let fd = fcntl_dupfd_cloexec(handle.into(), CHOSEN).unwrap();
    assert_eq!(fd.as_raw_fd(), CHOSEN, "somebody else has this number");
    fd
}

/// A selector and the ghost that haunts it: a handle that is readable, and was closed while it was
/// registered. `namesake` has its number when it is deregistered; the duplicate keeps it alive.
fn haunted(backend: Backend, namesake: impl Into<OwnedFd>) -> (Selector, [net::UnixStream; 2]) {
    let mut selector = Selector::with_backend(backend).unwrap();
    let (handle, mut peer) = net::UnixStream::pair().unwrap();
    let duplicate = handle.try_clone().unwrap();
    let handle = chosen(handle);
    selector.register(&handle, 1, Interest::READABLE).unwrap();
    drop(handle);
    let namesake = chosen(namesake);
    selector.deregister(&namesake).unwrap();
    peer.write_all(b"boo").unwrap();
    (selector, [duplicate, peer])
}

/// epoll(7) answers `EPERM` for a file, which was taken for an error of no consequence.
#[test]
fn a_closed_handle_whose_number_a_file_has_got_does_not_haunt_the_selector() {
    each_backend(|backend| {
        let (mut selector, _ghost) = haunted(backend, File::open("/dev/null").unwrap());
        let before = cpu_time();
        let mut events = Vec::new();
        let some_time = Some(Duration::from_millis(500));
        selector.select(&mut events, some_time).unwrap();
        let spent = cpu_time() - before;
        assert!(
            events.is_empty() && spent < Duration::from_millis(200),
            "{spent:?}"
        );
    });
}

/// Whether an epoll(7) of this process watches the ghost, which Linux tells in a file.
fn is_haunted() -> bool {
    let ghost = format!("tfd: {CHOSEN:>8} ");
    let Ok(infos) = fs::read_dir("/proc/self/fdinfo") else {
        return false;
    };
    let mut infos = infos.filter_map(|it| fs::read_to_string(it.ok()?.path()).ok());
    infos.any(|info| info.contains(&ghost))
}

/// It takes another epoll(7) to forget such a handle, and there is no number for one: so the wait
/// goes on, and tries again each time that it is woken in vain.
#[test]
fn a_selector_that_is_haunted_for_want_of_a_file_descriptor_is_so_no_longer_than_that() {
    const NAME: &str =
        "a_selector_that_is_haunted_for_want_of_a_file_descriptor_is_so_no_longer_than_that";
    in_a_process_of_its_own(NAME, || {
        each_backend(|backend| {
            let namesake = net::UnixStream::pair().unwrap().0;
            let (mut selector, _ghost) = haunted(backend, namesake);
            if !is_haunted() {
                return; // poll(2) and select(2) keep no ghosts.
            }
            let limit = getrlimit(Resource::Nofile);
            let none = Rlimit {
                current: Some(0),
                ..limit
            };
            setrlimit(Resource::Nofile, none).unwrap();
            let notifier = selector.notifier();
            thread::scope(|scope| {
                scope.spawn(move || {
                    thread::sleep(Duration::from_millis(50)); // It waits by now, or soon does.
                    setrlimit(Resource::Nofile, limit).unwrap();
                    while is_haunted() {
                        thread::yield_now();
                    }
                    notifier.notify().unwrap();
                });
                let mut events = Vec::new();
                selector.select(&mut events, None).unwrap();
                assert!(events.is_empty());
            });
        });
    });
}
