//! A client with two connections at once, which sends a message in parts on each, and reads the
//! answers.
//!
//! ```text
//! cargo run --release --example echo                               in one terminal
//! cargo run --release --example multi_client                       in another
//! cargo run --release --example multi_client -- 127.0.0.1:7007     to another address
//! ```
//!
//! It is the client of the [`select` page of Python's Module of the Week][pymotw], and prints what
//! that one prints.
//!
//! [pymotw]: https://pymotw.com/3/select/

use std::io;
use std::process::ExitCode;

use selio::net::TcpStream;

const PARTS: [&str; 3] = ["This is the message. ", "It will be sent ", "in parts."];

async fn talk(server: &str) -> io::Result<()> {
    println!("connecting to {}", server.replace(':', " port "));
    let streams = [
        TcpStream::connect(server).await?,
        TcpStream::connect(server).await?,
    ];
    for part in PARTS {
        for stream in &streams {
            println!("{}: sending b'{part}'", name(stream)?);
            stream.write_all(part.as_bytes()).await?;
        }
        for stream in &streams {
            let mut answer = vec![0; part.len()];
            stream.read_exact(&mut answer).await?;
            println!("{}: received b'{}'", name(stream)?, answer.escape_ascii());
        }
    }
    Ok(())
}

/// `('127.0.0.1', 61003)`, as Python shows an address.
fn name(stream: &TcpStream) -> io::Result<String> {
    let addr = stream.local_addr()?;
    Ok(format!("('{}', {})", addr.ip(), addr.port()))
}

fn main() -> ExitCode {
    let server = std::env::args().nth(1);
    match selio::run(talk(server.as_deref().unwrap_or("127.0.0.1:5566"))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("multi_client: {error}");
            match error.kind() {
                io::ErrorKind::InvalidInput => eprintln!("usage: multi_client [ADDRESS]"),
                io::ErrorKind::ConnectionRefused => {
                    eprintln!("start a server first: cargo run --release --example echo");
                }
                _ => {}
            }
            ExitCode::FAILURE
        }
    }
}
