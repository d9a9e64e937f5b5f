//! Claims about Unix sockets: connections, datagrams, addresses, and who removes a path.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/loopback.rs"]
mod loopback;

use std::fs;
use std::io::{ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::net::Shutdown;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_lite::future::zip;
use futures_lite::{AsyncReadExt, AsyncWriteExt, StreamExt};
use loopback::{assert_error, on_each_backend, poll_once, turns};
use rustix::fs::{OFlags, fcntl_getfl};
use rustix::io::{FdFlags, fcntl_getfd};
use selio::net::{Server, ToUnixAddr, UnixDatagram, UnixListener, UnixStream};
use selio::{spawn, timeout};

/// A directory for sockets, which is removed with all that is in it.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Self {
        static LAST: AtomicUsize = AtomicUsize::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        let name = format!("selio-unix-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn exists(path: &Path) -> bool {
    fs::symlink_metadata(path).is_ok()
}

async fn assert_echo(client: &UnixStream, server: &UnixStream) {
    client.write_all(b"ping").await.unwrap();
    let mut buffer = [0; 16];
    assert_eq!(server.read(&mut buffer).await.unwrap(), 4);
    server.write_all(&buffer[..4]).await.unwrap();
    client.read_exact(&mut buffer[4..8]).await.unwrap();
    assert_eq!(&buffer[..8], b"pingping");
}

/// Writes until there is no more room.
fn fill(stream: &UnixStream) -> usize {
    let mut total = 0;
    loop {
        match stream.try_write(&[b'x'; 64 * 1024]) {
            Ok(n) => total += n,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return total,
            Err(error) => panic!("try_write: {error}"),
        }
    }
}

async fn reaches(listener: &UnixListener, addr: impl ToUnixAddr) {
    let client = UnixStream::connect(addr).await.unwrap();
    let (server, peer) = listener.accept().await.unwrap();
    assert!(peer.is_unnamed());
    assert!(client.local_addr().unwrap().is_unnamed());
    assert_echo(&client, &server).await;
}

#[test]
fn a_listener_is_reached_by_its_path_however_it_is_written() {
    on_each_backend(async || {
        let directory = Directory::new();
        let path = directory.path("s");
        let listener = UnixListener::bind(&path).unwrap();
        reaches(&listener, path.as_path()).await;
        reaches(&listener, path.clone()).await;
        reaches(&listener, path.as_os_str()).await;
        reaches(&listener, path.to_str().unwrap()).await;
        reaches(&listener, path.to_str().unwrap().to_owned()).await;
        reaches(&listener, listener.local_addr().unwrap()).await;
        assert_eq!(
            listener.local_addr().unwrap().as_pathname(),
            Some(path.as_path())
        );
    });
}

#[cfg(target_os = "linux")]
#[test]
fn an_abstract_name_begins_with_a_nul_and_leaves_nothing_behind() {
    use std::os::linux::net::SocketAddrExt;
    on_each_backend(async || {
        let plain = format!("selio-{}-\0-{}", std::process::id(), line!());
        let name = format!("\0{plain}");
        let listener = UnixListener::bind(name.as_str()).unwrap();
        let addr = listener.local_addr().unwrap();
        assert_eq!(addr.as_abstract_name(), Some(plain.as_bytes()));
        reaches(&listener, name.as_str()).await;
        reaches(&listener, &addr).await;
        assert_error(
            UnixListener::bind(name.as_str()),
            ErrorKind::AddrInUse,
            &[&"UnixListener::bind", &"selio-"],
        );
        drop(listener);
        UnixListener::bind(name).unwrap();
    });
}

#[test]
fn malformed_addresses_are_refused_by_name() {
    on_each_backend(async || {
        let directory = Directory::new();
        let room = 107 - directory.0.as_os_str().len() - 1;
        let fits = directory.path(&"x".repeat(room));
        assert_eq!(fits.as_os_str().len(), 107);
        let listener = UnixListener::bind(&fits).unwrap();
        reaches(&listener, &fits).await;

        let sources = selio::stats().sources;
        let fds = common::open_fds();
        let long = "x".repeat(108);
        for (addr, problem) in [
            ("", "the path is empty"),
            ("a\0b", "there is a NUL in the path"),
            ("a\0", "there is a NUL in the path"),
            (&long, "the path has 108 bytes"),
            (&"x".repeat(5000), "the path has 5000 bytes"),
            (&format!("\0{long}"), "the abstract name has 108 bytes"),
        ] {
            let kind = ErrorKind::InvalidInput;
            let bind: &dyn std::fmt::Display = &"UnixListener::bind: ";
            assert_error(UnixListener::bind(addr), kind, &[bind, &problem]);
            let connect = UnixStream::connect(addr).await;
            assert_error(connect, kind, &[&"UnixStream::connect: ", &problem]);
            let bind = UnixDatagram::bind(addr);
            assert_error(bind, kind, &[&"UnixDatagram::bind: ", &problem]);
            let socket = UnixDatagram::unbound().unwrap();
            let connect = socket.connect(addr);
            assert_error(connect, kind, &[&"UnixDatagram::connect: ", &problem]);
            let send = socket.send_to(b"x", addr).await;
            assert_error(send, kind, &[&"UnixDatagram::send_to: ", &problem]);
        }
        assert_eq!(selio::stats().sources, sources);
        assert_eq!(common::open_fds(), fds);
    });
}

#[test]
fn who_cannot_be_reached_is_named() {
    on_each_backend(async || {
        let directory = Directory::new();
        let path = directory.path("s");
        let connect = UnixStream::connect(&path).await;
        let call = "UnixStream::connect";
        assert_error(connect, ErrorKind::NotFound, &[&call, &path.display()]);

        // Left behind, as after a crash: std removes nothing.
        drop(net::UnixListener::bind(&path).unwrap());
        let connect = UnixStream::connect(&path).await;
        let kind = ErrorKind::ConnectionRefused;
        assert_error(connect, kind, &[&call, &path.display()]);

        let bind = UnixListener::bind(directory.path("no/such/s"));
        assert_error(bind, ErrorKind::NotFound, &[&"UnixListener::bind"]);
        let (_a, b) = UnixStream::pair().unwrap();
        let connect = UnixStream::connect(b.peer_addr().unwrap()).await;
        assert_error(connect, ErrorKind::InvalidInput, &[&call, &"has no name"]);
        assert_eq!(selio::stats().sources, 2);
    });
}

#[test]
fn a_path_that_exists_is_refused_and_left_alone_whatever_it_is() {
    on_each_backend(async || {
        let directory = Directory::new();
        let refused = |path: &Path| {
            let kind = ErrorKind::AddrInUse;
            let advice = "remove it first";
            let bind = UnixListener::bind(path);
            assert_error(
                bind,
                kind,
                &[&"UnixListener::bind", &path.display(), &advice],
            );
            let bind = UnixDatagram::bind(path);
            assert_error(
                bind,
                kind,
                &[&"UnixDatagram::bind", &path.display(), &advice],
            );
            assert!(exists(path));
        };
        let live = directory.path("live");
        let listener = UnixListener::bind(&live).unwrap();
        refused(&live);
        reaches(&listener, &live).await;
        let stale = directory.path("stale");
        drop(net::UnixListener::bind(&stale).unwrap());
        refused(&stale);
        let file = directory.path("file");
        fs::write(&file, "precious").unwrap();
        refused(&file);
        assert_eq!(fs::read(&file).unwrap(), b"precious");
    });
}

#[test]
fn a_path_is_removed_only_by_who_has_made_it() {
    on_each_backend(async || {
        let directory = Directory::new();
        let path = directory.path("s");

        // Our own.
        let listener = UnixListener::bind(&path).unwrap();
        let clients = UnixStream::connect(&path).await.unwrap();
        drop(listener);
        assert!(!exists(&path));
        drop(clients);
        drop(UnixDatagram::bind(&path).unwrap());
        assert!(!exists(&path));

        // One that was handed to us.
        let listener = net::UnixListener::bind(&path).unwrap();
        drop(UnixListener::from_std(listener).unwrap());
        assert!(exists(&path));
        fs::remove_file(&path).unwrap();
        let socket = net::UnixDatagram::bind(&path).unwrap();
        drop(UnixDatagram::from_std(socket).unwrap());
        assert!(exists(&path));
        fs::remove_file(&path).unwrap();

        // One that we have given away.
        drop(UnixListener::bind(&path).unwrap().into_std().unwrap());
        assert!(exists(&path));
        fs::remove_file(&path).unwrap();
        drop(OwnedFd::from(UnixDatagram::bind(&path).unwrap()));
        assert!(exists(&path));
        fs::remove_file(&path).unwrap();

        // One that is gone already.
        let listener = UnixListener::bind(&path).unwrap();
        fs::remove_file(&path).unwrap();
        drop(listener);

        // One that somebody else has made in its place.
        let listener = UnixListener::bind(&path).unwrap();
        fs::remove_file(&path).unwrap();
        let other = UnixListener::bind(&path).unwrap();
        drop(listener);
        reaches(&other, &path).await;
    });
}

/// The current directory belongs to the whole process: hence one of its own.
#[test]
fn a_relative_path_is_removed_even_from_another_directory() {
    loopback::alone(
        "a_relative_path_is_removed_even_from_another_directory",
        || {
            on_each_backend(async || {
                let directory = Directory::new();
                std::env::set_current_dir(&directory.0).unwrap();
                let listener = UnixListener::bind("s").unwrap();
                reaches(&listener, "s").await;
                std::env::set_current_dir("/").unwrap();
                drop(listener);
                assert!(!exists(&directory.path("s")));
            });
        },
    );
}

/// On Linux a connect to a listener without room fails with `EAGAIN`, and no selector tells when it
/// would not.
#[test]
fn connecting_waits_until_the_listener_has_room() {
    on_each_backend(async || {
        let directory = Directory::new();
        let path = directory.path("s");
        let listener = UnixListener::builder().backlog(1).bind(&path).unwrap();
        let connected: Vec<_> = (0..20)
            .map(|_| {
                let path = path.clone();
                spawn(async move { UnixStream::connect(path).await.map(drop) })
            })
            .collect();
        turns(3).await;
        assert!(!connected.iter().all(selio::JoinHandle::is_finished));
        for _ in 0..20 {
            listener.accept().await.unwrap();
        }
        for connect in connected {
            connect.await.unwrap().unwrap();
        }
    });
}

#[test]
fn a_cancelled_connect_or_accept_leaves_nothing_and_takes_nothing() {
    on_each_backend(async || {
        let directory = Directory::new();
        let path = directory.path("s");
        let listener = UnixListener::builder().backlog(0).bind(&path).unwrap();
        let _first = UnixStream::connect(&path).await.unwrap();
        let before = (loopback::alive(&selio::stats()), common::open_fds());
        for _ in 0..10 {
            assert!(
                poll_once(&mut pin!(UnixStream::connect(&path)))
                    .await
                    .is_none()
            );
        }
        let after = (loopback::alive(&selio::stats()), common::open_fds());
        assert_eq!(after, before);

        listener.accept().await.unwrap();
        for _ in 0..10 {
            assert!(poll_once(&mut pin!(listener.accept())).await.is_none());
        }
        let _second = UnixStream::connect(&path).await.unwrap();
        turns(2).await;
        assert!(poll_once(&mut pin!(listener.accept())).await.is_some());
    });
}

#[test]
fn several_tasks_accept_from_one_listener_and_incoming_never_ends() {
    on_each_backend(async || {
        let directory = Directory::new();
        let path = directory.path("s");
        let listener = Rc::new(UnixListener::bind(&path).unwrap());
        let accepting: Vec<_> = (0..5)
            .map(|_| {
                let listener = Rc::clone(&listener);
                spawn(async move { listener.accept().await.map(drop) })
            })
            .collect();
        turns(1).await;
        for _ in 0..5 {
            UnixStream::connect(&path).await.unwrap();
        }
        for accept in accepting {
            accept.await.unwrap().unwrap();
        }
        let mut incoming = listener.incoming();
        for _ in 0..5 {
            let client = UnixStream::connect(&path).await.unwrap();
            let server = incoming.next().await.unwrap().unwrap();
            assert_echo(&client, &server).await;
        }
    });
}

/// In a process of its own, because the limit is that of the process.
#[test]
fn without_file_descriptors_accept_says_so_and_loses_no_connection() {
    let name = "without_file_descriptors_accept_says_so_and_loses_no_connection";
    loopback::alone(name, || {
        on_each_backend(async || {
            let directory = Directory::new();
            let path = directory.path("s");
            let listener = UnixListener::bind(&path).unwrap();
            let client = UnixStream::connect(&path).await.unwrap();
            let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
            // Every number below the limit is taken.
            let highest = client.as_fd().try_clone_to_owned().unwrap();
            let next = std::os::fd::AsRawFd::as_raw_fd(&highest) as usize;
            drop(highest);
            loopback::lower_file_limit(next);
            let error = listener.accept().await.unwrap_err();
            assert_eq!(error.raw_os_error(), Some(24), "{error}"); // EMFILE
            rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).unwrap();
            let (server, _) = listener.accept().await.unwrap();
            assert_echo(&client, &server).await;
        });
    });
}

