//! What a selector promises, claim by claim, on every backend.
//!
//! `selector_model.rs` asks the same questions at random; here stands what a person wants to look
//! up: the errors, the timeouts, the notifier, and what becomes of handles that end badly.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::fs::File;
use std::io::{self, ErrorKind, Read, Write, pipe};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use common::{child, cpu_time, deadline, each_backend, is_child, open_fds, turn};
use rustix::io::{Errno, fcntl_dupfd_cloexec, ioctl_fionbio};
use selio::selector::{Backend, Event, Interest, Registration, Selector};

const BOTH: Interest = Interest::BOTH;
const READABLE: Interest = Interest::READABLE;
const WRITABLE: Interest = Interest::WRITABLE;

/// A number that no handle of this process gets by itself, and that `select` can still hold.
const CHOSEN: RawFd = 900;

fn selector(backend: Backend) -> Selector {
    Selector::with_backend(backend).expect("the backend is available")
}

/// Two connected sockets that do not block.
fn pair() -> (UnixStream, UnixStream) {
    let (a, b) = UnixStream::pair().unwrap();
    a.set_nonblocking(true).unwrap();
    b.set_nonblocking(true).unwrap();
    (a, b)
}

/// Two connected TCP sockets.
fn tcp_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

/// Writes until there is no more room.
fn fill(into: impl AsFd) {
    ioctl_fionbio(&into, true).unwrap();
    loop {
        match rustix::io::write(&into, &[0; 65_536]) {
            Ok(_) => {}
            Err(Errno::AGAIN) => return,
            Err(error) => panic!("{error}"),
        }
    }
}

/// The same file under the number [`CHOSEN`] only.
fn chosen(handle: impl Into<OwnedFd>) -> OwnedFd {
    let fd = fcntl_dupfd_cloexec(handle.into(), CHOSEN).unwrap();
    assert_eq!(fd.as_raw_fd(), CHOSEN, "somebody else has this number");
    fd
}

/// What is ready now, in the order of the keys.
fn ready(selector: &mut Selector) -> Vec<Event> {
    let mut events = Vec::new();
    selector.select(&mut events, Some(Duration::ZERO)).unwrap();
    events.sort_by_key(|event| event.key);
    events
}

fn event(key: usize, interest: Interest) -> Event {
    Event {
        key,
        readable: interest.is_readable(),
        writable: interest.is_writable(),
    }
}

// What is ready

#[test]
fn a_ready_handle_is_reported_until_it_is_read() {
    each_backend(|backend| {
        let mut selector = selector(backend);
        let (mut a, mut b) = pair();
        selector.register(&b, 7, READABLE).unwrap();
        assert_eq!(ready(&mut selector), []);

        a.write_all(b"xy").unwrap();
        let mut byte = [0];
        for _ in 0..2 {
            assert_eq!(ready(&mut selector), [event(7, READABLE)]);
            assert_eq!(ready(&mut selector), [event(7, READABLE)]);
            b.read_exact(&mut byte).unwrap();
        }
        assert_eq!(ready(&mut selector), []);
    });
}

#[test]
fn one_event_tells_both_directions() {
    each_backend(|backend| {
        let mut selector = selector(backend);
        let (mut a, b) = pair();
        a.write_all(b"x").unwrap();
        selector.register(&b, 7, BOTH).unwrap();
        assert_eq!(ready(&mut selector), [event(7, BOTH)]);
    });
}

#[test]
fn who_asks_for_one_direction_is_not_told_of_the_other() {
    each_backend(|backend| {
        let mut selector = selector(backend);
        let (a, b) = pair();
        selector.register(&b, 7, READABLE).unwrap();
        assert_eq!(ready(&mut selector), []);
        drop(a); // a hang-up: ready in both
        assert_eq!(ready(&mut selector), [event(7, READABLE)]);
        selector.modify(&b, 7, WRITABLE).unwrap();
        assert_eq!(ready(&mut selector), [event(7, WRITABLE)]);
        selector.deregister(&b).unwrap();
        assert_eq!(ready(&mut selector), []);
    });
}

#[test]
fn the_event_list_is_replaced() {
    each_backend(|backend| {
        let mut selector = selector(backend);
        let (mut a, b) = pair();
        a.write_all(b"x").unwrap();
        selector.register(&b, 7, READABLE).unwrap();
        let mut events = vec![event(1, BOTH); 3];
        for _ in 0..3 {
            selector.select(&mut events, None).unwrap();
            assert_eq!(events, [event(7, READABLE)]);
        }
        selector.deregister(&b).unwrap();
        selector.select(&mut events, Some(Duration::ZERO)).unwrap();
        assert_eq!(events, []);
    });
}

