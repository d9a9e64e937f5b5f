//! What the tests of tasks share beyond [`common`]: lists of events, a ledger of drops, wakers that
//! tell, panics that are looked at.
//!
//! A test uses it by `mod common;` and `#[path = "common/tasks.rs"] mod tasks;`.

#![allow(dead_code, reason = "no test uses all of it")]

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt::Debug;
use std::fs;
use std::future::Future;
use std::panic::{AssertUnwindSafe, Location, catch_unwind, set_hook, take_hook};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Once};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, ThreadId};
use std::time::Duration;

use selio::selector::Backend;
use selio::{Builder, Runtime, task};

use crate::common::{child, company, deadline, each_backend, is_child};

/// How long a test may take that does not concern the backends.
const PATIENCE: Duration = Duration::from_secs(30);

/// A runtime on the default backend, against a deadline.
#[track_caller]
pub(crate) fn on_a_runtime(test: impl FnOnce(&Runtime)) {
    deadline(PATIENCE, || {
        test(&Runtime::new().expect("a runtime can be made"));
    });
}

/// A runtime on every backend in turn, against a deadline.
#[track_caller]
pub(crate) fn on_each_runtime(mut test: impl FnMut(&Runtime)) {
    each_backend(|backend| test(&runtime(backend)));
}

/// The same for tests that may run beside each other; see [`crate::common::beside_others`].
pub(crate) mod beside_others {
    use super::{Runtime, runtime};
    use crate::common;

    #[track_caller]
    pub(crate) fn on_each_runtime(mut test: impl FnMut(&Runtime)) {
        common::beside_others::each_backend(|backend| test(&runtime(backend)));
    }
}

pub(crate) fn runtime(backend: Backend) -> Runtime {
    let builder = Builder::new().backend(backend);
    builder.build().expect("what is available can be made")
}

/// Runs the test of this name in a process of its own: for what counts handles or memory, or might
/// abort.
#[track_caller]
pub(crate) fn in_a_process_of_its_own(test: &str, body: impl FnOnce()) {
    if is_child() {
        return deadline(PATIENCE, body);
    }
    let _company = company(); // The pipes of a child are no leak of others.
    let output = child(test).output().expect("this binary can be run");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.contains("1 passed"),
        "{:?}: {text}\n{}",
        output.status,
        { String::from_utf8_lossy(&output.stderr) }
    );
}

/// How much memory this process has resident, in KiB, where the system tells it in a file.
pub(crate) fn memory() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    number.map_or(0, |number| number.parse().expect("VmRSS is a number"))
}

/// What happened, in order. Clones write on the same list.
#[derive(Clone, Debug)]
pub(crate) struct Log<E>(Rc<RefCell<Vec<E>>>);

impl<E> Log<E> {
    pub(crate) fn new() -> Self {
        Self(Rc::default())
    }

    pub(crate) fn note(&self, event: E) {
        self.0.borrow_mut().push(event);
    }

    pub(crate) fn len(&self) -> usize {
        self.0.borrow().len()
    }

    /// The events so far; the list is empty then.
    pub(crate) fn take(&self) -> Vec<E> {
        self.0.take()
    }
}

/// Counts what was made and what was dropped, and refuses a drop on another thread.
#[derive(Clone, Debug)]
pub(crate) struct Ledger(Rc<Counts>);

#[derive(Debug)]
struct Counts {
    made: Cell<usize>,
    dropped: Cell<usize>,
}

impl Ledger {
    pub(crate) fn new() -> Self {
        Self(Rc::new(Counts {
            made: Cell::new(0),
            dropped: Cell::new(0),
        }))
    }

    /// A value whose life is recorded.
    pub(crate) fn entry(&self) -> Entry {
        self.0.made.set(self.0.made.get() + 1);
        Entry(Rc::clone(&self.0), thread::current().id())
    }

    pub(crate) fn alive(&self) -> usize {
        self.0.made.get() - self.0.dropped.get()
    }

    pub(crate) fn dropped(&self) -> usize {
        self.0.dropped.get()
    }
}

