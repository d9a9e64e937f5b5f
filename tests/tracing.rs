//! Claims about the bridge to the crate `tracing`: whose span encloses what.

#![cfg(feature = "tracing")]
#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use common::each_backend;
use selio::net::UnixStream;
use selio::selector::Backend;
use selio::sync::Mutex as Lock;
use selio::{Builder, Runtime, race, sleep, spawn, spawn_named, trace, yield_now};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::with_default;
use tracing::{Event, Metadata, Subscriber, info, info_span};
use tracing_core::span::Current;

/// Writes down the events, each behind the spans that are entered, and how many spans there are.
#[derive(Clone, Default)]
struct Collector(Arc<Mutex<Collected>>);

#[derive(Default)]
struct Collected {
    /// What each span is called, by its number.
    spans: Vec<String>,
    entered: Vec<usize>,
    follows: Vec<(String, String)>,
    lines: Vec<String>,
    open: usize,
    /// That of any span, for those who ask for the current one.
    metadata: Option<&'static Metadata<'static>>,
}

/// The fields of a span or an event, as in ` id=1 message=hello`.
#[derive(Default)]
struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0 += &format!(" {field}={value:?}");
    }
}

impl Subscriber for Collector {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let target = span.metadata().target();
        assert!(target == "selio" || target == module_path!(), "{target}");
        let mut fields = Fields::default();
        span.record(&mut fields);
        let mut all = self.0.lock().unwrap();
        all.spans
            .push(span.metadata().name().to_owned() + &fields.0);
        all.open += 1;
        all.metadata = Some(span.metadata());
        Id::from_u64(all.spans.len() as u64)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, span: &Id, follows: &Id) {
        let mut all = self.0.lock().unwrap();
        let name = |id: &Id| all.spans[id.into_u64() as usize - 1].clone();
        let follows = (name(span), name(follows));
        all.follows.push(follows);
    }

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut all = self.0.lock().unwrap();
        let current = all.entered.last().copied();
        let span = match event.parent() {
            Some(parent) => Some(parent.into_u64() as usize - 1),
            None => current.filter(|_| event.is_contextual()),
        };
        let span = span.map_or("nobody".to_owned(), |span| all.spans[span].clone());
        all.lines.push(span + ":" + &fields.0);
    }

    fn enter(&self, span: &Id) {
        let mut all = self.0.lock().unwrap();
        all.entered.push(span.into_u64() as usize - 1);
    }

    fn exit(&self, span: &Id) {
        let mut all = self.0.lock().unwrap();
        assert_eq!(all.entered.pop(), Some(span.into_u64() as usize - 1));
    }

    fn current_span(&self) -> Current {
        let all = self.0.lock().unwrap();
        let (Some(&current), Some(metadata)) = (all.entered.last(), all.metadata) else {
            return Current::none();
        };
        Current::new(Id::from_u64(current as u64 + 1), metadata)
    }

    fn clone_span(&self, span: &Id) -> Id {
        self.0.lock().unwrap().open += 1;
        span.clone()
    }

    fn try_close(&self, _: Id) -> bool {
        self.0.lock().unwrap().open -= 1;
        true
    }
}

impl Collector {
    /// What is collected while this runs in a runtime that is traced.
    fn collect<T>(&self, backend: Backend, main: impl FnOnce(&Runtime) -> T) -> T {
        let builder = Builder::new().backend(backend);
        let runtime = builder.observer(trace::to_tracing()).build().unwrap();
        let result = with_default(self.clone(), || main(&runtime));
        with_default(self.clone(), || drop(runtime));
        let all = self.0.lock().unwrap();
        assert_eq!(all.entered, [], "every span that is entered is left");
        assert_eq!(all.open, 0, "every span is closed: {:?}", all.spans);
        result
    }

    /// The one line that has these parts.
    #[track_caller]
    fn line(&self, parts: &[&str]) -> String {
        let all = self.0.lock().unwrap();
        let are_there = |line: &&String| parts.iter().all(|part| line.contains(part));
        let mut lines = all.lines.iter().filter(are_there);
        let line = lines.next();
        let line = line.unwrap_or_else(|| panic!("{parts:?} is not in {:#?}", all.lines));
        assert_eq!(lines.next(), None, "{parts:?}");
        line.clone()
    }
}

#[test]
fn what_a_task_logs_stands_in_its_span_with_its_name_and_its_line() {
    each_backend(|backend| {
        let collector = Collector::default();
        let (ids, line) = collector.collect(backend, |runtime| {
            info!("outside");
            runtime.block_on(async {
                info!("in main");
                let (line, greet) = (line!() + 1, |who: &'static str| async move {
                    info!(who, "first");
                    yield_now().await;
                    info!(who, "second");
                });
                let ann = spawn_named("ann", greet("ann"));
                let bob = spawn(greet("bob"));
                let ids = [ann.id(), bob.id()];
                ann.await.unwrap();
                bob.await.unwrap();
                info!("still in main");
                (ids, line + 4)
            })
        });
        let place = |line: u32| format!("at={}:{line}:", file!());
        for step in ["message=first", "message=second"] {
            let ann = collector.line(&["who=\"ann\"", step]);
            let span = format!("task id={} name=\"ann\" {}", ids[0], place(line));
            assert!(ann.starts_with(&span), "{ann}");
            let bob = collector.line(&["who=\"bob\"", step]);
            let span = format!("task id={} {}", ids[1], place(line + 1));
            assert!(bob.starts_with(&span), "{bob}");
        }
        assert!(collector.line(&["=outside"]).starts_with("nobody:"));
        assert!(collector.line(&["=in main"]).starts_with("main:"));
        assert!(collector.line(&["=still in main"]).starts_with("main:"));
    });
}

