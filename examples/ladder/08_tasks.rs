//! Step 8: tasks, a queue of those that are ready, and wakers that put them there.
//!
//! ```text
//! cargo run --example 08_tasks               then, in two terminals: nc 127.0.0.1 5566
//! ```
//!
//! **New here.** Each client is a task of its own, and a [`TaskWaker`] knows which: to wake is to put
//! a number into a queue. It stands where step 6 had the callback, in the key of the registration. One
//! event, one wake, one poll; the thread sleeps in the selector when the queue is empty.
//!
//! **What it costs.** A box and a waker for each task. That is all that an executor is.
//!
//! **Still wrong.** We have written by hand what the compiler would write, with the states of
//! [`HandleClient`]. A client that sends without a pause keeps its task running. A wake from another
//! thread does not end the sleep. When no descriptor is left, everybody pauses. There are no timers,
//! no results, no cancelling. The next step has all that.
//!
//! **Mends** the servers that ask with a timeout, `poll.poll(1000)` in *Async Socket I/O* and
//! `sel.select(timeout=0.5)` in *Understanding I/O Multiplexing in Python*: they wake up for nothing,
//! and what becomes ready without an event is late by up to as much. Here the queue decides.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::future::Future;
use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Wake, Waker, ready};
use std::thread;
use std::time::Duration;

use selio::selector::{Interest, Selector};

/// Where the thread waits, on behalf of all who would have to.
struct Reactor {
    selector: RefCell<Selector<Waker>>,
}

/// Who runs next.
#[derive(Default)]
struct Executor {
    tasks: RefCell<HashMap<u64, Task>>,
    last_id: Cell<u64>,
    ready: RunQueue,
}

struct Task {
    future: Pin<Box<dyn Future<Output = io::Result<()>>>>,
    waker: Waker,
}

/// The tasks that have something to do. A waker may be used on any thread, hence the lock.
#[derive(Clone, Default)]
struct RunQueue(Arc<Mutex<Vec<u64>>>);

struct TaskWaker {
    id: u64,
    ready: RunQueue,
}

/// `async fn serve`, by hand.
struct Serve {
    executor: Rc<Executor>,
    reactor: Rc<Reactor>,
    listener: TcpListener,
}

/// `async fn handle_client`, by hand.
struct HandleClient {
    reactor: Rc<Reactor>,
    stream: TcpStream,
    state: State,
}

enum State {
    Reading,
    Writing { unsent: Vec<u8> },
}

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:5566"))?;
    println!("listening on {}", listener.local_addr()?);
    listener.set_nonblocking(true)?;
    let selector = RefCell::new(Selector::new()?);
    let reactor = Rc::new(Reactor { selector });
    let executor = Rc::new(Executor::default());
    executor.spawn(Serve {
        executor: Rc::clone(&executor),
        reactor: Rc::clone(&reactor),
        listener,
    });
    executor.run(&reactor)
}

impl Executor {
    fn spawn(&self, future: impl Future<Output = io::Result<()>> + 'static) {
        let id = self.last_id.get() + 1;
        self.last_id.set(id);
        let ready = self.ready.clone();
        let task = Task {
            future: Box::pin(future),
            waker: Waker::from(Arc::new(TaskWaker { id, ready })),
        };
        task.waker.wake_by_ref();
        self.tasks.borrow_mut().insert(id, task);
    }

    fn run(&self, reactor: &Reactor) -> ! {
        loop {
            let ready = mem::take(&mut *self.ready.lock());
            if ready.is_empty() {
                reactor.wait();
            }
            for id in ready {
                self.run_task(id);
            }
        }
    }

    fn run_task(&self, id: u64) {
        // Out of the table, so that it may spawn. If it is not there, it has ended.
        let Some(mut task) = self.tasks.borrow_mut().remove(&id) else {
            return;
        };
        let mut cx = Context::from_waker(&task.waker);
        match task.future.as_mut().poll(&mut cx) {
            Poll::Pending => drop(self.tasks.borrow_mut().insert(id, task)),
            Poll::Ready(Ok(())) => {}
            Poll::Ready(Err(error)) => eprintln!("task {id}: {error}"),
        }
    }
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.ready.lock().push(self.id);
    }
}

impl RunQueue {
    fn lock(&self) -> MutexGuard<'_, Vec<u64>> {
        self.0.lock().expect("nobody panics while it is locked")
    }
}

impl Reactor {
    fn wait(&self) {
        let mut events = Vec::new();
        let result = self.selector.borrow_mut().select(&mut events, None);
        result.expect("all that is registered is open");
        for event in events {
            event.key.wake();
        }
    }

    /// Tries it. If it would have to wait, sees to it that the task is woken when it need not any
    /// more.
    fn poll_io<S: AsFd, R>(
        &self,
        cx: &mut Context<'_>,
        socket: &S,
        interest: Interest,
        op: impl FnOnce(&S) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        match op(socket) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            result => return Poll::Ready(result),
        }
        let waker = cx.waker().clone();
        let mut selector = self.selector.borrow_mut();
        match selector.registration(socket) {
            Some(_) => selector.modify(socket, waker, interest)?,
            None => selector.register(socket, waker, interest)?,
        }
        Poll::Pending
    }
}

impl Future for Serve {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self {
            executor,
            reactor,
            listener,
        } = self.get_mut();
        let accept = |it: &TcpListener| it.accept().or_else(back_off);
        let interest = Interest::READABLE;
        while let Poll::Ready(accepted) = reactor.poll_io(cx, listener, interest, accept) {
            let (stream, _) = accepted?;
            executor.spawn(HandleClient::new(reactor, stream)?);
        }
        Poll::Pending
    }
}

/// As if nobody had come. If it is worse, no descriptor left, say, the listener stays ready: then
/// the loop would turn and turn without a pause, which holds up everybody.
fn back_off<T>(error: io::Error) -> io::Result<T> {
    if error.kind() != ErrorKind::WouldBlock {
        eprintln!("accept: {error}");
        thread::sleep(Duration::from_millis(10));
    }
    Err(ErrorKind::WouldBlock.into())
}

impl HandleClient {
    fn new(reactor: &Rc<Reactor>, stream: TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(true)?;
        Ok(Self {
            reactor: Rc::clone(reactor),
            stream,
            state: State::Reading,
        })
    }
}

impl Future for HandleClient {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self {
            reactor,
            stream,
            state,
        } = self.get_mut();
        loop {
            match state {
                State::Reading => {
                    let mut buffer = [0; 4096];
                    let read = |mut it: &TcpStream| it.read(&mut buffer);
                    let n = ready!(reactor.poll_io(cx, stream, Interest::READABLE, read))?;
                    if n == 0 {
                        return Poll::Ready(Ok(()));
                    }
                    let unsent = buffer[..n].to_vec();
                    *state = State::Writing { unsent };
                }
                State::Writing { unsent } => {
                    let write = |mut it: &TcpStream| it.write(unsent);
                    let n = ready!(reactor.poll_io(cx, stream, Interest::WRITABLE, write))?;
                    unsent.drain(..n);
                    if unsent.is_empty() {
                        *state = State::Reading;
                    }
                }
            }
        }
    }
}

impl Drop for HandleClient {
    fn drop(&mut self) {
        // Not registered, if it has never had to wait.
        let _ = self.reactor.selector.borrow_mut().deregister(&self.stream);
    }
}
