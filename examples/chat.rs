//! A chat: what one says, all others read. Who reads too slowly is dropped, so that nobody has to
//! wait, and nothing piles up.
//!
//! ```text
//! cargo run --release --example chat                        serves on 127.0.0.1:5566
//! cargo run --release --example chat -- 127.0.0.1:7007      serves on another address
//! ```
//!
//! To try it, run `nc 127.0.0.1 5566` in two other terminals, give each a name, and type.

use std::cell::RefCell;
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::net::Shutdown;
use std::process::ExitCode;
use std::rc::Rc;

use async_channel::{Receiver, Sender, bounded};
use futures_lite::io::BufReader;
use futures_lite::{AsyncBufReadExt, AsyncReadExt};
use selio::net::{Closer, TcpListener, TcpStream};
use selio::{Server, race};

/// How many messages may wait for a member.
const QUEUE: usize = 64;

/// Longer lines become several.
const LINE: u64 = 1024;

/// Everybody who is here, by name.
#[derive(Default)]
struct Room {
    members: RefCell<HashMap<String, Mailbox>>,
}

/// The way to a member.
struct Mailbox {
    messages: Sender<Rc<str>>,
    closer: Closer,
}

impl Room {
    /// Takes a place, unless the name has one.
    fn join(&self, name: &str, closer: Closer) -> Option<Member<'_>> {
        let (messages, inbox) = bounded(QUEUE);
        match self.members.borrow_mut().entry(name.to_owned()) {
            Entry::Occupied(_) => return None,
            Entry::Vacant(place) => drop(place.insert_entry(Mailbox { messages, closer })),
        }
        let name = name.to_owned();
        let member = Member {
            room: self,
            name,
            inbox,
        };
        member.tell_others("is here");
        Some(member)
    }
}

/// Somebody who is here, until this is dropped.
struct Member<'a> {
    room: &'a Room,
    name: String,
    inbox: Receiver<Rc<str>>,
}

impl Member<'_> {
    /// Tells what this one does, or says, to all others. It never waits for any of them.
    fn tell_others(&self, what: &str) {
        let message: Rc<str> = format!("{} {what}\n", self.name).into();
        for (name, mailbox) in &*self.room.members.borrow() {
            let is_full = || mailbox.messages.try_send(Rc::clone(&message)).is_err();
            if *name != self.name && is_full() {
                println!("{name} reads too slowly");
                // Its handler finds its connection broken, and ends.
                let _ = mailbox.closer.shutdown(Shutdown::Both);
            }
        }
    }
}

impl Drop for Member<'_> {
    fn drop(&mut self) {
        self.room.members.borrow_mut().remove(&self.name);
        self.tell_others("has left");
    }
}

/// What a client types until it presses return.
async fn line(input: &mut BufReader<&TcpStream>) -> io::Result<Option<String>> {
    let mut line = Vec::new();
    let length = input.take(LINE).read_until(b'\n', &mut line).await?;
    Ok((length > 0).then(|| String::from_utf8_lossy(&line).trim().to_owned()))
}

async fn handle_client(stream: &TcpStream, room: &Room) -> io::Result<()> {
    let mut input = BufReader::new(stream);
    stream.write_all(b"Your name?\n").await?;
    let member = loop {
        match line(&mut input).await? {
            None => return Ok(()),
            Some(name) if name.is_empty() => {}
            Some(name) => match room.join(&name, stream.closer()) {
                Some(member) => break member,
                None => stream.write_all(b"That one is taken. Your name?\n").await?,
            },
        }
    };
    stream
        .write_all(format!("Welcome, {}.\n", member.name).as_bytes())
        .await?;

    let listen = async {
        while let Some(words) = line(&mut input).await? {
            member.tell_others(&format!("says: {words}"));
        }
        Ok(())
    };
    let speak = async {
        while let Ok(message) = member.inbox.recv().await {
            stream.write_all(message.as_bytes()).await?;
        }
        Ok(())
    };
    race((listen, speak)).await
}

async fn serve(address: &str) -> io::Result<()> {
    let listeners = TcpListener::bind_all(address).await?;
    let room = Room::default();
    // The closure owns the room, and lends it to every handler.
    let server = Server::builder()
        .name("chat")
        .serve(listeners, async move |stream: TcpStream| {
            handle_client(&stream, &room).await
        })?;
    for address in server.local_addrs() {
        println!("listening on {address}");
    }
    server.serve_forever().await;
    Ok(())
}

fn main() -> ExitCode {
    let address = std::env::args().nth(1);
    match selio::run(serve(address.as_deref().unwrap_or("127.0.0.1:5566"))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chat: {error}\nusage: chat [ADDRESS]");
            ExitCode::FAILURE
        }
    }
}
