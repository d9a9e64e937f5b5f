//! smol: a `LocalExecutor` under `smol::block_on`, with the reactor and the timers of `async-io`.
//!
//! async-io brings a thread of its own that polls the reactor when nobody else does.

use super::{BUFFER, Peer, Programs, SECOND, answering_thread, nap};
use crate::server::connection_closed;
use smol::future::{or, yield_now};
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::net::{TcpListener, TcpStream};
use smol::{LocalExecutor, Timer};
use std::hint::black_box;
use std::io;
use std::rc::Rc;
use std::time::{Duration, Instant};

pub const PEER: Peer = Peer {
    name: "smol",
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

/// Runs `main` as a task of a new executor, which it is given to spawn on.
fn measure<F>(main: impl FnOnce(Rc<LocalExecutor<'static>>) -> F) -> io::Result<Duration>
where
    F: Future<Output = Duration> + 'static,
{
    let executor = Rc::new(LocalExecutor::new());
    let main = executor.spawn(main(executor.clone()));
    Ok(smol::block_on(executor.run(main)))
}

/// The second half of a timeout. The deadline counts from this call, as it does for all others.
fn nothing_after<T>(duration: Duration) -> impl Future<Output = Option<T>> {
    let timer = Timer::after(duration);
    async {
        timer.await;
        None
    }
}

async fn spawning(executor: Rc<LocalExecutor<'static>>, times: usize) -> Duration {
    let start = Instant::now();
    for i in 0..times {
        black_box(executor.spawn(async move { i }).await);
    }
    start.elapsed()
}

fn spawn_await(times: usize) -> io::Result<Duration> {
    measure(move |executor| spawning(executor, times))
}

/// The same, by the future of `block_on` itself.
fn spawn_await_main(times: usize) -> io::Result<Duration> {
    let executor = Rc::new(LocalExecutor::new());
    let main = spawning(executor.clone(), times);
    Ok(smol::block_on(executor.run(main)))
}

fn spawn_all(times: usize) -> io::Result<Duration> {
    measure(async move |executor| {
        let mut tasks = Vec::with_capacity(times);
        let start = Instant::now();
        for i in 0..times {
            tasks.push(executor.spawn(async move { i }));
        }
        for task in tasks {
            black_box(task.await);
        }
        start.elapsed()
    })
}

fn yielding(times: usize) -> io::Result<Duration> {
    measure(async move |executor| {
        let start = Instant::now();
        let tasks: Vec<_> = (0..10)
            .map(|_| {
                executor.spawn(async move {
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
    measure(async move |executor| {
        let (ping, pings) = async_channel::bounded(1);
        let (pong, pongs) = async_channel::bounded(1);
        executor
            .spawn(async move {
                while let Ok(message) = pings.recv().await {
                    pong.send(message).await.expect(OPEN);
                }
            })
            .detach();
        let start = Instant::now();
        for i in 0..times {
            ping.send(i).await.expect(OPEN);
            black_box(pongs.recv().await.expect(OPEN));
        }
        start.elapsed()
    })
}

fn timeout_ready(times: usize) -> io::Result<Duration> {
    measure(async move |_| {
        let start = Instant::now();
        for i in 0..times {
            let ready = async move { Some(black_box(i)) };
            black_box(or(ready, nothing_after(SECOND)).await.is_some());
        }
        start.elapsed()
    })
}

fn timeout_pending(times: usize) -> io::Result<Duration> {
    measure(async move |_| {
        let start = Instant::now();
        for i in 0..times {
            let later = async move {
                yield_now().await;
                Some(i)
            };
            black_box(or(later, nothing_after(SECOND)).await.is_some());
        }
        start.elapsed()
    })
}

fn sleeps(times: usize) -> io::Result<Duration> {
    measure(async move |executor| {
        let mut tasks = Vec::with_capacity(times);
        let start = Instant::now();
        for i in 0..times {
            tasks.push(executor.spawn(async move { Timer::after(nap(i)).await }));
        }
        for task in tasks {
            task.await;
        }
        start.elapsed()
    })
}

fn wake(times: usize) -> io::Result<Duration> {
    let (request, answers) = answering_thread();
    measure(async move |_| {
        let start = Instant::now();
        for _ in 0..times {
            request.send(()).expect(OPEN);
            answers.recv().await.expect(OPEN);
        }
        start.elapsed()
    })
}

fn serve(listener: std::net::TcpListener) -> io::Result<()> {
    let executor = LocalExecutor::new();
    smol::block_on(executor.run(async {
        let listener = TcpListener::try_from(listener)?;
        loop {
            let (stream, _) = listener.accept().await?;
            executor.spawn(handle_client(stream)).detach();
        }
    }))
}

async fn handle_client(mut stream: TcpStream) {
    let mut buffer = [0; BUFFER];
    while let Ok(length @ 1..) = stream.read(&mut buffer).await {
        if stream.write_all(&buffer[..length]).await.is_err() {
            break;
        }
    }
    connection_closed();
}
