//! The real handles and selectors, and the operations that move them and the model in step.

use std::fmt::Write as _;
use std::io::{ErrorKind, pipe};
use std::net::Shutdown;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::io::{Errno, ioctl_fionbio, read, write};
use selio::selector::{Backend, Event, Interest, Selector};

use super::common::Random;
use super::model::{Kind, Model, peer};

/// One operation. It means something in every situation (a handle is chosen by number, modulo how
/// many there are), so that any part of a sequence is a sequence.
#[derive(Clone, Copy, Debug)]
pub(super) struct Op {
    what: What,
    /// On which handle.
    on: usize,
    /// Whether the selectors are asked afterwards, or only after the next operation.
    then_select: bool,
}

#[derive(Clone, Copy, Debug)]
enum What {
    OpenSockets,
    OpenPipe,
    Duplicate,
    Close,
    Register(usize, Interest),
    Modify(usize, Interest),
    Deregister,
    Write(usize),
    Fill,
    Read(usize),
    Drain,
    Shut { read: bool, write: bool },
    Notify,
}

impl Op {
    pub(super) fn random(random: &mut Random) -> Self {
        let interest = match random.below(3) {
            0 => Interest::READABLE,
            1 => Interest::WRITABLE,
            _ => Interest::BOTH,
        };
        let key = random.below(1_000);
        let what = match random.below(100) {
            0..6 => What::OpenSockets,
            6..12 => What::OpenPipe,
            12..17 => What::Duplicate,
            17..23 => What::Close,
            23..43 => What::Register(key, interest),
            43..53 => What::Modify(key, interest),
            53..59 => What::Deregister,
            59..72 => What::Write(1 + random.below(8)),
            72..77 => What::Fill,
            77..86 => What::Read(1 + random.below(8)),
            86..92 => What::Drain,
            92..97 => {
                let both = random.below(3);
                What::Shut {
                    read: both != 0,
                    write: both != 1,
                }
            }
            _ => What::Notify,
        };
        Self {
            what,
            on: random.below(1 << 16),
            then_select: random.below(4) > 0,
        }
    }
}

/// An open handle.
struct Handle {
    fd: OwnedFd,
    /// What it stands for in the model.
    end: usize,
    registered: Option<(usize, Interest)>,
}

/// What is compared: the key, readable, writable.
type Found = (usize, bool, bool);

pub(super) struct World {
    selectors: Vec<Selector>,
    handles: Vec<Handle>,
    model: Model,
    /// Whether there is a notification that no select has seen.
    is_notified: bool,
    events: Vec<Event>,
    /// What has happened so far, if somebody is going to read it.
    story: Option<String>,
}

/// How the world and the model disagree.
type Divergence = String;

impl World {
    /// Runs a sequence in a new world.
    pub(super) fn run(ops: &[Op]) -> Result<(), Divergence> {
        Self::new(None).play(ops)
    }

    /// Runs it again, and tells what happens until it goes wrong.
    pub(super) fn tell(ops: &[Op]) -> String {
        let mut world = Self::new(Some(String::new()));
        let end = match world.play(ops) {
            Ok(()) => "this time they agree".to_owned(),
            Err(divergence) => divergence,
        };
        format!("{}=> {end}", world.story.unwrap_or_default())
    }

    fn new(story: Option<String>) -> Self {
        Self {
            selectors: Backend::available()
                .iter()
                .map(|&backend| Selector::with_backend(backend).expect("it is available"))
                .collect(),
            handles: Vec::new(),
            model: Model::default(),
            is_notified: false,
            events: Vec::new(),
            story,
        }
    }

    fn play(&mut self, ops: &[Op]) -> Result<(), Divergence> {
        self.open_sockets();
        self.open_pipe();
        for op in ops {
            self.apply(op)?;
            if op.then_select {
                self.compare()?;
            }
        }
        self.compare()?;
        // With nothing registered nothing is reported, whatever goes on.
        while !self.handles.is_empty() {
            self.close(0)?;
        }
        self.compare()
    }

    fn apply(&mut self, op: &Op) -> Result<(), Divergence> {
        match op.what {
            What::OpenSockets => self.open_sockets(),
            What::OpenPipe => self.open_pipe(),
            What::Notify => {
                self.note(format_args!("notify"));
                self.is_notified = true;
                for selector in &self.selectors {
                    selector.notifier().notify().map_err(|e| e.to_string())?;
                }
            }
            _ if self.handles.is_empty() => {}
            what => return self.apply_to(op.on % self.handles.len(), what),
        }
        Ok(())
    }

