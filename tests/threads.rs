//! `to_thread`: closures on other threads, how many threads there are, and what is left behind.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/dropping.rs"]
mod dropping;
#[path = "common/tasks.rs"]
mod tasks;

use std::collections::HashSet;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use selio::net::lookup;
use selio::{Builder, Runtime, sleep, spawn, stats, to_thread, yield_now};

use crate::common::deadline;
use crate::dropping::drop_at_each_pending;
use crate::tasks::{
    OnDrop, Spy, in_a_process_of_its_own, on_a_runtime, on_each_runtime, panic_here, poll_once,
    poll_with, quietly,
};

const PATIENCE: Duration = Duration::from_secs(30);

/// A runtime that has so many threads, against a deadline.
#[track_caller]
fn with_threads(threads: usize, test: impl AsyncFnOnce()) {
    deadline(PATIENCE, || {
        let runtime = Builder::new().max_threads(threads).build().unwrap();
        runtime.block_on(test());
    });
}

/// A call that lasts until it is let go.
struct Blocked {
    has_begun: Receiver<()>,
    go: Sender<()>,
}

impl Blocked {
    fn new() -> (Self, impl FnOnce() + Send + 'static) {
        let ((begin, has_begun), (go, gone)) = (channel(), channel());
        let call = move || {
            let _ = begin.send(());
            let _ = gone.recv();
        };
        (Self { has_begun, go }, call)
    }

    /// Blocks this thread until the call has begun.
    fn wait(&self) {
        self.has_begun.recv_timeout(PATIENCE).unwrap();
    }

    fn let_go(self) {
        self.go.send(()).unwrap();
    }
}

#[test]
fn what_the_closure_returns_comes_back_from_another_thread() {
    on_each_runtime(|runtime| {
        let (id, name) = runtime.block_on(to_thread(|| {
            let thread = thread::current();
            (thread.id(), thread.name().map(str::to_owned))
        }));
        assert_ne!(id, thread::current().id());
        assert_eq!(name.as_deref(), Some("selio-thread"));
    });
}

#[test]
fn nothing_is_called_before_somebody_awaits_it() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let (dropped, drops) = channel();
            let on_drop = OnDrop::new(move || dropped.send(thread::current().id()).unwrap());
            drop(to_thread(move || drop(on_drop)));
            assert_eq!(drops.try_recv().unwrap(), thread::current().id());
            assert_eq!(stats().threads, 0);
        });
    });
}

#[test]
fn the_loop_goes_on_while_a_closure_blocks() {
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            let (blocked, call) = Blocked::new();
            let call = spawn(to_thread(call));
            yield_now().await;
            blocked.wait();
            assert_eq!(spawn(async { 7 }).await.unwrap(), 7);
            sleep(Duration::from_millis(1)).await;
            assert!(!call.is_finished());
            blocked.let_go();
            call.await.unwrap();
        });
    });
}

#[test]
fn a_panic_of_the_closure_goes_on_in_the_task_that_awaits_it() {
    with_threads(1, async || {
        let call = to_thread(|| quietly(|| -> u8 { panic!("no {}", "luck") }));
        let error = quietly_await(call).await.unwrap_err();
        assert!(error.to_string().ends_with("panicked: no luck"), "{error}");
        // The thread goes on.
        assert_eq!(to_thread(|| 7).await, 7);
        assert_eq!(stats().threads, 1);
    });
}

/// Awaits a task that panics.
async fn quietly_await<T: 'static>(
    future: impl Future<Output = T> + 'static,
) -> Result<T, selio::JoinError> {
    spawn(future).await
}

#[test]
fn a_destructor_that_panics_when_nobody_wants_the_result_ends_no_thread() {
    with_threads(1, async || {
        let (blocked, block) = Blocked::new();
        let call = move || {
            block();
            OnDrop::new(|| quietly(|| panic!("nobody sees this")))
        };
        let mut call = Box::pin(to_thread(call));
        assert!(poll_once(&mut call).await.is_pending());
        blocked.wait();
        drop(call);
        blocked.let_go();
        assert_eq!(to_thread(|| 7).await, 7);
        assert_eq!(stats().threads, 1);
    });
}

#[test]
fn calls_one_after_the_other_share_a_thread() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let mut ids = HashSet::new();
            for _ in 0..1_000 {
                ids.insert(to_thread(|| thread::current().id()).await);
            }
            assert_eq!((ids.len(), stats().threads), (1, 1));
        });
    });
}

