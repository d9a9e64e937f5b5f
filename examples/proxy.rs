//! A proxy: what a client says goes on to another server, and what that answers comes back.
//!
//! ```text
//! cargo run --release --example echo                                     in one terminal
//! cargo run --release --example proxy                                    in another: 5577 leads to 5566
//! cargo run --release --example proxy -- 127.0.0.1:7007 example.com:80   from one address to another
//! ```
//!
//! To try it, run `nc 127.0.0.1 5577` in a third terminal and type.
//!
//! Both directions are futures of one task, which borrow both connections. Each ends by itself, as
//! TCP has it: who has said everything may still listen. And each holds one buffer of bytes at most,
//! so that a client that does not read stops the server that writes to it, and fills no memory here.

use std::io;
use std::net::Shutdown;
use std::process::ExitCode;
use std::time::Duration;

use selio::net::{Server, TcpListener, TcpStream};
use selio::{timeout, try_gather};

/// How long it may take to reach the other server.
const PATIENCE: Duration = Duration::from_secs(10);

/// Passes on what comes, and at last the end.
async fn pass_on(from: &TcpStream, to: &TcpStream) -> io::Result<()> {
    let mut buffer = [0; 8192];
    loop {
        match from.read(&mut buffer).await? {
            0 => return to.shutdown(Shutdown::Write),
            n => to.write_all(&buffer[..n]).await?,
        }
    }
}

/// Goes on until both directions have ended, or one has failed.
async fn handle_client(client: TcpStream, target: &str) -> io::Result<()> {
    let server = timeout(PATIENCE, TcpStream::connect(target)).await??;
    try_gather((pass_on(&client, &server), pass_on(&server, &client))).await?;
    Ok(())
}

async fn serve(address: &str, target: String) -> io::Result<()> {
    let listeners = TcpListener::bind_all(address).await?;
    for listener in &listeners {
        println!("listening on {} for {target}", listener.local_addr()?);
    }
    // The closure owns the name of the target, and lends it to every handler.
    let server = Server::builder().serve(listeners, async move |client: TcpStream| {
        handle_client(client, &target).await
    })?;
    server.serve_forever().await;
    Ok(())
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let mut argument = |default: &str| arguments.next().unwrap_or_else(|| default.to_owned());
    let (address, target) = (argument("127.0.0.1:5577"), argument("127.0.0.1:5566"));
    match selio::run(serve(&address, target)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("proxy: {error}");
            if error.kind() == io::ErrorKind::InvalidInput {
                eprintln!("usage: proxy [ADDRESS [TARGET]]");
            }
            ExitCode::FAILURE
        }
    }
}