#[test]
fn a_server_serves_on_a_path_and_closes_its_clients() {
    on_each_backend(async || {
        let directory = Directory::new();
        let path = directory.path("s");
        let listener = UnixListener::bind(&path).unwrap();
        let server = Server::builder()
            .serve([listener], async |stream: UnixStream| {
                let mut buffer = [0; 16];
                loop {
                    match stream.read(&mut buffer).await? {
                        0 => return Ok::<_, std::io::Error>(()),
                        n => stream.write_all(&buffer[..n]).await?,
                    }
                }
            })
            .unwrap();
        let client = UnixStream::connect(&path).await.unwrap();
        client.write_all(b"ping").await.unwrap();
        client.read_exact(&mut [0; 4]).await.unwrap();
        server.close();
        server.close_clients();
        assert_eq!(client.read(&mut [0; 4]).await.unwrap(), 0);
        server.wait_closed().await;
        assert!(!exists(&path));
    });
}

#[test]
fn what_is_written_is_read_in_order_and_then_comes_the_end() {
    on_each_backend(async || {
        let (client, server) = UnixStream::pair().unwrap();
        let bytes = loopback::random_bytes(&mut common::Random::from_environment(), 1 << 20);
        let write = async {
            client.write_all(&bytes).await.unwrap();
            drop(client);
        };
        let read = async {
            let (mut all, mut buffer) = (Vec::new(), vec![0; 10_007]);
            loop {
                match server.read(&mut buffer).await.unwrap() {
                    0 => return all,
                    n => all.extend_from_slice(&buffer[..n]),
                }
            }
        };
        let ((), all) = zip(write, read).await;
        assert!(all == bytes);
    });
}

