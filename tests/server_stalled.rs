//! Claims about peers that do not read: how long they hold their place in a server.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/loopback.rs"]
mod loopback;

use std::net;
use std::time::Duration;

use loopback::{alive, on_each_backend, turns};
use selio::net::{Server, TcpListener};
use selio::{StreamReader, StreamWriter, stats, timeout};

/// More than the kernel takes from us while nobody reads.
const LARGE: usize = 32 << 20;

/// Not long, and for ever.
const SOON: Duration = Duration::from_millis(5);
const NEVER: Duration = Duration::from_secs(3_600);

/// A server with one place.
async fn serve(handle: impl AsyncFn(StreamReader, StreamWriter) + 'static) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let builder = Server::builder().max_connections(1);
    builder.serve_streams([listener], handle).unwrap()
}

fn connect(server: &Server) -> net::TcpStream {
    net::TcpStream::connect(server.local_addrs()[0]).unwrap()
}

async fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        turns(1).await;
    }
}

#[test]
fn who_does_not_read_holds_a_place_until_shutdown_and_no_longer_than_its_grace() {
    on_each_backend(async || {
        let server = serve(async |_, writer| writer.write(&vec![7; LARGE])).await;
        let _stalled = connect(&server);
        let _next = connect(&server);
        until(|| server.connections() == 1).await;
        turns(50).await;
        assert_eq!(server.connections(), 1, "the place is taken");
        assert_eq!(timeout(NEVER, server.shutdown(SOON)).await.unwrap(), 1);
        assert_eq!(server.connections(), 0);
        until(|| alive(&stats()) == (0, 0, 0)).await;
    });
}

#[test]
fn a_handler_with_a_time_limit_of_its_own_gives_the_place_back() {
    on_each_backend(async || {
        let served = std::rc::Rc::new(std::cell::Cell::new(0));
        let count = std::rc::Rc::clone(&served);
        let server = serve(async move |_, writer: StreamWriter| {
            count.set(count.get() + 1);
            writer.write(&vec![7; LARGE]);
            writer.close();
            if timeout(SOON, writer.wait_closed()).await.is_err() {
                writer.abort();
            }
        });
        let server = server.await;
        let _stalled: Vec<_> = (0..3).map(|_| connect(&server)).collect();
        until(|| served.get() == 3).await;
        assert_eq!(timeout(NEVER, server.shutdown(NEVER)).await.unwrap(), 0);
        until(|| alive(&stats()) == (0, 0, 0)).await;
    });
}