#[test]
fn a_listener_is_readable_when_somebody_has_come() {
    each_backend(|backend| {
        let mut selector = selector(backend);
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        selector.register(&listener, 7, READABLE).unwrap();
        assert_eq!(ready(&mut selector), []);
        let _client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let mut events = Vec::new();
        selector.select(&mut events, None).unwrap();
        assert_eq!(events, [event(7, READABLE)]);
    });
}

#[test]
fn files_are_always_ready() {
    each_backend(|backend| {
        let mut selector = selector(backend);
        let file = File::open(std::env::current_exe().unwrap()).unwrap();
        let null = File::options()
            .read(true)
            .write(true)
            .open("/dev/null")
            .unwrap();
        selector.register(&file, 1, READABLE).unwrap();
        selector.register(&null, 2, WRITABLE).unwrap();
        let (mut a, b) = pair();
        selector.register(&b, 3, READABLE).unwrap();
        let files = [event(1, READABLE), event(2, WRITABLE)];
        assert_eq!(ready(&mut selector), files);
        let mut events = Vec::new();
        selector.select(&mut events, None).unwrap();
        assert_eq!(events.len(), 2);

        // They neither delay nor hide the others.
        a.write_all(b"x").unwrap();
        selector.select(&mut events, None).unwrap();
        assert_eq!(events.len(), 3);

        selector.modify(&null, 4, BOTH).unwrap();
        selector.deregister(&file).unwrap();
        selector.deregister(&b).unwrap();
        assert_eq!(ready(&mut selector), [event(4, BOTH)]);
        selector.deregister(&null).unwrap();
        assert_waits(&mut selector);
    });
}

#[test]
fn five_thousand_ready_handles_are_all_served_within_a_few_selects() {
    each_backend(|backend| {
        if backend == Backend::Select {
            return; // It cannot hold so many.
        }
        raise_the_limit_of_handles();
        let mut selector = selector(backend);
        let (a, mut b) = pair();
        (&a).write_all(b"x").unwrap();
        let handles: Vec<_> = (0..5_000)
            .map(|_| fcntl_dupfd_cloexec(&a, 0).unwrap())
            .collect();
        for (key, handle) in handles.iter().enumerate() {
            selector.register(handle, key, WRITABLE).unwrap();
        }
        let mut seen = vec![0; handles.len()];
        let mut events = Vec::new();
        for _ in 0..6 {
            selector.select(&mut events, None).unwrap();
            for event in &events {
                seen[event.key] += 1;
            }
        }
        assert!(seen.iter().all(|&times| times > 0));

        // Nor do they shut out a notification.
        selector.notifier().notify().unwrap();
        fill(&a);
        selector.select(&mut events, None).unwrap();
        assert_eq!(events, []);

        // What became ready in the meantime is told, of all of them.
        io::copy(&mut b, &mut io::sink()).unwrap_err();
        seen.fill(0);
        for _ in 0..6 {
            selector.select(&mut events, None).unwrap();
            for event in &events {
                seen[event.key] += 1;
            }
        }
        assert!(seen.iter().all(|&times| times > 0));
    });
}

/// Some systems allow a process only 256 or 1,024 handles unless it asks for more.
fn raise_the_limit_of_handles() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let current = limit.maximum.map_or(16_384, |maximum| maximum.min(16_384));
    if limit.current.is_some_and(|old| old < current) {
        let current = Some(current);
        setrlimit(Resource::Nofile, Rlimit { current, ..limit }).unwrap();
    }
}

/// A kqueue tells of what is left to read, so that `tail -f` can wait for more.
#[test]
fn a_file_that_was_read_to_its_end_is_readable() {
    each_backend(|backend| {
        let mut selector = selector(backend);
        let mut file = File::open(std::env::current_exe().unwrap()).unwrap();
        file.read_to_end(&mut Vec::new()).unwrap();
        selector.register(&file, 7, READABLE).unwrap();
        assert_eq!(ready(&mut selector), [event(7, READABLE)]);
        assert_eq!(ready(&mut selector), [event(7, READABLE)]);
    });
}

// Hang-ups and errors

/// mio#582: the kqueue of some systems refuses to watch it, and the `polling` crate does not tell.
#[test]
fn a_full_pipe_whose_reader_is_gone_is_writable() {
    each_backend(|backend| {
        let mut selector = selector(backend);
        let (reader, writer) = pipe().unwrap();
        fill(&writer);
        selector.register(&writer, 7, WRITABLE).unwrap();
        assert_eq!(ready(&mut selector), []);
        selector.deregister(&writer).unwrap();

        drop(reader);
        for key in [8, 9] {
            selector.register(&writer, key, WRITABLE).unwrap();
            assert_eq!(ready(&mut selector), [event(key, WRITABLE)]);
            assert_eq!(ready(&mut selector), [event(key, WRITABLE)]);
            selector.deregister(&writer).unwrap();
            assert_eq!(ready(&mut selector), []);
        }
    });
}

