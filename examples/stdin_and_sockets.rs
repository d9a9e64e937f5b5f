//! Interactive input next to a socket: what you type is sent, what comes is shown, whichever is
//! first.
//!
//! ```text
//! cargo run --release --example echo                                     in one terminal
//! cargo run --release --example stdin_and_sockets                        in another; type lines
//! cargo run --release --example stdin_and_sockets -- 127.0.0.1:7007      to another server
//! ```
//!
//! `/quit` ends it. Ctrl-D ends what is sent, and shows what still comes. When the server closes the
//! connection it is over at once, although you might still type: what waits for input keeps no
//! process alive, and the terminal is left as it was.

use std::future::pending;
use std::io;
use std::process::ExitCode;

use selio::net::{ReadHalf, TcpStream, WriteHalf, stdin, stdout};
use selio::{StreamReader, race};

/// Shows what the server sends, until it sends no more.
async fn receive(server: ReadHalf<'_>) -> io::Result<()> {
    let (screen, mut buffer) = (stdout()?, [0; 4096]);
    loop {
        match server.read(&mut buffer).await? {
            0 => return Ok(()),
            n => screen.write_all(&buffer[..n]).await?,
        }
    }
}

/// Sends what is typed, line by line, until `/quit`.
async fn send(server: WriteHalf<'_>) -> io::Result<()> {
    let mut input = StreamReader::new(stdin()?);
    while let line @ [_, ..] = input.read_line().await? {
        if line.trim_ascii_end() == b"/quit" {
            return Ok(());
        }
        server.write_all(line).await?;
    }
    server.shutdown()?;
    pending().await // It is over when the server has said all that it has to say.
}

async fn run(address: String) -> io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    eprintln!("connected to {}; /quit ends it", stream.peer_addr()?);
    let (from_server, to_server) = stream.split();
    race((receive(from_server), send(to_server))).await
}

fn main() -> ExitCode {
    let address = std::env::args().nth(1);
    let address = address.unwrap_or_else(|| "127.0.0.1:5566".to_owned());
    match selio::run(run(address)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stdin_and_sockets: {error}");
            match error.kind() {
                io::ErrorKind::InvalidInput => eprintln!("usage: stdin_and_sockets [ADDRESS]"),
                io::ErrorKind::ConnectionRefused => {
                    eprintln!("start a server first: cargo run --release --example echo");
                }
                _ => {}
            }
            ExitCode::FAILURE
        }
    }
}
