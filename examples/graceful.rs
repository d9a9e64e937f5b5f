//! A server that stops in good order: nobody else is let in, those who are being served may end
//! what they do, and who takes too long is cut off.
//!
//! ```text
//! cargo run --release --example graceful                             serves on 127.0.0.1:5566
//! cargo run --release --example graceful -- 127.0.0.1:7007 2000      gives 2,000 ms of grace
//! cargo run --release --example graceful --features signal           stops at Ctrl-C, too
//! ```
//!
//! To try it, run `nc 127.0.0.1 5566` in another terminal and type a number: the answer comes that
//! many milliseconds later. Type `quit` in the first terminal meanwhile. With 5000 there is still
//! an answer; with 50000 there is none.

use std::future::pending;
use std::io;
use std::process::ExitCode;
use std::time::Duration;

use selio::net::{TcpListener, TcpStream, stdin};
use selio::{Server, StreamReader, sleep};

/// Works for as long as the client says, and answers.
async fn handle_client(stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 32];
    while let n @ 1.. = stream.read(&mut buffer).await? {
        let number = String::from_utf8_lossy(&buffer[..n]);
        let answer = match number.trim().parse() {
            Ok(work) => {
                sleep(Duration::from_millis(work)).await;
                format!("worked for {work} ms\n")
            }
            Err(_) => "type a number of milliseconds\n".to_owned(),
        };
        stream.write_all(answer.as_bytes()).await?;
    }
    stream.write_all(b"bye\n").await
}

/// Until somebody types `quit`.
async fn quit() -> io::Result<()> {
    let mut input = StreamReader::new(stdin()?);
    while let line @ [_, ..] = input.read_line().await? {
        if line.trim_ascii() == b"quit" {
            return Ok(());
        }
    }
    pending().await // There is nobody who could type it.
}

async fn asked_to_stop() -> io::Result<()> {
    #[cfg(feature = "signal")]
    return selio::race((quit(), selio::signal::ctrl_c())).await;
    #[cfg(not(feature = "signal"))]
    quit().await
}

async fn serve(address: &str, grace: Duration) -> io::Result<()> {
    let listeners = TcpListener::bind_all(address).await?;
    let server = Server::builder().serve(listeners, handle_client)?;
    for address in server.local_addrs() {
        println!("listening on {address}");
    }
    asked_to_stop().await?;

    println!("stopping, with {} connected", server.connections());
    server.close(); // Nobody else is let in.
    server.close_clients(); // Those who wait for a message read the end of the stream.
    match server.shutdown(grace).await {
        0 => println!("everybody has left"),
        n => println!("{n} cut off"),
    }
    Ok(())
}

fn run() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments
        .next()
        .unwrap_or_else(|| "127.0.0.1:5566".to_owned());
    let grace = arguments.next().map_or(Ok(10_000), |it| it.parse());
    let grace =
        grace.map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "the grace is no number"))?;
    selio::run(serve(&address, Duration::from_millis(grace)))
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("graceful: {error}");
            if error.kind() == io::ErrorKind::InvalidInput {
                eprintln!("usage: graceful [ADDRESS [MILLISECONDS]]");
            }
            ExitCode::FAILURE
        }
    }
}