#[test]
fn a_hang_up_reaches_a_reader() {
    each_backend(|backend| {
        let mut selector = selector(backend);
        let (from, into) = pipe().unwrap();
        selector.register(&from, 7, READABLE).unwrap();
        assert_eq!(ready(&mut selector), []);
        drop(into);
        assert_eq!(ready(&mut selector), [event(7, READABLE)]);
        assert_eq!((&from).read(&mut [0]).unwrap(), 0);
    });
}

#[test]
fn a_hang_up_reaches_a_writer() {
    each_backend(|backend| {
        let mut selector = selector(backend);
        let (from, into) = pipe().unwrap();
        fill(&into);
        let (a, mut b) = pair();
        fill(&b);
        selector.register(&into, 1, WRITABLE).unwrap();
        selector.register(&b, 2, WRITABLE).unwrap();
        assert_eq!(ready(&mut selector), []);
        drop(from);
        assert_eq!(ready(&mut selector), [event(1, WRITABLE)]);
        drop(a);
        let both = [event(1, WRITABLE), event(2, WRITABLE)];
        assert_eq!(ready(&mut selector), both);
        assert_eq!(b.write(b"x").unwrap_err().kind(), ErrorKind::BrokenPipe);
    });
}

#[test]
fn the_last_bytes_come_before_the_hang_up() {
    each_backend(|backend| {
        let mut selector = selector(backend);
        let (mut a, mut b) = pair();
        selector.register(&b, 7, READABLE).unwrap();
        a.write_all(b"bye").unwrap();
        drop(a);
        assert_eq!(ready(&mut selector), [event(7, READABLE)]);
        let mut all = String::new();
        b.read_to_string(&mut all).unwrap();
        assert_eq!(all, "bye");
        assert_eq!(ready(&mut selector), [event(7, READABLE)]);
    });
}

#[test]
fn a_half_close_is_for_the_reader_only() {
    each_backend(|backend| {
        let mut selector = selector(backend);
        let (a, mut b) = pair();
        fill(&b);
        selector.register(&b, 7, BOTH).unwrap();
        assert_eq!(ready(&mut selector), []);
        a.shutdown(std::net::Shutdown::Write).unwrap();
        // There is the end of the stream to read, and still no room to write.
        assert_eq!(ready(&mut selector), [event(7, READABLE)]);
        assert_eq!(b.read(&mut [0]).unwrap(), 0);
        selector.modify(&b, 7, WRITABLE).unwrap();
        assert_waits(&mut selector);
    });
}

#[test]
fn a_reset_reaches_readers_and_writers() {
    each_backend(|backend| {
        for interest in [READABLE, WRITABLE, BOTH] {
            let mut selector = selector(backend);
            let (a, b) = tcp_pair();
            fill(&b);
            selector.register(&b, 7, interest).unwrap();
            rustix::net::sockopt::set_socket_linger(&a, Some(Duration::ZERO)).unwrap();
            drop(a);
            let mut events = Vec::new();
            selector.select(&mut events, None).unwrap();
            assert_eq!(events, [event(7, interest)]);
            let error = (&b).read(&mut [0]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
        }
    });
}

/// The one thing in which the mechanisms differ on Linux: a stream that was shut down in both
/// directions, with bytes on the way that nobody has taken, hangs up without having room. epoll(7)
/// and poll(2) tell a writer; select(2) keeps hang-ups out of its write set.
#[cfg(target_os = "linux")]
#[test]
fn a_hang_up_without_room_reaches_writers_except_with_select() {
    each_backend(|backend| {
        let mut selector = selector(backend);
        let (a, b) = pair();
        fill(&b);
        selector.register(&b, 7, BOTH).unwrap();
        a.shutdown(std::net::Shutdown::Both).unwrap();
        let told = match backend {
            Backend::Select => READABLE,
            _ => BOTH,
        };
        assert_eq!(ready(&mut selector), [event(7, told)]);
    });
}

/// A read would wait: the urgent byte does not stand in the stream. (The `polling` crate asks for
/// urgent data together with reading, and does not tell them apart afterwards.)
#[test]
fn urgent_data_is_not_readability() {
    use rustix::net::{SendFlags, send};
    each_backend(|backend| {
        let mut selector = selector(backend);
        let (mut a, b) = tcp_pair();
        send(&a, b"!", SendFlags::OOB).unwrap();
        a.write_all(b"x").unwrap();
        selector.register(&b, 7, READABLE).unwrap();
        let mut events = Vec::new();
        selector.select(&mut events, None).unwrap();
        assert_eq!((&b).read(&mut [0; 8]).unwrap(), 1);
        if backend != Backend::Polling {
            assert_eq!(ready(&mut selector), []);
        }
    });
}

// What is registered

#[test]
fn a_second_registration_is_refused_and_the_first_stays() {
    each_backend(|backend| {
        let mut selector = selector(backend);
        let (mut a, b) = pair();
        let null = File::open("/dev/null").unwrap();
        selector.register(&b, 1, READABLE).unwrap();
        selector.register(&null, 2, READABLE).unwrap();
        for fd in [b.as_fd(), null.as_fd()] {
            let error = selector.register(fd, 9, WRITABLE).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AlreadyExists);
            assert!(error.to_string().contains("Selector::register"), "{error}");
        }
        assert_eq!(selector.len(), 2);
        a.write_all(b"x").unwrap();
        let both = [event(1, READABLE), event(2, READABLE)];
        assert_eq!(ready(&mut selector), both);
    });
}

