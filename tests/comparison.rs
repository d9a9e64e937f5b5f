//! The comparison of select, poll, epoll and kqueue in `guide/comparison.md`: each cell proved here,
//! by what the kernel is given, what it answers and what it refuses, and not by a clock.

#![cfg(target_os = "linux")] // The figures are Linux's, and there is no kqueue to ask.
#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod common;
#[path = "common/loopback.rs"]
mod loopback;

use std::fs;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use common::{child, deadline, is_child, turn};
use loopback::{lower_file_limit, raise_file_limit};
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{
    FdSetElement, PollFd, PollFlags, Timespec, fd_set_insert, fd_set_num_elements,
};
use rustix::io::{Errno, fcntl_dupfd_cloexec};
use selio::selector::{Backend, Interest, Selector};

const PATIENCE: Duration = Duration::from_secs(60);

/// How many sockets are ready, however many there are.
const READY: usize = 5;

/// C's `FD_SETSIZE`.
const FD_SETSIZE: RawFd = 1024;

const NOW: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

/// So many sockets, the last few of which have something to read.
struct Sockets {
    all: Vec<OwnedFd>,
    _peers: [UnixStream; 2],
}

impl Sockets {
    fn new(count: usize) -> Self {
        let (silent, silent_peer) = UnixStream::pair().unwrap();
        let (ready, mut ready_peer) = UnixStream::pair().unwrap();
        ready_peer.write_all(b"!").unwrap();
        let copy = |place| {
            let original = if place < count - READY {
                &silent
            } else {
                &ready
            };
            fcntl_dupfd_cloexec(original, 3).unwrap()
        };
        Self {
            all: (0..count).map(copy).collect(),
            _peers: [silent_peer, ready_peer],
        }
    }

    fn highest(&self) -> RawFd {
        self.all.iter().map(AsRawFd::as_raw_fd).max().unwrap()
    }
}

/// Bytes that one call hands to the kernel, and bytes that come back.
type Bytes = (usize, usize);

/// Asks select(2).
#[expect(unsafe_code, reason = "rustix marks select as unsafe")]
fn ask_select(sockets: &Sockets) -> (Result<usize, Errno>, Bytes) {
    let bound = sockets.highest() + 1;
    let mut set = vec![FdSetElement::default(); fd_set_num_elements(0, bound)];
    for socket in &sockets.all {
        fd_set_insert(&mut set, socket.as_raw_fd());
    }
    let mut write = vec![FdSetElement::default(); set.len()];
    let bytes = 2 * size_of_val(&*set);
    // SAFETY: nothing is read, written or closed through the numbers.
    let found =
        unsafe { rustix::event::select(bound, Some(&mut set), Some(&mut write), None, Some(&NOW)) };
    (found.map(|it| it as usize), (bytes, bytes))
}

/// Asks poll(2).
fn ask_poll(sockets: &Sockets) -> (Result<usize, Errno>, Bytes) {
    let mut list: Vec<_> = (sockets.all.iter())
        .map(|socket| PollFd::new(socket, PollFlags::IN))
        .collect();
    let found = rustix::event::poll(&mut list, Some(&NOW));
    let answers = list.len() * size_of::<PollFlags>();
    (found, (size_of_val(&*list), answers))
}

/// Asks epoll_wait(2), which has room for exactly as many answers as there are.
fn ask_epoll(sockets: &Sockets) -> (Result<usize, Errno>, Bytes) {
    let epoll = epoll::create(CreateFlags::CLOEXEC).unwrap();
    for socket in &sockets.all {
        let data = EventData::new_u64(socket.as_raw_fd() as u64);
        epoll::add(&epoll, socket, data, EventFlags::IN).unwrap();
    }
    let mut events: Vec<epoll::Event> = Vec::with_capacity(READY);
    let room = rustix::buffer::spare_capacity(&mut events);
    let found = epoll::wait(&epoll, room, Some(&NOW));
    (found, (0, size_of_val(&*events)))
}

/// A row of a table of the guide.
fn assert_guide_says(cells: &[String]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("guide/comparison.md");
    let guide = fs::read_to_string(path).unwrap();
    let row = format!("| {} |", cells.join(" | "));
    assert!(guide.lines().any(|line| line == row), "missing:\n{row}");
}

fn thousands(number: usize) -> String {
    match number {
        0..1_000 => number.to_string(),
        _ => format!("{},{:03}", number / 1_000, number % 1_000),
    }
}

