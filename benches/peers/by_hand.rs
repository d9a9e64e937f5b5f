//! No runtime: an epoll loop, one `recv` and one `send` per message. The floor under all others.
//!
//! Level-triggered, no timers, no tasks, no wakers: it does only what the kernel must be asked for.
//! Each connection has its own buffer, as each task has, so that the caches see the same memory.

use super::{BUFFER, BY_HAND, NO_PROGRAMS, Peer};
use crate::server::connection_closed;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use std::io;
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;

pub const PEER: Peer = Peer {
    name: BY_HAND,
    programs: NO_PROGRAMS,
    serve: Some(serve),
    buffer: BUFFER,
};

/// The key of the listener; all others are places in the table of clients.
const LISTENER: u64 = u64::MAX;

struct Client {
    stream: TcpStream,
    buffer: Box<[u8; BUFFER]>,
    /// Received and not yet sent: `buffer[sent..received]`. Not empty only while the kernel's
    /// buffer is full; the client then waits to write and not to read.
    sent: usize,
    received: usize,
}

fn serve(listener: TcpListener) -> io::Result<()> {
    let epoll = epoll::create(CreateFlags::CLOEXEC)?;
    epoll::add(
        &epoll,
        &listener,
        EventData::new_u64(LISTENER),
        EventFlags::IN,
    )?;
    let mut clients: Vec<Option<Client>> = Vec::new();
    let mut events = Vec::with_capacity(1024);
    loop {
        events.clear();
        epoll::wait(&epoll, spare_capacity(&mut events), None)?;
        for event in &events {
            let key = event.data.u64();
            if key == LISTENER {
                let client = accept(&epoll, &listener, clients.len())?;
                clients.push(Some(client));
                continue;
            }
            // A place is not used twice: a benchmark's clients all come before the first leaves.
            let place = &mut clients[key as usize];
            let Some(client) = place else { continue };
            if client.echo(&epoll, key).is_err() {
                *place = None;
                connection_closed();
            }
        }
    }
}

fn accept(epoll: &OwnedFd, listener: &TcpListener, key: usize) -> io::Result<Client> {
    let (stream, _) = listener.accept()?;
    stream.set_nonblocking(true)?;
    epoll::add(
        epoll,
        &stream,
        EventData::new_u64(key as u64),
        EventFlags::IN,
    )?;
    Ok(Client {
        stream,
        buffer: Box::new([0; BUFFER]),
        sent: 0,
        received: 0,
    })
}

impl Client {
    /// Receives once and sends once; an error says that the client has left.
    fn echo(&mut self, epoll: &OwnedFd, key: u64) -> io::Result<()> {
        let was_waiting_to_write = self.sent < self.received;
        if !was_waiting_to_write {
            let (received, _) = recv(&self.stream, &mut self.buffer[..], RecvFlags::empty())?;
            if received == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            (self.sent, self.received) = (0, received);
        }
        match send(
            &self.stream,
            &self.buffer[self.sent..self.received],
            SendFlags::NOSIGNAL,
        ) {
            Ok(sent) => self.sent += sent,
            Err(Errno::AGAIN) => {}
            Err(error) => return Err(error.into()),
        }
        let is_waiting_to_write = self.sent < self.received;
        if is_waiting_to_write != was_waiting_to_write {
            let interest = if is_waiting_to_write {
                EventFlags::OUT
            } else {
                EventFlags::IN
            };
            epoll::modify(epoll, &self.stream, EventData::new_u64(key), interest)?;
        }
        Ok(())
    }
}
