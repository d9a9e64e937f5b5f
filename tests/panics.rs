//! Panics: one of a task stays in its handle, those of destructors and of wakers hit nobody else,
//! and every value is dropped exactly once.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/tasks.rs"]
mod tasks;

use std::cell::RefCell;
use std::error::Error;
use std::future::pending;
use std::io::{self, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use selio::net::TcpStream;
use selio::{
    Deadline, Direction, JoinError, JoinHandle, Runtime, Server, Source, sleep, sleep_until, spawn,
    spawn_named, stats, yield_now,
};

use crate::tasks::{
    Entry, Ledger, OnDrop, Spy, a_look, in_a_process_of_its_own, on_a_runtime, on_each_runtime,
    panic_of, poll_once, poll_with, quietly,
};

// The matrix: where it panics, what becomes of the handle, when it is cancelled.

#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Nowhere,
    Poll,
    FutureDrop,
    OutputDrop,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Use {
    /// Awaited after everything has happened.
    Kept,
    /// Awaited by another task from the beginning.
    Polled,
    Dropped,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Cancel {
    Never,
    BeforeThePoll,
    WhileItWaits,
    /// In its own poll, which is `Pending`.
    Inside,
    /// In its own poll, which is `Ready`.
    InTheLastPoll,
    After,
}

#[derive(Debug)]
struct Output(
    Place,
    #[expect(dead_code, reason = "is there to be dropped")] Entry,
);

impl Drop for Output {
    fn drop(&mut self) {
        assert!(self.0 != Place::OutputDrop, "in the output's drop");
    }
}

type Handle = Rc<RefCell<Option<JoinHandle<Output>>>>;

/// Waits once, then panics or ends as it is told.
struct Subject {
    place: Place,
    usage: Use,
    cancel: Cancel,
    own: Handle,
    output: Option<Entry>,
    polls: u32,
    _entry: Entry,
}

impl Future for Subject {
    type Output = Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Output> {
        self.polls += 1;
        cx.waker().wake_by_ref();
        if self.polls == 1 {
            return Poll::Pending;
        }
        if matches!(self.cancel, Cancel::Inside | Cancel::InTheLastPoll) {
            cancel(&self.own);
            if self.usage == Use::Dropped {
                self.own.take();
            }
        }
        assert!(self.place != Place::Poll, "in the poll");
        if self.cancel == Cancel::Inside {
            return Poll::Pending;
        }
        let entry = self.output.take().expect("it ends once");
        Poll::Ready(Output(self.place, entry))
    }
}

impl Drop for Subject {
    fn drop(&mut self) {
        assert!(self.place != Place::FutureDrop, "in the future's drop");
    }
}

fn cancel(handle: &Handle) {
    if let Some(handle) = &*handle.borrow() {
        handle.cancel();
    }
}

/// What the handle has to say.
fn expected(place: Place, cancel: Cancel) -> Result<(), Option<&'static str>> {
    let is_polled_twice = !matches!(cancel, Cancel::BeforeThePoll | Cancel::WhileItWaits);
    match place {
        Place::Poll if is_polled_twice => Err(Some("in the poll")),
        Place::FutureDrop => Err(Some("in the future's drop")),
        _ if is_polled_twice && cancel != Cancel::Inside => Ok(()),
        _ => Err(None),
    }
}

async fn case(place: Place, usage: Use, when: Cancel) {
    let ledger = Ledger::new();
    let own = Handle::default();
    let subject = Subject {
        place,
        usage,
        cancel: when,
        own: Rc::clone(&own),
        output: Some(ledger.entry()),
        polls: 0,
        _entry: ledger.entry(),
    };
    let before = spawn(async {
        yield_now().await;
        1
    });
    own.replace(Some(spawn(subject)));
    let after = spawn(async {
        yield_now().await;
        2
    });
    let result = Rc::new(RefCell::new(None));
    let joiner = (usage == Use::Polled).then(|| {
        let (own, result) = (Rc::clone(&own), Rc::clone(&result));
        spawn(async move {
            let it = std::future::poll_fn(|cx| {
                let mut own = own.borrow_mut();
                Pin::new(own.as_mut().expect("nobody takes it")).poll(cx)
            });
            result.replace(Some(it.await));
        })
    });
    if when == Cancel::BeforeThePoll {
        cancel(&own);
    }
    if usage == Use::Dropped && matches!(when, Cancel::Never | Cancel::BeforeThePoll) {
        own.take();
    }
    yield_now().await;
    if when == Cancel::WhileItWaits {
        cancel(&own);
        if usage == Use::Dropped {
            own.take();
        }
    }
    assert_eq!((before.await.unwrap(), after.await.unwrap()), (1, 2));
    yield_now().await;
    if when == Cancel::After {
        cancel(&own);
    }
    match usage {
        Use::Kept => {
            let own = own.take().expect("it was kept");
            assert!(own.is_finished());
            result.replace(Some(own.await));
        }
        Use::Polled => joiner.expect("it was spawned").await.unwrap(),
        // It may hold the output: then its destructor panics here, in our hands.
        Use::Dropped => drop(catch_unwind(AssertUnwindSafe(|| drop(own.take())))),
    }
    own.take();
    if usage != Use::Dropped {
        let result = result.take().expect("it was awaited");
        match (&result, expected(place, when)) {
            (Ok(_), Ok(())) => {}
            (Err(error), Err(None)) => assert!(error.is_cancelled(), "{error}"),
            (Err(error), Err(Some(message))) => {
                assert!(error.is_panic(), "{error}");
                assert!(error.to_string().ends_with(message), "{error}");
            }
            (result, expected) => panic!("{result:?} instead of {expected:?}"),
        }
        let _ = catch_unwind(AssertUnwindSafe(|| drop(result)));
    }
    assert_eq!((ledger.alive(), stats().tasks), (0, 0));
}

#[test]
fn a_panic_anywhere_in_a_task_reaches_its_handle_and_nobody_else() {
    use Cancel::{After, BeforeThePoll, InTheLastPoll, Inside, Never, WhileItWaits};
    on_a_runtime(|runtime| {
        quietly(|| {
            for place in [
                Place::Nowhere,
                Place::Poll,
                Place::FutureDrop,
                Place::OutputDrop,
            ] {
                for usage in [Use::Kept, Use::Polled, Use::Dropped] {
                    for when in [
                        Never,
                        BeforeThePoll,
                        WhileItWaits,
                        Inside,
                        InTheLastPoll,
                        After,
                    ] {
                        let _named = OnDrop::new(move || {
                            if std::thread::panicking() {
                                eprintln!("that was with {place:?}, {usage:?}, {when:?}");
                            }
                        });
                        runtime.block_on(case(place, usage, when));
                    }
                }
            }
        });
    });
}

#[test]
fn others_go_on_while_every_second_task_panics() {
    on_each_runtime(|runtime| {
        quietly(|| {
            runtime.block_on(async {
                let tasks: Vec<_> = (0..1000)
                    .map(|i| {
                        spawn(async move {
                            sleep(Duration::from_micros(i % 10)).await;
                            assert!(i % 2 == 0, "odd");
                            i
                        })
                    })
                    .collect();
                for (i, task) in tasks.into_iter().enumerate() {
                    let result = task.await;
                    assert_eq!(result.is_ok(), i % 2 == 0);
                }
                assert_eq!((stats().tasks, stats().timers), (0, 0));
            });
        });
    });
}

#[test]
fn a_panic_in_a_poll_still_drops_what_the_future_held() {
    on_each_runtime(|runtime| {
        quietly(|| {
            runtime.block_on(async {
                let ledger = Ledger::new();
                let entry = ledger.entry();
                let (near, far) = UnixStream::pair().unwrap();
                let task = spawn(async move {
                    let _held = (entry, Source::new(near).unwrap());
                    let mut timer = sleep(Duration::from_secs(3600));
                    assert!(poll_once(&mut timer).await.is_pending());
                    panic!("with its hands full");
                });
                assert!(task.await.unwrap_err().is_panic());
                let now = stats();
                assert_eq!((ledger.alive(), now.sources, now.timers), (0, 0, 0));
                drop(far);
            });
        });
    });
}

// The error.

fn error_of(future: impl Future<Output = ()> + 'static) -> JoinError {
    let runtime = Runtime::new().unwrap();
    quietly(|| runtime.block_on(async { spawn_named("reader", future).await.unwrap_err() }))
}

#[test]
fn a_join_error_names_the_task_its_place_and_its_message() {
    let error = error_of(async { panic!("no bytes") });
    let place = format!("(spawned at {}:", file!());
    let text = error.to_string();
    assert!(text.starts_with("reader (spawned at "), "{text}");
    assert!(text.contains(&place), "{text}");
    assert!(text.ends_with(" panicked: no bytes"), "{text}");
    assert_eq!(format!("{error:?}"), format!("JoinError({text})"));

    let number = 7;
    let error = error_of(async move { panic!("number {number}") });
    assert!(error.to_string().ends_with(" panicked: number 7"));

    let error = error_of(async { std::panic::panic_any(7) });
    assert!(error.to_string().ends_with(" panicked"), "{error}");
}

#[test]
fn a_join_error_names_the_line_of_the_spawn() {
    on_a_runtime(|runtime| {
        let (error, line) = runtime.block_on(async {
            let (task, line) = (spawn(pending::<()>()), line!());
            task.cancel();
            (task.await.unwrap_err(), line)
        });
        let place = format!("(spawned at {}:{line}:", file!());
        assert!(error.to_string().contains(&place), "{error}");
        assert!(error.to_string().ends_with(" was cancelled"), "{error}");
    });
}

#[test]
fn into_panic_gives_what_the_task_panicked_with() {
    let error = error_of(async { std::panic::panic_any(7_u8) });
    let payload = error.into_panic().unwrap();
    assert_eq!(payload.downcast_ref(), Some(&7_u8));

    let runtime = Runtime::new().unwrap();
    let error = runtime.block_on(async {
        let task = spawn(pending::<()>());
        task.cancel();
        task.await.unwrap_err()
    });
    assert!(error.into_panic().unwrap_err().is_cancelled());
}

#[test]
fn a_join_error_is_an_error_that_may_travel_and_becomes_an_io_error() {
    fn travels<T: Error + Send + Sync + 'static>(_: &T) {}
    let error = error_of(async { panic!("no bytes") });
    travels(&error);
    let text = error.to_string();
    let error = io::Error::from(error);
    assert_eq!(
        (error.kind(), error.to_string()),
        (io::ErrorKind::Other, text)
    );
    let inner = error.into_inner().expect("it holds the cause");
    assert!(inner.downcast::<JoinError>().unwrap().is_panic());
}

// Wakers that panic.

/// Panics when it is woken.
struct Touchy;

impl Wake for Touchy {
    fn wake(self: Arc<Self>) {
        panic!("do not wake me");
    }
}

/// Panics when it is dropped, which happens once.
struct Sticky;

impl Wake for Sticky {
    fn wake(self: Arc<Self>) {}
}

impl Drop for Sticky {
    fn drop(&mut self) {
        panic!("do not drop me");
    }
}

fn touchy() -> Waker {
    Waker::from(Arc::new(Touchy))
}

fn sticky() -> Waker {
    Waker::from(Arc::new(Sticky))
}

#[test]
fn a_joiner_whose_waker_panics_harms_no_other_task() {
    on_a_runtime(|runtime| {
        quietly(|| {
            runtime.block_on(async {
                let mut task = spawn(async {});
                assert!(poll_with(&mut task, &touchy()).is_pending());
                let next = spawn(async { 7 });
                assert_eq!(next.await.unwrap(), 7);
                assert!(task.is_finished());
                assert_eq!(stats().tasks, 0);
            });
        });
    });
}

#[test]
fn a_canceller_is_not_hit_by_the_waker_of_the_joiner() {
    on_a_runtime(|runtime| {
        quietly(|| {
            runtime.block_on(async {
                let mut task = spawn(pending::<()>());
                assert!(poll_with(&mut task, &touchy()).is_pending());
                task.cancel();
                assert!(task.await.unwrap_err().is_cancelled());
                assert_eq!(stats().tasks, 0);
            });
        });
    });
}

#[test]
fn a_timer_whose_waker_panics_swallows_no_other() {
    on_each_runtime(|runtime| {
        let (spy, waker) = Spy::new();
        let now = Instant::now();
        let mut timers: Vec<_> = (0..3).map(|_| sleep_until(now)).collect();
        quietly(|| {
            runtime.block_on(async {
                assert!(poll_with(&mut timers[0], &waker).is_pending());
                assert!(poll_with(&mut timers[1], &touchy()).is_pending());
                assert!(poll_with(&mut timers[2], &waker).is_pending());
                a_look().await;
                assert_eq!(spy.wakes(), 2);
                for timer in timers {
                    timer.await; // All have expired.
                }
                sleep(Duration::from_millis(1)).await;
                assert_eq!(stats().timers, 0);
            });
        });
    });
}

/// Waits on the source with this waker.
fn wait(source: &Source<UnixStream>, waker: &Waker) {
    let would_block = |_: &UnixStream| Err::<(), _>(io::ErrorKind::WouldBlock.into());
    let mut cx = Context::from_waker(waker);
    let poll = source.poll_io(&mut cx, Direction::Read, would_block);
    assert!(poll.is_pending());
}

#[test]
fn a_waiter_of_a_socket_whose_waker_panics_swallows_no_other() {
    on_each_runtime(|runtime| {
        let (spy, waker) = Spy::new();
        let (mut near, far) = UnixStream::pair().unwrap();
        quietly(|| {
            runtime.block_on(async {
                let far = Source::new(far).unwrap();
                wait(&far, &touchy());
                wait(&far, &waker);
                near.write_all(b"x").unwrap();
                while spy.wakes() == 0 {
                    a_look().await;
                }
                far.readable().await.unwrap();
            });
        });
    });
}

#[test]
fn closing_a_socket_wakes_all_who_wait_though_one_waker_panics() {
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            let (spy, waker) = Spy::new();
            let (_near, far) = UnixStream::pair().unwrap();
            let far = Source::new(far).unwrap();
            wait(&far, &touchy());
            wait(&far, &waker);
            quietly(|| drop(far));
            assert_eq!((spy.wakes(), stats().sources), (1, 0));
        });
    });
}

