//! What the handlers of a script do, and what somebody does to its server.

use std::future::pending;
use std::io::IoSlice;
use std::panic::panic_any;
use std::rc::Rc;
use std::time::Duration;

use selio::net::Listener;
use selio::{IncompleteReadError, StreamReader, StreamWriter, gather, race, spawn, timeout};

use super::world::{Counted, Direction, World};

/// What a handler does, one thing after the other, until it has had enough.
pub(super) async fn handle<L: Listener>(
    world: Rc<World<L>>,
    mut reader: StreamReader,
    writer: StreamWriter,
) -> Result<(), &'static str> {
    let mut id = [0];
    if reader.read_exact(&mut id).await.is_err() {
        return Ok(()); // It has left already.
    }
    let id = usize::from(id[0]);
    let connection = Rc::clone(&world.connections.borrow()[id]);
    let (from, to) = (&connection.to_server, &connection.to_client);
    if world.below(3) == 0 {
        writer.set_marks(0..=0).unwrap();
    }
    for _ in 0..world.below(8) {
        match world.below(16) {
            0..=2 => read_some(&world, id, &mut reader, from).await,
            3 => while read_on(&world, id, &mut reader).await {},
            4..=6 => writer.write(&to.next(id, world.length())),
            7 | 8 => {
                let is_all = *writer.marks().end() == 0;
                if writer.drain().await.is_ok() && is_all && !writer.is_closing() {
                    to.drained.set(to.written.get());
                }
            }
            9 => world.pause().await,
            10 => {
                // An echo of what comes, as long as it comes, which is no longer than the client likes.
                while read_on(&world, id, &mut reader).await {
                    writer.write(&to.next(id, 1 + world.below(50)));
                    let _ = writer.drain().await;
                }
            }
            11 if world.below(3) == 0 => {
                connection.is_cut.set(true);
                world.panics.set(world.panics.get() + 1);
                panic_any(());
            }
            12 if world.below(3) == 0 => {
                world.errors.set(world.errors.get() + 1);
                connection.is_served.set(true);
                return Err("on purpose");
            }
            13 if world.below(2) == 0 => {
                writer.close();
                if timeout(Duration::from_millis(2), writer.wait_closed())
                    .await
                    .is_err()
                {
                    connection.is_cut.set(true);
                    writer.abort();
                }
                connection.is_served.set(true);
                return Ok(());
            }
            14 if world.below(2) == 0 => match world.below(8) {
                0 => {
                    connection.is_cut.set(true);
                    writer.abort();
                    break;
                }
                1 => {
                    let _stuck = Counted::new(&world.stuck);
                    pending::<()>().await;
                }
                2 => {
                    command(&world).await;
                }
                3 => {
                    // Somebody else goes on with it.
                    let (world, connection) = (Rc::clone(&world), Rc::clone(&connection));
                    connection.is_cut.set(true); // It may be gone before that one has written.
                    world.is_aborted.set(true);
                    spawn(async move {
                        let (from, to) = (&connection.to_server, &connection.to_client);
                        read_some(&world, id, &mut reader, from).await;
                        writer.write(&to.next(id, world.length()));
                        world.pause().await;
                        drop(reader);
                        // A peer that does not read is nobody's to cut off but ours.
                        writer.close();
                        let closed = timeout(Duration::from_millis(3), writer.wait_closed());
                        if closed.await.is_err() {
                            writer.abort();
                        }
                    });
                    return Ok(());
                }
                4 => {
                    // What asyncio's servers do to learn that it is time to leave.
                    let _waiting = Counted::new(&world.waiting);
                    race((world.server().wait_closed(), async {
                        while read_on(&world, id, &mut reader).await {}
                    }))
                    .await;
                }
                5 => {
                    writer.write_eof();
                    while read_on(&world, id, &mut reader).await {}
                    break;
                }
                _ => break,
            },
            _ => {
                let many = [
                    to.next(id, 1 + world.below(50)),
                    to.next(id, world.length()),
                ];
                writer.write_all_vectored(&[IoSlice::new(&many[0]), IoSlice::new(&many[1])]);
            }
        }
    }
    if world.below(2) == 0 {
        while read_on(&world, id, &mut reader).await {}
    }
    connection.is_served.set(true);
    Ok(())
}

/// Whether there was more.
async fn read_on<L: Listener>(world: &World<L>, id: usize, reader: &mut StreamReader) -> bool {
    let connection = Rc::clone(&world.connections.borrow()[id]);
    let from = &connection.to_server;
    match reader.read_chunk(700).await {
        Ok([]) => {
            if !world.are_clients_closed.get() && !connection.is_cut.get() {
                assert_eq!(
                    from.read.get(),
                    from.written.get(),
                    "bytes of client {id} are lost"
                );
            }
            false
        }
        Ok(got) => {
            from.got(id, got);
            true
        }
        Err(_) => false,
    }
}

async fn read_some<L: Listener>(
    world: &World<L>,
    id: usize,
    reader: &mut StreamReader,
    from: &Direction,
) {
    let length = 1 + world.below(5000);
    let limited = timeout(Duration::from_micros(300), async {
        match world.below(3) {
            0 => {
                let mut buffer = vec![0; length];
                if let Ok(n) = reader.read(&mut buffer).await {
                    from.got(id, &buffer[..n]);
                }
            }
            1 => {
                if let Ok(line) = reader.read_line().await {
                    from.got(id, line);
                }
            }
            _ => {
                let mut buffer = vec![0; length];
                match reader.read_exact(&mut buffer).await {
                    Ok(()) => from.got(id, &buffer),
                    Err(error) => {
                        if let Ok(error) = error.downcast::<IncompleteReadError>() {
                            from.got(id, &error.partial);
                        }
                    }
                }
            }
        }
    });
    let _ = limited.await;
}

/// Something that somebody does to the server.
pub(super) async fn command<L: Listener>(world: &Rc<World<L>>) {
    let Some(server) = world.server.get() else {
        return;
    };
    match world.below(9) {
        0 | 1 => server.close(),
        2 | 3 => {
            world.are_clients_closed.set(true);
            server.close_clients();
        }
        4 => {
            world.is_aborted.set(true);
            server.abort_clients();
        }
        5 => {
            world.is_aborted.set(true);
            let grace = Duration::from_micros(world.below(1500) as u64);
            server.shutdown(grace).await;
        }
        6 => {
            let _ = timeout(Duration::from_micros(200), server.serve_forever()).await;
        }
        7 => {
            let _ = timeout(Duration::from_micros(200), server.wait_closed()).await;
        }
        _ => {
            world.is_aborted.set(true);
            world.are_clients_closed.set(true);
            server.close_clients();
            let (one, other) = (
                server.shutdown(Duration::ZERO),
                server.shutdown(Duration::ZERO),
            );
            let _ = gather((one, other)).await;
        }
    }
}