#[test]
fn who_is_not_registered_is_not_found() {
    each_backend(|backend| {
        let mut selector = selector(backend);
        let (a, b) = pair();
        selector.register(&a, 7, READABLE).unwrap();
        for _ in 0..2 {
            let modify = selector.modify(&b, 7, READABLE).unwrap_err();
            let deregister = selector.deregister(&b).unwrap_err();
            for error in [modify, deregister] {
                assert_eq!(error.kind(), ErrorKind::NotFound);
                assert!(error.to_string().contains("register it first"), "{error}");
            }
            assert_eq!(selector.registration(&b), None);
            // Nor is one that was.
            selector.register(&b, 8, READABLE).unwrap();
            selector.deregister(&b).unwrap();
        }
        assert_eq!(selector.len(), 1);
    });
}

#[test]
fn modify_changes_the_key_and_the_interest() {
    each_backend(|backend| {
        let mut selector = selector(backend);
        let (a, _b) = pair();
        selector.register(&a, 1, READABLE).unwrap();
        assert_eq!(ready(&mut selector), []);
        selector.modify(&a, 2, WRITABLE).unwrap();
        assert_eq!(ready(&mut selector), [event(2, WRITABLE)]);
        selector.modify(&a, 3, WRITABLE).unwrap();
        assert_eq!(ready(&mut selector), [event(3, WRITABLE)]);
        selector.modify(&a, 4, READABLE).unwrap();
        assert_eq!(ready(&mut selector), []);
        assert_eq!(selector.len(), 1);
    });
}

#[test]
fn who_is_not_asked_about_costs_nothing() {
    each_backend(|backend| {
        let mut selector = selector(backend);
        let (mut a, b) = pair();
        a.write_all(b"x").unwrap();
        fill(&b);
        // Ready for what nobody asks any more.
        for (key, fd) in [a.as_fd(), b.as_fd()].into_iter().enumerate() {
            selector.register(fd, key, BOTH).unwrap();
        }
        assert_eq!(ready(&mut selector).len(), 2);
        selector.modify(&b, 1, WRITABLE).unwrap();
        selector.deregister(&a).unwrap();
        assert_waits(&mut selector);

        // Not even the hang-up that cannot be masked.
        selector.register(&a, 0, BOTH).unwrap();
        selector.deregister(&b).unwrap();
        drop(b);
        assert_eq!(ready(&mut selector), [event(0, BOTH)]);
        selector.deregister(&a).unwrap();
        assert_waits(&mut selector);
    });
}

#[test]
fn registrations_are_listed_in_the_order_of_their_numbers() {
    each_backend(|backend| {
        let mut selector = selector(backend);
        assert!(selector.is_empty());
        let (a, b) = pair();
        let null = File::open("/dev/null").unwrap();
        let mut expected = Vec::new();
        for (key, (fd, interest)) in [
            (b.as_fd(), READABLE),
            (null.as_fd(), WRITABLE),
            (a.as_fd(), BOTH),
        ]
        .into_iter()
        .enumerate()
        {
            selector.register(fd, key, interest).unwrap();
            let registration = Registration {
                fd: fd.as_raw_fd(),
                key,
                interest,
            };
            assert_eq!(selector.registration(fd), Some(registration));
            expected.push(registration);
        }
        expected.sort_by_key(|registration| registration.fd);
        assert_eq!(selector.registrations().collect::<Vec<_>>(), expected);
        assert_eq!(selector.len(), 3);

        for fd in [a.as_fd(), b.as_fd(), null.as_fd()] {
            selector.deregister(fd).unwrap();
        }
        assert!(selector.is_empty());
        assert_eq!(selector.registrations().next(), None);
    });
}

