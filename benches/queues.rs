//! `queues`: what a message from task to task costs, by the queue that carries it.
//!
//! All tasks run on selio, so what differs is the queue. That of selio is for one thread only; the
//! others pay for being for many.

use crate::machine;
use crate::table::{Ratio, Table, rotated};
use crate::traced;
use selio::{Runtime, spawn};
use std::env;
use std::hint::black_box;
use std::io;
use std::process::Command;
use std::rc::Rc;
use std::time::{Duration, Instant};

/// A queue with room for so many messages, and its two ends.
trait Carrier: 'static {
    type Sender: 'static;
    type Receiver: 'static;

    fn bounded(room: usize) -> (Self::Sender, Self::Receiver);
    async fn send(sender: &Self::Sender, message: usize);
    /// `None` when the queue has ended.
    async fn receive(receiver: &mut Self::Receiver) -> Option<usize>;
    fn end(sender: Self::Sender);
}

struct Selio;
struct AsyncChannel;
struct Tokio;

const OPEN: &str = "the other end of the queue is alive";
const ENDS: &str = "no task of a benchmark panics or is cancelled";

impl Carrier for Selio {
    type Sender = Rc<selio::sync::Queue<usize>>;
    type Receiver = Rc<selio::sync::Queue<usize>>;

    fn bounded(room: usize) -> (Self::Sender, Self::Receiver) {
        let queue = Rc::new(selio::sync::Queue::bounded(room));
        (Rc::clone(&queue), queue)
    }

    async fn send(sender: &Self::Sender, message: usize) {
        sender.put(message).await.expect(OPEN);
    }

    async fn receive(receiver: &mut Self::Receiver) -> Option<usize> {
        receiver.get().await.ok()
    }

    fn end(sender: Self::Sender) {
        sender.shutdown(false);
    }
}

impl Carrier for AsyncChannel {
    type Sender = async_channel::Sender<usize>;
    type Receiver = async_channel::Receiver<usize>;

    fn bounded(room: usize) -> (Self::Sender, Self::Receiver) {
        async_channel::bounded(room)
    }

    async fn send(sender: &Self::Sender, message: usize) {
        sender.send(message).await.expect(OPEN);
    }

    async fn receive(receiver: &mut Self::Receiver) -> Option<usize> {
        receiver.recv().await.ok()
    }

    fn end(_: Self::Sender) {}
}

impl Carrier for Tokio {
    type Sender = tokio::sync::mpsc::Sender<usize>;
    type Receiver = tokio::sync::mpsc::Receiver<usize>;

    fn bounded(room: usize) -> (Self::Sender, Self::Receiver) {
        tokio::sync::mpsc::channel(room)
    }

    async fn send(sender: &Self::Sender, message: usize) {
        sender.send(message).await.expect(OPEN);
    }

    async fn receive(receiver: &mut Self::Receiver) -> Option<usize> {
        receiver.recv().await
    }

    fn end(_: Self::Sender) {}
}

/// Sends so many messages; returns how long all of them took.
type Program = fn(usize) -> io::Result<Duration>;

const CARRIERS: [(&str, [Program; 2]); 3] = [
    ("selio", programs::<Selio>()),
    ("async-channel", programs::<AsyncChannel>()),
    ("tokio mpsc", programs::<Tokio>()),
];

const ROWS: [&str; 2] = [
    "ping-pong, two queues with room for 1",
    "one way, a queue with room for 100",
];

const fn programs<C: Carrier>() -> [Program; 2] {
    [ping_pong::<C>, one_way::<C>]
}

fn ping_pong<C: Carrier>(times: usize) -> io::Result<Duration> {
    measure(async move {
        let (ping, mut pings) = C::bounded(1);
        let (pong, mut pongs) = C::bounded(1);
        let other = spawn(async move {
            while let Some(message) = C::receive(&mut pings).await {
                C::send(&pong, message).await;
            }
        });
        let start = Instant::now();
        for i in 0..times {
            C::send(&ping, i).await;
            black_box(C::receive(&mut pongs).await);
        }
        let took = start.elapsed();
        C::end(ping);
        other.await.expect(ENDS);
        took
    })
}