#[test]
fn what_a_call_hands_to_the_kernel_grows_with_all_sockets_or_with_the_ready_ones() {
    let _turn = turn();
    let limit = raise_file_limit();
    deadline(PATIENCE, || {
        for count in [10, 100, 1_000, 10_000] {
            if limit < count + 100 {
                eprintln!("not with {count} sockets: this process may have {limit} files");
                continue;
            }
            let sockets = Sockets::new(count);
            let mut cells = vec![thousands(count)];
            if sockets.highest() < FD_SETSIZE {
                let (found, (question, answer)) = ask_select(&sockets);
                assert_eq!((found, answer), (Ok(READY), question));
                cells.push(thousands(question));
            } else {
                cells.push("refused".to_owned());
            }
            let (found, (question, answer)) = ask_poll(&sockets);
            assert_eq!((found, answer), (Ok(READY), 2 * count));
            cells.push(thousands(question));
            let (found, (question, answer)) = ask_epoll(&sockets);
            let event = if cfg!(target_arch = "x86_64") { 12 } else { 16 };
            assert_eq!((found, answer), (Ok(READY), event * READY));
            cells.push(thousands(question));
            assert_guide_says(&cells);
        }
    });
}

#[test]
fn select_and_poll_look_at_every_socket_even_when_the_first_is_ready() {
    let _turn = turn();
    let (ready, mut peer) = UnixStream::pair().unwrap();
    peer.write_all(b"!").unwrap();
    // The last one is closed: whoever has seen that has looked at it.
    let closed = fcntl_dupfd_cloexec(&ready, 900).unwrap();
    let number = closed.as_raw_fd();
    for backend in [Backend::Poll, Backend::Select] {
        let closed = fcntl_dupfd_cloexec(&ready, number + 1).unwrap();
        let mut selector = Selector::with_backend(backend).unwrap();
        selector.register(&ready, 1, Interest::READABLE).unwrap();
        selector.register(&closed, 2, Interest::READABLE).unwrap();
        drop(closed);
        let mut events = Vec::new();
        selector.select(&mut events, None).unwrap();
        assert!(events.iter().any(|event| event.key == 2), "{backend}");
    }
}

#[test]
fn select_holds_the_numbers_below_1024_and_the_others_hold_all() {
    let _turn = turn();
    if raise_file_limit() < 1_100 {
        return eprintln!("not here: this process may not have 1,100 files");
    }
    let (socket, _peer) = UnixStream::pair().unwrap();
    let at = |number| {
        let copy = fcntl_dupfd_cloexec(&socket, number).unwrap();
        assert_eq!(copy.as_raw_fd(), number);
        copy
    };
    let (last, first_beyond) = (at(FD_SETSIZE - 1), at(FD_SETSIZE));
    for &backend in Backend::available() {
        let mut selector = Selector::with_backend(backend).unwrap();
        selector.register(&last, 1, Interest::READABLE).unwrap();
        let result = selector.register(&first_beyond, 2, Interest::READABLE);
        match result {
            Err(error) if backend == Backend::Select => {
                assert_eq!(error.kind(), io::ErrorKind::Unsupported);
                assert!(error.to_string().contains("below 1024"), "{error}");
            }
            result => assert!(result.is_ok() && backend != Backend::Select, "{backend}"),
        }
    }
}

#[test]
fn poll_takes_as_many_entries_as_the_process_may_have_files() {
    let name = "poll_takes_as_many_entries_as_the_process_may_have_files";
    if !is_child() {
        let _turn = turn();
        assert!(
            deadline(PATIENCE, || child(name).status())
                .unwrap()
                .success()
        );
        return;
    }
    lower_file_limit(64);
    let (socket, _peer) = UnixStream::pair().unwrap();
    let poll = |entries| {
        let mut list = vec![PollFd::new(&socket, PollFlags::OUT); entries];
        rustix::event::poll(&mut list, Some(&NOW))
    };
    assert_eq!(poll(64), Ok(64));
    assert_eq!(poll(65), Err(Errno::INVAL));
}

#[test]
fn epoll_has_a_limit_of_its_own_that_is_far_above_the_usual_one_of_files() {
    let limit = fs::read_to_string("/proc/sys/fs/epoll/max_user_watches").unwrap();
    let limit: u64 = limit.trim().parse().unwrap();
    assert!(limit > 100_000, "{limit}");
}

#[test]
fn linux_has_all_but_kqueue() {
    let available = Backend::available();
    for backend in [Backend::Epoll, Backend::Poll, Backend::Select] {
        assert!(available.contains(&backend), "{backend}");
    }
    let error = Selector::<usize>::with_backend(Backend::Kqueue).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::Unsupported);
}
