//! Step 2: a thread for each client.
//!
//! ```text
//! cargo run --example 02_threads             then, in two terminals: nc 127.0.0.1 5566
//! ```
//!
//! **New here.** `handle_client` is the same, word for word. It waits in a thread of its own, and so
//! holds up nobody.
//!
//! **What it costs.** A stack for each client, and two switches of threads for each message. A
//! thousand clients are no trouble for that; a hundred thousand are. Whatever they share needs a
//! lock.
//!
//! **Still wrong.** A client that does nothing, which most of them do most of the time, keeps a
//! whole thread. The next step waits for all of them in one place.
//!
//! **Mends** the same server of *Building scalable network applications*: when no thread can be
//! started, `Thread(..).start()` raises, the loop around `accept` ends, and so does the server. Here
//! that client is turned away, and the others go on.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:5566"))?;
    println!("listening on {}", listener.local_addr()?);
    serve(&listener)
}

fn serve(listener: &TcpListener) -> ! {
    loop {
        match listener.accept() {
            Ok((stream, _)) => {
                let client = move || report(handle_client(stream));
                report(thread::Builder::new().spawn(client).map(drop));
            }
            Err(error) => back_off(&error),
        }
    }
}

/// Nobody can be accepted: no descriptor is left, say. That will not change at once.
fn back_off(error: &io::Error) {
    eprintln!("accept: {error}");
    thread::sleep(Duration::from_millis(10));
}

/// Tells of a client that has not ended well.
fn report(result: io::Result<()>) {
    if let Err(error) = result {
        eprintln!("{error}");
    }
}

fn handle_client(mut stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            n => stream.write_all(&buffer[..n])?,
        }
    }
}