/// See [`Ledger::entry`].
#[derive(Debug)]
pub(crate) struct Entry(Rc<Counts>, ThreadId);

impl Drop for Entry {
    fn drop(&mut self) {
        assert_eq!(thread::current().id(), self.1, "dropped on another thread");
        self.0.dropped.set(self.0.dropped.get() + 1);
    }
}

/// Does something when it is dropped.
pub(crate) struct OnDrop<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> OnDrop<F> {
    pub(crate) fn new(act: F) -> Self {
        Self(Some(act))
    }
}

impl<F: FnOnce()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        if let Some(act) = self.0.take() {
            act();
        }
    }
}

/// A waker that counts.
#[derive(Debug, Default)]
pub(crate) struct Spy(AtomicUsize);

impl Spy {
    pub(crate) fn new() -> (Arc<Self>, Waker) {
        let spy = Arc::new(Self::default());
        let waker = Waker::from(Arc::clone(&spy));
        (spy, waker)
    }

    /// How often it was woken.
    pub(crate) fn wakes(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Spy {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

/// Polls once with this waker.
pub(crate) fn poll_with<F: Future + Unpin + ?Sized>(
    future: &mut F,
    waker: &Waker,
) -> Poll<F::Output> {
    Pin::new(future).poll(&mut Context::from_waker(waker))
}

/// Polls once with the waker of the task that calls this.
pub(crate) async fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    std::future::poll_fn(|cx| Poll::Ready(Pin::new(&mut *future).poll(cx))).await
}

/// Waits until the loop has looked after sockets and timers once more, and everybody that this woke
/// has run.
pub(crate) async fn a_look() {
    selio::sleep_until(std::time::Instant::now()).await;
    selio::yield_now().await;
}

/// What a panic said, and where it says that it happened.
#[derive(Debug)]
pub(crate) struct Panic {
    pub(crate) message: String,
    pub(crate) file: String,
    pub(crate) line: u32,
}

thread_local! {
    static IS_QUIET: Cell<bool> = const { Cell::new(false) };
    static PLACE: RefCell<Option<(String, u32)>> = const { RefCell::new(None) };
}

/// Runs code that has to panic, says nothing about it, and returns the panic.
#[track_caller]
pub(crate) fn panic_of<R: Debug>(code: impl FnOnce() -> R) -> Panic {
    match quietly(|| catch_unwind(AssertUnwindSafe(code))) {
        Ok(result) => panic!("it did not panic, but returned {result:?}"),
        Err(payload) => {
            let place = PLACE.take().expect("the hook has seen it");
            Panic {
                message: message_of(&*payload),
                file: place.0,
                line: place.1,
            }
        }
    }
}

/// The same for a panic that has to name the line on which this is called.
#[track_caller]
pub(crate) fn panic_here<R: Debug>(code: impl FnOnce() -> R) -> String {
    let here = Location::caller();
    let panic = panic_of(code);
    assert_eq!(
        (panic.file.as_str(), panic.line),
        (here.file(), here.line()),
        "{}",
        panic.message
    );
    panic.message
}

/// Keeps the panics of this thread off the screen meanwhile: they belong to the test.
pub(crate) fn quietly<R>(code: impl FnOnce() -> R) -> R {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |info| {
            let place = info.location().map(|at| (at.file().to_owned(), at.line()));
            let _ = PLACE.try_with(|last| last.replace(place));
            // As a hook of a user may: nothing is borrowed where selio panics.
            let _ = task::all_tasks();
            if !IS_QUIET.try_with(Cell::get).unwrap_or(false) {
                usual(info);
            }
        }));
    });
    let was_quiet = IS_QUIET.replace(true);
    let result = catch_unwind(AssertUnwindSafe(code));
    IS_QUIET.set(was_quiet);
    match result {
        Ok(result) => result,
        Err(payload) => panic!("{}", message_of(&*payload)),
    }
}

pub(crate) fn message_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|&text| text.to_owned());
    let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
    text.unwrap_or_else(|| "no text".to_owned())
}
