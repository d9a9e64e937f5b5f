//! A client that pauses after each part of its message, and reads the answer in small pieces.
//!
//! ```text
//! cargo run --release --example timeouts                               in one terminal
//! cargo run --release --example slow_client                            in another
//! cargo run --release --example slow_client -- 127.0.0.1:7007 50       pauses for 50 ms, not 1 s
//! ```
//!
//! It is the slow client of the [`select` page of Python's Module of the Week][pymotw], and prints
//! what that one prints.
//!
//! [pymotw]: https://pymotw.com/3/select/

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use selio::net::TcpStream;
use selio::sleep;

const PARTS: [&str; 2] = ["Part one of the message.", "Part two of the message."];

async fn talk(server: SocketAddr, pause: Duration) -> io::Result<()> {
    println!("connecting to {} port {}", server.ip(), server.port());
    let stream = TcpStream::connect(server).await?;
    for part in PARTS {
        println!("sending b'{part}'");
        stream.write_all(part.as_bytes()).await?;
        sleep(pause).await;
    }
    let mut left: usize = PARTS.iter().map(|part| part.len()).sum();
    let mut buffer = [0; 16];
    while left > 0 {
        let n = stream.read(&mut buffer).await?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        println!("received b'{}'", buffer[..n].escape_ascii());
        left -= n;
    }
    println!("closing socket");
    Ok(())
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let server = arguments.next();
    let server = server.as_deref().unwrap_or("127.0.0.1:5566").parse()?;
    let pause = arguments.next();
    let pause = pause.as_deref().unwrap_or("1000").parse()?;
    Ok(selio::run(talk(server, Duration::from_millis(pause)))?)
}