fn one_way<C: Carrier>(times: usize) -> io::Result<Duration> {
    measure(async move {
        let (sender, mut receiver) = C::bounded(100);
        let start = Instant::now();
        let producer = spawn(async move {
            for i in 0..times {
                C::send(&sender, i).await;
            }
            C::end(sender);
        });
        while let Some(message) = C::receive(&mut receiver).await {
            black_box(message);
        }
        producer.await.expect(ENDS);
        start.elapsed()
    })
}

/// Runs `main` as a task of a new runtime.
fn measure(main: impl Future<Output = Duration> + 'static) -> io::Result<Duration> {
    Ok(Runtime::new()?.block_on(async { spawn(main).await.expect(ENDS) }))
}

/// Messages per round.
const TIMES: usize = 100_000;

const RATIO: Ratio = Ratio {
    title: "selio/best",
    of: &["async-channel", "tokio mpsc"],
};

/// Nanoseconds per message.
pub fn run(rounds: usize) -> io::Result<()> {
    let (core, _) = machine::cores()?;
    machine::pin(core)?;
    let title = format!(
        "queues: nanoseconds per message, or there and back; median of {rounds} rounds, on core {core}"
    );
    let mut table = Table::new(title, CARRIERS.iter().map(|carrier| carrier.0));
    for (at, label) in ROWS.iter().enumerate() {
        let row = table.row(*label);
        // The first round warms the caches and the heap up and does not count.
        for round in 0..=rounds {
            for column in rotated(CARRIERS.len(), round) {
                let took = CARRIERS[column].1[at](TIMES)?;
                if round > 0 {
                    table.add(row, column, took.as_secs_f64() * 1e9 / TIMES as f64);
                }
            }
        }
    }
    table.print(&[RATIO]);
    Ok(())
}

/// Instructions per message: the difference of two runs, each a process under callgrind.
pub fn instructions() -> io::Result<()> {
    const SHORT: usize = 1_000;
    const LONG: usize = 11_000;
    if !traced::is_installed("valgrind") {
        println!("queues --instructions: skipped, valgrind is not installed");
        return Ok(());
    }
    let title = "queues --instructions: user-space instructions per message, or there and back, by \
                 callgrind";
    let mut table = Table::new(title, CARRIERS.iter().map(|carrier| carrier.0));
    for (at, label) in ROWS.iter().enumerate() {
        let row = table.row(*label);
        for column in 0..CARRIERS.len() {
            let (short, long) = (count(column, at, SHORT)?, count(column, at, LONG)?);
            table.add(row, column, (long - short) / (LONG - SHORT) as f64);
        }
    }
    table.print(&[RATIO]);
    Ok(())
}

fn count(carrier: usize, row: usize, times: usize) -> io::Result<f64> {
    traced::callgrind(|tool| {
        let mut command = Command::new(tool[0]);
        command.args(&tool[1..]).arg(env::current_exe()?);
        command.args(["queue", &format!("{carrier}/{row}/{times}")]);
        match command.status()?.success() {
            true => Ok(()),
            false => Err(io::Error::other("valgrind failed")),
        }
    })
}

/// One program alone, for callgrind to count: `queue CARRIER/ROW/TIMES`.
pub fn alone(which: &str) -> io::Result<()> {
    let numbers: Vec<usize> = which.split('/').flat_map(str::parse).collect();
    let program = match numbers[..] {
        [carrier, row, times] => CARRIERS.get(carrier).map(|it| (it.1.get(row), times)),
        _ => None,
    };
    let Some((Some(program), times)) = program else {
        return Err(io::Error::other(
            "it takes CARRIER/ROW/TIMES, three numbers",
        ));
    };
    program(times).map(drop)
}
