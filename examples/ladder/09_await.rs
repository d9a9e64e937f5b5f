//! Step 9: `await`, with selio.
//!
//! ```text
//! cargo run --example 09_await               then, in two terminals: nc 127.0.0.1 5566
//! ```
//!
//! **New here.** The compiler writes [`handle_client`]'s states, and selio has the rest: compare this
//! with step 1, from which it differs by `async`, `await` and `spawn`. It waits as step 1 does, serves
//! all clients as step 2 does, with one thread as step 3 does, and asks the kernel as step 5 does.
//!
//! **What it costs.** A state for each client, as large as what it keeps across an `await`: here
//! the buffer. A task that computes for long holds up all others.
//!
//! **No longer wrong.** A client that never pauses cannot starve the others: selio gives each task a
//! budget. When no descriptor is left, it is only accepting that pauses, and nobody else. A socket that
//! two tasks wait for, a timeout, another thread that wakes a task: all that is in `reactor/` and
//! `executor/`, and the guide leads there.
//!
//! **Mends** the asyncio server of *Building scalable network applications*: it awaits one
//! `reader.read(100)`, answers, and closes, whatever else the client has sent.

use std::io;

use selio::net::{TcpListener, TcpStream};
use selio::spawn;

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1);
    selio::run(async {
        let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:5566")).await?;
        println!("listening on {}", listener.local_addr()?);
        serve(&listener).await
    })
}

async fn serve(listener: &TcpListener) -> ! {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let client = async { report(handle_client(stream).await) };
                spawn(client);
            }
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

async fn handle_client(stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            n => stream.write_all(&buffer[..n]).await?,
        }
    }
}
