//! What the clients of a script do.

use std::future::Future;
use std::io;
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::Duration;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use rustix::net::sockopt::set_socket_send_buffer_size;
use selio::net::{Listener, TcpStream, UnixStream};
use selio::timeout;

use super::loopback::reset;
use super::world::{Direction, World};

/// A client's end of a connection, of either kind.
pub(super) trait Stream: AsyncRead + AsyncWrite + AsFd + Unpin + 'static {
    fn end(&self, how: Shutdown);
}

impl Stream for TcpStream {
    fn end(&self, how: Shutdown) {
        let _ = self.shutdown(how);
    }
}

impl Stream for UnixStream {
    fn end(&self, how: Shutdown) {
        let _ = self.shutdown(how);
    }
}

pub(super) async fn client<L: Listener>(
    world: Rc<World<L>>,
    id: usize,
    connect: impl Future<Output = io::Result<impl Stream>>,
) {
    let connection = Rc::clone(&world.connections.borrow()[id]);
    let (to, from) = (&connection.to_server, &connection.to_client);
    let Ok(Ok(mut stream)) = timeout(Duration::from_millis(50), connect).await else {
        return;
    };
    world.connected.set(world.connected.get() + 1);
    if world.below(2) == 0 {
        let _ = set_socket_send_buffer_size(&stream, 4096);
    }
    // Who says nothing at all has no handler that would know what to expect.
    let mut is_open = world.below(10) > 0;
    if is_open && stream.write_all(&[id as u8]).await.is_err() {
        return;
    }
    for _ in 0..world.below(8) {
        match world.below(12) {
            0..=3 if is_open => {
                let data = to.next(id, world.length());
                // A handler need not read: who waits for it for ever gives up in the end.
                let write = timeout(Duration::from_millis(1), stream.write_all(&data));
                if !matches!(write.await, Ok(Ok(()))) {
                    connection.is_cut.set(true);
                    break;
                }
            }
            4..=6 => {
                let size = 1 + world.below(9000);
                let _ = timeout(
                    Duration::from_micros(200),
                    receive(id, &mut stream, from, size),
                )
                .await;
            }
            7 => world.pause().await,
            8 => {
                for _ in 0..world.below(20) {
                    let one = receive(id, &mut stream, from, 1);
                    if !matches!(timeout(Duration::from_micros(200), one).await, Ok(true)) {
                        break;
                    }
                }
            }
            9 => {
                is_open = false;
                stream.end(Shutdown::Write);
            }
            10 if world.below(3) == 0 => {
                connection.is_cut.set(true);
                match world.below(2) {
                    0 => reset(stream),
                    _ => drop(stream),
                }
                return;
            }
            _ => {}
        }
    }
    // Most read to the end, which comes when the server is closed at the latest.
    if world.below(8) == 0 {
        connection.is_cut.set(true);
        return;
    }
    if world.below(2) == 0 {
        stream.end(Shutdown::Write);
    }
    let size = [100, 5000, 60_000][world.below(3)];
    while receive(id, &mut stream, from, size).await {}
}

async fn receive(id: usize, stream: &mut impl Stream, from: &Direction, size: usize) -> bool {
    let mut buffer = vec![0; size];
    match stream.read(&mut buffer).await {
        Ok(0) => {
            from.is_at_end.set(true);
            false
        }
        Ok(n) => {
            from.got(id, &buffer[..n]);
            true
        }
        Err(_) => false,
    }
}
