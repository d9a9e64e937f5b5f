//! A trace for the eye: one line for each event, in columns.

use std::env;
use std::fmt;
use std::io::{self, IsTerminal, Write as _};
use std::ops::RangeInclusive;
use std::panic::Location;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};

use super::lanes::{Directions, Lane, Lanes};
use super::{Form, micros, word};
use crate::reactor::{By, Event, OneLine};

/// The column of names is as wide as the longest so far, within these numbers of characters: what
/// follows stays in columns.
const NAMES: RangeInclusive<usize> = 14..=32;

pub(super) struct Columns {
    is_coloured: bool,
    text: String,
    poll_began: Duration,
    /// That of the names. It grows with the first line of a server, say, and stays so.
    width: usize,
}

impl Columns {
    pub(super) fn new() -> Self {
        let is_refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            is_coloured: io::stderr().is_terminal() && !is_refused,
            text: format!("{:>14}  {:<14} {:<12} what\n", "time in µs", "who", "does"),
            poll_began: Duration::ZERO,
            width: *NAMES.start(),
        }
    }

    /// The line of an event.
    fn line(&mut self, at: Duration, event: &Event<'_>, lanes: &Lanes) -> String {
        let who = match event {
            Event::Woken {
                by: By::Thread(name),
                ..
            } => format!("thread {}", OneLine(name)).into(),
            _ => lanes.name(lanes.place(event)),
        };
        let (dim, colour, plain) = match self.is_coloured {
            true => ("\x1b[2m", colour(event), "\x1b[0m"),
            false => ("", "", ""),
        };
        let what = What {
            event,
            lanes,
            took: at.saturating_sub(self.poll_began),
        };
        let (at, word) = (micros(at), word(event));
        let width = self.width.max(who.chars().count()).min(*NAMES.end());
        self.width = width;
        let line =
            format!("{dim}{at:>14.1}{plain}  {who:<width$} {colour}{word:<12}{plain} {what}");
        line.trim_end().to_owned() + "\n"
    }
}

impl Form for Columns {
    fn write(&mut self, at: Duration, event: &Event<'_>, lanes: &Lanes) -> io::Result<()> {
        if let Event::PollBegins { .. } = event {
            self.poll_began = at;
        }
        let line = self.line(at, event, lanes);
        self.text += &line;
        self.flush()
    }

    fn flush(&mut self) -> io::Result<()> {
        let result = write_to_stderr(&self.text);
        self.text.clear();
        result
    }
}

/// Writes all of it to stderr, in one piece. Others share the open file with us, those of the same
/// terminal at least, and may have made it non-blocking: then this waits for room by itself.
pub(crate) fn write_to_stderr(text: &str) -> io::Result<()> {
    let mut stderr = io::stderr().lock();
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        match stderr.write(rest) {
            Ok(n) => rest = &rest[n..],
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted => {}
                io::ErrorKind::WouldBlock => {
                    // Whatever comes of it, the next write tells.
                    let _ = poll(&mut [PollFd::new(&stderr, PollFlags::OUT)], None);
                }
                _ => return Err(error),
            },
        }
    }
    Ok(())
}

/// The colours of the 16 that every terminal has.
fn colour(event: &Event<'_>) -> &'static str {
    match event {
        Event::PollBegins { .. } | Event::PollEnds { .. } => "\x1b[32m", // green: it runs
        Event::WouldBlock { .. }
        | Event::Waits { .. }
        | Event::Joins { .. }
        | Event::TimerSet { .. } => "\x1b[33m", // yellow: it waits
        Event::Armed { .. } | Event::Disarmed { .. } => "\x1b[34m",
        Event::Sleeps { .. } | Event::Selected { .. } | Event::Ready { .. } | Event::TimerFired => {
            "\x1b[36m"
        }
        Event::Woken { .. } => "\x1b[35m",
        Event::Done {
            has_panicked: true, ..
        }
        | Event::Cancelled { .. } => "\x1b[31m",
        Event::Spawned { .. } | Event::Done { .. } => "\x1b[1m",
    }
}

/// The last column.
struct What<'a> {
    event: &'a Event<'a>,
    lanes: &'a Lanes,
    took: Duration,
}

impl fmt::Display for What<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lanes = self.lanes;
        match *self.event {
            Event::Spawned { task, site, .. } => write!(f, "{} at {site}", lanes.name_of(task)),
            Event::PollEnds { is_ready, .. } => {
                let outcome = if is_ready { "ready" } else { "pending" };
                write!(f, "{outcome}, after {:.1} µs", micros(self.took))
            }
            Event::Done { has_panicked, .. } if has_panicked => f.write_str("with a panic"),
            Event::Woken { task, by } => {
                f.write_str(&lanes.name(Lane::of(task)))?;
                match lanes.reason(task, by) {
                    Some(fd) => write!(f, ", for fd {fd} is ready"),
                    None => Ok(()),
                }
            }
            Event::Joins { task } => write!(f, "waits for {} to end", lanes.name_of(task)),
            Event::WouldBlock { fd, site, .. } => {
                write!(f, "fd {fd} to {}", Directions::of(self.event))?;
                at(site, f)
            }
            Event::Armed { fd, .. } | Event::Ready { fd, .. } => {
                write!(f, "fd {fd} to {}", Directions::of(self.event))
            }
            Event::Disarmed { fd, interest: None } => write!(f, "fd {fd}"),
            Event::Disarmed { fd, .. } => {
                write!(f, "fd {fd} but to {}", Directions::of(self.event))
            }
            Event::Sleeps { backend, timeout } => write!(f, "{backend}, {}", Limit(timeout)),
            Event::Selected {
                backend,
                timeout,
                since,
                events,
            } => {
                write!(f, "{backend}, {}", Limit(timeout))?;
                let slept = micros(since.elapsed());
                let plural = if events == 1 { "" } else { "s" };
                write!(f, ": {events} event{plural} after {slept:.1} µs")
            }
            Event::Waits { what, holder, site } => {
                f.write_str(what)?;
                if let Some(holder) = holder {
                    write!(f, " that {} holds", lanes.name_of(holder))?;
                }
                at(site, f)
            }
            Event::TimerSet { deadline, site } => {
                let left = deadline.saturating_duration_since(Instant::now());
                write!(f, "in {:.1} µs, at {site}", micros(left))
            }
            Event::PollBegins { .. }
            | Event::Done { .. }
            | Event::Cancelled { .. }
            | Event::TimerFired => Ok(()),
        }
    }
}

/// The line that waits, if it is known.
fn at(site: Option<&Location<'_>>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    site.map_or(Ok(()), |site| write!(f, ", at {site}"))
}

/// How long the selector may sleep.
struct Limit(Option<Duration>);

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            None => f.write_str("for ever"),
            Some(Duration::ZERO) => f.write_str("without waiting"),
            Some(timeout) => write!(f, "for at most {:.1} µs", micros(timeout)),
        }
    }
}
