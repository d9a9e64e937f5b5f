//! Step 3: one thread that asks select(2) which of all clients it may serve without waiting.
//!
//! ```text
//! cargo run --example 03_select              then, in two terminals: nc 127.0.0.1 5566
//! ```
//!
//! **New here.** Sockets do not block any more; the only call that waits is `select`, and it waits
//! for everybody. `handle_client` may not wait, so it does one step and returns: where it stands has
//! moved out of its local variables into a [`Client`].
//!
//! **What it costs.** The control flow is inside out. Two sets of 1,024 bits are copied into the
//! kernel and back each time, which looks at every number in them; and numbers from 1,024 on do not
//! fit. A set holds bare numbers, which nothing keeps open: hence `unsafe`, here only.
//!
//! **Still wrong.** The limit, and the sets. The next step hands over a list instead.
//!
//! **Mends** the select server of *Async Socket I/O*: what `s.send(msg)` could not send is lost, for
//! it does not look at what that returns; a client that resets its connection ends the server,
//! because `recv` raises; and so does the 1,024th file, because `select` does.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::thread;
use std::time::Duration;

use rustix::event::{FdSetElement, FdSetIter, fd_set_insert, fd_set_num_elements, select};
use rustix::io::retry_on_intr;

/// The size of C's `fd_set`.
const FD_SETSIZE: RawFd = 1024;

struct Server {
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
        Ok(Self { listener, clients })
    }

    fn serve(&mut self) -> io::Result<()> {
        loop {
            for fd in self.wait()? {
                let result = match self.clients.get_mut(&fd) {
                    Some(client) => handle_client(client),
                    None => self.accept(),
                };
                match result {
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

    /// Who is ready.
    #[expect(unsafe_code, reason = "rustix marks select as unsafe")]
    fn wait(&self) -> io::Result<Vec<RawFd>> {
        let empty = vec![FdSetElement::default(); fd_set_num_elements(0, FD_SETSIZE)];
        let (mut readable, mut writable) = (empty.clone(), empty);
        fd_set_insert(&mut readable, self.listener.as_raw_fd());
        for (&fd, client) in &self.clients {
            if client.unsent.is_empty() {
                fd_set_insert(&mut readable, fd);
            } else {
                fd_set_insert(&mut writable, fd);
            }
        }
        let (read, write) = (&mut readable, &mut writable);
        // SAFETY: the numbers are those of our own sockets, which are open.
        retry_on_intr(|| unsafe { select(FD_SETSIZE, Some(read), Some(write), None, None) })?;
        let ready = FdSetIter::new(&readable).chain(FdSetIter::new(&writable));
        Ok(ready.collect())
    }

    fn accept(&mut self) -> io::Result<bool> {
        let (stream, _) = self.listener.accept().inspect_err(back_off)?;
        stream.set_nonblocking(true)?;
        let (fd, unsent) = (stream.as_raw_fd(), Vec::new());
        if fd >= FD_SETSIZE {
            return Err(io::Error::other(format!("select cannot hold {fd}")));
        }
        self.clients.insert(fd, Client { stream, unsent });
        Ok(true)
    }

    fn remove(&mut self, fd: RawFd) {
        self.clients.remove(&fd);
    }
}

/// Nobody can be accepted: no descriptor is left, say. The listener stays ready, so that without a
/// pause, which holds up everybody, the loop would turn and turn.
fn back_off(error: &io::Error) {
    if error.kind() != ErrorKind::WouldBlock {
        thread::sleep(Duration::from_millis(10));
    }
}

/// Goes on for as long as it need not wait, at most by one message. Whether there is more to come.
fn handle_client(client: &mut Client) -> io::Result<bool> {
    let Client { stream, unsent } = client;
    if unsent.is_empty() {
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer)? {
            0 => return Ok(false),
            n => unsent.extend(&buffer[..n]),
        }
    }
    let n = stream.write(unsent)?;
    unsent.drain(..n);
    Ok(true)
}
