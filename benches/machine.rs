//! What a benchmark asks of the machine: a core to stay on, enough file descriptors, and its name.

use rustix::process::{Resource, getrlimit, setrlimit};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::sync::OnceLock;
use std::time::{SystemTime, UNIX_EPOCH};
use std::{fs, io};

/// The cores that this process may run on, as they were before it pinned itself to one of them.
fn allowed() -> io::Result<&'static [usize]> {
    static ALLOWED: OnceLock<Vec<usize>> = OnceLock::new();
    if ALLOWED.get().is_none() {
        let allowed = sched_getaffinity(None)?;
        let cores = (0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core));
        let _ = ALLOWED.set(cores.collect());
    }
    Ok(ALLOWED.get().expect("it was set a moment ago"))
}

/// The first and the last core that this process may run on: the server's and the client's.
///
/// On a machine with one core both are the same. Call it before pinning anything; it remembers.
pub fn cores() -> io::Result<(usize, usize)> {
    match allowed()? {
        [first, .., last] => Ok((*first, *last)),
        [only] => Ok((*only, *only)),
        [] => Err(io::Error::other("no core is allowed")),
    }
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

/// The machine, its kernel, the compiler and the day, in one line.
pub fn description() -> io::Result<String> {
    let cores = match allowed()?.len() {
        1 => "1 core".to_string(),
        many => format!("{many} cores"),
    };
    let cpus = fs::read_to_string("/proc/cpuinfo")?;
    // Not every architecture has a name to tell.
    let model = cpus
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(field, _)| field.trim() == "model name")
        .map_or(std::env::consts::ARCH, |(_, name)| name.trim());
    let release = fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let kernel = release.trim().split('-').next().unwrap_or_default();
    let rustc = env!("RUSTC_VERSION");
    let today = SystemTime::now().duration_since(UNIX_EPOCH);
    let day = date(today.map_or(0, |since| since.as_secs() / 86_400));
    Ok(format!(
        "{cores} of {model}, Linux {kernel}, rustc {rustc}, {day}"
    ))
}

/// The date, so many days after the first of January 1970.
fn date(mut days: u64) -> String {
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let lengths = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 1;
    for length in lengths {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    format!("{year}-{month:02}-{:02}", days + 1)
}

#[cfg(test)]
mod tests {
    use super::date;

    #[test]
    fn days_become_dates() {
        for (days, day) in [
            (0, "1970-01-01"),
            (364, "1970-12-31"),
            (11_016, "2000-02-29"),
            (20_778, "2026-11-21"),
        ] {
            assert_eq!(date(days), day);
        }
    }
}