#[test]
fn half_a_connection_can_be_shut_down() {
    on_each_backend(async || {
        let (client, server) = UnixStream::pair().unwrap();
        client.write_all(b"last words").await.unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut buffer = [0; 16];
        assert_eq!(server.read(&mut buffer).await.unwrap(), 10);
        assert_eq!(server.read(&mut buffer).await.unwrap(), 0);
        assert_error(client.write(b"x").await, ErrorKind::BrokenPipe, &[]);
        server.write_all(b"answer").await.unwrap();
        assert_eq!(client.read(&mut buffer).await.unwrap(), 6);
        drop(server);
        client.shutdown(Shutdown::Both).unwrap();
        assert_eq!(client.read(&mut buffer).await.unwrap(), 0);
    });
}

#[test]
fn a_peer_that_is_gone_is_told_to_who_waits_and_does_not_spin() {
    on_each_backend(async || {
        let (client, server) = UnixStream::pair().unwrap();
        fill(&client);
        {
            let mut buffer = [0; 8];
            let mut read = pin!(client.read(&mut buffer));
            let mut write = pin!(client.write(b"x"));
            assert!(poll_once(&mut read).await.is_none());
            assert!(poll_once(&mut write).await.is_none());
            drop(server);
            // It has not read all that was sent to it.
            assert_error(read.await, ErrorKind::ConnectionReset, &[]);
            assert_error(write.await, ErrorKind::BrokenPipe, &[]);
        }
        let slices = [IoSlice::new(b"x")];
        let write = client.write_vectored(&slices).await;
        assert_error(write, ErrorKind::BrokenPipe, &[]);
        turns(3).await;
        let before = selio::stats();
        turns(10).await;
        assert_eq!(selio::stats().events - before.events, 0);
    });
}

