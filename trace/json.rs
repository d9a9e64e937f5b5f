//! A trace for machines: the trace events of Chrome, which Perfetto and our own page read.
//!
//! [The format](https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU) has
//! one thread for each lane. A poll is a slice that begins and ends, a select and a wake are whole
//! slices, arrows lead from a wake to the poll that it is for, and all else are instants.
//!
//! The file is complete after each write, which puts the closing bracket behind the entries, and
//! the next one in its place: a program may be killed, and often is, while it sleeps in the selector.

use std::env;
use std::fmt::{self, Arguments, Write as _};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::panic::Location;
use std::path::Path;
use std::process;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};

use super::lanes::{Directions, Lane, Lanes};
use super::{Form, micros, word};
use crate::reactor::{By, Event, TaskId};

/// How many bytes may gather before the poll that makes them is over.
const BUFFER: usize = 1 << 16;

/// How long a wake is drawn: an arrow can leave only what has a length.
const WAKE: f64 = 0.05;

pub(super) struct Entries {
    file: File,
    /// Where in the file the next entry goes.
    position: u64,
    text: String,
    /// What stands behind the last entry.
    closing: &'static str,
    /// How many entries may follow; `None`: any number.
    left: Option<usize>,
    process: u32,
}

impl Entries {
    /// Begins a file that has nothing but the entries in it.
    pub(super) fn begin(file: File) -> io::Result<Self> {
        Self::begin_between(file, String::new(), "\n]\n", None)
    }

    /// Begins a file in which the entries stand between `opening` and `closing`.
    pub(super) fn begin_between(
        file: File,
        opening: String,
        closing: &'static str,
        limit: Option<usize>,
    ) -> io::Result<Self> {
        let process = process::id();
        let program = env::args_os().next().unwrap_or_default();
        let program = Path::new(&program).file_name();
        let program = program.unwrap_or_default().to_string_lossy();
        let mut entries = Self {
            file,
            position: 0,
            text: opening,
            closing,
            left: limit,
            process,
        };
        let name = Quoted(&program);
        let _ = write!(
            entries.text,
            "[\n{{\"name\":\"process_name\",\"ph\":\"M\",\"pid\":{process},\"args\":{{\"name\":{name}}}}}"
        );
        entries.name(Lane::Loop, "loop");
        entries.name(Lane::Main, "main");
        entries.flush()?;
        Ok(entries)
    }

    fn name(&mut self, lane: Lane, name: &str) {
        let args = format_args!(",\"args\":{{\"name\":{}}}", Quoted(name));
        self.entry("thread_name", 'M', lane, Duration::ZERO, args);
        // The loop is the ground on which all tasks stand.
        let order = if lane == Lane::Loop {
            1 << 30
        } else {
            id(lane)
        };
        let args = format_args!(",\"args\":{{\"sort_index\":{order}}}");
        self.entry("thread_sort_index", 'M', lane, Duration::ZERO, args);
    }

    fn entry(&mut self, name: &str, phase: char, lane: Lane, at: Duration, rest: Arguments<'_>) {
        match &mut self.left {
            Some(0) => return,
            Some(left) => *left -= 1,
            None => {}
        }
        let (process, lane, at) = (self.process, id(lane), micros(at));
        // Writing to a String does not fail.
        let _ = write!(
            self.text,
            ",\n{{\"name\":\"{name}\",\"ph\":\"{phase}\",\"pid\":{process},\"tid\":{lane},\"ts\":{at:.3}{rest}}}"
        );
        if self.left == Some(1) {
            let whole = format_args!(",\"s\":\"p\"");
            self.entry("cut", 'i', Lane::Loop, Duration::ZERO, whole);
        }
    }

    /// What has no length.
    fn instant(&mut self, event: &Event<'_>, lane: Lane, at: Duration, args: Arguments<'_>) {
        let rest = format_args!(",\"s\":\"t\",\"args\":{{{args}}}");
        self.entry(word(event), 'i', lane, at, rest);
    }

    /// `wake`: the number of the wake that this answers.
    fn poll_begins(&mut self, lane: Lane, at: Duration, wake: Option<u64>) {
        self.entry("poll", 'B', lane, at, format_args!(""));
        if let Some(wake) = wake {
            let rest = format_args!(",\"cat\":\"wake\",\"bp\":\"e\",\"id\":{wake}");
            self.entry("wake", 'f', lane, at, rest);
        }
    }

    fn wakes(&mut self, task: Option<TaskId>, by: By<'_>, lanes: &Lanes, lane: Lane, at: Duration) {
        let thread = match by {
            By::Thread(name) => Some(name),
            _ => None,
        };
        let args = format_args!(
            ",\"dur\":{WAKE},\"args\":{{\"task\":{}{}{}}}",
            id(Lane::of(task)),
            Maybe(",\"fd\":", lanes.reason(task, by)),
            Maybe(",\"thread\":", thread.map(Quoted))
        );
        self.entry("wake", 'X', lane, at, args);
        let rest = format_args!(",\"cat\":\"wake\",\"id\":{}", lanes.wakes);
        self.entry("wake", 's', lane, at, rest);
    }

