//! One runtime for each core: threads that share a port and nothing else.
//!
//! ```text
//! cargo run --release --example per_core                        serves on 127.0.0.1:5566
//! cargo run --release --example per_core -- 127.0.0.1:7007 8    eight runtimes, on another address
//! ```
//!
//! To try it, run `nc 127.0.0.1 5566` a few times: the first line tells which runtime serves you.
//! The system chooses it (`SO_REUSEPORT`). No task ever moves to another thread, so nothing needs
//! to be `Send`, and no lock is taken.

use std::io;
use std::process::ExitCode;
use std::thread;

use selio::Server;
use selio::net::{TcpListener, TcpStream};

async fn handle_client(stream: &TcpStream, runtime: usize) -> io::Result<()> {
    stream
        .write_all(format!("runtime {runtime}\n").as_bytes())
        .await?;
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            n => stream.write_all(&buffer[..n]).await?,
        }
    }
}

/// What each thread does.
async fn serve(listener: std::net::TcpListener, runtime: usize) -> io::Result<()> {
    let listener = TcpListener::from_std(listener)?;
    let handle = async move |stream: TcpStream| handle_client(&stream, runtime).await;
    let server = Server::builder().name(format!("runtime {runtime}"));
    server.serve([listener], handle)?.serve_forever().await;
    Ok(())
}

/// A listener for each runtime, all on the same port.
async fn listeners(address: &str, count: usize) -> io::Result<Vec<std::net::TcpListener>> {
    let builder = TcpListener::builder().reuse_port(true);
    let first = builder.bind(address).await?;
    let address = first.local_addr()?;
    let mut listeners = vec![first.into_std()?];
    while listeners.len() < count {
        listeners.push(builder.bind(address).await?.into_std()?);
    }
    println!("listening on {address}");
    Ok(listeners)
}

fn run() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments
        .next()
        .unwrap_or_else(|| "127.0.0.1:5566".to_owned());
    let count = match arguments.next() {
        Some(count) => count.parse().map_err(|_| {
            let problem = format!("`{count}` is no number of runtimes");
            io::Error::new(io::ErrorKind::InvalidInput, problem)
        })?,
        None => thread::available_parallelism()?.get(),
    };
    let listeners = selio::run(listeners(&address, count))?;
    let threads = listeners
        .into_iter()
        .enumerate()
        .map(|(runtime, listener)| {
            thread::Builder::new()
                .name(format!("runtime {runtime}"))
                .spawn(move || selio::run(serve(listener, runtime)))
        });
    let threads = threads.collect::<io::Result<Vec<_>>>()?;
    for thread in threads {
        thread.join().expect("no runtime panics")?;
    }
    Ok(())
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("per_core: {error}");
            if error.kind() == io::ErrorKind::InvalidInput {
                eprintln!("usage: per_core [ADDRESS [RUNTIMES]]");
            }
            ExitCode::FAILURE
        }
    }
}
