//! Step 1: one client at a time, with calls that block.
//!
//! ```text
//! cargo run --example 01_blocking            then, in another terminal: nc 127.0.0.1 5566
//! ```
//!
//! **New here.** Nothing yet: `accept` waits for a client, `read` for its bytes, `write_all` for
//! room to send them. While it waits the thread sleeps in the kernel, and costs nothing.
//!
//! **What it costs.** Nothing but patience.
//!
//! **Still wrong.** A second client gets no answer until the first has left: connect twice, and
//! see. The next step gives each client a thread to wait in.
//!
//! **Mends** the thread server of *Building scalable network applications*: its `handle_client`
//! calls `recv(1024)` once, answers, and closes. TCP carries bytes, not messages: one `send` may
//! arrive in two parts, two in one. An echo reads until there is no more.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:5566"))?;
    println!("listening on {}", listener.local_addr()?);
    serve(&listener)
}

fn serve(listener: &TcpListener) -> ! {
    loop {
        match listener.accept() {
            Ok((stream, _)) => report(handle_client(stream)),
            Err(error) => eprintln!("accept: {error}"),
        }
    }
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