#[test]
fn a_waker_that_panics_when_it_is_dropped_leaves_its_successor_in_place() {
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            let (spy, waker) = Spy::new();
            let mut task = spawn(yield_now());
            assert!(poll_with(&mut task, &sticky()).is_pending());
            let panic = panic_of(|| poll_with(&mut task, &waker));
            assert_eq!(panic.message, "do not drop me");

            let mut timer = sleep_until(Instant::now());
            assert!(poll_with(&mut timer, &sticky()).is_pending());
            let panic = panic_of(|| poll_with(&mut timer, &waker));
            assert_eq!(panic.message, "do not drop me");

            let mut dropped = sleep(Duration::from_secs(3600));
            assert!(poll_with(&mut dropped, &sticky()).is_pending());
            let panic = panic_of(|| drop(dropped));
            assert_eq!(panic.message, "do not drop me");

            yield_now().await;
            a_look().await;
            assert_eq!((spy.wakes(), stats().timers), (2, 0));
            assert!(task.is_finished());
        });
    });
}

#[test]
fn a_listener_is_served_while_its_neighbours_panic() {
    on_each_runtime(|runtime| {
        quietly(|| {
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let address = listener.local_addr().unwrap();
                let listener = Source::new(listener).unwrap();
                for _ in 0..10 {
                    spawn(async { panic!("a neighbour") });
                }
                let client = spawn(TcpStream::connect(address));
                listener.readable().await.unwrap();
                listener.get_ref().accept().unwrap();
                client.await.unwrap().unwrap();
                assert_eq!(stats().tasks, 0);
            });
        });
    });
}