#[test]
fn high_numbers_are_refused_by_select_only() {
    each_backend(|backend| {
        raise_the_limit_of_handles();
        let mut selector = selector(backend);
        let (mut a, b) = pair();
        a.write_all(b"x").unwrap();
        for number in [1_023, 1_024, 5_000] {
            let high = fcntl_dupfd_cloexec(&b, number).unwrap();
            assert_eq!(high.as_raw_fd(), number);
            if backend == Backend::Select && number >= 1_024 {
                let error = selector.register(&high, 7, READABLE).unwrap_err();
                assert!(error.to_string().contains("below 1024"), "{error}");
                assert!(error.to_string().contains("poll"), "{error}");
                assert_eq!(
                    selector.modify(&high, 7, READABLE).unwrap_err().kind(),
                    ErrorKind::NotFound
                );
                assert!(selector.is_empty());
                assert_eq!(ready(&mut selector), []);
            } else {
                selector.register(&high, 7, READABLE).unwrap();
                assert_eq!(ready(&mut selector), [event(7, READABLE)]);
                selector.deregister(&high).unwrap();
            }
        }
    });
}

#[test]
fn two_handles_of_one_file_are_registered_by_themselves() {
    each_backend(|backend| {
        let mut selector = selector(backend);
        let (mut a, b) = pair();
        let again = b.try_clone().unwrap();
        a.write_all(b"x").unwrap();
        selector.register(&b, 1, READABLE).unwrap();
        selector.register(&again, 2, BOTH).unwrap();
        assert_eq!(ready(&mut selector), [event(1, READABLE), event(2, BOTH)]);
        selector.deregister(&b).unwrap();
        drop(b);
        assert_eq!(ready(&mut selector), [event(2, BOTH)]);
    });
}

// Handles that are closed too early

/// A handle opened with `O_PATH` stands for a closed one, which no safe program has at hand: the
/// kernel does not let it be watched either.
#[cfg(target_os = "linux")]
#[test]
fn a_handle_that_cannot_be_watched_is_refused() {
    use rustix::fs::{Mode, OFlags, open};
    each_backend(|backend| {
        let mut selector = selector(backend);
        let path = open("/", OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).unwrap();
        let error = selector.register(&path, 7, READABLE).unwrap_err();
        let message = error.to_string();
        assert!(message.contains("Selector::register: fd "), "{message}");
        assert!(message.contains("Bad file descriptor"), "{message}");
        assert!(selector.is_empty());
        assert_eq!(ready(&mut selector), []);
    });
}

#[test]
fn a_handle_closed_behind_our_back_is_reported_at_most_once() {
    each_backend(|backend| {
        let mut selector = selector(backend);
        let (_a, b) = pair();
        let (c, mut d) = pair();
        selector.register(&c, 1, READABLE).unwrap();
        let b = chosen(b);
        selector.register(&b, 7, READABLE).unwrap();
        assert_eq!(ready(&mut selector), []);
        drop(b);

        let told = ready(&mut selector);
        assert!(told.is_empty() || told == [event(7, READABLE)], "{told:?}");
        assert_waits(&mut selector);

        // The others are served as before.
        d.write_all(b"x").unwrap();
        assert_eq!(ready(&mut selector), [event(1, READABLE)]);
    });
}

#[test]
fn a_file_closed_behind_our_back_is_reported_at_most_once() {
    each_backend(|backend| {
        let mut selector = selector(backend);
        let null = chosen(File::open("/dev/null").unwrap());
        selector.register(&null, 7, READABLE).unwrap();
        assert_eq!(ready(&mut selector), [event(7, READABLE)]);
        drop(null);
        let told = ready(&mut selector);
        assert!(told.is_empty() || told == [event(7, READABLE)], "{told:?}");
        assert_waits(&mut selector);
    });
}

