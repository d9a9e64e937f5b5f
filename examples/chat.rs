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
use std::process::ExitCode;
use std::rc::Rc;

use selio::{StreamReader, StreamWriter, start_server};

/// Who leaves more bytes unread than this, beyond what the system keeps for him, is too slow.
const UNREAD: usize = 64 * 1024;

/// Nobody says more at a time.
const LINE: usize = 1024;

/// Everybody who is here, by name.
#[derive(Default)]
struct Room {
    members: RefCell<HashMap<String, Rc<StreamWriter>>>,
}

impl Room {
    /// Takes a place, unless the name has one.
    fn join(&self, name: String, writer: &Rc<StreamWriter>) -> Option<Member<'_>> {
        match self.members.borrow_mut().entry(name.clone()) {
            Entry::Occupied(_) => return None,
            Entry::Vacant(place) => drop(place.insert_entry(Rc::clone(writer))),
        }
        let member = Member { room: self, name };
        member.tell_others("is here");
        Some(member)
    }
}

/// Somebody who is here, until this is dropped.
struct Member<'a> {
    room: &'a Room,
    name: String,
}

impl Member<'_> {
    /// Tells all others what this one says, or does. It never waits for any of them.
    fn tell_others(&self, what: &str) {
        let message = format!("{} {what}\n", self.name);
        for (name, writer) in &*self.room.members.borrow() {
            if *name == self.name {
                continue;
            }
            writer.write(message.as_bytes());
            if writer.pending() > UNREAD {
                println!("{name} reads too slowly");
                writer.abort(); // Its handler reads the end of the stream.
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

/// What a client types until it presses return; nothing when it has left.
async fn line(reader: &mut StreamReader) -> io::Result<Option<String>> {
    let line = reader.read_line().await?;
    Ok((!line.is_empty()).then(|| String::from_utf8_lossy(line).trim().to_owned()))
}

async fn handle_client(
    mut reader: StreamReader,
    writer: StreamWriter,
    room: &Room,
) -> io::Result<()> {
    reader.set_limit(LINE)?;
    let writer = Rc::new(writer);
    writer.write(b"Your name?\n");
    let member = loop {
        let Some(name) = line(&mut reader).await? else {
            return Ok(());
        };
        if name.is_empty() {
            writer.write(b"Your name?\n");
            continue;
        }
        match room.join(name, &writer) {
            Some(member) => break member,
            None => writer.write(b"That one is taken. Your name?\n"),
        }
    };
    writer.write(format!("Welcome, {}.\n", member.name).as_bytes());
    while let Some(words) = line(&mut reader).await? {
        member.tell_others(&format!("says: {words}"));
    }
    Ok(())
}

async fn serve(address: &str) -> io::Result<()> {
    let room = Room::default();
    // The closure owns the room, and lends it to every handler.
    let server = start_server(address, async move |reader, writer| {
        handle_client(reader, writer, &room).await
    })
    .await?;
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
            eprintln!("chat: {error}");
            if error.kind() == io::ErrorKind::InvalidInput {
                eprintln!("usage: chat [ADDRESS]");
            }
            ExitCode::FAILURE
        }
    }
}
