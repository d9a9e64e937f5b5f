//! The client side of `echo` and `idle`: a closed loop of messages over many connections.
//!
//! Closed loop means that a connection sends its next message only when the echo of the last one
//! has arrived and has been compared byte by byte, so a server can neither fall behind nor cheat.
//! It is a plain epoll loop: the client must not be a client of any runtime that it measures. Every
//! wait has a deadline, so a server that loses a message fails the benchmark instead of hanging it.

use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::net::{RecvFlags, SendFlags, recv, send};
use std::io::{self, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// The size of a message in bytes.
pub const MESSAGE: usize = 64;

/// How many connections are opened before the server is waited for: less than any listen backlog.
const BATCH: usize = 64;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Many connections to one server, and the epoll instance that watches all of them.
#[derive(Debug)]
pub struct Load {
    server: SocketAddr,
    epoll: OwnedFd,
    connections: Vec<Connection>,
    /// How long one call may take until it fails.
    patience: Duration,
}

#[derive(Debug)]
struct Connection {
    stream: TcpStream,
    /// The message that is on its way, and how many of its bytes have come back.
    message: [u8; MESSAGE],
    echoed: usize,
    /// A number that makes each message of this connection different from the one before.
    sequence: u32,
}

impl Load {
    /// No connection yet; `patience` bounds every later call.
    pub fn new(server: SocketAddr, patience: Duration) -> io::Result<Self> {
        Ok(Self {
            server,
            epoll: epoll::create(CreateFlags::CLOEXEC)?,
            connections: Vec::new(),
            patience,
        })
    }

    /// Opens connections until there are `total`, and exchanges one message on each new one.
    ///
    /// After the echo the server has certainly accepted, spawned and parked the connection's task.
    pub fn open(&mut self, total: usize) -> io::Result<()> {
        while self.connections.len() < total {
            let first = self.connections.len();
            for key in first..total.min(first + BATCH) {
                let stream = TcpStream::connect_timeout(&self.server, CONNECT_TIMEOUT)?;
                let key = EventData::new_u64(key as u64);
                epoll::add(&self.epoll, &stream, key, EventFlags::IN)?;
                self.connections.push(Connection::new(stream));
            }
            let new: Vec<usize> = (first..self.connections.len()).collect();
            self.exchange(&new, new.len())?;
        }
        Ok(())
    }

    /// Exchanges `messages` in all, over `busy` connections that lie evenly among the open ones.
    pub fn run(&mut self, busy: usize, messages: usize) -> io::Result<()> {
        self.exchange(&self.spread(busy), messages)
    }

    /// Exchanges one message over every busy connection, then the next over each, and so on.
    ///
    /// A server that a tool slows down would always find the next message there already, and never
    /// wait, which is the part that a runtime is for. Here it has to wait for every single message,
    /// as at full speed, and in nearly the same order each time.
    pub fn run_in_step(&mut self, busy: usize, steps: usize) -> io::Result<()> {
        let keys = self.spread(busy);
        (0..steps).try_for_each(|_| self.exchange(&keys, busy))
    }

    /// The keys of `busy` connections that lie evenly among the open ones.
    fn spread(&self, busy: usize) -> Vec<usize> {
        let open = self.connections.len();
        (0..busy).map(|place| place * open / busy).collect()
    }

    fn exchange(&mut self, keys: &[usize], messages: usize) -> io::Result<()> {
        let deadline = Instant::now() + self.patience;
        let mut to_send = messages;
        let mut to_come = messages;
        for key in keys.iter().take(messages) {
            self.connections[*key].send_next(*key)?;
            to_send -= 1;
        }

        let mut events = Vec::with_capacity(1024);
        while to_come > 0 {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let what = format!("{to_come} of {messages} echoes did not come in time");
                return Err(io::Error::new(io::ErrorKind::TimedOut, what));
            }
            let timeout = Timespec::try_from(left).map_err(io::Error::other)?;
            events.clear();
            epoll::wait(
                &self.epoll,
                rustix::buffer::spare_capacity(&mut events),
                Some(&timeout),
            )?;
            for event in &events {
                let key = event.data.u64() as usize;
                if self.connections[key].has_echoed()? {
                    to_come -= 1;
                    if to_send > 0 {
                        self.connections[key].send_next(key)?;
                        to_send -= 1;
                    }
                }
            }
        }
        Ok(())
    }
}

impl Connection {
    fn new(stream: TcpStream) -> Self {
        Self {
            stream,
            message: [0; MESSAGE],
            echoed: 0,
            sequence: 0,
        }
    }

    /// Sends a message that no other connection sends, and that this one never sent before.
    fn send_next(&mut self, key: usize) -> io::Result<()> {
        self.sequence += 1;
        self.echoed = 0;
        let mark = (key as u64) << 32 | u64::from(self.sequence);
        for mut chunk in self.message.chunks_exact_mut(16) {
            write!(chunk, "{mark:016x}")?;
        }
        self.message[MESSAGE - 1] = b'\n'; // A line, for the server that reads lines.
        // The only message in flight on this connection always fits into the socket's buffer.
        match send(&self.stream, &self.message, SendFlags::DONTWAIT)? {
            MESSAGE => Ok(()),
            _ => Err(io::Error::other("the kernel took only a part of a message")),
        }
    }

    /// Receives what is there; true when the message has come back whole.
    fn has_echoed(&mut self) -> io::Result<bool> {
        let mut bytes = [0; MESSAGE];
        let received = match recv(&self.stream, &mut bytes, RecvFlags::DONTWAIT) {
            Ok((0, _)) => {
                let what = "the server closed a connection";
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, what));
            }
            Ok((received, _)) => received,
            Err(rustix::io::Errno::AGAIN) => return Ok(false),
            Err(error) => return Err(error.into()),
        };
        let expected = self.message.get(self.echoed..self.echoed + received);
        if expected != Some(&bytes[..received]) {
            return Err(io::Error::other(
                "the server sent other bytes than it received",
            ));
        }
        self.echoed += received;
        Ok(self.echoed == MESSAGE)
    }
}