#[test]
fn the_number_of_a_closed_handle_can_be_registered_again() {
    for has_noticed in [true, false] {
        each_backend(|backend| {
            let mut selector = selector(backend);
            let (_a, b) = pair();
            let b = chosen(b);
            selector.register(&b, 1, READABLE).unwrap();
            drop(b);
            if has_noticed {
                ready(&mut selector);
            }

            let (mut c, d) = pair();
            let d = chosen(d);
            // Nobody told the selector, so the number is still taken.
            let error = selector.register(&d, 2, READABLE).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::AlreadyExists);
            selector.deregister(&d).unwrap();
            selector.register(&d, 2, READABLE).unwrap();
            assert_eq!(ready(&mut selector), []);
            c.write_all(b"x").unwrap();
            assert_eq!(ready(&mut selector), [event(2, READABLE)]);
            selector.deregister(&d).unwrap();
            assert_eq!(ready(&mut selector), []);
        });
    }
}

/// The next select finds nothing, takes its time, and spends it asleep.
#[track_caller]
fn assert_waits(selector: &mut Selector) {
    let mut events = Vec::new();
    let (start, work) = (Instant::now(), cpu_time());
    let timeout = Duration::from_millis(100);
    selector.select(&mut events, Some(timeout)).unwrap();
    assert_eq!(events, []);
    assert!(start.elapsed() >= timeout);
    let work = cpu_time() - work;
    assert!(work < timeout / 5, "a wait is not work: {work:?}");
}

// Timeouts

#[test]
fn a_select_never_ends_early() {
    const SHORT: &[u64] = &[
        1, 10, 999, 1_000, 1_001, 50_000, 500_000, 999_000, 999_999, 1_000_000, 1_000_001,
        1_499_999, 1_500_000, 1_999_999, 2_000_000, 2_000_001, 3_141_593, 4_999_999, 7_500_000,
        9_999_999, 10_000_000, 16_666_667, 20_000_001, 29_999_999, 30_000_000,
    ];
    each_backend(|backend| {
        let mut selector = selector(backend);
        let (a, _b) = pair();
        selector.register(&a, 7, READABLE).unwrap();
        let mut events = Vec::new();
        for timeout in SHORT.iter().copied().map(Duration::from_nanos) {
            let start = Instant::now();
            selector.select(&mut events, Some(timeout)).unwrap();
            let elapsed = start.elapsed();
            assert!(elapsed >= timeout, "{elapsed:?} instead of {timeout:?}");
            assert_eq!(events, []);
        }
    });
}

#[test]
fn a_long_timeout_is_neither_cut_nor_taken_for_zero() {
    const MILLISECONDS: &[u64] = &[
        60_000,
        86_400_000,
        i32::MAX as u64 - 1,
        i32::MAX as u64,
        i32::MAX as u64 + 1,
        u32::MAX as u64,
        u32::MAX as u64 + 1,
        u32::MAX as u64 + 2,
        i64::MAX as u64 / 1_000_000,
        i64::MAX as u64,
        u64::MAX,
    ];
    const SECONDS: &[u64] = &[
        i32::MAX as u64,
        i32::MAX as u64 + 1,
        u32::MAX as u64 + 1,
        i64::MAX as u64,
        i64::MAX as u64 + 1,
        u64::MAX,
    ];
    each_backend(|backend| {
        let mut selector = selector(backend);
        let milliseconds = MILLISECONDS.iter().copied().map(Duration::from_millis);
        let seconds = SECONDS.iter().copied().map(Duration::from_secs);
        for timeout in milliseconds.chain(seconds).chain([Duration::MAX]) {
            assert_waits_for_a_notification(&mut selector, Some(timeout));
        }
    });
}

#[test]
fn a_zero_timeout_does_not_wait() {
    each_backend(|backend| {
        let mut selector = selector(backend);
        // Were each of them rounded up to a millisecond, this would take ten seconds.
        deadline(Duration::from_secs(8), || {
            for _ in 0..10_000 {
                assert_eq!(ready(&mut selector), []);
            }
        });
    });
}

#[test]
fn an_earlier_timeout_does_not_end_a_later_wait() {
    each_backend(|backend| {
        let mut selector = selector(backend);
        let (mut a, mut b) = pair();
        selector.register(&b, 7, READABLE).unwrap();
        let mut events = Vec::new();
        for _ in 0..3 {
            a.write_all(b"x").unwrap();
            let timeout = Some(Duration::from_millis(1));
            selector.select(&mut events, timeout).unwrap();
            assert_eq!(events, [event(7, READABLE)]);
            b.read_exact(&mut [0]).unwrap();
            assert_waits_for_a_notification(&mut selector, None);
        }
    });
}