/// The runtime of a Rust program ignores SIGPIPE, which hides what this is about. But a signal that
/// is blocked stays pending even if it is ignored: hence a process that was started with it blocked.
#[cfg(target_os = "linux")]
#[test]
fn a_peer_that_is_gone_raises_no_sigpipe() {
    const NAME: &str = "a_peer_that_is_gone_raises_no_sigpipe";
    if !common::is_child() {
        let _turn = common::turn();
        let plain = common::child(NAME);
        let mut blocked = std::process::Command::new("env");
        blocked.arg("--block-signal=PIPE").arg(plain.get_program());
        blocked.args(plain.get_args());
        blocked.env("SELIO_TEST_CHILD", "1");
        let output = blocked.output().unwrap();
        if String::from_utf8_lossy(&output.stderr).contains("--block-signal") {
            return println!("skipped: this `env` cannot block signals");
        }
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("1 passed"), "{output:?}");
        return;
    }
    on_each_backend(async || {
        let (client, _) = UnixStream::pair().unwrap();
        let (split, _) = UnixStream::pair().unwrap();
        let (datagram, _) = UnixDatagram::pair().unwrap();
        let slices = [IoSlice::new(b"x")];
        client.write(b"x").await.unwrap_err();
        client.write_all(b"x").await.unwrap_err();
        client.write_vectored(&slices).await.unwrap_err();
        client.try_write(b"x").unwrap_err();
        let mut writer = &client;
        AsyncWriteExt::write(&mut writer, b"x").await.unwrap_err();
        let write = AsyncWriteExt::write_vectored(&mut writer, &slices).await;
        write.unwrap_err();
        let (_reader, half) = split.into_split();
        half.write(b"x").await.unwrap_err();
        datagram.send(b"x").await.unwrap_err();
        datagram.try_send(b"x").unwrap_err();
        datagram.shutdown(Shutdown::Write).unwrap();
        datagram.send(b"x").await.unwrap_err();

        assert!(!is_sigpipe_pending());
    });
    // The proof that it would have been seen: sendfile(2) cannot ask for no signal.
    selio::run(async {
        let (client, _) = UnixStream::pair().unwrap();
        let file = fs::File::open("Cargo.toml").unwrap();
        client.send_file(&file, &mut 0, None).await.unwrap_err();
        assert!(is_sigpipe_pending());
    });
}

