//! What a benchmark asks of the machine: a core to stay on, and enough file descriptors.

use rustix::process::{Resource, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::io;

/// The first and the last core that this process may run on: the server's and the client's.
///
/// Call it before pinning anything. On a machine with one core both are the same.
pub fn cores() -> io::Result<(usize, usize)> {
    let allowed = sched_getaffinity(None)?;
    let mut cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
    let first = cores
        .next()
        .ok_or_else(|| io::Error::other("no core is allowed"))?;
    Ok((first, cores.next_back().unwrap_or(first)))
}

/// Keeps the calling thread, and every thread that it starts from now on, on one core.
///
/// A scheduler that moves the thread in the middle of a round would be part of the figure.
pub fn pin(core: usize) -> io::Result<()> {
    let mut only = CpuSet::new();
    only.set(core);
    Ok(sched_setaffinity(None, &only)?)
}

/// Raises the soft limit of open files to the hard one.
pub fn raise_file_limit() -> io::Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        limit.current = limit.maximum;
        setrlimit(Resource::Nofile, limit)?;
    }
    Ok(())
}

/// Fails with the fix when fewer than `files` can be open at once.
pub fn need_files(files: usize) -> io::Result<()> {
    match getrlimit(Resource::Nofile).current {
        Some(limit) if limit < files as u64 => Err(io::Error::other(format!(
            "{files} open files are needed and {limit} allowed: raise `ulimit -Hn`, or ask for fewer connections"
        ))),
        _ => Ok(()),
    }
}
