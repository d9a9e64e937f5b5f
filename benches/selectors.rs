//! `selectors`: what one look at the kernel costs, by backend and by the number of sockets.
//!
//! A few sockets are ready and all others are silent, which is what a server sees. epoll keeps the
//! list of interests in the kernel and pays for the ready ones; poll and select bring the whole
//! list along at each call and pay for all. Nothing is read, so level-triggered sockets stay ready and
//! each call finds the same events. Beside it stands the bare system call, without selio.

use crate::machine;
use crate::table::{Ratio, Table, rotated, thousands};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::fcntl_dupfd_cloexec;
use selio::selector::{Backend, Interest, Selector};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

/// Numbers of sockets that tell the difference.
pub const SOCKETS: &[usize] = &[100, 1_000, 9_000];

/// How many sockets are ready; every number of sockets is a multiple of it.
pub const READY: usize = 5;

const BARE: &str = "bare epoll_wait";

/// How long one sample takes.
const SAMPLE: Duration = Duration::from_millis(10);

pub const RATIOS: &[Ratio] = &[Ratio {
    title: "epoll/bare",
    of: &[BARE],
}];

/// Measures every backend at each of these numbers of sockets.
pub fn measure(rounds: usize, numbers: &[usize]) -> io::Result<Table> {
    let (core, _) = machine::cores()?;
    machine::pin(core)?;
    machine::raise_file_limit()?;

    let backends = Backend::available();
    let title = format!(
        "selectors: microseconds per select with {READY} ready sockets, median of {rounds} rounds, all on core {core}"
    );
    let names = backends
        .iter()
        .map(Backend::to_string)
        .chain([BARE.to_string()]);
    let mut table = Table::new(title, names);
    for &sockets in numbers {
        let row = table.row(format!("{} sockets", thousands(sockets as f64)));
        let pairs = socket_pairs(sockets)?;
        let mut looks: Vec<Option<Look>> = backends
            .iter()
            .map(|backend| look(*backend, &pairs).ok())
            .collect();
        looks.push(Some(bare_look(&pairs)?));
        for round in 0..rounds {
            for column in rotated(looks.len(), round) {
                if let Some(look) = &mut looks[column] {
                    table.add(row, column, time(look)?);
                }
            }
        }
    }
    Ok(table)
}

/// One call of a selector; returns how many events it found.
type Look = Box<dyn FnMut() -> io::Result<usize>>;

/// A selector of selio's with one end of each pair; fails where select's limit is reached.
fn look(backend: Backend, pairs: &[(UnixStream, OwnedFd)]) -> io::Result<Look> {
    let mut selector = Selector::with_backend(backend)?;
    for (key, (socket, _)) in pairs.iter().enumerate() {
        selector.register(socket, key, Interest::READABLE)?;
    }
    let mut events = Vec::new();
    Ok(Box::new(move || {
        selector.select(&mut events, None)?;
        Ok(events.len())
    }))
}

/// The same without selio.
fn bare_look(pairs: &[(UnixStream, OwnedFd)]) -> io::Result<Look> {
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    for (key, (socket, _)) in pairs.iter().enumerate() {
        epoll::add(
            &epoll,
            socket,
            EventData::new_u64(key as u64),
            EventFlags::IN,
        )?;
    }
    let mut events = Vec::with_capacity(1024);
    Ok(Box::new(move || {
        events.clear();
        epoll::wait(&epoll, spare_capacity(&mut events), None)?;
        Ok(events.len())
    }))
}

/// Microseconds per call, after checking that the call finds what it should.
fn time(look: &mut Look) -> io::Result<f64> {
    if look()? != READY {
        return Err(io::Error::other(
            "a selector did not find every ready socket",
        ));
    }
    let start = Instant::now();
    let mut calls = 0;
    while start.elapsed() < SAMPLE {
        for _ in 0..16 {
            look()?;
        }
        calls += 16;
    }
    Ok(start.elapsed().as_secs_f64() * 1e6 / f64::from(calls))
}

/// Connected pairs, some of whose first ends are ready.
///
/// The second ends move to high numbers, so that the first ones get low numbers: select cannot
/// take a file descriptor above 1,023.
fn socket_pairs(count: usize) -> io::Result<Vec<(UnixStream, OwnedFd)>> {
    machine::need_files(2 * count + 100)?;
    let mut pairs = Vec::with_capacity(count);
    for place in 0..count {
        let (first, mut second) = UnixStream::pair()?;
        if place % (count / READY) == 0 {
            second.write_all(b"!")?;
        }
        let high = fcntl_dupfd_cloexec(&second, count as i32 + 100)?;
        pairs.push((first, high));
    }
    Ok(pairs)
}
