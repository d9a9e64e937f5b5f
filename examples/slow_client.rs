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
use std::process::ExitCode;
use std::time::Duration;

use selio::net::TcpStream;
use selio::sleep;

const PARTS: [&str; 2] = ["Part one of the message.", "Part two of the message."];

async fn talk(server: &str, pause: Duration) -> io::Result<()> {
    println!("connecting to {}", server.replace(':', " port "));
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
            return Err(io::Error::other(format!(
                "{server} has sent {left} bytes too few"
            )));
        }
        println!("received b'{}'", buffer[..n].escape_ascii());
        left -= n;
    }
    println!("closing socket");
    Ok(())
}

fn run() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let server = arguments.next();
    let server = server.unwrap_or_else(|| "127.0.0.1:5566".to_owned());
    let pause = arguments.next().unwrap_or_else(|| "1000".to_owned());
    let pause = pause.parse().map_err(|_| {
        let problem = format!("`{pause}` is no number of milliseconds");
        io::Error::new(io::ErrorKind::InvalidInput, problem)
    })?;
    selio::run(talk(&server, Duration::from_millis(pause)))
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("slow_client: {error}");
            match error.kind() {
                io::ErrorKind::InvalidInput => {
                    eprintln!("usage: slow_client [ADDRESS [MILLISECONDS]]");
                }
                io::ErrorKind::ConnectionRefused => {
                    eprintln!("start a server first: cargo run --release --example timeouts");
                }
                _ => {}
            }
            ExitCode::FAILURE
        }
    }
}