#[test]
fn a_result_that_is_there_survives_the_panic_of_the_joiners_waker() {
    on_a_runtime(|runtime| {
        quietly(|| {
            runtime.block_on(async {
                let mut task = spawn(async { 7 });
                assert!(poll_with(&mut task, &touchy()).is_pending());
                yield_now().await;
                assert_eq!(task.await.unwrap(), 7);
            });
        });
    });
}

#[test]
fn several_wakers_that_panic_in_one_look_do_not_abort() {
    const NAME: &str = "several_wakers_that_panic_in_one_look_do_not_abort";
    in_a_process_of_its_own(NAME, || {
        let runtime = Runtime::new().unwrap();
        let (spy, waker) = Spy::new();
        let mut timers: Vec<_> = (0..4).map(|_| sleep_until(Instant::now())).collect();
        quietly(|| {
            runtime.block_on(async {
                for timer in &mut timers[..3] {
                    assert!(poll_with(timer, &touchy()).is_pending());
                }
                assert!(poll_with(&mut timers[3], &waker).is_pending());
                a_look().await;
                assert_eq!(spy.wakes(), 1);
            });
        });
    });
}

#[test]
fn a_deadline_that_comes_closer_wakes_all_who_wait_though_one_waker_panics() {
    on_each_runtime(|runtime| {
        quietly(|| {
            runtime.block_on(async {
                let (spy, waker) = Spy::new();
                let deadline = Deadline::never();
                let mut scopes = [(); 3].map(|()| Box::pin(deadline.scope(pending::<()>())));
                assert!(poll_with(&mut scopes[0], &waker).is_pending());
                assert!(poll_with(&mut scopes[1], &touchy()).is_pending());
                assert!(poll_with(&mut scopes[2], &waker).is_pending());
                deadline.reschedule(Instant::now());
                assert_eq!(spy.wakes(), 2);
                for scope in scopes {
                    scope.await.unwrap_err();
                }
            });
        });
    });
}

