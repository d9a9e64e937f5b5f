//! Tasks and threads that send each other messages: async-channel, both ways.
//!
//! ```text
//! cargo run --release --example threads                 counts the primes below 1,000,000
//! cargo run --release --example threads -- 5000000 8    below 5,000,000, with 8 threads
//! ```
//!
//! What is in `selio::sync` belongs to one thread, and costs what that allows. Between threads, use
//! a channel that is made for it: a task awaits `send` and `recv`, a thread blocks in
//! `send_blocking` and `recv_blocking`. Here tasks hand out ranges of numbers, threads count the
//! primes in them, and the loop goes on with its own work meanwhile.

use std::ops::Range;
use std::process::ExitCode;
use std::time::Duration;
use std::{io, thread};

use async_channel::{Receiver, Sender, bounded};
use selio::{interval, spawn};

/// How many numbers a thread gets at a time.
const CHUNK: u64 = 50_000;

/// What each thread does until there are no more ranges, because their senders are gone.
fn work(ranges: Receiver<Range<u64>>, counts: Sender<usize>) {
    while let Ok(range) = ranges.recv_blocking() {
        let count = range.filter(|&n| is_prime(n)).count();
        if counts.send_blocking(count).is_err() {
            break; // Nobody wants to know any more.
        }
    }
}

fn is_prime(n: u64) -> bool {
    n > 1
        && (2..)
            .take_while(|d| d * d <= n)
            .all(|d| !n.is_multiple_of(d))
}

async fn count_primes(below: u64, threads: usize) -> io::Result<usize> {
    // Little room: while all threads are busy, the task that hands out ranges waits, not a queue.
    let (hand_out, ranges) = bounded(threads);
    let (report, counts) = bounded(threads);
    for n in 0..threads {
        let (ranges, report) = (ranges.clone(), report.clone());
        let thread = thread::Builder::new().name(format!("counter-{n}"));
        thread.spawn(move || work(ranges, report))?;
    }
    // From now on only threads have these ends: when the last one has ended, `counts` ends too.
    drop((ranges, report));

    spawn(async move {
        for start in (0..below).step_by(CHUNK as usize) {
            let range = start..below.min(start + CHUNK);
            if hand_out.send(range).await.is_err() {
                break; // No thread is left.
            }
        }
    });
    let ticks = spawn(async {
        let mut ticks = interval(Duration::from_millis(100));
        loop {
            ticks.tick().await;
            eprintln!("the loop is free");
        }
    });
    let mut total = 0;
    while let Ok(count) = counts.recv().await {
        total += count;
    }
    ticks.cancel();
    Ok(total)
}

fn run() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let mut number = |or| match arguments.next() {
        None => Ok(or),
        Some(text) => text.parse().map_err(|_| {
            let problem = format!("`{text}` is no number");
            io::Error::other(problem + "\nusage: threads [BELOW [THREADS]]")
        }),
    };
    let (below, threads) = (number(1_000_000)?, number(4)?.max(1) as usize);
    let primes = selio::run(count_primes(below, threads))?;
    println!("{primes} primes below {below}, threads: {threads}");
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("threads: {error}");
            ExitCode::FAILURE
        }
    }
}