    fn apply_to(&mut self, on: usize, what: What) -> Result<(), Divergence> {
        let end = self.handles[on].end;
        match what {
            What::OpenSockets | What::OpenPipe | What::Notify => {}
            What::Duplicate => {
                let fd = self.handles[on].fd.try_clone().expect("a handle is free");
                self.note_of(on, format_args!("duplicate as fd {}", fd.as_raw_fd()));
                self.model.ends[end].handles += 1;
                self.add(fd, end);
            }
            What::Close => self.close(on)?,
            What::Register(key, interest) => {
                self.note_of(on, format_args!("register {key} {interest:?}"));
                let handle = &mut self.handles[on];
                let expected = match handle.registered {
                    None => {
                        handle.registered = Some((key, interest));
                        Ok(())
                    }
                    Some(_) => Err(ErrorKind::AlreadyExists),
                };
                self.each_selector(
                    expected,
                    |selector, fd| selector.register(fd, key, interest),
                    on,
                )?;
            }
            What::Modify(key, interest) => {
                self.note_of(on, format_args!("modify {key} {interest:?}"));
                let handle = &mut self.handles[on];
                let expected = match &mut handle.registered {
                    Some(registered) => {
                        *registered = (key, interest);
                        Ok(())
                    }
                    None => Err(ErrorKind::NotFound),
                };
                self.each_selector(
                    expected,
                    |selector, fd| selector.modify(fd, key, interest),
                    on,
                )?;
            }
            What::Deregister => self.deregister(on)?,
            What::Write(bytes) => {
                // So few and so short writes that there is room whatever a kernel adds to them.
                if self.model.may_write(end) && self.model.ends[peer(end)].writes < 16 {
                    self.write(on, bytes)?;
                }
            }
            What::Fill => {
                if self.model.may_write(end) && !self.model.ends[peer(end)].is_full {
                    while self.write(on, ZEROS.len())? {}
                    self.model.ends[peer(end)].is_full = true;
                }
            }
            What::Read(bytes) => {
                // With a few bytes less a full channel may have room, or not: drain it.
                let bytes = if self.model.ends[end].is_full {
                    usize::MAX
                } else {
                    bytes
                };
                self.read(on, bytes)?;
            }
            What::Drain => self.read(on, usize::MAX)?,
            What::Shut { read, write } => {
                if self.model.ends[end].kind == Kind::Socket {
                    let how = match (read, write) {
                        (true, true) => Shutdown::Both,
                        (true, false) => Shutdown::Read,
                        _ => Shutdown::Write,
                    };
                    self.note_of(on, format_args!("shut down {how:?}"));
                    let fd = self.handles[on].fd.try_clone().expect("a handle is free");
                    UnixStream::from(fd)
                        .shutdown(how)
                        .map_err(|e| e.to_string())?;
                    self.model.shut(end, read, write);
                }
            }
        }
        Ok(())
    }

    // What the operations do

    fn open_sockets(&mut self) {
        let (a, b) = UnixStream::pair().expect("two handles are free");
        self.open([Kind::Socket; 2], [a.into(), b.into()]);
    }

    fn open_pipe(&mut self) {
        let (from, into) = pipe().expect("two handles are free");
        self.open(
            [Kind::PipeReader, Kind::PipeWriter],
            [from.into(), into.into()],
        );
    }

    fn open(&mut self, kinds: [Kind; 2], fds: [OwnedFd; 2]) {
        let first = self.model.open(kinds);
        for (end, fd) in (first..).zip(fds) {
            ioctl_fionbio(&fd, true).expect("sockets and pipes know O_NONBLOCK");
            self.note(format_args!(
                "fd {} is {:?} {end}",
                fd.as_raw_fd(),
                kinds[end - first]
            ));
            self.add(fd, end);
        }
    }

    fn add(&mut self, fd: OwnedFd, end: usize) {
        self.handles.push(Handle {
            fd,
            end,
            registered: None,
        });
    }

    fn deregister(&mut self, on: usize) -> Result<(), Divergence> {
        self.note_of(on, format_args!("deregister"));
        let expected = match self.handles[on].registered.take() {
            Some(_) => Ok(()),
            None => Err(ErrorKind::NotFound),
        };
        self.each_selector(expected, |selector, fd| selector.deregister(fd), on)
    }

    fn close(&mut self, on: usize) -> Result<(), Divergence> {
        if self.handles[on].registered.is_some() {
            self.deregister(on)?;
        }
        self.note_of(on, format_args!("close"));
        let handle = self.handles.swap_remove(on);
        self.model.close(handle.end);
        Ok(())
    }