#[cfg(target_os = "linux")]
fn is_sigpipe_pending() -> bool {
    let status = fs::read_to_string("/proc/thread-self/status").unwrap();
    let mut lines = status.lines();
    let pending = lines.find_map(|line| line.strip_prefix("SigPnd:"));
    let pending = u64::from_str_radix(pending.unwrap().trim(), 16).unwrap();
    pending & (1 << 12) != 0 // It is number 13.
}

#[test]
fn halves_read_and_write_in_two_tasks_and_come_together_again() {
    on_each_backend(async || {
        let (client, mut server) = UnixStream::pair().unwrap();
        let (reader, writer) = client.into_split();
        let reading = spawn(async move {
            let mut buffer = [0; 8];
            reader.read_exact(&mut buffer[..4]).await.unwrap();
            (reader, buffer)
        });
        let (mut one, mut other) = server.split();
        other.write_all(b"ping").await.unwrap();
        AsyncWriteExt::write_all(&mut other, b"more").await.unwrap();
        let (reader, buffer) = reading.await.unwrap();
        assert_eq!(&buffer[..4], b"ping");
        writer.write_all(b"pong").await.unwrap();
        let mut answer = [0; 4];
        AsyncReadExt::read_exact(&mut one, &mut answer)
            .await
            .unwrap();
        assert_eq!(&answer, b"pong");

        let (_foreign, other_writer) = UnixStream::pair().unwrap().0.into_split();
        let error = reader.reunite(other_writer).unwrap_err();
        let client = error.0.reunite(writer).unwrap();
        client.write_all(b"x").await.unwrap();
        let (reader, writer) = client.into_split();
        drop(writer); // shuts down writing
        assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 1);
        assert_eq!(server.read(&mut [0; 8]).await.unwrap(), 0);
        server.write_all(b"still heard").await.unwrap();
        let mut all = [0; 15];
        reader.read_exact(&mut all).await.unwrap();
        assert_eq!(&all, b"morestill heard");
    });
}

