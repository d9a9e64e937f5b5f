//! Very many who wait for the same: whoever comes or leaves must not look at all the others, nor must
//! debug mode, which writes all of them down.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/tasks.rs"]
mod tasks;

use std::convert::Infallible;
use std::future::{pending, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::time::{Duration, Instant};

use common::{deadline, each_backend};
use futures::{AsyncRead, StreamExt};
use selio::net::{TcpListener, UnixStream};
use selio::sync::Mutex;
use selio::{
    Builder, Deadline, IntoStreams, JoinHandle, Runtime, TaskGroup, gather, spawn, stats, timeout,
    yield_now,
};

use crate::tasks::{Log, a_look, runtime};

/// Each of these takes a second or two, or many minutes.
const PATIENCE: Duration = Duration::from_secs(60);

fn in_debug_mode(main: impl Future<Output = ()>) {
    let runtime = Builder::new().debug(true).build().unwrap();
    deadline(PATIENCE, || runtime.block_on(main));
}

#[test]
fn tasks_that_wait_for_the_same_instant_are_written_down_at_once() {
    in_debug_mode(async {
        let limit = Rc::new(Deadline::after(Duration::from_secs(3600)));
        let wait = |_| {
            let limit = Rc::clone(&limit);
            spawn(async move { limit.scope(pending::<()>()).await })
        };
        let tasks: Vec<_> = (0..20_000).map(wait).collect();
        yield_now().await;
        limit.reschedule(Instant::now());
        for task in tasks {
            assert!(task.await.unwrap().is_err());
        }
    });
}

#[test]
fn children_of_one_task_that_wait_for_one_lock_are_written_down_at_once() {
    in_debug_mode(async {
        let mutex = Mutex::new(0);
        let count = async |_| {
            let mut number = mutex.lock().await;
            yield_now().await;
            *number += 1;
        };
        gather((0..80_000).map(count)).await;
        assert_eq!(mutex.into_inner(), 80_000);
    });
}

/// Makes very many tasks wait for the same, and cancels them: the first one first, and then the last
/// one first.
async fn come_and_leave(wait: impl Fn() -> JoinHandle<()>) {
    let others = stats().tasks;
    for is_reverse in [false, true] {
        let mut tasks: Vec<_> = (0..100_000).map(|_| wait()).collect();
        yield_now().await;
        if is_reverse {
            tasks.reverse();
        }
        assert!(!tasks.iter().any(JoinHandle::is_finished));
        tasks.iter().for_each(JoinHandle::cancel);
        yield_now().await;
        assert_eq!(stats().tasks, others);
    }
}

/// A crowd waits in the reactor: the selector, whichever it is, knows only that somebody does.
fn on_a_runtime(main: impl AsyncFn()) {
    deadline(PATIENCE, || Runtime::new().unwrap().block_on(main()));
}

fn on_each_backend(main: impl AsyncFn()) {
    each_backend(|backend| runtime(backend).block_on(main()));
}

#[test]
fn thousands_may_wait_for_one_socket_and_leave() {
    on_a_runtime(async || {
        let (ours, _peer) = UnixStream::pair().unwrap();
        let ours = Rc::new(ours);
        let wait = || {
            let ours = Rc::clone(&ours);
            spawn(async move { ours.readable().await.unwrap() })
        };
        come_and_leave(wait).await;
    });
}

#[test]
fn thousands_may_wait_for_one_writer_and_leave() {
    on_a_runtime(async || {
        let (ours, _peer) = UnixStream::pair().unwrap();
        let (_, writer) = ours.into_streams();
        while writer.pending() == 0 {
            writer.write(&[0; 100_000]);
        }
        let writer = Rc::new(writer);
        let wait = || {
            let writer = Rc::clone(&writer);
            spawn(async move { writer.wait_closed().await.unwrap() })
        };
        come_and_leave(wait).await;
    });
}

#[test]
fn thousands_may_poll_one_socket() {
    on_a_runtime(async || {
        let (ours, peer) = UnixStream::pair().unwrap();
        let ours = Rc::new(ours);
        let read = |_| {
            let ours = Rc::clone(&ours);
            spawn(async move {
                let mut ours = &*ours;
                let read = poll_fn(|cx| Pin::new(&mut ours).poll_read(cx, &mut [0; 8]));
                assert_eq!(read.await.unwrap(), 0);
            })
        };
        let tasks: Vec<_> = (0..100_000).map(read).collect();
        for _ in 0..10 {
            a_look().await;
        }
        drop(peer);
        for task in tasks {
            task.await.unwrap();
        }
    });
}

#[test]
fn a_deadline_that_thousands_have_left_is_moved_at_once() {
    on_a_runtime(async || {
        let limit = Rc::new(Deadline::after(Duration::from_secs(1_000_000)));
        let wait = || {
            let limit = Rc::clone(&limit);
            spawn(async move {
                let _ = limit.scope(pending::<()>()).await;
            })
        };
        come_and_leave(wait).await;
        for seconds in (100_000..400_000).rev() {
            limit.reschedule_after(Duration::from_secs(seconds));
        }
    });
}

#[test]
fn a_group_that_thousands_have_left_turns_latecomers_away_at_once() {
    on_a_runtime(async || {
        let tick = async || Ok::<_, Infallible>(());
        let scope = TaskGroup::scope(async |group| {
            (0..50_000).for_each(|_| drop(group.spawn(tick())));
            Ok(group)
        });
        let group = scope.await.unwrap();
        for _ in 0..50_000 {
            assert!(group.spawn(tick()).is_finished());
        }
    });
}

/// Spawns the next one as it is dropped, so many times.
struct Link(usize, Rc<dyn Fn(Link)>);

impl Drop for Link {
    fn drop(&mut self) {
        if let Some(left) = self.0.checked_sub(1) {
            (self.1)(Link(left, Rc::clone(&self.1)));
        }
    }
}

async fn keep(link: Link) -> Result<(), Infallible> {
    let _link = link;
    pending().await
}

#[test]
fn a_group_that_thousands_have_left_ends_a_chain_of_destructors_at_once() {
    on_a_runtime(async || {
        let scope = TaskGroup::scope(async |group| {
            (0..100_000).for_each(|_| drop(group.spawn(async { Ok(()) })));
            yield_now().await;
            drop(Link(50_000, Rc::new(move |it| drop(group.spawn(keep(it))))));
            pending::<Result<(), Infallible>>().await
        });
        assert!(timeout(Duration::from_millis(1), scope).await.is_err());
        assert_eq!(stats().tasks, 0);
    });
}

#[test]
fn a_runtime_that_thousands_have_left_ends_a_chain_of_destructors_at_once() {
    on_a_runtime(async || {
        (0..100_000).for_each(|_| drop(spawn(async {})));
        yield_now().await;
        drop(Link(50_000, Rc::new(|it| drop(spawn(keep(it))))));
    });
}

/// Has three tasks each do this again and again, makes it possible six times, and says who did it.
async fn turns<F: Future<Output = ()>>(
    act: impl Fn() -> F + Clone + 'static,
    mut allow: impl FnMut(),
) -> Vec<usize> {
    let log = Log::new();
    let join_in = |name| {
        let (log, act) = (log.clone(), act.clone());
        spawn(async move {
            loop {
                act().await;
                log.note(name);
            }
        })
    };
    let tasks: Vec<_> = (0..3).map(join_in).collect();
    for _ in 0..6 {
        a_look().await;
        allow();
    }
    a_look().await;
    tasks.iter().for_each(JoinHandle::cancel);
    log.take()
}

#[test]
fn who_has_waited_longest_reads_first() {
    on_each_backend(async || {
        let (ours, peer) = UnixStream::pair().unwrap();
        let ours = Rc::new(ours);
        let read = move || {
            let ours = Rc::clone(&ours);
            async move {
                assert_eq!(ours.read(&mut [0; 8]).await.unwrap(), 1);
            }
        };
        let order = turns(read, || {
            peer.try_write(b"x").unwrap();
        });
        assert_eq!(order.await, [0, 1, 2, 0, 1, 2]);
    });
}

#[test]
fn who_has_waited_longest_accepts_first() {
    on_each_backend(async || {
        let listener = Rc::new(TcpListener::bind("127.0.0.1:0").await.unwrap());
        let addr = listener.local_addr().unwrap();
        let mut clients = Vec::new();
        let log = Log::new();
        let accept = |name| {
            let (listener, log) = (Rc::clone(&listener), log.clone());
            spawn(async move {
                let mut incoming = listener.incoming();
                while let Some(Ok(_)) = incoming.next().await {
                    log.note(name);
                }
            })
        };
        let tasks: Vec<_> = (0..3).map(accept).collect();
        for _ in 0..6 {
            a_look().await;
            clients.push(std::net::TcpStream::connect(addr).unwrap());
        }
        a_look().await;
        tasks.iter().for_each(JoinHandle::cancel);
        assert_eq!(log.take(), [0, 1, 2, 0, 1, 2]);
    });
}
