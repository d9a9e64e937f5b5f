//! Step 7: a future by hand, and ten lines that run it.
//!
//! ```text
//! cargo run --example 07_future              then, in two terminals: nc 127.0.0.1 5566
//! ```
//!
//! **New here.** [`HandleClient`] is `handle_client` in one piece again: a value that knows where it
//! stands, and a `poll` that goes on from there until it would have to wait. It is what the compiler
//! makes of an `async fn`. `block_on` asks a future whether it is done, and sleeps in the selector
//! whenever it is not.
//!
//! **What it costs.** There is one future, [`Serve`], with all clients inside. Something has
//! happened, so it is polled; it does not know where, so it polls each client: the kernel answers
//! with the ready ones, and we ask all of them all the same.
//!
//! **Still wrong.** That. Nobody uses the waker, which comes with each poll and could tell. The next
//! step does.
//!
//! **Mends** the servers of *Async Socket I/O*, which keep a client's state in three dictionaries:
//! `requests`, `responses` and `connections`. What one says may contradict another, and an event
//! that finds no entry is dropped, to come again for ever. An `enum` is in one state.

use std::cell::RefCell;
use std::future::Future;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, Waker, ready};
use std::thread;
use std::time::Duration;

use selio::selector::{Interest, Selector};

/// Where the thread waits, on behalf of all who would have to.
struct Reactor {
    selector: RefCell<Selector>,
}

/// `async fn serve`, by hand.
struct Serve {
    reactor: Rc<Reactor>,
    listener: TcpListener,
    clients: Vec<HandleClient>,
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
    let serve = Serve {
        reactor: Rc::clone(&reactor),
        listener,
        clients: Vec::new(),
    };
    block_on(&reactor, serve)
}

fn block_on<F: Future>(reactor: &Reactor, future: F) -> F::Output {
    let mut future = pin!(future);
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        match future.as_mut().poll(&mut cx) {
            Poll::Ready(output) => return output,
            Poll::Pending => reactor.wait(),
        }
    }
}

impl Reactor {
    fn wait(&self) {
        let mut events = Vec::new();
        let result = self.selector.borrow_mut().select(&mut events, None);
        result.expect("all that is registered is open");
    }

    /// Tries it. If it would have to wait, sees to it that [`wait`](Self::wait) ends when it need
    /// not any more.
    fn poll_io<S: AsFd, R>(
        &self,
        socket: &S,
        interest: Interest,
        op: impl FnOnce(&S) -> io::Result<R>,
    ) -> Poll<io::Result<R>> {
        match op(socket) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            result => return Poll::Ready(result),
        }
        let mut selector = self.selector.borrow_mut();
        match selector.registration(socket) {
            Some(_) => selector.modify(socket, 0, interest)?,
            None => selector.register(socket, 0, interest)?,
        }
        Poll::Pending
    }
}

impl Future for Serve {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Self {
            reactor,
            listener,
            clients,
        } = self.get_mut();
        let accept = |it: &TcpListener| it.accept().or_else(back_off);
        let interest = Interest::READABLE;
        while let Poll::Ready(accepted) = reactor.poll_io(listener, interest, accept) {
            let (stream, _) = accepted?;
            clients.push(HandleClient::new(reactor, stream)?);
        }
        clients.retain_mut(|client| match Pin::new(client).poll(cx) {
            Poll::Pending => true,
            Poll::Ready(result) => {
                result.unwrap_or_else(|error| eprintln!("{error}"));
                false
            }
        });
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

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
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
                    let n = ready!(reactor.poll_io(stream, Interest::READABLE, read))?;
                    if n == 0 {
                        return Poll::Ready(Ok(()));
                    }
                    let unsent = buffer[..n].to_vec();
                    *state = State::Writing { unsent };
                }
                State::Writing { unsent } => {
                    let write = |mut it: &TcpStream| it.write(unsent);
                    let n = ready!(reactor.poll_io(stream, Interest::WRITABLE, write))?;
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