#[test]
fn who_waits_for_a_server_is_told_though_one_waker_panics() {
    on_each_runtime(|runtime| {
        quietly(|| {
            runtime.block_on(async {
                let (spy, waker) = Spy::new();
                let listener = selio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                let handler = async |_: TcpStream| {};
                let server = Server::builder().serve([listener], handler).unwrap();
                let mut waiting = [(); 3].map(|()| Box::pin(server.wait_closed()));
                assert!(poll_with(&mut waiting[0], &waker).is_pending());
                assert!(poll_with(&mut waiting[1], &touchy()).is_pending());
                assert!(poll_with(&mut waiting[2], &waker).is_pending());
                server.close();
                for waiting in waiting {
                    waiting.await;
                }
                assert_eq!(spy.wakes(), 2);
            });
        });
    });
}

/// Ends when it is told to, and panics when it is dropped.
struct Stubborn(bool);

impl Future for Stubborn {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        if self.0 {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    }
}

impl Drop for Stubborn {
    fn drop(&mut self) {
        panic!("in the future's drop");
    }
}

#[test]
fn a_panic_in_the_destructor_of_a_remote_task_reaches_its_handle() {
    on_a_runtime(|runtime| {
        quietly(|| {
            let handle = runtime.handle();
            for ends_by_itself in [true, false] {
                let error = runtime.block_on(async {
                    let task = handle.spawn(move || Stubborn(ends_by_itself));
                    a_look().await;
                    a_look().await;
                    task.cancel();
                    task.await.unwrap_err()
                });
                assert!(error.is_panic(), "{error}");
                assert!(
                    error.to_string().ends_with("in the future's drop"),
                    "{error}"
                );
            }
            assert_eq!(runtime.stats().tasks, 0);
        });
    });
}