#[test]
fn there_are_never_more_threads_than_the_limit_and_as_many_if_they_are_needed() {
    with_threads(3, async || {
        let running = Arc::new(AtomicUsize::new(0));
        let blocked: Vec<_> = (0..3)
            .map(|_| {
                let (blocked, call) = Blocked::new();
                (blocked, spawn(to_thread(call)))
            })
            .collect();
        yield_now().await;
        blocked.iter().for_each(|(blocked, _)| blocked.wait()); // All at the same time.
        let more: Vec<_> = (0..100)
            .map(|_| {
                let running = Arc::clone(&running);
                spawn(to_thread(move || {
                    let at_once = running.fetch_add(1, Ordering::SeqCst) + 1;
                    thread::yield_now();
                    running.fetch_sub(1, Ordering::SeqCst);
                    at_once
                }))
            })
            .collect();
        yield_now().await;
        assert_eq!(stats().threads, 3);
        for (blocked, call) in blocked {
            blocked.let_go();
            call.await.unwrap();
        }
        for call in more {
            assert!(call.await.unwrap() <= 3);
        }
        assert_eq!(stats().threads, 3);
    });
}

#[test]
fn calls_that_wait_for_a_thread_begin_in_order() {
    with_threads(1, async || {
        let order = Arc::new(Mutex::new(Vec::new()));
        let calls: Vec<_> = (0..100)
            .map(|number| {
                let order = Arc::clone(&order);
                spawn(to_thread(move || order.lock().unwrap().push(number)))
            })
            .collect();
        for call in calls {
            call.await.unwrap();
        }
        assert!(order.lock().unwrap().iter().copied().eq(0..100));
    });
}

#[test]
fn a_call_that_nobody_awaits_any_more_is_dropped_at_once_and_not_begun() {
    with_threads(1, async || {
        let (blocked, first) = Blocked::new();
        let first = spawn(to_thread(first));
        yield_now().await;
        blocked.wait();
        let (sent, news) = channel();
        let dropped = sent.clone();
        let on_drop = OnDrop::new(move || dropped.send("dropped").unwrap());
        let mut second = Box::pin(to_thread(move || {
            let _on_drop = on_drop;
            sent.send("called").unwrap();
        }));
        let (spy, waker) = Spy::new();
        assert!(poll_with(&mut second, &waker).is_pending());
        drop(second);
        assert_eq!(news.try_recv().unwrap(), "dropped");
        assert_eq!(spy.wakes(), 0);
        blocked.let_go();
        first.await.unwrap();
        to_thread(|| ()).await;
        assert!(news.try_recv().is_err());
    });
}

#[test]
fn a_call_that_has_begun_goes_on_and_its_result_is_dropped_on_its_thread() {
    with_threads(1, async || {
        let (blocked, block) = Blocked::new();
        let (dropped, drops) = channel::<ThreadId>();
        let mut call = Box::pin(to_thread(move || {
            block();
            OnDrop::new(move || dropped.send(thread::current().id()).unwrap())
        }));
        let (spy, waker) = Spy::new();
        assert!(poll_with(&mut call, &waker).is_pending());
        blocked.wait();
        drop(call);
        blocked.let_go();
        let here = drops.recv_timeout(PATIENCE).unwrap();
        assert_eq!(here, to_thread(|| thread::current().id()).await);
        assert_eq!(spy.wakes(), 0, "nobody waited any more");
    });
}

#[test]
fn a_call_may_be_awaited_elsewhere_and_outlives_its_runtime() {
    deadline(PATIENCE, || {
        let (blocked, call) = Blocked::new();
        let mut call = Box::pin(to_thread(call));
        let runtime = Runtime::new().unwrap();
        assert!(runtime.block_on(poll_once(&mut call)).is_pending());
        blocked.wait();
        drop(runtime);
        blocked.let_go();
        selio::run(call);
    });
}

#[test]
fn the_end_of_the_runtime_drops_the_calls_that_wait() {
    deadline(PATIENCE, || {
        let runtime = Builder::new().max_threads(1).build().unwrap();
        let (blocked, first) = Blocked::new();
        let (sent, news) = channel();
        runtime.block_on(async {
            drop(spawn(to_thread(first)));
            drop(spawn(to_thread(move || sent.send(()).unwrap())));
            yield_now().await;
            blocked.wait();
        });
        drop(runtime);
        assert_eq!(
            news.try_recv(),
            Err(std::sync::mpsc::TryRecvError::Disconnected)
        );
        blocked.let_go();
    });
}

#[test]
fn neither_the_end_of_the_runtime_nor_that_of_the_process_waits() {
    const NAME: &str = "neither_the_end_of_the_runtime_nor_that_of_the_process_waits";
    in_a_process_of_its_own(NAME, || {
        let (has_begun, begun) = channel();
        selio::run(async {
            spawn(to_thread(move || {
                has_begun.send(()).unwrap();
                loop {
                    thread::park();
                }
            }));
            yield_now().await;
            begun.recv_timeout(PATIENCE).unwrap();
        });
    });
}

/// How many threads this process has.
#[cfg(target_os = "linux")]
fn os_threads() -> usize {
    std::fs::read_dir("/proc/self/task").unwrap().count()
}