/// A select that only a notification can end is not ended by anything else.
#[track_caller]
fn assert_waits_for_a_notification(selector: &mut Selector, timeout: Option<Duration>) {
    let notifier = selector.notifier();
    let notified = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            // What the select must outlast. If it starts later, it proves less, but is not wrong.
            thread::sleep(Duration::from_millis(5));
            notified.store(true, Ordering::SeqCst);
            notifier.notify().unwrap();
        });
        let mut events = vec![event(1, BOTH)];
        let (start, work) = (Instant::now(), cpu_time());
        selector.select(&mut events, timeout).unwrap();
        let work = cpu_time() - work;
        assert!(work <= start.elapsed() / 2, "a wait is not work: {work:?}");
        assert!(notified.load(Ordering::SeqCst), "{timeout:?} was cut short");
        assert_eq!(events, []);
    });
}

/// A process that is stopped and continued sees its waits interrupted even without a signal
/// handler, see signal(7).
#[cfg(target_os = "linux")]
#[test]
fn signals_neither_end_a_wait_nor_extend_it() {
    use rustix::process::{Pid, Signal, kill_process};
    use std::process::Stdio;

    const LONG: Duration = Duration::from_millis(200);
    if is_child() {
        println!("\nready");
        return each_backend(|backend| {
            let mut selector = selector(backend);
            let mut events = Vec::new();
            let start = Instant::now();
            selector.select(&mut events, Some(LONG)).unwrap();
            assert_eq!(events, []);
            assert!(start.elapsed() >= LONG);
        });
    }
    let _turn = turn();
    deadline(Duration::from_secs(60), || {
        let mut child = child("signals_neither_end_a_wait_nor_extend_it")
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = io::BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        while line != "ready\n" {
            line.clear();
            assert_ne!(io::BufRead::read_line(&mut output, &mut line).unwrap(), 0);
        }
        // Were each interruption to start a wait anew, the child would never be done.
        let status = loop {
            kill_process(Pid::from_child(&child), Signal::STOP).unwrap();
            kill_process(Pid::from_child(&child), Signal::CONT).unwrap();
            thread::sleep(Duration::from_millis(3));
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
        };
        assert!(status.success());
        let rest = io::read_to_string(output).unwrap();
        assert!(rest.contains("1 passed"), "{rest}");
    });
}

// Notifications

#[test]
fn a_notification_from_another_thread_ends_a_wait_for_ever() {
    each_backend(|backend| {
        let mut selector = selector(backend);
        for _ in 0..10 {
            assert_waits_for_a_notification(&mut selector, None);
        }
    });
}

#[test]
fn a_notification_counts_even_if_nobody_waits_yet() {
    each_backend(|backend| {
        let mut selector = selector(backend);
        selector.notifier().notify().unwrap();
        let mut events = Vec::new();
        selector.select(&mut events, None).unwrap();
        assert_eq!(events, []);
        assert_waits(&mut selector);
    });
}

#[test]
fn a_notification_comes_with_the_events_of_the_moment() {
    each_backend(|backend| {
        let mut selector = selector(backend);
        let (a, _b) = pair();
        selector.register(&a, 7, WRITABLE).unwrap();
        selector.notifier().notify().unwrap();
        assert_eq!(ready(&mut selector), [event(7, WRITABLE)]);
        selector.deregister(&a).unwrap();
        assert_waits(&mut selector);
    });
}

#[test]
fn a_million_notifications_are_one() {
    each_backend(|backend| {
        let mut selector = selector(backend);
        let notifier = selector.notifier();
        for _ in 0..1_000_000 {
            notifier.notify().unwrap();
        }
        let mut events = Vec::new();
        selector.select(&mut events, None).unwrap();
        assert_eq!(events, []);
        assert_waits(&mut selector);
    });
}

#[test]
fn a_notifier_may_outlive_its_selector() {
    each_backend(|backend| {
        let notifier = selector(backend).notifier();
        notifier.notify().unwrap();
        notifier.clone().notify().unwrap();
    });
}

#[test]
fn every_notification_of_four_threads_is_seen() {
    each_backend(|backend| {
        let mut selector = selector(backend);
        let posts: Vec<_> = (0..4).map(|_| AtomicBool::new(false)).collect();
        thread::scope(|scope| {
            for post in &posts {
                let notifier = selector.notifier();
                scope.spawn(move || {
                    for _ in 0..500 {
                        post.store(true, Ordering::SeqCst);
                        notifier.notify().unwrap();
                        // A lost notification leaves this one and the selector waiting for each
                        // other, until the deadline.
                        while post.load(Ordering::SeqCst) {
                            thread::yield_now();
                        }
                    }
                });
            }
            let mut events = Vec::new();
            let mut seen = 0;
            while seen < 4 * 500 {
                selector.select(&mut events, None).unwrap();
                for post in &posts {
                    seen += usize::from(post.swap(false, Ordering::SeqCst));
                }
            }
        });
    });
}

// The selector as a thing

