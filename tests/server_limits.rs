//! Claims about a server under load, and under limits: of connections, of file descriptors, of what
//! a listener can take.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/loopback.rs"]
mod loopback;
#[path = "common/tasks.rs"]
mod tasks;

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Lines, Read, Write};
use std::net::{self, SocketAddr};
use std::os::fd::OwnedFd;
use std::process::{ChildStdout, Stdio};
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use common::{child, cpu_time, is_child, open_fds};
use loopback::{
    Killed, alive, ask, echo, impatient, listen, lower_file_limit, on_each_backend, ping,
    raise_file_limit, runtime, turns,
};
use rustix::io::Errno;
use selio::net::{Closer, Listener, Server, ServerErrorKind, TcpListener, TcpStream};
use selio::selector::Backend;
use selio::{gather, sleep, stats, yield_now};
use tasks::{Log, quietly};

fn connect(addr: SocketAddr) -> net::TcpStream {
    impatient(net::TcpStream::connect(addr).unwrap())
}

async fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        turns(1).await;
    }
}

#[test]
fn connections_beyond_the_maximum_wait_until_others_are_closed() {
    on_each_backend(async || {
        let (listener, addr) = listen().await;
        let builder = Server::builder().max_connections(2);
        let server = builder.serve([listener], echo).unwrap();
        let mut clients: VecDeque<_> = (0..6).map(|_| connect(addr)).collect();
        while clients.len() > 2 {
            for client in clients.iter().take(2) {
                ask(client, b"served").await;
            }
            turns(5).await;
            assert_eq!(server.connections(), 2);
            assert_eq!(stats().sources, 3, "nobody else was accepted");
            drop(clients.pop_front());
            ask(&clients[1], b"as soon as there is room").await;
        }
    });
}

#[test]
fn all_listeners_together_keep_to_the_maximum() {
    on_each_backend(async || {
        let (one, another) = (listen().await, listen().await);
        let most = Rc::new(Cell::new(0));
        let (now, maximum) = (Cell::new(0), Rc::clone(&most));
        let handle = async move |stream: TcpStream| {
            now.set(now.get() + 1);
            maximum.set(maximum.get().max(now.get()));
            let result = echo(stream).await;
            now.set(now.get() - 1);
            result
        };
        let builder = Server::builder().max_connections(3);
        let _server = builder.serve([one.0, another.0], handle).unwrap();
        let mut served = 0;
        for _ in 0..20 {
            // Both listeners are ready in the same turn.
            let clients: Vec<_> = (0..4)
                .flat_map(|_| [connect(one.1), connect(another.1)])
                .collect();
            let ask = async |client| {
                let client = TcpStream::from_std(client).unwrap();
                client.write_all(b"x").await.unwrap();
                client.shutdown(net::Shutdown::Write).unwrap();
                assert_eq!(loopback::read_to_end(&client).await.unwrap(), b"x");
            };
            served += gather(clients.into_iter().map(ask)).await.len();
        }
        assert_eq!((served, most.get()), (160, 3));
    });
}

#[test]
fn at_the_maximum_listeners_take_turns() {
    on_each_backend(async || {
        let listeners = [listen().await, listen().await, listen().await];
        let addrs = listeners.each_ref().map(|it| it.1);
        let order = Log::new();
        let notes = order.clone();
        let handle = async move |stream: TcpStream| {
            notes.note(stream.local_addr()?);
            turns(2).await;
            io::Result::Ok(())
        };
        let clients: Vec<_> = (0..30).map(|n| connect(addrs[n / 10])).collect();
        let builder = Server::builder().max_connections(1);
        let listeners = listeners.map(|(listener, _)| listener);
        let server = builder.serve(listeners, handle).unwrap();
        until(|| order.len() == clients.len()).await;
        for (n, addr) in order.take().into_iter().enumerate() {
            assert_eq!(addr, addrs[n % 3], "the {n}th");
        }
        server.close();
    });
}

#[test]
fn a_maximum_of_none_lets_nobody_in() {
    on_each_backend(async || {
        let (listener, addr) = listen().await;
        let builder = Server::builder().max_connections(0);
        let server = builder.serve([listener], echo).unwrap();
        let _client = connect(addr);
        turns(5).await;
        assert_eq!(server.connections(), 0);
        let before = stats();
        sleep(Duration::from_millis(50)).await;
        assert!(stats().turns - before.turns < 10, "and nobody asks in vain");
    });
}

