//! An echo server on the bare selector, with callbacks: what `async` saves you from.
//!
//! ```text
//! cargo run --release --example selector_callbacks                       on 127.0.0.1:5566
//! cargo run --release --example selector_callbacks -- 127.0.0.1:7007
//! SELIO_SELECTOR=poll cargo run --release --example selector_callbacks
//! ```
//!
//! To try it, run `nc 127.0.0.1 5566` in another terminal and type.
//!
//! It has the form of the servers in the documentation of Python's
//! [`selectors`](https://docs.python.org/3/library/selectors.html#examples): each socket is
//! registered with the function to call when it is ready. Those servers call `sendall` on a
//! non-blocking socket, and fail as soon as a client reads slowly. This one keeps what could not be
//! sent, and asks the selector for room instead of for bytes.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, RawFd};
use std::process::ExitCode;

use selio::selector::{Interest, Selector};

/// What to call when a socket is ready. Python's `key.data`.
type Callback = fn(&mut Server, RawFd) -> io::Result<()>;

struct Server {
    selector: Selector<(Callback, RawFd)>,
    listener: TcpListener,
    clients: HashMap<RawFd, Client>,
}

struct Client {
    stream: TcpStream,
    /// What was received and could not be sent back yet.
    unsent: Vec<u8>,
}

impl Server {
    fn new(address: &str) -> io::Result<Self> {
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let mut selector = Selector::new()?;
        let key: (Callback, RawFd) = (Self::accept, listener.as_raw_fd());
        selector.register(&listener, key, Interest::READABLE)?;
        Ok(Self {
            selector,
            listener,
            clients: HashMap::new(),
        })
    }

    fn serve_forever(&mut self) -> io::Result<()> {
        let mut events = Vec::new();
        loop {
            self.selector.select(&mut events, None)?;
            for event in &events {
                let (callback, fd) = event.key;
                if let Err(error) = callback(self, fd) {
                    eprintln!("fd {fd}: {error}");
                    self.close(fd)?;
                }
            }
        }
    }

    fn accept(&mut self, _: RawFd) -> io::Result<()> {
        match self.listener.accept() {
            Ok((stream, _)) => {
                stream.set_nonblocking(true)?;
                let fd = stream.as_raw_fd();
                let key: (Callback, RawFd) = (Self::read, fd);
                self.selector.register(&stream, key, Interest::READABLE)?;
                let unsent = Vec::new();
                self.clients.insert(fd, Client { stream, unsent });
            }
            // The client is gone already. Were the process out of descriptors, this loop would
            // spin: one more thing that `selio::net::TcpListener` takes care of.
            Err(error) => eprintln!("accept: {error}"),
        }
        Ok(())
    }

    fn read(&mut self, fd: RawFd) -> io::Result<()> {
        let Some(client) = self.clients.get_mut(&fd) else {
            return Ok(());
        };
        let mut buffer = [0; 4096];
        match client.stream.read(&mut buffer) {
            Ok(0) => self.close(fd),
            Ok(n) => {
                client.unsent.extend_from_slice(&buffer[..n]);
                self.write(fd)
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Sends what there is room for. If something remains, waits for room, and reads no more until
    /// it is gone: a client that does not read cannot fill our memory.
    fn write(&mut self, fd: RawFd) -> io::Result<()> {
        let Some(client) = self.clients.get_mut(&fd) else {
            return Ok(());
        };
        match client.stream.write(&client.unsent) {
            Ok(n) => drop(client.unsent.drain(..n)),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
        let (callback, interest): (Callback, _) = if client.unsent.is_empty() {
            (Self::read, Interest::READABLE)
        } else {
            (Self::write, Interest::WRITABLE)
        };
        self.selector
            .modify(&client.stream, (callback, fd), interest)
    }

    /// Deregisters first, then closes: afterwards the number may be another socket's.
    fn close(&mut self, fd: RawFd) -> io::Result<()> {
        match self.clients.remove(&fd) {
            Some(client) => self.selector.deregister(&client.stream),
            None => Ok(()),
        }
    }
}

fn run(address: &str) -> io::Result<()> {
    let mut server = Server::new(address)?;
    let address = server.listener.local_addr()?;
    println!("listening on {address} ({})", server.selector.backend());
    server.serve_forever()
}

fn main() -> ExitCode {
    let address = std::env::args().nth(1);
    let address = address.as_deref().unwrap_or("127.0.0.1:5566");
    match run(address) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("selector_callbacks: {address}: {error}");
            if error.kind() == io::ErrorKind::InvalidInput {
                eprintln!("usage: selector_callbacks [ADDRESS]");
            }
            ExitCode::FAILURE
        }
    }
}
