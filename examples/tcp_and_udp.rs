//! One service on TCP and on UDP, and a second port that tells how it goes: an echo that counts.
//!
//! ```text
//! cargo run --release --example tcp_and_udp                                    5566 and 5567
//! cargo run --release --example tcp_and_udp -- 127.0.0.1:7007 127.0.0.1:7008   other ports
//! ```
//!
//! To try it, type into each of these, in other terminals:
//!
//! ```text
//! nc 127.0.0.1 5566        what you type comes back, over TCP
//! nc -u 127.0.0.1 5566     what you type comes back, over UDP
//! nc 127.0.0.1 5567        how much has come back so far
//! ```
//!
//! All of it is one thread that asks one selector, so what the three have in common needs no lock.

use std::cell::Cell;
use std::io;
use std::process::ExitCode;
use std::rc::Rc;

use selio::net::{TcpListener, TcpStream, UdpSocket};
use selio::spawn;

/// What has come back so far.
#[derive(Default)]
struct Counts {
    connections: Cell<u64>,
    datagrams: Cell<u64>,
    bytes: Cell<u64>,
}

/// A connection is a stream of bytes: it has an end, but no messages.
async fn echo_stream(stream: TcpStream, counts: Rc<Counts>) -> io::Result<()> {
    counts.connections.update(|connections| connections + 1);
    let mut buffer = [0; 4096];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            n => {
                stream.write_all(&buffer[..n]).await?;
                counts.bytes.update(|bytes| bytes + n as u64);
            }
        }
    }
}

/// A socket for datagrams has messages and senders, but no end: one task serves everybody.
///
/// Anybody can forge a sender, and make two such echoes answer each other for ever: this is not for
/// the open internet.
async fn echo_datagrams(socket: UdpSocket, counts: Rc<Counts>) {
    let mut buffer = [0; 2048];
    loop {
        match socket.recv_msg(&mut buffer).await {
            // To send back a part of it would be no echo.
            Ok(message) if message.is_truncated => eprintln!("{}: too long", message.from),
            Ok(message) => {
                let answer = &buffer[..message.length];
                // Whoever is gone does not concern the others.
                if let Err(error) = socket.send_to(answer, message.from).await {
                    eprintln!("{}: {error}", message.from);
                }
                counts.datagrams.update(|datagrams| datagrams + 1);
                counts.bytes.update(|bytes| bytes + answer.len() as u64);
            }
            Err(error) => eprintln!("receive: {error}"),
        }
    }
}

async fn tell(stream: TcpStream, counts: Rc<Counts>) -> io::Result<()> {
    let Counts {
        connections,
        datagrams,
        bytes,
    } = &*counts;
    let text = format!(
        "{} connections, {} datagrams, {} bytes\n",
        connections.get(),
        datagrams.get(),
        bytes.get()
    );
    stream.write_all(text.as_bytes()).await
}

/// Makes a task of every connection, for ever.
async fn serve<F>(listener: TcpListener, handle: impl Fn(TcpStream) -> F)
where
    F: Future<Output = io::Result<()>> + 'static,
{
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => {
                let handling = handle(stream);
                spawn(async move {
                    if let Err(error) = handling.await {
                        eprintln!("{peer}: {error}");
                    }
                });
            }
            // Out of file descriptors, say: those who are connected go on.
            Err(error) => eprintln!("accept: {error}"),
        }
    }
}

async fn run(service: String, status: String) -> io::Result<()> {
    let counts = Rc::new(Counts::default());
    let listener = TcpListener::bind(service).await?;
    let address = listener.local_addr()?;
    // TCP and UDP have ports of their own: both can have this one.
    let socket = UdpSocket::bind(address).await?;
    let status = TcpListener::bind(status).await?;
    println!("echo on {address}, over TCP and UDP");
    println!("status on {}", status.local_addr()?);

    spawn(echo_datagrams(socket, Rc::clone(&counts)));
    let told = Rc::clone(&counts);
    spawn(serve(status, move |stream| tell(stream, Rc::clone(&told))));
    serve(listener, |stream| echo_stream(stream, Rc::clone(&counts))).await;
    Ok(())
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let mut or = |address: &str| arguments.next().unwrap_or_else(|| address.to_owned());
    let (service, status) = (or("127.0.0.1:5566"), or("127.0.0.1:5567"));
    match selio::run(run(service, status)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tcp_and_udp: {error}");
            if error.kind() == io::ErrorKind::InvalidInput {
                eprintln!("usage: tcp_and_udp [ADDRESS [STATUS_ADDRESS]]");
            }
            ExitCode::FAILURE
        }
    }
}