    /// Writes once. Whether there was room.
    fn write(&mut self, on: usize, bytes: usize) -> Result<bool, Divergence> {
        let end = self.handles[on].end;
        let result = write(&self.handles[on].fd, &ZEROS[..bytes]);
        self.note_of(on, format_args!("write {bytes} bytes: {result:?}"));
        match result {
            Ok(written) => {
                self.model.wrote(end, written);
                Ok(true)
            }
            // A long write does not fit where short ones would, and none where it is full.
            Err(Errno::AGAIN) if bytes > 8 || self.model.ends[peer(end)].is_full => Ok(false),
            Err(error) => Err(format!("the model expected to write, not {error}")),
        }
    }

    /// Reads so many bytes, or less if there are no more.
    fn read(&mut self, on: usize, most: usize) -> Result<(), Divergence> {
        let end = self.handles[on].end;
        if self.model.ends[end].kind == Kind::PipeWriter {
            return Ok(());
        }
        let mut buffer = [0; 16_384];
        let mut left = most.min(self.model.ends[end].unread);
        self.note_of(on, format_args!("read {left} bytes"));
        while left > 0 {
            let most = left.min(buffer.len());
            match read(&self.handles[on].fd, &mut buffer[..most]) {
                Ok(0) => return Err(format!("the model knows of {left} bytes more")),
                Ok(bytes) => {
                    left -= bytes;
                    self.model.read(end, bytes);
                }
                // The peer was closed before it had read everything: said once.
                Err(Errno::CONNRESET) => {}
                Err(error) => return Err(format!("the model expected to read, not {error}")),
            }
        }
        Ok(())
    }

    /// Does the same with all selectors, which must all answer what the model says.
    fn each_selector(
        &mut self,
        expected: Result<(), ErrorKind>,
        mut call: impl FnMut(&mut Selector, std::os::fd::BorrowedFd<'_>) -> std::io::Result<()>,
        on: usize,
    ) -> Result<(), Divergence> {
        let fd = self.handles[on].fd.as_fd();
        for selector in &mut self.selectors {
            let result = call(selector, fd);
            if result.as_ref().map(|&()| ()).map_err(|error| error.kind()) != expected {
                let backend = selector.backend();
                return Err(format!("{backend} says {result:?}, the model {expected:?}"));
            }
        }
        Ok(())
    }

    // What is compared

    /// Asks all selectors what is ready.
    fn compare(&mut self) -> Result<(), Divergence> {
        let mut expected = Vec::<Found>::new();
        let mut found = Vec::<Found>::new();
        for selector in &mut self.selectors {
            let backend = selector.backend();
            expected.clear();
            for handle in &self.handles {
                if let Some((key, interest)) = handle.registered {
                    let (readable, writable) = self.model.readiness(handle.end, interest, backend);
                    if readable || writable {
                        expected.push((key, readable, writable));
                    }
                }
            }
            expected.sort_unstable();

            // Where something must be found, it must end a wait.
            let must_end = self.is_notified || !expected.is_empty();
            let timeout = if must_end { PATIENCE } else { Duration::ZERO };
            let start = Instant::now();
            let result = selector.select(&mut self.events, Some(timeout));
            result.map_err(|error| format!("{backend} says {error}"))?;
            if must_end && start.elapsed() >= PATIENCE {
                return Err(format!("{backend} does not end a wait, for {expected:?}"));
            }
            found.clear();
            let as_found = |event: &Event| (event.key, event.readable, event.writable);
            found.extend(self.events.iter().map(as_found));
            found.sort_unstable();
            if found != expected {
                return Err(format!("{backend} finds {found:?}, the model {expected:?}"));
            }
            let registered = self
                .handles
                .iter()
                .filter(|handle| handle.registered.is_some());
            if selector.len() != registered.count() {
                return Err(format!("{backend} has {} registered", selector.len()));
            }
        }
        self.is_notified = false;
        Ok(())
    }

    fn note(&mut self, what: std::fmt::Arguments<'_>) {
        if let Some(story) = &mut self.story {
            let _ = writeln!(story, "{what}");
        }
    }

    fn note_of(&mut self, on: usize, what: std::fmt::Arguments<'_>) {
        let fd = self.handles[on].fd.as_raw_fd();
        self.note(format_args!("fd {fd}: {what}"));
    }
}

/// How long a select may take that has something to report.
const PATIENCE: Duration = Duration::from_secs(1);

/// What is written.
static ZEROS: [u8; 65_536] = [0; 65_536];
