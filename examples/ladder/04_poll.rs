//! Step 4: the same with poll(2), which takes a list and knows no limit.
//!
//! ```text
//! cargo run --example 04_poll                then, in two terminals: nc 127.0.0.1 5566
//! ```
//!
//! **New here.** Only `wait` differs. The list has an entry of 8 bytes for each client: its number,
//! what we want to know, and room for the answer. An entry borrows its socket, so that the compiler
//! knows that it is open: no `unsafe`.
//!
//! **What it costs.** The whole list goes into the kernel at each call, which asks every socket in
//! it: 10,000 clients, of whom 5 have said something, are 10,000 questions.
//!
//! **Still wrong.** That. The list hardly changes, so the next step leaves it in the kernel.
//!
//! **Mends** the poll server of *Async Socket I/O*: it looks for `POLLIN`, then for `POLLOUT`, and
//! does nothing about an event that has neither. `POLLHUP` and `POLLERR` need not be asked for, and
//! may come alone: then the loop turns for ever, and takes all of the processor.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, AsRawFd, RawFd};
use std::thread;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::retry_on_intr;

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
    fn wait(&self) -> io::Result<Vec<RawFd>> {
        let mut list = vec![PollFd::new(&self.listener, PollFlags::IN)];
        for client in self.clients.values() {
            list.push(PollFd::new(&client.stream, client.interest()));
        }
        retry_on_intr(|| poll(&mut list, None))?;
        // Any flag will do. HUP and ERR come unasked for, and perhaps alone: the read or the write
        // that follows tells what has happened.
        let ready = list.iter().filter(|it| !it.revents().is_empty());
        Ok(ready.map(|it| it.as_fd().as_raw_fd()).collect())
    }

    fn accept(&mut self) -> io::Result<bool> {
        let (stream, _) = self.listener.accept().inspect_err(back_off)?;
        stream.set_nonblocking(true)?;
        let (fd, unsent) = (stream.as_raw_fd(), Vec::new());
        self.clients.insert(fd, Client { stream, unsent });
        Ok(true)
    }

    fn remove(&mut self, fd: RawFd) {
        self.clients.remove(&fd);
    }
}

impl Client {
    fn interest(&self) -> PollFlags {
        if self.unsent.is_empty() {
            PollFlags::IN
        } else {
            PollFlags::OUT
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