#[test]
fn the_traits_of_futures_io_work_with_a_shared_stream() {
    on_each_backend(async || {
        let (client, server) = UnixStream::pair().unwrap();
        let copy = async {
            futures_lite::io::copy(&server, &mut &server).await.unwrap();
            (&server).close().await.unwrap();
        };
        let talk = async {
            AsyncWriteExt::write_all(&mut &client, b"hello")
                .await
                .unwrap();
            (&client).close().await.unwrap();
            let mut text = String::new();
            (&client).read_to_string(&mut text).await.unwrap();
            text
        };
        let ((), text) = zip(copy, talk).await;
        assert_eq!(text, "hello");
    });
}

#[test]
fn slices_empty_ones_peeks_and_tries_work_as_with_tcp() {
    on_each_backend(async || {
        let (client, server) = UnixStream::pair().unwrap();
        let mut buffer = [0; 8];
        let error = server.try_read(&mut buffer).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        assert_eq!(server.read(&mut []).await.unwrap(), 0);
        assert_eq!(server.peek(&mut []).await.unwrap(), 0);
        assert_eq!(server.read_vectored(&mut []).await.unwrap(), 0);

        let slices = [IoSlice::new(b""), IoSlice::new(b"pi"), IoSlice::new(b"ng")];
        assert_eq!(client.write_vectored(&slices).await.unwrap(), 4);
        assert_eq!(server.peek(&mut buffer).await.unwrap(), 4);
        assert_eq!(server.peek(&mut buffer).await.unwrap(), 4);
        let (mut a, mut b) = ([0; 1], [0; 8]);
        let mut buffers = [&mut a[..], &mut b].map(IoSliceMut::new);
        assert_eq!(server.read_vectored(&mut buffers).await.unwrap(), 4);
        assert_eq!((&a, &b[..3]), (b"p", &b"ing"[..]));

        let slices = vec![IoSlice::new(b"x"); 1025];
        assert_eq!(client.write_vectored(&slices).await.unwrap(), 1024);
        let mut bytes = vec![0; 1024];
        server.readable().await.unwrap();
        assert_eq!(server.try_read(&mut bytes).unwrap(), 1024);

        fill(&client);
        assert_eq!(client.write(b"").await.unwrap(), 0);
        assert_eq!(client.write_vectored(&[]).await.unwrap(), 0);
        client.write_all(b"").await.unwrap();
        let error = client.try_write(b"x").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        while server.try_read(&mut bytes).is_ok() {}
        client.writable().await.unwrap();
        assert_eq!(client.try_write(b"x").unwrap(), 1);
        drop(client);
        let read = server.read_exact(&mut [0; 8]).await;
        let parts: [&dyn std::fmt::Display; 2] = [&"UnixStream::read_exact", &"1 of 8 bytes"];
        assert_error(read, ErrorKind::UnexpectedEof, &parts);
    });
}

