//! Claims about what an observer is told, and in which order.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use common::each_backend;
use selio::net::{TcpListener, TcpStream};
use selio::selector::Backend;
use selio::sync::Queue;
use selio::task::{self, TaskId};
use selio::trace::{By, Event, Observer};
use selio::{Builder, Direction, Runtime, sleep, spawn, spawn_named, yield_now};

/// Writes down what it is told, in words.
#[derive(Clone, Default)]
struct Scribe(Rc<RefCell<Vec<String>>>);

impl Observer for Scribe {
    fn event(&self, event: &Event<'_>) {
        let who = |task: &Option<TaskId>| task.map_or("main".to_owned(), |id| format!("{id:?}"));
        let line = match event {
            Event::Spawned {
                task,
                parent,
                name,
                site,
            } => format!(
                "spawned {task:?} {} by {} at {}",
                name.unwrap_or("?"),
                who(parent),
                site.line()
            ),
            Event::PollBegins { task } => format!("poll {}", who(task)),
            Event::PollEnds { task, is_ready } => format!("polled {} {is_ready}", who(task)),
            Event::Done { task, has_panicked } => format!("done {task:?} {has_panicked}"),
            Event::Cancelled { task } => format!("cancelled {task:?}"),
            Event::Woken { task, by } => match by {
                By::Task(id) => format!("woken {} by {id:?}", who(task)),
                By::Main => format!("woken {} by main", who(task)),
                By::Reactor => format!("woken {} by reactor", who(task)),
                By::Thread(name) => format!("woken {} by thread {name}", who(task)),
                _ => unreachable!("there are no others yet"),
            },
            Event::Joins { task } => format!("joins {task:?}"),
            Event::WouldBlock {
                fd,
                direction,
                site,
            } => {
                let site = site.expect("no trait is in the way");
                assert_eq!(site.file(), file!());
                format!("would block fd {fd} {direction:?} at {}", site.line())
            }
            Event::Armed { fd, .. } => format!("armed fd {fd}"),
            Event::Disarmed { fd, .. } => format!("disarmed fd {fd}"),
            Event::Sleeps { backend, .. } => {
                let _ = task::dump(); // Who is told may look around.
                format!("sleeps {backend}")
            }
            Event::Selected {
                backend, events, ..
            } => format!("selected {backend} {events}"),
            Event::Ready { fd, readable, .. } => format!("ready fd {fd} {readable}"),
            Event::TimerSet { site, .. } => format!("timer at {}", site.line()),
            Event::TimerFired => "timer fired".to_owned(),
            _ => unreachable!("there are no others yet"),
        };
        self.0.borrow_mut().push(line);
    }
}

impl Scribe {
    fn watch(&self, backend: Backend) -> Runtime {
        let builder = Builder::new().backend(backend);
        builder.observer(self.clone()).build().unwrap()
    }

    /// Asserts that these lines were told, in this order, whatever else was told in between. One
    /// that ends with a space is the beginning of a line.
    fn assert_told(&self, expected: &[String]) {
        let told = self.0.borrow();
        let mut rest = told.iter();
        for line in expected {
            assert!(
                rest.any(|other| other == line || line.ends_with(' ') && other.starts_with(line)),
                "`{line}` was not told in time: {told:#?}"
            );
        }
    }
}

#[test]
fn one_read_is_told_from_would_block_to_done_in_order() {
    each_backend(|backend| {
        let scribe = Scribe::default();
        let runtime = scribe.watch(backend);
        let (id, fd, line) = runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let client = TcpStream::connect(listener.local_addr().unwrap()).await;
            let client = client.unwrap();
            let (server, _) = listener.accept().await.unwrap();
            let fd = std::os::fd::AsRawFd::as_raw_fd(&server);
            let reader = spawn_named("reader", async move {
                let mut buffer = [0; 16];
                let n = server.read(&mut buffer).await;
                assert_eq!(n.unwrap(), 4);
                line!() - 2
            });
            let id = reader.id();
            yield_now().await;
            yield_now().await;
            client.write_all(b"ping").await.unwrap();
            (id, fd, reader.await.unwrap())
        });
        scribe.assert_told(&[
            format!("poll {id:?}"),
            format!("would block fd {fd} {:?} at {line}", Direction::Read),
            format!("armed fd {fd}"),
            format!("polled {id:?} false"),
            "joins ".to_owned() + &format!("{id:?}"),
            format!("sleeps {backend}"),
            format!("selected {backend} "),
            format!("ready fd {fd} true"),
            format!("woken {id:?} by reactor"),
            format!("poll {id:?}"),
            format!("polled {id:?} true"),
            format!("done {id:?} false"),
            format!("woken main by {id:?}"),
        ]);
    });
}

#[test]
fn spawns_wakes_timers_cancels_and_panics_are_told_with_who_did_it() {
    each_backend(|backend| {
        let scribe = Scribe::default();
        let runtime = scribe.watch(backend);
        let (parent, child, sleeper, line) = runtime.block_on(async {
            let parent = spawn_named("parent", async {
                let line = line!() + 1;
                let child = spawn_named("child", async { panic!("told") });
                let id = child.id();
                assert!(child.await.unwrap_err().is_panic());
                (id, line)
            });
            let id = parent.id();
            let (child, line) = parent.await.unwrap();
            sleep(Duration::from_millis(1)).await;
            let sleeper = spawn(sleep(Duration::from_secs(100)));
            yield_now().await;
            sleeper.cancel();
            (id, child, sleeper.id(), line)
        });
        scribe.assert_told(&[
            format!("spawned {child:?} child by {parent:?} at {line}"),
            format!("joins {child:?}"),
            format!("polled {child:?} true"),
            format!("done {child:?} true"),
            format!("woken {parent:?} by {child:?}"),
            format!("done {parent:?} false"),
            format!("woken main by {parent:?}"),
            "timer fired".to_owned(),
            "woken main by reactor".to_owned(),
            "woken main by main".to_owned(), // yield_now
            format!("cancelled {sleeper:?}"),
        ]);
    });
}

