//! Servers under random clients, random handlers and random commands, against what must hold whatever
//! they do: no byte is lost, doubled or out of order, nobody waits for nothing, nothing is left behind,
//! and who has nothing to do sleeps.
//!
//! ```text
//! cargo test --test server_soak                                 fresh scripts each time
//! SELIO_SEED=17 SELIO_SOAK=1 cargo test --test server_soak      this one again
//! SELIO_SOAK=5000 cargo test --test server_soak                 so many on each backend
//! ```

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/folder.rs"]
mod folder;
#[path = "common/loopback.rs"]
mod loopback;

#[path = "server_soak/clients.rs"]
mod clients;
#[path = "server_soak/handlers.rs"]
mod handlers;
#[path = "server_soak/world.rs"]
mod world;

use std::cell::{Cell, OnceCell, RefCell};
use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};
use std::{env, io, thread};

use clients::{Stream, client};
use common::{Random, open_fds, turn, watched};
use folder::Folder;
use handlers::{command, handle};
use loopback::{alive, runtime};
use rustix::net::sockopt::set_socket_send_buffer_size;
use selio::net::{
    Closer, Listener, OwnedReadHalf, OwnedWriteHalf, Server, ServerErrorKind, TcpListener,
    TcpStream, UnixListener, UnixStream,
};
use selio::selector::Backend;
use selio::{IntoStreams, StreamWriter, spawn, stats, timeout};
use world::{World, quiet};

/// How long a script may take. It needs some milliseconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long one backend may take by default.
const BUDGET: Duration = Duration::from_millis(700);

async fn play<L, S, C>(seed: u64, listeners: Vec<L>, connect: impl Fn(usize) -> C)
where
    L: Listener<Stream: IntoStreams>,
    S: Stream,
    C: Future<Output = io::Result<S>> + 'static,
{
    let mut random = Random::new(seed);
    let max_connections = match random.below(2) {
        0 => 1 + random.below(4),
        _ => usize::MAX,
    };
    let world = Rc::new(World::<L> {
        server: OnceCell::new(),
        connections: RefCell::default(),
        random: RefCell::new(random),
        connected: Cell::default(),
        accepted: Cell::default(),
        max_connections,
        stuck: Cell::default(),
        waiting: Cell::default(),
        is_aborted: Cell::default(),
        are_clients_closed: Cell::default(),
        panics: Cell::default(),
        told_panics: Cell::default(),
        errors: Cell::default(),
        told_errors: Cell::default(),
    });
    let (for_errors, for_handlers) = (Rc::downgrade(&world), Rc::downgrade(&world));
    let mut builder = Server::builder().on_error(move |error| {
        let Some(world) = for_errors.upgrade() else {
            return;
        };
        let count = match &error.kind {
            ServerErrorKind::Handler { .. } => &world.told_errors,
            ServerErrorKind::Panic { .. } => &world.told_panics,
            _ => return eprintln!("unexpected: {error}"),
        };
        count.set(count.get() + 1);
    });
    builder = builder.max_connections(max_connections);
    if world.below(4) == 0 {
        builder = builder.start_serving(false);
    }
    let server = builder.serve_streams(listeners, async move |reader, writer: StreamWriter| {
        if let Some(world) = for_handlers.upgrade() {
            world.accepted.set(world.accepted.get() + 1);
            // Less than the system likes best, so that writers have to wait. (With less to receive into,
            // TCP may lose a reset, and the peer waits for ever.)
            if let Some(socket) = writer.socket()
                && world.below(2) == 0
            {
                let _ = set_socket_send_buffer_size(socket, 4096);
            }
            return handle(world, reader, writer).await;
        }
        Ok(())
    });
    let _ = world.server.set(server.unwrap());

    let mut clients = Vec::new();
    for id in 0..1 + world.below(8) {
        world.connections.borrow_mut().push(Rc::default());
        clients.push(spawn(client(Rc::clone(&world), id, connect(id))));
        if world.below(3) == 0 {
            world.pause().await;
        }
    }
    for _ in 0..world.below(4) {
        world.pause().await;
        command(&world).await;
    }
    if world.below(2) == 0 {
        world.settle(false).await;
        world.server().start_serving();
        world.settle(false).await;
    }

    // Whoever reads comes to the end now, and all clients read: so only those stay who are stuck.
    world.server().close();
    world.are_clients_closed.set(true);
    world.server().close_clients();
    let other = Rc::clone(&world);
    let end = spawn(async move { other.server().wait_closed().await });
    // Then nothing is left to be sent, either. (What was cut off has its task for another turn.)
    let all = timeout(Duration::from_millis(50), world.server().wait_closed());
    let is_over = all.await.is_ok();
    if is_over && !world.is_aborted.get() && world.panics.get() == 0 {
        let left = clients.iter().chain([&end]).filter(|it| !it.is_finished());
        assert_eq!(stats().tasks, left.count(), "{}", selio::task::dump());
    }
    world.settle(true).await;
    if world.server().connections() > 0 {
        world.is_aborted.set(true);
        world.server().shutdown(Duration::ZERO).await;
    }
    for client in clients {
        client.await.unwrap();
    }
    quiet().await;
    assert_eq!(world.server().connections(), 0);
    assert!(end.is_finished(), "nobody has told it");
    assert_eq!(world.told_panics.get(), world.panics.get());
    assert_eq!(world.told_errors.get(), world.errors.get());
    for connection in world.connections.borrow().iter() {
        connection.check(world.is_aborted.get());
    }
    drop(world);
    quiet().await;
    assert_eq!(alive(&stats()), (0, 0, 0));
}

