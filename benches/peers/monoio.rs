//! monoio: a runtime built for io_uring, here on its epoll driver so that systems calls compare.
//!
//! Reads and writes take the buffer and give it back, which io_uring needs. monoio has no
//! `yield_now` of its own; the one of `futures-lite` is the usual one.

use super::{BUFFER, Peer, Programs, SECOND, answering_thread, nap};
use crate::server::connection_closed;
use monoio::io::{AsyncReadRent, AsyncWriteRentExt};
use monoio::net::{TcpListener, TcpStream};
use monoio::time::{TimeDriver, sleep, timeout};
use monoio::{LegacyDriver, Runtime, RuntimeBuilder, spawn};
use smol::future::yield_now;
use std::hint::black_box;
use std::io;
use std::time::{Duration, Instant};

pub const PEER: Peer = Peer {
    name: "monoio",
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

const OPEN: &str = "the other end of the channel is alive";

fn runtime() -> io::Result<Runtime<TimeDriver<LegacyDriver>>> {
    RuntimeBuilder::<LegacyDriver>::new().enable_timer().build()
}

/// Runs `main` as a task of a new runtime.
fn measure(main: impl Future<Output = Duration> + 'static) -> io::Result<Duration> {
    Ok(runtime()?.block_on(async { spawn(main).await }))
}

async fn spawning(times: usize) -> Duration {
    let start = Instant::now();
    for i in 0..times {
        black_box(spawn(async move { i }).await);
    }
    start.elapsed()
}

fn spawn_await(times: usize) -> io::Result<Duration> {
    measure(spawning(times))
}

/// The same, by the future of `block_on` itself.
fn spawn_await_main(times: usize) -> io::Result<Duration> {
    Ok(runtime()?.block_on(spawning(times)))
}

fn spawn_all(times: usize) -> io::Result<Duration> {
    measure(async move {
        let mut tasks = Vec::with_capacity(times);
        let start = Instant::now();
        for i in 0..times {
            tasks.push(spawn(async move { i }));
        }
        for task in tasks {
            black_box(task.await);
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
            task.await;
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
            task.await;
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
    runtime()?.block_on(async {
        let listener = TcpListener::from_std(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            spawn(handle_client(stream));
        }
    })
}

async fn handle_client(mut stream: TcpStream) {
    let mut buffer = Vec::with_capacity(BUFFER);
    loop {
        let (read, filled) = stream.read(buffer).await;
        let Ok(1..) = read else { break };
        let (written, mut emptied) = stream.write_all(filled).await;
        if written.is_err() {
            break;
        }
        emptied.clear();
        buffer = emptied;
    }
    connection_closed();
}
