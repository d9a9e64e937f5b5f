//! Step 5: the same with epoll(7), which keeps the list in the kernel.
//!
//! ```text
//! cargo run --example 05_epoll               then, in two terminals: nc 127.0.0.1 5566
//! ```
//!
//! **New here.** A client is registered once, when it is accepted. `wait` says nothing, and gets
//! those who are ready: with 10,000 clients, of whom 5 have said something, it is 5 entries.
//!
//! **What it costs.** There are now two lists, ours and the kernel's, which must agree: each change
//! of mind is a system call, and whoever forgets one hears too much or nothing. It is Linux only; the
//! BSDs and macOS have kqueue(2), which does the same in other words.
//!
//! **Still wrong.** Each system has its own `wait`, and each program writes this bookkeeping again.
//! The next step leaves it to a selector.
//!
//! **Mends** the selectors server of *Understanding I/O Multiplexing in Python*: after it has sent, it
//! calls `sel.modify(sock, ..)` with the listening socket instead of the client's; and at the end of
//! a stream it does nothing at all, so that this client stays registered, and ready, for ever.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::thread;
use std::time::Duration;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::io::retry_on_intr;

struct Server {
    epoll: OwnedFd,
    listener: TcpListener,
    clients: HashMap<RawFd, Client>,
}

struct Client {
    stream: TcpStream,
    /// Received, and not sent back yet. As long as there is any, no more is received: a client that
    /// does not read cannot fill our memory.
    unsent: Vec<u8>,
    /// What the kernel looks for.
    watched: EventFlags,
}

// linux_only.rs calls this where there is an epoll.
pub(crate) fn main() -> io::Result<()> {
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:5566"))?;
    println!("listening on {}", listener.local_addr()?);
    Server::new(listener)?.serve()
}

impl Server {
    fn new(listener: TcpListener) -> io::Result<Self> {
        listener.set_nonblocking(true)?;
        let clients = HashMap::new();
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &listener, data(&listener), EventFlags::IN)?;
        Ok(Self {
            epoll,
            listener,
            clients,
        })
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
                    _ => self.watch(fd)?,
                }
            }
        }
    }

    /// Who is ready.
    fn wait(&self) -> io::Result<Vec<RawFd>> {
        let mut ready: Vec<Event> = Vec::with_capacity(1024);
        // Any flag will do. HUP and ERR come unasked for, and perhaps alone: the read or the write
        // that follows tells what has happened.
        retry_on_intr(|| epoll::wait(&self.epoll, spare_capacity(&mut ready), None))?;
        Ok(ready.iter().map(|it| it.data.u64() as RawFd).collect())
    }

    /// Tells the kernel what we wait for now, if that is something else: a system call.
    fn watch(&mut self, fd: RawFd) -> io::Result<()> {
        if let Some(client) = self.clients.get_mut(&fd)
            && client.watched != client.interest()
        {
            client.watched = client.interest();
            let stream = &client.stream;
            epoll::modify(&self.epoll, stream, data(stream), client.watched)?;
        }
        Ok(())
    }

    fn accept(&mut self) -> io::Result<bool> {
        let (stream, _) = self.listener.accept().inspect_err(back_off)?;
        stream.set_nonblocking(true)?;
        let (fd, unsent) = (stream.as_raw_fd(), Vec::new());
        let watched = EventFlags::IN;
        epoll::add(&self.epoll, &stream, data(&stream), watched)?;
        let client = Client {
            stream,
            unsent,
            watched,
        };
        self.clients.insert(fd, client);
        Ok(true)
    }

    fn remove(&mut self, fd: RawFd) {
        if let Some(client) = self.clients.remove(&fd) {
            // Closing it would do, if nobody else had a copy of the descriptor.
            let _ = epoll::delete(&self.epoll, &client.stream);
        }
    }
}

impl Client {
    fn interest(&self) -> EventFlags {
        if self.unsent.is_empty() {
            EventFlags::IN
        } else {
            EventFlags::OUT
        }
    }
}

/// What the kernel tells us with an event.
fn data(socket: &impl AsRawFd) -> EventData {
    EventData::new_u64(socket.as_raw_fd() as u64)
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
    let Client { stream, unsent, .. } = client;
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