#[test]
fn a_dropped_selector_leaves_no_handles() {
    each_backend(|backend| {
        let before = open_fds();
        for _ in 0..100 {
            let mut selector = selector(backend);
            let (a, b) = pair();
            selector.register(&a, 1, BOTH).unwrap();
            selector.register(&b, 2, BOTH).unwrap();
            assert_eq!(ready(&mut selector).len(), 2);
        }
        assert_eq!(open_fds(), before);
    });
}

#[cfg(target_os = "linux")]
#[test]
fn a_new_program_inherits_nothing_of_a_selector() {
    /// `O_CLOEXEC`, as /proc prints it.
    const CLOEXEC: u32 = 0o2_000_000;
    each_backend(|backend| {
        let list = || {
            let entries = std::fs::read_dir("/proc/self/fdinfo").unwrap();
            let paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
            // Without the handle that has read the list.
            let open = paths.into_iter().filter(|path| path.exists());
            open.collect::<std::collections::BTreeSet<_>>()
        };
        let before = list();
        let _selector = selector(backend);
        let of_selector = list();
        let of_selector: Vec<_> = of_selector.difference(&before).collect();
        assert!(!of_selector.is_empty());
        for path in of_selector {
            let info = std::fs::read_to_string(path).unwrap();
            let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
            let flags = u32::from_str_radix(flags.unwrap().trim(), 8).unwrap();
            assert_ne!(flags & CLOEXEC, 0, "{}", path.display());
        }
    });
}

#[test]
fn an_unknown_backend_is_refused_with_what_there_is() {
    for name in ["kernel", "", "epol", "epoll "] {
        let error = name.parse::<Backend>().unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
        assert_lists_the_available_ones(&error.to_string());
    }
}

#[test]
fn a_backend_of_another_platform_is_refused_with_what_there_is() {
    for backend in [Backend::Epoll, Backend::Kqueue] {
        if !Backend::available().contains(&backend) {
            let error = Selector::<usize>::with_backend(backend).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert!(error.to_string().contains(backend.name()), "{error}");
            assert_lists_the_available_ones(&error.to_string());
        }
    }
}

#[test]
fn a_backend_is_known_by_its_name() {
    each_backend(|backend| {
        assert_eq!(backend.name().parse::<Backend>().unwrap(), backend);
        let shouted = backend.name().to_uppercase();
        assert_eq!(shouted.parse::<Backend>().unwrap(), backend);
        assert_eq!(backend.to_string(), backend.name());
        assert_eq!(selector(backend).backend(), backend);
    });
}

#[test]
fn the_environment_chooses_the_backend() {
    if is_child() {
        return match Selector::<usize>::new() {
            Ok(selector) => println!("\nchosen: {}", selector.backend()),
            Err(error) => println!("\nrefused: {:?}: {error}", error.kind()),
        };
    }
    let outcome_with = |variable: Option<&str>| {
        let mut child = child("the_environment_chooses_the_backend");
        match variable {
            Some(value) => child.env("SELIO_SELECTOR", value),
            None => child.env_remove("SELIO_SELECTOR"),
        };
        let output = String::from_utf8(child.output().unwrap().stdout).unwrap();
        let mut lines = output.lines();
        let line = lines.find(|line| line.starts_with("chosen: ") || line.starts_with("refused: "));
        line.unwrap_or_else(|| panic!("{output}")).to_owned()
    };
    let best = Backend::available()[0];
    let _turn = turn();
    deadline(Duration::from_secs(30), || {
        for backend in Backend::available() {
            assert_eq!(
                outcome_with(Some(backend.name())),
                format!("chosen: {backend}")
            );
        }
        assert_eq!(outcome_with(None), format!("chosen: {best}"));
        assert_eq!(outcome_with(Some("")), format!("chosen: {best}"));
        let refused = outcome_with(Some("iocp"));
        assert!(refused.starts_with("refused: InvalidInput"), "{refused}");
        assert!(refused.contains("SELIO_SELECTOR"), "{refused}");
        assert_lists_the_available_ones(&refused);
        for missing in [Backend::Epoll, Backend::Kqueue] {
            if !Backend::available().contains(&missing) {
                let refused = outcome_with(Some(missing.name()));
                assert!(refused.starts_with("refused: Unsupported"), "{refused}");
                assert!(refused.contains("SELIO_SELECTOR"), "{refused}");
                assert_lists_the_available_ones(&refused);
            }
        }
    });
}

#[track_caller]
fn assert_lists_the_available_ones(message: &str) {
    for backend in Backend::available() {
        assert!(message.contains(backend.name()), "{message}");
    }
}
