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
use std::net::SocketAddr;

use selio::net::TcpStream;

const PARTS: [&str; 3] = ["This is the message. ", "It will be sent ", "in parts."];

async fn talk(server: SocketAddr) -> io::Result<()> {
    println!("connecting to {} port {}", server.ip(), server.port());
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

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let server = std::env::args().nth(1);
    let server = server.as_deref().unwrap_or("127.0.0.1:5566").parse()?;
    Ok(selio::run(talk(server))?)
}
