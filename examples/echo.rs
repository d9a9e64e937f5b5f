//! An echo server: every byte that a client sends comes back.
//!
//! ```text
//! cargo run --release --example echo                        serves on 127.0.0.1:5566
//! cargo run --release --example echo -- 127.0.0.1:7007      serves on another address
//! cargo run --release --example echo -- --selector poll     asks poll(2) instead of epoll
//! ```
//!
//! To try it, run `nc 127.0.0.1 5566` in another terminal and type. Ctrl-C ends the server.

use std::io;
use std::process::ExitCode;

use selio::net::{TcpListener, TcpStream};
use selio::{Builder, Runtime, spawn};

/// Sends back what the client sends, until it sends no more.
async fn handle_client(stream: TcpStream) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            n => stream.write_all(&buffer[..n]).await?,
        }
    }
}

/// Makes a task of every connection, for ever.
async fn serve(listener: TcpListener) -> io::Result<()> {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                spawn(async move {
                    if let Err(error) = handle_client(stream).await {
                        eprintln!("{peer}: {error}");
                    }
                });
            }
            // Out of file descriptors, say: those who are connected go on.
            Err(error) => eprintln!("accept: {error}"),
        }
    }
}

fn run() -> io::Result<()> {
    let (runtime, address) = arguments()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        println!("listening on {address} ({})", runtime.backend());
        println!("try: nc {} {}", address.ip(), address.port());
        serve(listener).await
    })
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("echo: {error}");
            if error.kind() == io::ErrorKind::InvalidInput {
                eprintln!("{USAGE}");
            }
            ExitCode::FAILURE
        }
    }
}

/// `[ADDRESS] [--selector NAME]`
fn arguments() -> io::Result<(Runtime, String)> {
    let (mut builder, mut address) = (Builder::new(), None);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--selector" => {
                let name = arguments
                    .next()
                    .ok_or_else(|| wrong("--selector wants a name"))?;
                let backend = name
                    .parse()
                    .map_err(|error| wrong(&format!("--selector: {error}")));
                builder = builder.backend(backend?);
            }
            "--help" | "-h" => {
                println!("{USAGE}");
                std::process::exit(0);
            }
            _ if argument.starts_with('-') || address.is_some() => {
                return Err(wrong(&format!("unexpected argument `{argument}`")));
            }
            _ => address = Some(argument),
        }
    }
    Ok((
        builder.build()?,
        address.unwrap_or_else(|| "127.0.0.1:5566".to_owned()),
    ))
}

const USAGE: &str = "usage: echo [ADDRESS] [--selector epoll|kqueue|poll|select|polling]";

fn wrong(problem: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, problem)
}