#[test]
#[cfg(target_os = "linux")]
fn ten_thousand_calls_leave_neither_threads_nor_handles() {
    use crate::common::open_fds;
    const NAME: &str = "ten_thousand_calls_leave_neither_threads_nor_handles";
    in_a_process_of_its_own(NAME, || {
        let before = (os_threads(), open_fds());
        selio::run(async {
            for _ in 0..100 {
                let calls: Vec<_> = (0..100).map(|i| spawn(to_thread(move || i))).collect();
                for (i, call) in calls.into_iter().enumerate() {
                    assert_eq!(call.await.unwrap(), i);
                }
            }
            assert!(stats().threads <= 32);
            assert!(os_threads() <= before.0 + 32);
        });
        // They have been told, and have nothing left to do. Linux may skip a thread in the list while
        // another one leaves it: one look does not count, and the deadline decides.
        while (os_threads(), open_fds()) != before {
            thread::yield_now();
        }
    });
}

#[test]
fn a_thread_that_idles_ends() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let start = Instant::now();
            to_thread(|| ()).await;
            while stats().threads > 0 {
                sleep(Duration::from_millis(20)).await;
            }
            assert!(start.elapsed() > Duration::from_secs(4), "it was not kept");
            to_thread(|| ()).await;
        });
    });
}

#[test]
fn calls_that_block_do_not_keep_names_from_being_looked_up() {
    with_threads(1, async || {
        let (blocked, call) = Blocked::new();
        let call = spawn(to_thread(call));
        yield_now().await;
        blocked.wait();
        assert!(!lookup("localhost:1").await.unwrap().is_empty());
        assert_eq!(stats().threads, 2);
        blocked.let_go();
        call.await.unwrap();
    });
}

#[test]
fn outside_of_a_runtime_it_says_what_to_do() {
    let message = tasks::panic_of(|| {
        let mut call = pin!(to_thread(|| ()));
        let (_, waker) = Spy::new();
        let _: Poll<()> = poll_with(&mut call, &waker);
    })
    .message;
    assert!(
        message.starts_with("selio::to_thread at tests/threads.rs:"),
        "{message}"
    );
    assert!(
        message.contains("no runtime runs on this thread"),
        "{message}"
    );
}

#[test]
fn a_limit_of_no_threads_is_refused_at_the_line_of_the_caller() {
    let message = panic_here(|| Builder::new().max_threads(0));
    assert!(message.ends_with("give at least 1"), "{message}");
}

/// With no room for the stack of another thread.
#[test]
#[cfg(target_os = "linux")]
fn a_system_without_threads_is_an_error_only_if_there_is_none_at_all() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    const NAME: &str = "a_system_without_threads_is_an_error_only_if_there_is_none_at_all";
    in_a_process_of_its_own(NAME, || {
        let usual = getrlimit(Resource::As);
        let starve = || {
            let used = std::fs::read_to_string("/proc/self/statm").unwrap();
            let pages: u64 = used.split(' ').next().unwrap().parse().unwrap();
            let current = Some((pages + 128) * 4096);
            setrlimit(Resource::As, Rlimit { current, ..usual }).unwrap();
        };
        let relent = || setrlimit(Resource::As, usual).unwrap();
        selio::run(async {
            starve();
            let token = Arc::new(());
            let ours = Arc::clone(&token);
            let refused = spawn(to_thread(move || drop(ours))).await;
            let unknown = lookup("localhost:1").await;
            relent();
            let refused = refused.unwrap_err().to_string();
            assert!(
                refused.contains("to_thread at tests/threads.rs"),
                "{refused}"
            );
            assert!(refused.contains("cannot start a thread"), "{refused}");
            let unknown = unknown.unwrap_err().to_string();
            assert!(
                unknown.starts_with("net::lookup localhost:1: cannot start"),
                "{unknown}"
            );
            assert_eq!(stats().threads, 0);
            assert_eq!(Arc::strong_count(&token), 1, "it is not left for later");

            let (blocked, first) = Blocked::new();
            let first = spawn(to_thread(first));
            yield_now().await;
            blocked.wait();
            starve();
            let second = spawn(to_thread(|| 8));
            yield_now().await;
            assert_eq!(stats().threads, 1);
            blocked.let_go();
            let results = (first.await, second.await.unwrap());
            relent();
            assert_eq!((results.0.unwrap(), results.1), ((), 8));
        });
    });
}

#[test]
fn dropped_at_any_time_it_loses_neither_a_thread_nor_a_call() {
    on_each_runtime(|runtime| {
        let pendings = drop_at_each_pending(
            async || {
                let (blocked, call) = Blocked::new();
                let let_go = spawn(async move {
                    yield_now().await;
                    let _ = blocked.go.send(());
                });
                (Some(call), let_go)
            },
            async |(call, _)| {
                let call = call.take().unwrap();
                to_thread(|| (call(), 7).1).await
            },
            async |(_, let_go), result| {
                assert!(matches!(result, None | Some(7)));
                let_go.await.unwrap();
                assert_eq!(to_thread(|| 8).await, 8);
            },
        );
        assert_eq!(runtime.block_on(pendings), 1);
    });
}
