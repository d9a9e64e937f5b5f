//! The harness that drops operations does drop them: each time, at both moments; and it sees what
//! is lost.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/dropping.rs"]
mod dropping;
#[path = "common/loopback.rs"]
mod loopback;
#[path = "common/tasks.rs"]
mod tasks;

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use selio::net::TcpStream;
use selio::{JoinHandle, sleep, spawn, yield_now};

use crate::dropping::drop_at_each_pending;
use crate::loopback::{listen, on_each_backend, pair, read_to_end};
use crate::tasks::{Log, on_a_runtime, panic_of, poll_once};

#[test]
fn an_operation_is_dropped_at_each_pending_at_both_moments() {
    on_a_runtime(|runtime| {
        let (polls, log) = (Cell::new(0), Log::new());
        let operation = async |_: &mut ()| {
            for n in 1..=3 {
                polls.set(n);
                yield_now().await;
            }
            "done"
        };
        let check = async |(), result| log.note((polls.take(), result));
        let pendings = runtime.block_on(drop_at_each_pending(async || (), operation, check));
        assert_eq!(pendings, 3);
        let once = [(1, None), (2, None), (3, None), (3, Some("done"))];
        assert_eq!(log.take(), [once, once].concat());
    });
}

#[test]
fn an_operation_that_never_waits_is_checked_too() {
    on_a_runtime(|runtime| {
        let log = Log::new();
        let check = async |world, result| log.note((world, result));
        let operation = drop_at_each_pending(async || 1, async |world| *world + 1, check);
        assert_eq!(runtime.block_on(operation), 0);
        assert_eq!(log.take(), [(1, Some(2)), (1, Some(2))]);
    });
}

#[test]
fn the_two_moments_are_before_and_after_the_wake() {
    on_a_runtime(|runtime| {
        let log = Log::new();
        let world = async || {
            let (is_open, waiter) = (Rc::new(Cell::new(false)), Rc::new(RefCell::new(None)));
            let (opened, woken) = (Rc::clone(&is_open), Rc::clone(&waiter));
            let opener = spawn(async move {
                yield_now().await;
                opened.set(true);
                woken.take().map(Waker::wake)
            });
            (is_open, waiter, opener)
        };
        let pendings = drop_at_each_pending(
            world,
            async |(is_open, waiter, _)| {
                poll_fn(|cx| {
                    waiter.replace(Some(cx.waker().clone()));
                    match is_open.get() {
                        true => Poll::Ready(()),
                        false => Poll::Pending,
                    }
                })
                .await;
            },
            async |(is_open, _, opener), result| {
                log.note((is_open.get(), result.is_some()));
                opener.await.unwrap();
            },
        );
        assert_eq!(runtime.block_on(pendings), 1);
        let [dropped_early, dropped_late, done] = [(false, false), (true, false), (true, true)];
        assert_eq!(log.take(), [dropped_early, done, dropped_late, done]);
    });
}

#[test]
fn an_operation_that_loses_what_it_holds_is_found_out() {
    let panic = panic_of(|| {
        selio::run(drop_at_each_pending(
            async || RefCell::new(vec![7]),
            // It takes the item, and waits before it hands it over.
            async |queue| {
                let item = queue.borrow_mut().pop();
                yield_now().await;
                item
            },
            async |queue, item| {
                let item = item.flatten().or_else(|| queue.borrow_mut().pop());
                assert_eq!(item, Some(7), "lost");
            },
        ))
    });
    assert!(panic.message.contains("lost"), "{}", panic.message);
}

#[test]
fn an_operation_that_leaves_a_task_behind_is_found_out() {
    let panic = panic_of(|| {
        selio::run(drop_at_each_pending(
            async || (),
            async |()| {
                spawn(pending::<()>());
                yield_now().await;
            },
            async |(), _| (),
        ))
    });
    assert!(panic.message.contains("left behind"), "{}", panic.message);
}

#[test]
fn an_operation_that_keeps_its_first_waker_is_never_polled_again() {
    on_a_runtime(|runtime| {
        let world = async || {
            let waiter = Rc::new(RefCell::new(None::<Waker>));
            let woken = Rc::clone(&waiter);
            let wakes = spawn(async move {
                loop {
                    yield_now().await;
                    woken.borrow().as_ref().map(Waker::wake_by_ref);
                }
            });
            (waiter, wakes)
        };
        let polls = Cell::new(0);
        let operation = async |(waiter, _): &mut (Rc<RefCell<Option<Waker>>>, _)| {
            poll_fn(|cx| {
                polls.set(polls.get() + 1);
                let mut waiter = waiter.borrow_mut();
                waiter.get_or_insert_with(|| cx.waker().clone());
                Poll::<()>::Pending
            })
            .await;
        };
        let check = async |(_, wakes): (_, JoinHandle<_>), _| {
            polls.set(0);
            wakes.cancel();
        };
        runtime.block_on(async {
            let mut endless = pin!(drop_at_each_pending(world, operation, check));
            for _ in 0..20 {
                assert!(poll_once(&mut endless).await.is_pending());
                yield_now().await;
            }
        });
        assert_eq!(polls.get(), 2, "once with each waker");
    });
}

#[test]
fn a_read_that_is_dropped_loses_no_byte() {
    on_each_backend(async || {
        let world = async || {
            let (client, server) = pair().await;
            let writer = spawn(async move {
                yield_now().await;
                client.write_all(b"hello").await.unwrap();
                client
            });
            (server, writer)
        };
        let pendings = drop_at_each_pending(
            world,
            async |(server, _)| {
                let mut buffer = [0; 5];
                let n = server.read(&mut buffer).await.unwrap();
                buffer[..n].to_vec()
            },
            async |(server, writer), bytes| {
                let mut bytes = bytes.unwrap_or_default();
                drop(writer.await.unwrap());
                bytes.extend(read_to_end(&server).await.unwrap());
                assert_eq!(bytes, b"hello");
            },
        );
        assert_eq!(pendings.await, 1);
    });
}

#[test]
fn a_connection_that_comes_when_accept_is_dropped_is_not_lost() {
    on_each_backend(async || {
        let world = async || {
            let (listener, addr) = listen().await;
            let client = spawn(async move {
                yield_now().await;
                TcpStream::connect(addr).await.unwrap()
            });
            (listener, client)
        };
        let pendings = drop_at_each_pending(
            world,
            async |(listener, _)| listener.accept().await.unwrap(),
            async |(listener, client), accepted| {
                let client = client.await.unwrap();
                let (_, peer) = match accepted {
                    Some(accepted) => accepted,
                    None => listener.accept().await.unwrap(),
                };
                assert_eq!(peer, client.local_addr().unwrap());
            },
        );
        assert_eq!(pendings.await, 1);
    });
}

#[test]
fn a_sleep_that_is_dropped_leaves_no_timer() {
    on_a_runtime(|runtime| {
        let nap = async |_: &mut ()| sleep(Duration::from_millis(1)).await;
        let pendings = drop_at_each_pending(async || (), nap, async |(), _| ());
        assert_eq!(runtime.block_on(pendings), 1);
    });
}
