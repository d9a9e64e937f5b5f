//! futures' `LocalPool`: an executor alone, without a reactor and without timers.
//!
//! It shows what a task costs when nothing but tasks is there. It has no `yield_now` of its own;
//! the one of `futures-lite` is the usual one.

use super::{Peer, Programs, answering_thread};
use futures::executor::{LocalPool, LocalSpawner};
use futures::future::RemoteHandle;
use futures::task::LocalSpawnExt;
use smol::future::yield_now;
use std::hint::black_box;
use std::io;
use std::time::{Duration, Instant};

pub const PEER: Peer = Peer {
    name: "LocalPool",
    programs: Programs {
        spawn_await: Some(spawn_await),
        spawn_await_main: Some(spawn_await_main),
        spawn_all: Some(spawn_all),
        yield_now: Some(yielding),
        ping_pong: Some(ping_pong),
        timeout_ready: None,
        timeout_pending: None,
        sleeps: None,
        wake: Some(wake),
    },
    serve: None,
    buffer: 0,
};

const OPEN: &str = "the other end of the channel is alive";

/// Runs `main` as a task of a new pool, whose spawner it is given.
fn measure<F>(main: impl FnOnce(LocalSpawner) -> F) -> io::Result<Duration>
where
    F: Future<Output = Duration> + 'static,
{
    let mut pool = LocalPool::new();
    let main = spawn(&pool.spawner(), main(pool.spawner()));
    Ok(pool.run_until(main))
}

fn spawn<T: 'static>(
    spawner: &LocalSpawner,
    task: impl Future<Output = T> + 'static,
) -> RemoteHandle<T> {
    let handle = spawner.spawn_local_with_handle(task);
    handle.expect("the pool is alive")
}

async fn spawning(spawner: LocalSpawner, times: usize) -> Duration {
    let start = Instant::now();
    for i in 0..times {
        black_box(spawn(&spawner, async move { i }).await);
    }
    start.elapsed()
}

fn spawn_await(times: usize) -> io::Result<Duration> {
    measure(move |spawner| spawning(spawner, times))
}

/// The same, by the future of `block_on` itself.
fn spawn_await_main(times: usize) -> io::Result<Duration> {
    let mut pool = LocalPool::new();
    let main = spawning(pool.spawner(), times);
    Ok(pool.run_until(main))
}

fn spawn_all(times: usize) -> io::Result<Duration> {
    measure(async move |spawner| {
        let mut tasks = Vec::with_capacity(times);
        let start = Instant::now();
        for i in 0..times {
            tasks.push(spawn(&spawner, async move { i }));
        }
        for task in tasks {
            black_box(task.await);
        }
        start.elapsed()
    })
}

fn yielding(times: usize) -> io::Result<Duration> {
    measure(async move |spawner| {
        let start = Instant::now();
        let tasks: Vec<_> = (0..10)
            .map(|_| {
                spawn(&spawner, async move {
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
    measure(async move |spawner| {
        let (ping, pings) = async_channel::bounded(1);
        let (pong, pongs) = async_channel::bounded(1);
        spawn(&spawner, async move {
            while let Ok(message) = pings.recv().await {
                pong.send(message).await.expect(OPEN);
            }
        })
        .forget();
        let start = Instant::now();
        for i in 0..times {
            ping.send(i).await.expect(OPEN);
            black_box(pongs.recv().await.expect(OPEN));
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