/// What speaks TLS, say: its streams are anything that can be read and written.
struct Wrapped(TcpListener);

impl Listener for Wrapped {
    type Stream = (OwnedReadHalf, OwnedWriteHalf);
    type Addr = SocketAddr;

    async fn accept(&self) -> io::Result<(Self::Stream, SocketAddr)> {
        let (stream, peer) = self.0.accept().await?;
        Ok((stream.into_split(), peer))
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    fn closer((reader, _): &Self::Stream) -> Option<Closer> {
        Some(reader.as_ref().closer())
    }
}

async fn script(seed: u64) {
    let mut random = Random::new(seed ^ 0xfeed);
    let (kind, many) = (random.below(3), 1 + random.below(2));
    if kind == 0 {
        let folder = Folder::new("soak");
        let paths: Vec<_> = (0..many).map(|n| folder.file(n.to_string())).collect();
        let listeners = paths.iter().map(|it| UnixListener::bind(it).unwrap());
        let connect = |id: usize| UnixStream::connect(paths[id % many].clone());
        play(seed, listeners.collect(), connect).await;
        assert!(!paths.iter().any(|it| it.exists()));
        return;
    }
    let mut listeners = Vec::new();
    for _ in 0..many {
        listeners.push(TcpListener::bind("127.0.0.1:0").await.unwrap());
    }
    let addrs: Vec<_> = listeners
        .iter()
        .map(|it| it.local_addr().unwrap())
        .collect();
    let connect = |id: usize| TcpStream::connect(addrs[id % many]);
    match kind {
        1 => play(seed, listeners, connect).await,
        _ => play(seed, listeners.into_iter().map(Wrapped).collect(), connect).await,
    }
}

/// Is told when the test fails.
struct Told(String);

impl Drop for Told {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("that was{}", self.0);
        }
    }
}

#[test]
fn servers_lose_nothing_and_leave_nothing_whatever_is_done_to_them() {
    let many = env::var("SELIO_SOAK")
        .ok()
        .map(|it| it.parse::<u64>().unwrap());
    let first = Random::from_environment().seed();
    std::panic::set_hook(Box::new(|panic| {
        if panic.payload().downcast_ref::<()>().is_none() {
            eprintln!("{panic}\n{}", std::backtrace::Backtrace::force_capture());
        }
    }));
    let _turn = turn();
    for &backend in Backend::available() {
        let start = Instant::now();
        let is_enough = |n| many.map_or(start.elapsed() > BUDGET, |many| n >= many);
        for seed in (first..).take_while(|seed| !is_enough(seed - first)) {
            let circumstances = || format!(" with {backend}, SELIO_SOAK=1 SELIO_SEED={seed}");
            let _failure = Told(circumstances());
            let before = open_fds();
            watched(circumstances, PATIENCE, || {
                let runtime = runtime(backend);
                runtime.block_on(script(seed));
                assert_eq!(alive(&runtime.stats()), (0, 0, 0));
            });
            assert_eq!(open_fds(), before);
        }
    }
    let _ = std::panic::take_hook();
}