#[test]
fn a_wake_from_another_thread_is_told_with_its_name() {
    each_backend(|backend| {
        let scribe = Scribe::default();
        let runtime = scribe.watch(backend);
        let (send, receive) = async_channel::bounded(1);
        let (begin, has_begun) = mpsc::channel();
        let helper = thread::Builder::new().name("helper".to_owned());
        let helper = helper.spawn(move || {
            has_begun.recv().unwrap();
            send.send_blocking(7).unwrap();
        });
        let id = runtime.block_on(async {
            let receiver = spawn(async move { receive.recv().await });
            let id = receiver.id();
            yield_now().await;
            begin.send(()).unwrap(); // The task has begun to wait.
            assert_eq!(receiver.await.unwrap(), Ok(7));
            id
        });
        helper.unwrap().join().unwrap();
        scribe.assert_told(&[
            format!("polled {id:?} false"),
            format!("woken {id:?} by thread helper"),
            format!("done {id:?} false"),
        ]);
    });
}

#[test]
fn who_asks_the_selector_without_sleeping_is_not_said_to_sleep() {
    each_backend(|backend| {
        let scribe = Scribe::default();
        let runtime = scribe.watch(backend);
        runtime.block_on(async {
            let (_one, other) = selio::net::UnixStream::pair().unwrap();
            spawn(async move { other.read(&mut [0; 8]).await });
            for _ in 0..200 {
                yield_now().await;
            }
        });
        let told = scribe.0.borrow();
        let count = |word: &str| told.iter().filter(|line| line.starts_with(word)).count();
        assert!(count("selected") > 0);
        assert_eq!(count("sleeps"), 0, "{told:#?}");
    });
}

#[test]
fn an_observer_that_panics_is_told_nothing_more_and_nobody_else_notices() {
    /// Panics at the nth event.
    struct Fragile(Rc<Cell<usize>>);

    impl Observer for Fragile {
        fn event(&self, _: &Event<'_>) {
            let left = self.0.get().wrapping_sub(1);
            self.0.set(left);
            assert_ne!(left, 0, "told");
            assert_ne!(left, usize::MAX, "it is told more");
        }
    }

    each_backend(|backend| {
        for nth in 1..40 {
            let (left, scribe) = (Rc::new(Cell::new(nth)), Scribe::default());
            let builder = Builder::new().backend(backend);
            let builder = builder.observer(Fragile(Rc::clone(&left)));
            let runtime = builder.observer(scribe.clone()).build().unwrap();
            let id = runtime.block_on(async {
                let (one, other) = selio::net::UnixStream::pair().unwrap();
                let reader = spawn(async move { one.read(&mut [0; 8]).await });
                let lost = spawn(std::future::pending::<()>());
                sleep(Duration::from_micros(1)).await;
                lost.cancel();
                other.write_all(b"ping").await.unwrap();
                let id = reader.id();
                assert_eq!(reader.await.unwrap().unwrap(), 4);
                id
            });
            assert_eq!(runtime.stats().tasks, 0);
            scribe.assert_told(&[format!("polled {id:?} true"), format!("done {id:?} false")]);
            if nth <= 10 {
                assert_eq!(left.get(), 0, "it has panicked, and was told nothing more");
            }
        }
    });
}

#[test]
fn a_task_that_is_woken_when_the_loop_says_that_it_sleeps_runs_before_it_does() {
    /// Sends what it is told to a task, as bridges do.
    struct Sending(Rc<Queue<()>>);

    impl Observer for Sending {
        fn event(&self, event: &Event<'_>) {
            if let Event::Sleeps { .. } = event {
                self.0.put_nowait(()).unwrap();
            }
        }
    }

    each_backend(|backend| {
        let queue = Rc::new(Queue::unbounded());
        let builder = Builder::new().backend(backend);
        let runtime = builder.observer(Sending(Rc::clone(&queue))).build();
        runtime.unwrap().block_on(queue.get()).unwrap();
    });
}

#[test]
fn an_observer_may_make_a_runtime_of_its_own_whatever_it_is_told() {
    struct Making(Rc<Cell<usize>>);

    impl Observer for Making {
        fn event(&self, _: &Event<'_>) {
            drop(Runtime::new().unwrap());
            self.0.set(self.0.get() + 1);
        }
    }

    each_backend(|backend| {
        let made = Rc::default();
        let builder = Builder::new().backend(backend);
        let runtime = builder.observer(Making(Rc::clone(&made))).build().unwrap();
        let (queue, done) = (Rc::new(Queue::unbounded()), Rc::new(Cell::new(false)));
        runtime.block_on(async {
            let getter = spawn({
                let queue = Rc::clone(&queue);
                async move { queue.get().await.unwrap() }
            });
            yield_now().await;
            queue.put_nowait(()).unwrap();
            getter.await.unwrap();
            sleep(Duration::from_millis(1)).await;
            done.set(true);
        });
        assert!(done.get());
        // Spawned, four polls and their ends, done, two wakes, the timer: and it was told all of it.
        assert!(made.get() >= 15, "told of {} events only", made.get());
    });
}