    /// Lets the file end as it did before: a disk that is full has taken a part of what came next.
    fn end_here(&self) {
        // There is room for this: it has stood here.
        let closed = self
            .file
            .write_all_at(self.closing.as_bytes(), self.position);
        let _ = closed.and_then(|()| self.file.set_len(self.position + self.closing.len() as u64));
    }
}

impl Form for Entries {
    fn write(&mut self, at: Duration, event: &Event<'_>, lanes: &Lanes) -> io::Result<()> {
        let lane = lanes.place(event);
        match *event {
            Event::PollBegins { .. } => self.poll_begins(lane, at, lanes.answered),
            Event::PollEnds { is_ready, .. } => {
                let rest = format_args!(",\"args\":{{\"is_ready\":{is_ready}}}");
                self.entry("poll", 'E', lane, at, rest);
            }
            Event::Spawned { task, site, .. } => {
                let spawned = Lane::Task(task);
                self.name(spawned, &lanes.name(spawned));
                let site = site.to_string();
                let (task, site) = (id(spawned), Quoted(&site));
                let args = format_args!("\"task\":{task},\"at\":{site}");
                self.instant(event, lane, at, args);
            }
            Event::Woken { task, by } => self.wakes(task, by, lanes, lane, at),
            Event::Sleeps { .. } => {} // Drawn with the answer, for as long as it took.
            Event::Selected {
                backend,
                timeout,
                since,
                events,
            } => {
                let took = since.elapsed();
                let rest = format_args!(
                    ",\"dur\":{:.3},\"args\":{{\"backend\":\"{backend}\",\"events\":{events}{}}}",
                    micros(took),
                    Maybe(",\"timeout\":", timeout.map(micros))
                );
                self.entry("select", 'X', lane, at.saturating_sub(took), rest);
            }
            Event::Done { has_panicked, .. } => {
                let args = format_args!("\"has_panicked\":{has_panicked}");
                self.instant(event, lane, at, args);
            }
            Event::Joins { task } => {
                let task = id(Lane::Task(task));
                self.instant(event, lane, at, format_args!("\"task\":{task}"));
            }
            Event::WouldBlock { fd, site, .. } => {
                let (to, site) = (Directions::of(event), site.map(Location::to_string));
                let site = Maybe(",\"at\":", site.as_deref().map(Quoted));
                let args = format_args!("\"fd\":{fd},\"to\":\"{to}\"{site}");
                self.instant(event, lane, at, args);
            }
            Event::Armed { fd, .. } | Event::Disarmed { fd, .. } | Event::Ready { fd, .. } => {
                let to = Directions::of(event);
                self.instant(event, lane, at, format_args!("\"fd\":{fd},\"to\":\"{to}\""));
            }
            Event::Waits { what, holder, site } => {
                let site = site.map(Location::to_string);
                let args = format_args!(
                    "\"what\":{}{}{}",
                    Quoted(what),
                    Maybe(",\"at\":", site.as_deref().map(Quoted)),
                    Maybe(",\"holder\":", holder.map(|task| id(Lane::Task(task))))
                );
                self.instant(event, lane, at, args);
            }
            Event::TimerSet { deadline, site } => {
                let left = deadline.saturating_duration_since(Instant::now());
                let (left, site) = (micros(left), site.to_string());
                let args = format_args!("\"in\":{left:.3},\"at\":{}", Quoted(&site));
                self.instant(event, lane, at, args);
            }
            Event::Cancelled { .. } | Event::TimerFired => {
                self.instant(event, lane, at, format_args!(""));
            }
        }
        // After these, the runtime may be about to sleep.
        let may_sleep = matches!(
            event,
            Event::PollEnds { .. } | Event::Done { .. } | Event::Cancelled { .. }
        );
        if may_sleep || self.text.len() > BUFFER {
            self.flush()?;
        }
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.process != process::id() {
            self.text.clear(); // A child that was forked has the same file, and its parent writes on.
        }
        if self.text.is_empty() {
            return Ok(());
        }
        let entries = self.text.len();
        self.text += self.closing;
        if let Err(error) = self.file.write_all_at(self.text.as_bytes(), self.position) {
            self.end_here();
            return Err(error);
        }
        self.position += entries as u64;
        self.text.clear();
        Ok(())
    }
}

/// The file is free for another trace, even if a process that was forked, and has not come to run its
/// program yet, still has it too.
impl Drop for Entries {
    fn drop(&mut self) {
        if self.process == process::id() {
            let _ = flock(&self.file, FlockOperation::Unlock);
        }
    }
}

/// The number of a lane.
fn id(lane: Lane) -> u64 {
    match lane {
        Lane::Loop => 0,
        Lane::Main => 1,
        Lane::Task(task) => task.0 + 1,
    }
}

/// A member of an object, if there is one.
struct Maybe<T>(&'static str, Option<T>);

impl<T: fmt::Display> fmt::Display for Maybe<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.1 {
            Some(value) => write!(f, "{}{value}", self.0),
            None => Ok(()),
        }
    }
}

/// A string of JSON, which may also stand in a page.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for letter in self.0.chars() {
            match letter {
                '"' | '\\' => write!(f, "\\{letter}")?,
                // `</script>` would end the entries of a page.
                '<' | '\0'..='\x1f' => write!(f, "\\u{:04x}", u32::from(letter))?,
                _ => f.write_char(letter)?,
            }
        }
        f.write_char('"')
    }
}
