//! An echo server that does some other work while nothing comes.
//!
//! ```text
//! cargo run --release --example timeouts                            in one terminal
//! cargo run --release --example slow_client                         in another
//! cargo run --release --example timeouts -- 127.0.0.1:7007 50       waits for 50 ms, not 1 s
//! ```
//!
//! It is the server with a timeout of the [`select` page of Python's Module of the Week][pymotw].
//! There, one loop looks at all sockets. Here, each connection is a task that tells the main one
//! what happens, and only that one has a timeout.
//!
//! [pymotw]: https://pymotw.com/3/select/

use std::net::SocketAddr;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::Duration;
use std::{fmt, io};

use selio::net::{TcpListener, TcpStream};
use selio::sync::Queue;
use selio::{spawn, timeout};

async fn serve(address: String, patience: Duration) -> io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    let address = listener.local_addr()?;
    println!("starting up on {} port {}", address.ip(), address.port());
    let news = Rc::new(Queue::unbounded());
    spawn(accept(listener, Rc::clone(&news)));
    loop {
        println!("waiting for the next event");
        match timeout(patience, news.get()).await {
            Ok(Ok(event)) => println!("  {event}"),
            Ok(Err(_)) => unreachable!("nobody shuts it down"),
            Err(_) => println!("  timed out, do some other work here"),
        }
    }
}

async fn accept(listener: TcpListener, news: Rc<Queue<Event>>) {
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, say: those who are connected go on.
                eprintln!("{error}");
                continue;
            }
        };
        tell(&news, peer, What::Connected);
        let news = Rc::clone(&news);
        spawn(async move {
            let end = handle_client(stream, peer, &news).await;
            tell(&news, peer, What::Closed(end.err()));
        });
    }
}

async fn handle_client(stream: TcpStream, peer: SocketAddr, news: &Queue<Event>) -> io::Result<()> {
    let mut buffer = [0; 1024];
    loop {
        let n = stream.read(&mut buffer).await?;
        if n == 0 {
            return Ok(());
        }
        tell(news, peer, What::Received(buffer[..n].to_vec()));
        stream.write_all(&buffer[..n]).await?;
        tell(news, peer, What::Sent(buffer[..n].to_vec()));
    }
}

fn tell(news: &Queue<Event>, peer: SocketAddr, what: What) {
    // The queue has no bound, and nobody shuts it down: there is room.
    let _ = news.put_nowait(Event { peer, what });
}

/// Something that happened on a connection.
struct Event {
    peer: SocketAddr,
    what: What,
}

enum What {
    Connected,
    Received(Vec<u8>),
    Sent(Vec<u8>),
    Closed(Option<io::Error>),
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let peer = format!("('{}', {})", self.peer.ip(), self.peer.port());
        match &self.what {
            What::Connected => write!(f, "connection from {peer}"),
            What::Received(bytes) => write!(f, "received b'{}' from {peer}", bytes.escape_ascii()),
            What::Sent(bytes) => write!(f, "sending b'{}' to {peer}", bytes.escape_ascii()),
            What::Closed(None) => write!(f, "closing {peer}"),
            What::Closed(Some(error)) => write!(f, "closing {peer}: {error}"),
        }
    }
}

fn run() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next();
    let address = address.unwrap_or_else(|| "127.0.0.1:5566".to_owned());
    let patience = arguments.next().unwrap_or_else(|| "1000".to_owned());
    let patience = patience.parse().map_err(|_| {
        let problem = format!("`{patience}` is no number of milliseconds");
        io::Error::new(io::ErrorKind::InvalidInput, problem)
    })?;
    selio::run(serve(address, Duration::from_millis(patience)))
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("timeouts: {error}");
            if error.kind() == io::ErrorKind::InvalidInput {
                eprintln!("usage: timeouts [ADDRESS [MILLISECONDS]]");
            }
            ExitCode::FAILURE
        }
    }
}