/// A listener that fails as the test likes.
struct Moody {
    listener: TcpListener,
    moods: Rc<RefCell<VecDeque<Mood>>>,
}

#[derive(Clone, Copy)]
enum Mood {
    Fails(Errno),
    Panics,
}

impl Listener for Moody {
    type Stream = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&self) -> io::Result<(TcpStream, SocketAddr)> {
        let mood = self.moods.borrow_mut().pop_front();
        match mood {
            Some(Mood::Fails(errno)) => Err(errno.into()),
            Some(Mood::Panics) => panic!("not today"),
            None => self.listener.accept().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    fn closer(stream: &TcpStream) -> Option<Closer> {
        Some(stream.closer())
    }
}

/// libuv@d185607a8: after one error, a server never accepted again.
#[test]
fn accepting_goes_on_after_any_error_and_says_so_once() {
    async fn fail_twice(errno: Errno) {
        let (listener, addr) = listen().await;
        let moods = Rc::new(RefCell::new(VecDeque::from([Mood::Fails(errno); 2])));
        let log = Log::new();
        let notes = log.clone();
        let builder = Server::builder().on_error(move |error| {
            let ServerErrorKind::Accept { error: cause } = &error.kind else {
                panic!("{error}");
            };
            notes.note((cause.raw_os_error(), error.to_string()));
        });
        let start = Instant::now();
        let server = builder.serve([Moody { listener, moods }], echo).unwrap();
        ask(&connect(addr), b"at last").await;
        assert!(start.elapsed() >= Duration::from_millis(400), "two pauses");
        let told = log.take();
        let [(number, text)] = &told[..] else {
            panic!("{told:?}");
        };
        assert_eq!(*number, Some(errno.raw_os_error()));
        let start = format!("server {addr} (started at tests/server_limits.rs:");
        assert!(text.starts_with(&start), "{text}");
        assert!(text.contains(": accept: "), "{text}");
        assert_eq!(text.contains("ulimit -n"), errno != Errno::PERM, "{text}");
        assert!(server.is_serving());
    }
    on_each_backend(async || {
        let exhausted = [Errno::MFILE, Errno::NFILE, Errno::NOBUFS, Errno::NOMEM];
        let errnos = exhausted.into_iter().chain([Errno::PERM]);
        gather(errnos.map(fail_twice)).await;
    });
}

#[test]
fn who_hears_of_a_failed_accept_may_close_the_server() {
    on_each_backend(async || {
        let (listener, addr) = listen().await;
        let moods = Rc::new(RefCell::new(VecDeque::from([Mood::Fails(Errno::MFILE)])));
        let server: Rc<OnceCell<Server<Moody>>> = Rc::default();
        let closer = Rc::clone(&server);
        let builder = Server::builder().on_error(move |_| closer.get().unwrap().close());
        let started = builder.serve([Moody { listener, moods }], echo).unwrap();
        assert!(server.set(started).is_ok());
        server.get().unwrap().serve_forever().await;
        until(|| alive(&stats()) == (0, 0, 0)).await;
        net::TcpStream::connect(addr).unwrap_err();
    });
}

/// tiny-http#284: a client that was gone before it was accepted is neither fatal nor a reason to
/// pause.
#[test]
fn aborted_connections_are_skipped_without_a_pause_or_a_word() {
    on_each_backend(async || {
        let (listener, addr) = listen().await;
        let moods = Rc::new(RefCell::new(VecDeque::from(
            [Mood::Fails(Errno::CONNABORTED); 1000],
        )));
        let moody = Moody {
            listener,
            moods: Rc::clone(&moods),
        };
        let log = Log::new();
        let notes = log.clone();
        let builder = Server::builder().on_error(move |error| notes.note(error.to_string()));
        let _server = builder.serve([moody], echo).unwrap();
        yield_now().await;
        yield_now().await;
        assert!(moods.borrow().len() > 500, "others have turns meanwhile");
        until(|| moods.borrow().is_empty()).await;
        assert_eq!(stats().timers, 0, "no pause");
        ask(&connect(addr), b"hello").await;
        for _ in 0..50 {
            loopback::reset(net::TcpStream::connect(addr).unwrap());
        }
        ask(&connect(addr), b"hello").await;
        assert!(
            log.take().iter().all(|it| it.contains("reset")),
            "those that were accepted"
        );
    });
}

#[test]
fn a_listener_that_panics_closes_its_server() {
    common::each_backend(|backend| {
        quietly(|| {
            runtime(backend).block_on(async {
                let (listener, addr) = listen().await;
                let moods = Rc::new(RefCell::new(VecDeque::from([Mood::Panics])));
                let server = Server::builder()
                    .serve([Moody { listener, moods }], echo)
                    .unwrap();
                server.serve_forever().await;
                assert!(!server.is_serving());
                net::TcpStream::connect(addr).unwrap_err();
                assert_eq!(alive(&stats()), (0, 0, 0));
            });
        });
    });
}

/// libuv#3696: whoever accepts until nobody is left lets those who are connected wait.
#[test]
fn a_burst_of_connections_does_not_starve_those_who_are_there() {
    common::each_backend(|backend| {
        // select(2) has room for numbers below 1,024.
        let clients = if backend == Backend::Select {
            400
        } else {
            2000
        };
        raise_file_limit();
        runtime(backend).block_on(async {
            let builder = TcpListener::builder().backlog(4096);
            let listener = builder.bind("127.0.0.1:0").await.unwrap();
            let addr = listener.local_addr().unwrap();
            let server = Rc::new(OnceCell::<Server>::new());
            let before = Rc::new(Cell::new(None));
            let (inner, seen) = (Rc::clone(&server), Rc::clone(&before));
            let handle = async move |stream: TcpStream| {
                while stream.read(&mut [0; 1]).await? > 0 {
                    seen.set(Some(inner.get().map_or(0, Server::connections)));
                }
                io::Result::Ok(())
            };
            let started = Server::builder().serve([listener], handle).unwrap();
            assert!(server.set(started).is_ok());
            let server = server.get().unwrap();
            let mut friend = connect(addr);
            until(|| server.connections() == 1).await;
            turns(2).await;
            let burst: Vec<_> = (0..clients)
                .map(|_| net::TcpStream::connect(addr).unwrap())
                .collect();
            friend.write_all(b"x").unwrap();
            until(|| before.get().is_some()).await;
            let before = before.get().unwrap();
            assert!(before <= 256, "{before} were accepted before it was served");
            until(|| server.connections() == burst.len() + 1).await;
        });
    });
}

const CROWD: usize = 5000;

/// libuv#690, cpython#151615: without a pause this is a spin that fills the log.
#[test]
fn running_out_of_files_slows_accepting_and_nothing_else() {
    const STARVED: Duration = Duration::from_secs(1);

    if is_child() {
        return serve_with_64_files();
    }
    let _turn = common::turn();
    raise_file_limit();
    for backend in Backend::available() {
        common::deadline(Duration::from_secs(60), || {
            let mut server = Starving::start(backend.name());
            let friends: Vec<_> = (0..10).map(|_| connect(server.addr)).collect();
            friends.iter().for_each(|it| ping(it, b"warm up").unwrap());
            let crowd: Vec<_> = (0..CROWD)
                .map(|_| connect_in_background(server.addr))
                .collect();
            let said = server.line("accept: ");
            assert!(said.contains("Too many open files"), "{said}");

            let (start, busy) = (Instant::now(), server.cpu_time());
            while start.elapsed() < STARVED {
                thread::sleep(Duration::from_millis(20));
                friends
                    .iter()
                    .for_each(|it| ping(it, b"still here").unwrap());
            }
            let busy = server.cpu_time() - busy;
            assert!(busy < start.elapsed() / 10, "{busy:?} of {STARVED:?}");

            // There is room again: for a thousand who come one after the other.
            drop(crowd);
            for _ in 0..1000 {
                ping(&connect(server.addr), b"at last").unwrap();
            }
            friends
                .iter()
                .for_each(|it| ping(it, b"still here").unwrap());
            assert_eq!(server.rest(), Vec::<String>::new(), "it was told once");
        });
    }
}

/// The child's side: an echo server that says what fails and, for each line of its input, how much
/// processor time it has used.
fn serve_with_64_files() {
    lower_file_limit(64);
    thread::spawn(|| {
        for _ in io::stdin().lines() {
            println!("CPU {}", cpu_time().as_nanos());
        }
    });
    selio::run(async {
        let builder = TcpListener::builder().backlog(CROWD as u32);
        let listener = builder.bind("127.0.0.1:0").await.unwrap();
        let builder = Server::builder().on_error(|error| {
            // Some of the crowd leave with a reset.
            if let ServerErrorKind::Accept { .. } = error.kind {
                println!("FAILURE {error}");
            }
        });
        println!("\nADDR {}", listener.local_addr().unwrap());
        builder
            .serve([listener], echo)
            .unwrap()
            .serve_forever()
            .await;
    });
}

/// A process that serves with 64 files.
struct Starving {
    child: Killed,
    output: Lines<BufReader<ChildStdout>>,
    addr: SocketAddr,
}

impl Starving {
    fn start(selector: &str) -> Self {
        let mut command = child("running_out_of_files_slows_accepting_and_nothing_else");
        command.env("SELIO_SELECTOR", selector);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = Killed(command.spawn().unwrap());
        let output = BufReader::new(child.0.stdout.take().unwrap()).lines();
        let addr = SocketAddr::from(([0; 4], 0));
        let mut server = Self {
            child,
            output,
            addr,
        };
        server.addr = server.line("ADDR ").parse().unwrap();
        server
    }

    /// What follows these words in the next line that has them.
    fn line(&mut self, words: &str) -> String {
        let lines = self.output.by_ref().map(Result::unwrap);
        let mut rests = lines.filter_map(|it| Some(it.split_once(words)?.1.to_owned()));
        rests.next().unwrap()
    }

    fn cpu_time(&mut self) -> Duration {
        self.child
            .0
            .stdin
            .as_mut()
            .unwrap()
            .write_all(b"\n")
            .unwrap();
        Duration::from_nanos(self.line("CPU ").parse().unwrap())
    }

    /// Kills it. The failures that were not read yet.
    fn rest(mut self) -> Vec<String> {
        self.child.0.kill().unwrap();
        let lines = self.output.map_while(Result::ok);
        lines.filter(|line| line.contains("FAILURE")).collect()
    }
}

/// connect(2) without waiting for an answer, which may never come.
fn connect_in_background(addr: SocketAddr) -> OwnedFd {
    use rustix::net::{AddressFamily, SocketType, connect, socket};
    let socket = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    rustix::io::ioctl_fionbio(&socket, true).unwrap();
    assert!(matches!(
        connect(&socket, &addr),
        Ok(()) | Err(Errno::INPROGRESS)
    ));
    socket
}

#[test]
fn ten_thousand_connections_leave_nothing_behind() {
    on_each_backend(async || {
        let (listener, addr) = listen().await;
        // It hangs up on those who send an `x`; the others leave by themselves, or with a reset.
        let handle = async |stream: TcpStream| {
            let mut buffer = [0; 8];
            while let n @ 1.. = stream.read(&mut buffer).await.unwrap_or(0) {
                stream.write_all(&buffer[..n]).await.unwrap();
                if buffer[0] == b'x' {
                    break;
                }
            }
        };
        let server = Server::builder().serve([listener], handle).unwrap();
        let cycle = move |n: usize| {
            let client = connect(addr);
            match n % 4 {
                0 => {
                    ping(&client, b"x").unwrap();
                    assert_eq!((&client).read(&mut [0; 1]).unwrap(), 0);
                }
                1 => {
                    ping(&client, b"y").unwrap();
                    loopback::reset(client);
                }
                _ => ping(&client, b"z").unwrap(),
            }
        };
        ask(&connect(addr), b"warm up").await;
        until(|| server.connections() == 0).await;
        let (files, before) = (open_fds(), alive(&stats()));
        let (done, is_done) = async_channel::bounded(1);
        let clients = thread::spawn(move || {
            (0..10_000).for_each(cycle);
            done.send_blocking(()).unwrap();
        });
        is_done.recv().await.unwrap();
        clients.join().unwrap();
        until(|| server.connections() == 0).await;
        until(|| alive(&stats()) == before).await;
        assert_eq!(open_fds(), files);
    });
}
