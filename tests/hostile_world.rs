//! Faults that a hostile reader found in how the library deals with the world outside of it: the ends
//! of threads, signals that nobody listens to any more, and handles that others close.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod common;
#[path = "common/tasks.rs"]
mod tasks;

use std::cell::RefCell;
use std::fs::File;
use std::future::pending;
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net;
use std::thread;
use std::time::Duration;

use rustix::io::fcntl_dupfd_cloexec;
use selio::net::UnixStream;
use selio::selector::{Interest, Selector};
use selio::{IntoStreams, TaskLocal, run, sleep, spawn, timeout, to_thread};

use common::{cpu_time, each_backend};
use tasks::in_a_process_of_its_own;

/// A bit of everything.
fn program() {
    static USER: TaskLocal<&str> = TaskLocal::new();
    run(async {
        let inherits = async { spawn(async { *USER.get().unwrap() }).await.unwrap() };
        assert_eq!(USER.scope("ada", inherits).await, "ada");
        sleep(Duration::from_millis(1)).await;
        let never = timeout(Duration::from_millis(1), pending::<()>());
        assert!(never.await.is_err());
        assert_eq!(to_thread(|| 7).await, 7);
        let (here, there) = UnixStream::pair().unwrap();
        let ((mut reader, _here), (_there, writer)) = (here.into_streams(), there.into_streams());
        writer.write(b"a line\n");
        writer.drain().await.unwrap();
        assert_eq!(reader.read_line().await.unwrap(), b"a line\n");
    });
}

struct AtExit(RefCell<Option<fn()>>);

impl Drop for AtExit {
    fn drop(&mut self) {
        if let Some(program) = self.0.take() {
            program();
        }
    }
}

thread_local! {
    static AT_EXIT: AtExit = const { AtExit(RefCell::new(None)) };
}

/// A panic there aborts the process.
#[test]
fn a_destructor_of_a_thread_local_may_run_a_program() {
    const NAME: &str = "a_destructor_of_a_thread_local_may_run_a_program";
    in_a_process_of_its_own(NAME, || {
        // What is used first is destroyed last: ours may be gone before the user's.
        for is_first in [true, false] {
            let thread = thread::spawn(move || {
                let arrange = || AT_EXIT.with(|at_exit| at_exit.0.replace(Some(program)));
                if is_first {
                    arrange();
                }
                program();
                arrange();
            });
            thread.join().unwrap();
        }
    });
}

/// Every Rust program ignores it from its start. What it does by default ends the process at the next
/// write to somebody who is gone.
#[cfg(feature = "signal")]
#[test]
fn who_has_listened_to_a_broken_pipe_is_not_killed_by_the_next_one() {
    const NAME: &str = "who_has_listened_to_a_broken_pipe_is_not_killed_by_the_next_one";
    in_a_process_of_its_own(NAME, || {
        run(async {
            let write = async || {
                let (reader, writer) = selio::net::pipe().unwrap();
                drop(reader);
                let error = writer.write(b"!").await.unwrap_err();
                assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
            };
            let broken = selio::signal::signal(selio::signal::SignalKind::SIGPIPE).unwrap();
            write().await;
            broken.recv().await.unwrap();
            drop(broken);
            write().await;
        });
    });
}

/// A number that no handle of this process gets by itself, and that `select` can still hold.
const CHOSEN: i32 = 900;

fn chosen(handle: impl Into<OwnedFd>) -> OwnedFd {
    let fd = fcntl_dupfd_cloexec(handle.into(), CHOSEN).unwrap();
    assert_eq!(fd.as_raw_fd(), CHOSEN, "somebody else has this number");
    fd
}

/// h2o#1100, tokio-core#172: epoll(7) reports a handle that is closed as long as a duplicate lives.
#[test]
fn a_closed_handle_of_which_a_duplicate_lives_does_not_haunt_the_selector() {
    each_backend(|backend| {
        let mut selector = Selector::with_backend(backend).unwrap();
        let (handle, mut peer) = net::UnixStream::pair().unwrap();
        let _duplicate = handle.try_clone().unwrap();
        let handle = chosen(handle);
        let (other, mut other_peer) = net::UnixStream::pair().unwrap();
        let file = File::open("/dev/null").unwrap();
        selector.register(&handle, 1, Interest::READABLE).unwrap();
        selector.register(&other, 2, Interest::READABLE).unwrap();
        selector.register(&file, 3, Interest::READABLE).unwrap();
        drop(handle);
        let namesake = chosen(net::UnixStream::pair().unwrap().0);
        selector.deregister(&namesake).unwrap();
        peer.write_all(b"boo").unwrap();

        let mut events = Vec::new();
        selector.select(&mut events, None).unwrap();
        assert_eq!(events.iter().map(|it| it.key).collect::<Vec<_>>(), [3]);
        selector.deregister(&file).unwrap();
        let before = cpu_time();
        let some_time = Some(Duration::from_millis(500));
        selector.select(&mut events, some_time).unwrap();
        let spent = cpu_time() - before;
        assert!(
            events.is_empty() && spent < Duration::from_millis(100),
            "{spent:?}"
        );

        selector.notifier().notify().unwrap();
        selector.select(&mut events, None).unwrap();
        assert!(events.is_empty());
        other_peer.write_all(b"!").unwrap();
        selector.select(&mut events, None).unwrap();
        assert_eq!(events.iter().map(|it| it.key).collect::<Vec<_>>(), [2]);
    });
}