#[test]
fn one_read_is_told_in_the_span_of_who_reads_and_its_answer_outside() {
    each_backend(|backend| {
        let collector = Collector::default();
        let line = collector.collect(backend, |runtime| {
            runtime.block_on(async {
                let (one, other) = UnixStream::pair().unwrap();
                let reader = spawn_named("reader", async move {
                    one.read(&mut [0; 8]).await.unwrap();
                    line!() - 1
                });
                yield_now().await;
                yield_now().await;
                other.write_all(b"ping").await.unwrap();
                reader.await.unwrap()
            })
        });
        let would_block = collector.line(&["message=would-block"]);
        let place = format!(" to=read at={}:{line}:", file!());
        assert!(would_block.starts_with("task ") && would_block.contains(&place));
        assert!(collector.line(&["message=arm"]).contains("name=\"reader\""));
        assert!(collector.line(&["message=join"]).starts_with("main:"));
        assert!(collector.line(&["message=ready"]).starts_with("nobody: "));
        let wake = collector.line(&["message=wake", "by=loop"]);
        assert!(wake.starts_with("nobody: message=wake task="), "{wake}");
        let all = collector.0.lock().unwrap();
        let select = format!("nobody: message=select backend={backend} ");
        let is_answer = |line: &&String| line.contains("=select ");
        let answers: Vec<_> = all.lines.iter().filter(is_answer).collect();
        assert!(answers.iter().any(|line| line.ends_with("events=1")));
        assert!(answers.iter().all(|line| line.starts_with(&select)));
    });
}

#[test]
fn waits_for_timers_and_locks_are_told_in_the_span_of_who_waits() {
    each_backend(|backend| {
        let collector = Collector::default();
        collector.collect(backend, |runtime| {
            runtime.block_on(async {
                let lock = std::rc::Rc::new(Lock::new(()));
                let shared = std::rc::Rc::clone(&lock);
                let holder = spawn_named("holder", async move {
                    let _guard = shared.lock().await;
                    sleep(Duration::from_millis(1)).await;
                });
                yield_now().await;
                let waiter = spawn_named("waiter", async move { drop(lock.lock().await) });
                holder.await.unwrap();
                waiter.await.unwrap();
            });
        });
        let timer = collector.line(&["message=timer", "left="]);
        assert!(timer.contains("name=\"holder\""), "{timer}");
        let wait = collector.line(&["message=wait", "what=\"Mutex\" holder="]);
        assert!(wait.contains("name=\"waiter\""), "{wait}");
        assert!(wait.contains(&format!(" at={}:", file!())), "{wait}");
        collector.line(&["message=timer-fired"]);
    });
}

#[test]
fn a_span_follows_from_that_of_its_spawn_and_has_no_parent() {
    each_backend(|backend| {
        let collector = Collector::default();
        collector.collect(backend, |runtime| {
            runtime.block_on(async {
                let parent = spawn_named("parent", async {
                    let request = info_span!("request");
                    let child = request.in_scope(|| spawn_named("child", yield_now()));
                    child.await.unwrap();
                });
                parent.await.unwrap();
            });
        });
        let all = collector.0.lock().unwrap();
        let [(parent, main), (child, request)] = &all.follows[..] else {
            panic!("{:?}", all.follows);
        };
        assert!(parent.contains("parent") && main == "main");
        assert!(child.contains("child") && request == "request");
    });
}

#[test]
fn panics_and_cancels_are_told_in_the_span_that_they_end() {
    each_backend(|backend| {
        let collector = Collector::default();
        collector.collect(backend, |runtime| {
            runtime.block_on(async {
                let hasty = spawn_named("hasty", async { panic!("told") });
                hasty.await.unwrap_err();
                spawn_named("lost", std::future::pending::<()>());
                yield_now().await;
                race([sleep(Duration::from_secs(100)), sleep(Duration::ZERO)]).await;
            });
            // What panics here leaves the span of main all the same.
            let panic = catch_unwind(AssertUnwindSafe(|| {
                runtime.block_on(async { panic!("told, too") });
            }));
            panic.unwrap_err();
            info!("after the panic");
        });
        assert!(collector.line(&["=panic"]).contains("name=\"hasty\""));
        assert!(collector.line(&["=cancelled"]).contains("name=\"lost\""));
        assert!(collector.line(&["after the panic"]).starts_with("nobody:"));
    });
}

#[test]
fn a_subscriber_that_wants_less_gets_less() {
    struct Deaf;

    impl Subscriber for Deaf {
        fn enabled(&self, _: &Metadata<'_>) -> bool {
            false
        }
        fn new_span(&self, _: &Attributes<'_>) -> Id {
            unreachable!("nobody has asked for it")
        }
        fn record(&self, _: &Id, _: &Record<'_>) {}
        fn record_follows_from(&self, _: &Id, _: &Id) {}
        fn event(&self, _: &Event<'_>) {
            unreachable!("nobody has asked for it")
        }
        fn enter(&self, _: &Id) {}
        fn exit(&self, _: &Id) {}
    }

    each_backend(|backend| {
        let builder = Builder::new().backend(backend);
        let runtime = builder.observer(trace::to_tracing()).build().unwrap();
        with_default(Deaf, || {
            runtime.block_on(async {
                spawn(sleep(Duration::from_millis(1))).await.unwrap();
                spawn(std::future::pending::<()>()).cancel();
            });
        });
    });
}
