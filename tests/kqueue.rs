//! Claims that kqueue(2) would break by itself. They hold on every backend.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::fs::File;
use std::io::{Read, pipe};
use std::os::fd::AsFd;
use std::time::Duration;

use common::each_backend;
use rustix::io::{Errno, ioctl_fionbio};
use selio::selector::{Backend, Event, Interest, Selector};

const READABLE: Interest = Interest::READABLE;
const WRITABLE: Interest = Interest::WRITABLE;

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

fn selector(backend: Backend) -> Selector {
    Selector::with_backend(backend).expect("the backend is available")
}

/// Writes until there is no more room.
fn fill(pipe: impl AsFd) {
    ioctl_fionbio(&pipe, true).unwrap();
    while rustix::io::write(&pipe, &[0; 4096]) != Err(Errno::AGAIN) {}
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
