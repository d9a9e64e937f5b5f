//! selio: the runtime that this is all about.

use super::{BUFFER, NO_PROGRAMS, Peer, Programs, SECOND, answering_thread, nap};
use crate::server::connection_closed;
use selio::net::{TcpListener, TcpStream};
use selio::{
    IntoStreams, Runtime, Server, StreamReader, StreamWriter, sleep, spawn, timeout, yield_now,
};
use std::hint::black_box;
use std::io;
use std::time::{Duration, Instant};

pub const PEER: Peer = Peer {
    name: "selio",
    programs: Programs {
        spawn_await: Some(spawn_await),
        spawn_await_main: Some(spawn_await_main),
        spawn_all: Some(spawn_all),
        yield_now: Some(yielding),
        ping_pong: Some(ping_pong),
        timeout_ready: Some(timeout_ready),
        timeout_pending: Some(timeout_pending),
        sleeps: Some(sleeps),
        wake: Some(wake),
    },
    serve: Some(serve),
    buffer: BUFFER,
};

/// The same by lines, with a reader and a writer for each connection.
pub const STREAMS: Peer = Peer {
    name: "selio streams",
    programs: NO_PROGRAMS,
    serve: Some(serve_streams),
    buffer: 0,
};

/// The same through `start_server`, which looks after its connections.
pub const SERVER: Peer = Peer {
    name: "selio server",
    programs: NO_PROGRAMS,
    serve: Some(serve_by_server),
    buffer: 0,
};

const ENDS: &str = "no task of a benchmark panics or is cancelled";
const OPEN: &str = "the other end of the channel is alive";

/// Runs `main` as a task of a new runtime.
fn measure(main: impl Future<Output = Duration> + 'static) -> io::Result<Duration> {
    let runtime = Runtime::new()?;
    Ok(runtime.block_on(async { spawn(main).await.expect(ENDS) }))
}

async fn spawning(times: usize) -> Duration {
    let start = Instant::now();
    for i in 0..times {
        black_box(spawn(async move { i }).await.expect(ENDS));
    }
    start.elapsed()
}

fn spawn_await(times: usize) -> io::Result<Duration> {
    measure(spawning(times))
}

/// The same, by the future of `block_on` itself.
fn spawn_await_main(times: usize) -> io::Result<Duration> {
    Ok(Runtime::new()?.block_on(spawning(times)))
}

fn spawn_all(times: usize) -> io::Result<Duration> {
    measure(async move {
        let mut tasks = Vec::with_capacity(times);
        let start = Instant::now();
        for i in 0..times {
            tasks.push(spawn(async move { i }));
        }
        for task in tasks {
            black_box(task.await.expect(ENDS));
        }
        start.elapsed()
    })
}

fn yielding(times: usize) -> io::Result<Duration> {
    measure(async move {
        let start = Instant::now();
        let tasks: Vec<_> = (0..10)
            .map(|_| {
                spawn(async move {
                    for _ in 0..times / 10 {
                        yield_now().await;
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.expect(ENDS);
        }
        start.elapsed()
    })
}

fn ping_pong(times: usize) -> io::Result<Duration> {
    measure(async move {
        let (ping, pings) = async_channel::bounded(1);
        let (pong, pongs) = async_channel::bounded(1);
        spawn(async move {
            while let Ok(message) = pings.recv().await {
                pong.send(message).await.expect(OPEN);
            }
        });
        let start = Instant::now();
        for i in 0..times {
            ping.send(i).await.expect(OPEN);
            black_box(pongs.recv().await.expect(OPEN));
        }
        start.elapsed()
    })
}

fn timeout_ready(times: usize) -> io::Result<Duration> {
    measure(async move {
        let start = Instant::now();
        for i in 0..times {
            let ready = async move { black_box(i) };
            black_box(timeout(SECOND, ready).await.is_ok());
        }
        start.elapsed()
    })
}

fn timeout_pending(times: usize) -> io::Result<Duration> {
    measure(async move {
        let start = Instant::now();
        for _ in 0..times {
            black_box(timeout(SECOND, yield_now()).await.is_ok());
        }
        start.elapsed()
    })
}

fn sleeps(times: usize) -> io::Result<Duration> {
    measure(async move {
        let mut tasks = Vec::with_capacity(times);
        let start = Instant::now();
        for i in 0..times {
            tasks.push(spawn(async move { sleep(nap(i)).await }));
        }
        for task in tasks {
            task.await.expect(ENDS);
        }
        start.elapsed()
    })
}

fn wake(times: usize) -> io::Result<Duration> {
    let (request, answers) = answering_thread();
    measure(async move {
        let start = Instant::now();
        for _ in 0..times {
            request.send(()).expect(OPEN);
            answers.recv().await.expect(OPEN);
        }
        start.elapsed()
    })
}

fn serve(listener: std::net::TcpListener) -> io::Result<()> {
    Runtime::new()?.block_on(async {
        let listener = TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            spawn(handle_client(stream));
        }
    })
}

async fn handle_client(stream: TcpStream) {
    let mut buffer = [0; BUFFER];
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        if stream.write_all(&buffer[..length]).await.is_err() {
            break;
        }
    }
    connection_closed();
}

fn serve_streams(listener: std::net::TcpListener) -> io::Result<()> {
    Runtime::new()?.block_on(async {
        let listener = TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            let (reader, writer) = stream.into_streams();
            spawn(handle_lines(reader, writer));
        }
    })
}

fn serve_by_server(listener: std::net::TcpListener) -> io::Result<()> {
    Runtime::new()?.block_on(async {
        let listener = TcpListener::from_std(listener)?;
        let server = Server::builder().serve_streams([listener], handle_lines)?;
        server.serve_forever().await;
        Ok(())
    })
}

async fn handle_lines(mut reader: StreamReader, writer: StreamWriter) {
    while let Ok(line @ [_, ..]) = reader.read_line().await {
        writer.write(line);
        if writer.drain().await.is_err() {
            break;
        }
    }
    connection_closed();
}
