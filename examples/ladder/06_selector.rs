//! Step 6: callbacks on a selector, which is epoll, kqueue, poll or select, whatever there is.
//!
//! ```text
//! cargo run --example 06_selector            then, in two terminals: nc 127.0.0.1 5566
//! SELIO_SELECTOR=poll cargo run --example 06_selector
//! ```
//!
//! **New here.** Each socket is registered with a key of our choice, which its events bring back.
//! Ours says what to call next; Python's servers keep that in `key.data`. The selector is selio's own,
//! and has the bookkeeping of steps 3, 4 and 5 inside.
//!
//! **What it costs.** `handle_client` is in pieces: `read` and `write`, each of which says what is to
//! be called next. With a login before, or an answer that takes a second question, the thread of the
//! story is in nobody's hand.
//!
//! **Still wrong.** That. The next step makes one value of the pieces, which knows where it stands.
//!
//! **Mends** the servers of *Python Select and Polling* and of *Building scalable network
//! applications*: both call `sendall` on a socket that does not block. It raises as soon as a client
//! reads slower than it sends, and how much was sent nobody knows.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::thread;
use std::time::Duration;

use selio::selector::{Interest, Selector};

/// What to call when a socket is ready.
type Callback = fn(&mut Server, RawFd) -> io::Result<bool>;

struct Server {
    selector: Selector<(Callback, RawFd)>,
    listener: TcpListener,
    clients: HashMap<RawFd, Client>,
}

struct Client {
    stream: TcpStream,
    /// Received, and not sent back yet. As long as there is any, no more is received: a client that
    /// does not read cannot fill our memory.
    unsent: Vec<u8>,
}

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:5566"))?;
    println!("listening on {}", listener.local_addr()?);
    Server::new(listener)?.serve()
}

impl Server {
    fn new(listener: TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let clients = HashMap::new();
        let mut selector = Selector::new()?;
        let key: (Callback, _) = (Self::accept, listener.as_raw_fd());
        selector.register(&listener, key, Interest::READABLE)?;
        Ok(Self {
            selector,
            listener,
            clients,
        })
    }

    fn serve(&mut self) -> io::Result<()> {
        let mut events = Vec::new();
        loop {
            self.selector.select(&mut events, None)?;
            for event in &events {
                let (callback, fd) = event.key;
                match callback(self, fd) {
                    Ok(false) => self.remove(fd),
                    Err(error) if error.kind() != ErrorKind::WouldBlock => {
                        eprintln!("fd {fd}: {error}");
                        self.remove(fd);
                    }
                    _ => {}
                }
            }
        }
    }

    fn accept(&mut self, _: RawFd) -> io::Result<bool> {
        let (stream, _) = self.listener.accept().inspect_err(back_off)?;
        stream.set_nonblocking(true)?;
        let (fd, unsent) = (stream.as_raw_fd(), Vec::new());
        let key: (Callback, _) = (Self::read, fd);
        self.selector.register(&stream, key, Interest::READABLE)?;
        self.clients.insert(fd, Client { stream, unsent });
        Ok(true)
    }

    /// Whether there is more to come.
    fn read(&mut self, fd: RawFd) -> io::Result<bool> {
        let Some(Client { stream, unsent }) = self.clients.get_mut(&fd) else {
            return Ok(false);
        };
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer)? {
            0 => return Ok(false),
            n => unsent.extend(&buffer[..n]),
        }
        self.write(fd)
    }

    fn write(&mut self, fd: RawFd) -> io::Result<bool> {
        let Some(Client { stream, unsent }) = self.clients.get_mut(&fd) else {
            return Ok(false);
        };
        match stream.write(unsent) {
            Ok(n) => drop(unsent.drain(..n)),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        let (callback, interest): (Callback, _) = if unsent.is_empty() {
            (Self::read, Interest::READABLE)
        } else {
            (Self::write, Interest::WRITABLE)
        };
        self.selector.modify(stream, (callback, fd), interest)?;
        Ok(true)
    }

    fn remove(&mut self, fd: RawFd) {
        if let Some(client) = self.clients.remove(&fd) {
            let _ = self.selector.deregister(&client.stream);
        }
    }
}

/// Nobody can be accepted: no descriptor is left, say. The listener stays ready, so that without a
/// pause, which holds up everybody, the loop would turn and turn.
fn back_off(error: &io::Error) {
    if error.kind() != ErrorKind::WouldBlock {
        thread::sleep(Duration::from_millis(10));
    }
}