#[test]
fn a_cancelled_operation_takes_and_writes_nothing() {
    on_each_backend(async || {
        let (client, server) = UnixStream::pair().unwrap();
        let mut buffer = [0; 8];
        assert!(
            poll_once(&mut pin!(server.read(&mut buffer)))
                .await
                .is_none()
        );
        client.write_all(b"ping").await.unwrap();
        assert_eq!(server.read(&mut buffer).await.unwrap(), 4);
        let full = fill(&client);
        assert!(poll_once(&mut pin!(client.write(b"lost"))).await.is_none());
        server.read_exact(&mut vec![0; full]).await.unwrap();
        turns(2).await;
        let error = server.try_read(&mut buffer).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn streams_come_from_std_and_go_back_to_it_blocking() {
    on_each_backend(async || {
        let (one, mut other) = net::UnixStream::pair().unwrap();
        let one = UnixStream::from_std(one).unwrap();
        assert!(fcntl_getfl(&one).unwrap().contains(OFlags::NONBLOCK));
        other.write_all(b"ping").unwrap();
        assert_eq!(one.read(&mut [0; 8]).await.unwrap(), 4);
        let mut one = one.into_std().unwrap();
        assert!(!fcntl_getfl(&one).unwrap().contains(OFlags::NONBLOCK));
        other.write_all(b"pong").unwrap();
        assert_eq!(one.read(&mut [0; 8]).unwrap(), 4);
        assert_eq!(selio::stats().sources, 0);
    });
}

#[test]
fn every_socket_is_non_blocking_and_inherited_by_no_child() {
    on_each_backend(async || {
        let directory = Directory::new();
        let path = directory.path("s");
        let listener = UnixListener::bind(&path).unwrap();
        let client = UnixStream::connect(&path).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        let (one, other) = UnixStream::pair().unwrap();
        let datagram = UnixDatagram::bind(directory.path("d")).unwrap();
        let unbound = UnixDatagram::unbound().unwrap();
        let all: [&dyn AsFd; 7] = [
            &listener, &client, &server, &one, &other, &datagram, &unbound,
        ];
        for socket in all {
            let fd = socket.as_fd();
            assert!(fcntl_getfl(fd).unwrap().contains(OFlags::NONBLOCK));
            assert!(fcntl_getfd(fd).unwrap().contains(FdFlags::CLOEXEC));
        }
    });
}

#[test]
fn a_thousand_connections_leave_nothing_behind() {
    on_each_backend(async || {
        let directory = Directory::new();
        let path = directory.path("s");
        let before = (loopback::alive(&selio::stats()), common::open_fds());
        let listener = UnixListener::bind(&path).unwrap();
        for _ in 0..1000 {
            let client = UnixStream::connect(&path).await.unwrap();
            let (server, _) = listener.accept().await.unwrap();
            assert_echo(&client, &server).await;
        }
        drop(listener);
        let after = (loopback::alive(&selio::stats()), common::open_fds());
        assert_eq!(after, before);
        assert!(!exists(&path));
    });
}

#[test]
fn datagrams_keep_their_bounds_their_order_and_their_senders() {
    on_each_backend(async || {
        let directory = Directory::new();
        let (here, there) = (directory.path("here"), directory.path("there"));
        let server = UnixDatagram::bind(&there).unwrap();
        let client = UnixDatagram::bind(&here).unwrap();
        assert_eq!(client.send_to(b"one", &there).await.unwrap(), 3);
        client.connect(&there).unwrap();
        assert_eq!(client.send(b"").await.unwrap(), 0);
        assert_eq!(client.send(b"three").await.unwrap(), 5);
        assert_eq!(
            client.peer_addr().unwrap().as_pathname(),
            Some(there.as_path())
        );

        let mut buffer = [0; 16];
        let (n, peer) = server.recv_from(&mut buffer).await.unwrap();
        assert_eq!(&buffer[..n], b"one");
        assert_eq!(peer.as_pathname(), Some(here.as_path()));
        assert_eq!(server.recv(&mut buffer).await.unwrap(), 0);
        assert_eq!(server.peek(&mut buffer).await.unwrap(), 5);
        let received = server.recv_msg(&mut buffer).await.unwrap();
        assert_eq!(received.length, 5);
        assert_eq!(received.from.as_pathname(), Some(here.as_path()));
        assert!(!received.is_truncated);

        server.send_to(b"answer", &peer).await.unwrap();
        assert_eq!(client.try_recv(&mut buffer).unwrap(), 6);
        let error = client.try_recv_from(&mut buffer).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
    });
}

#[test]
fn a_datagram_longer_than_the_buffer_is_reported() {
    on_each_backend(async || {
        let (one, other) = UnixDatagram::pair().unwrap();
        one.send(b"longer than that").await.unwrap();
        one.send(b"four").await.unwrap();
        one.send(b"lost").await.unwrap();
        let mut buffer = [0; 4];
        let received = other.recv_msg(&mut buffer).await.unwrap();
        assert_eq!((received.length, received.is_truncated), (4, true));
        assert!(received.from.is_unnamed());
        let received = other.recv_msg(&mut buffer).await.unwrap();
        assert_eq!((received.length, received.is_truncated), (4, false));
        // Into nothing, the whole datagram gets lost.
        let received = other.recv_msg(&mut []).await.unwrap();
        assert_eq!((received.length, received.is_truncated), (0, true));
    });
}

/// Linux lets a path have 108 bytes, without room for the NUL that ends it.
#[cfg(target_os = "linux")]
#[test]
fn a_sender_with_the_longest_path_of_all_is_no_trouble() {
    use rustix::net::SocketAddrUnix;
    on_each_backend(async || {
        let directory = Directory::new();
        let room = 108 - directory.0.as_os_str().len() - 1;
        let longest = directory.path(&"x".repeat(room));
        let path = directory.path("s");
        let server = UnixDatagram::bind(&path).unwrap();
        let client = net::UnixDatagram::unbound().unwrap();
        rustix::net::bind(&client, &SocketAddrUnix::new(&*longest).unwrap()).unwrap();
        client.send_to(b"one", &path).unwrap();
        client.send_to(b"two", &path).unwrap();
        let mut buffer = [0; 8];
        let received = server.recv_msg(&mut buffer).await.unwrap();
        assert_eq!(received.length, 3);
        assert!(received.from.is_unnamed());
        let (n, from) = server.recv_from(&mut buffer).await.unwrap();
        assert_eq!((n, from.as_pathname()), (3, Some(&*longest)));
        // What has no room in an address of std can be named, but not be answered.
        let answer = server.send_to(b"x", &from).await;
        assert!(answer.is_ok() || answer.unwrap_err().kind() == ErrorKind::InvalidInput);
    });
}

#[test]
fn who_sends_datagrams_waits_until_there_is_room() {
    on_each_backend(async || {
        let directory = Directory::new();
        let path = directory.path("s");
        let server = UnixDatagram::bind(&path).unwrap();
        for is_connected in [true, false] {
            let client = UnixDatagram::unbound().unwrap();
            if is_connected {
                client.connect(&path).unwrap();
            }
            let mut sent = 0;
            while client.try_send_to(b"x", &path).is_ok() {
                sent += 1;
            }
            let send = async {
                match is_connected {
                    true => client.send(b"last").await.unwrap(),
                    false => client.send_to(b"last", &path).await.unwrap(),
                }
            };
            let mut send = pin!(send);
            assert!(poll_once(&mut send).await.is_none());
            // It looks again now and then, or not at all; if it did all the time, there would be a
            // thousand looks within this time.
            let before = selio::stats().selects;
            let _ = timeout(Duration::from_millis(100), &mut send).await;
            let looks = selio::stats().selects - before;
            assert!(looks < 50, "{looks} looks: it spins");
            for _ in 0..sent {
                assert_eq!(server.try_recv(&mut [0; 8]).unwrap(), 1);
            }
            assert_eq!(send.await, 4);
            assert_eq!(server.recv(&mut [0; 8]).await.unwrap(), 4);
        }
    });
}

#[test]
fn datagrams_to_nobody_and_those_that_are_too_long_are_errors() {
    on_each_backend(async || {
        let directory = Directory::new();
        let path = directory.path("s");
        let client = UnixDatagram::unbound().unwrap();
        assert_error(client.send(b"x").await, ErrorKind::NotConnected, &[]);
        assert_error(
            client.connect(&path),
            ErrorKind::NotFound,
            &[&path.display()],
        );
        let server = UnixDatagram::bind(&path).unwrap();
        client.connect(&path).unwrap();
        let error = client.send(&vec![0; 16 << 20]).await.unwrap_err();
        assert_eq!(error.raw_os_error(), Some(90), "{error}"); // EMSGSIZE
        client.send(b"x").await.unwrap();
        drop(server);
        let kind = ErrorKind::ConnectionRefused;
        assert_error(client.send(b"x").await, kind, &[]);
    });
}

#[test]
fn a_cancelled_receive_takes_no_datagram() {
    on_each_backend(async || {
        let (one, other) = UnixDatagram::pair().unwrap();
        let mut buffer = [0; 8];
        for _ in 0..10 {
            assert!(
                poll_once(&mut pin!(other.recv(&mut buffer)))
                    .await
                    .is_none()
            );
        }
        one.send(b"ping").await.unwrap();
        turns(2).await;
        assert_eq!(other.recv(&mut buffer).await.unwrap(), 4);
    });
}

#[test]
fn outside_of_a_runtime_a_panic_says_what_to_do() {
    let _turn = common::turn(); // A backtrace opens files.
    let bind = || drop(UnixListener::bind("\0x"));
    let pair = || drop(UnixStream::pair());
    let unbound = || drop(UnixDatagram::unbound());
    let calls: [(&str, &(dyn Fn() + std::panic::RefUnwindSafe)); 3] = [
        ("UnixListener::bind", &bind),
        ("UnixStream::pair", &pair),
        ("UnixDatagram::unbound", &unbound),
    ];
    for (call, f) in calls {
        let panic = std::panic::catch_unwind(f).unwrap_err();
        let message = panic.downcast_ref::<String>().unwrap();
        assert!(
            message.contains(&format!("{call}: no runtime")),
            "{message}"
        );
    }
}
