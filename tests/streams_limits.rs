//! Claims about memory: a peer that never ends its line, one that never reads, and many that say
//! nothing.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/loopback.rs"]
mod loopback;

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::{self, Read, Write};
use std::net;
use std::pin::pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use futures_lite::AsyncWriteExt;
use loopback::{
    alive, half_std_pair, on_each_backend, poll_once, raise_file_limit, runtime, std_pair, turns,
};
use selio::net::{TcpStream, UnixStream};
use selio::selector::Backend;
use selio::{
    Builder, IntoStreams, LimitOverrunError, Source, StreamReader, StreamWriter, spawn,
    start_server, stats,
};

/// Counts the live bytes of the heap, and the most that there were.
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;
static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);

#[allow(unsafe_code, reason = "no other way to an allocator")]
// SAFETY: every call goes to `System` with the arguments that came in; a counter changes nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let live = LIVE.fetch_add(layout.size(), Relaxed) + layout.size();
        PEAK.fetch_max(live, Relaxed);
        // SAFETY: the caller keeps the contract of `GlobalAlloc::alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller keeps the contract of `GlobalAlloc::dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

/// How much more heap than at its beginning there was during this, at most.
async fn peak_of(code: impl Future<Output = ()>) -> usize {
    let before = LIVE.load(Relaxed);
    PEAK.store(before, Relaxed);
    code.await;
    PEAK.load(Relaxed) - before
}

/// On every backend, alone, with much more on the default one than on the others.
#[track_caller]
fn with_much_on_each_backend(test: impl AsyncFn(usize)) {
    let _turn = common::turn();
    let default = Backend::available()[0];
    for &backend in Backend::available() {
        let much = if backend == default {
            1 << 30
        } else {
            64 << 20
        };
        let circumstances = || format!(" with {backend}");
        common::watched(circumstances, Duration::from_secs(120), || {
            runtime(backend).block_on(test(much));
        });
    }
}

/// A block of what the peers send.
static BLOCK: [u8; 64 * 1024] = [b'x'; 64 * 1024];

#[test]
fn a_line_of_1_gib_is_an_error_with_less_than_twice_the_limit_of_memory() {
    with_much_on_each_backend(async |much| {
        let (mut peer, stream) = half_std_pair().await;
        let sender = thread::spawn(move || -> io::Result<()> {
            for _ in 0..much / BLOCK.len() {
                peer.write_all(&BLOCK)?;
            }
            peer.write_all(b"\nthe next line\n")
        });
        let (mut reader, _writer) = stream.into_streams();
        let limit = reader.limit();
        assert_eq!(limit, 64 * 1024);
        let peak = peak_of(async {
            let mut skipped = 0;
            let mut some = [0; 16 * 1024];
            let rest = loop {
                let Err(error) = reader.read_line().await else {
                    break reader.buffer().len();
                };
                let error = error.downcast::<LimitOverrunError>().unwrap();
                assert_eq!(error.limit, limit);
                let mut left = error.consumed;
                skipped += left;
                while left > 0 {
                    let n = left.min(some.len());
                    reader.read_exact(&mut some[..n]).await.unwrap();
                    left -= n;
                }
            };
            assert!(skipped > much - 2 * limit, "{skipped}: {rest} are left");
            assert_eq!(reader.read_line().await.unwrap(), b"the next line\n");
        });
        let peak = peak.await;
        assert!(peak < 2 * limit, "{peak} bytes");
        sender.join().unwrap().unwrap();
    });
}

#[test]
fn what_1_gib_offered_with_drain_needs_is_the_high_mark_and_one_write() {
    with_much_on_each_backend(async |much| {
        let (mut peer, stream) = half_std_pair().await;
        let (_reader, writer) = stream.into_streams();
        let peak = peak_of(async {
            let writer = &writer;
            let offer = async {
                for _ in 0..much / BLOCK.len() {
                    writer.write(&BLOCK);
                    writer.drain().await.unwrap();
                }
                writer.write_eof();
            };
            // Nobody reads: it comes to a stand.
            let mut offer = std::pin::pin!(offer);
            for _ in 0..100 {
                assert!(loopback::poll_once(&mut offer).await.is_none());
                turns(1).await;
            }
            assert!(writer.pending() > 64 * 1024);
            assert!(writer.pending() <= 64 * 1024 + BLOCK.len());

            // Somebody reads all of it.
            let receiver = thread::spawn(move || {
                let (mut received, mut some) = (0, [0; 64 * 1024]);
                loop {
                    match peer.read(&mut some)? {
                        0 => return io::Result::Ok(received),
                        n => {
                            assert!(some[..n] == BLOCK[..n]);
                            received += n;
                        }
                    }
                }
            });
            offer.await;
            while !receiver.is_finished() {
                turns(1).await;
            }
            assert_eq!(
                receiver.join().unwrap().unwrap(),
                much / BLOCK.len() * BLOCK.len()
            );
        });
        let peak = peak.await;
        // What holds them may double when it is nearly full, and is there twice until then.
        assert!(peak <= 3 * (64 * 1024 + BLOCK.len()), "{peak} bytes");
    });
}

/// Echoes lines.
/// Whose peer is always the slower one never comes to the end of what is kept, where all of its memory
/// would go.
#[test]
fn what_much_at_a_time_has_needed_is_given_back_before_all_of_it_is_sent() {
    const MUCH: usize = 8 << 20;
    on_each_backend(async || {
        let (mut client, server) = std::os::unix::net::UnixStream::pair().unwrap();
        rustix::net::sockopt::set_socket_send_buffer_size(&server, 4096).unwrap();
        let server = UnixStream::from_std(server).unwrap();
        let (_reader, writer) = server.into_streams();
        let before = LIVE.load(Relaxed);
        writer.write(&vec![7; MUCH]);
        assert!(LIVE.load(Relaxed) - before > MUCH / 2);
        let mut buffer = [0; 16 << 10];
        while writer.pending() > *writer.marks().end() {
            assert!(client.read(&mut buffer).unwrap() > 0);
            turns(1).await;
        }
        assert!(writer.pending() > 0);
        let kept = LIVE.load(Relaxed) - before;
        assert!(
            kept < 1 << 20,
            "{kept} bytes of memory for {}",
            writer.pending()
        );
    });
}

async fn handle_client(mut reader: StreamReader, writer: StreamWriter) -> io::Result<()> {
    loop {
        let line = reader.read_line().await?;
        if line.is_empty() {
            return Ok(());
        }
        writer.write(line);
        writer.drain().await?;
    }
}

/// Measures what one more connection that says nothing costs, on every backend. `serve` hands over
/// the way to get one.
fn an_idle_connection_costs_at_most_700_bytes<C>(serve: impl AsyncFn() -> C)
where
    C: AsyncFn() -> net::TcpStream,
{
    raise_file_limit();
    common::each_backend(|backend| {
        // select(2) knows numbers below 1,024 only; and the pool of memory is full after so many.
        let (few, many) = (100, 450);
        // What debug mode notes of each task is not in it.
        let runtime = Builder::new().backend(backend).debug(false).build();
        runtime.unwrap().block_on(async {
            let connect = serve().await;
            wait_for_a_high_number().await;
            let mut clients = Vec::with_capacity(many);
            let mut costs = Vec::new();
            for connections in [few, many] {
                while clients.len() < connections {
                    let mut client = connect().await;
                    client.write_all(b"hello\n").unwrap();
                    clients.push(client);
                }
                while clients.iter().any(|client| !has_answer(client)) {
                    turns(1).await;
                }
                turns(2).await;
                costs.push(LIVE.load(Relaxed));
            }
            let slope = (costs[1] - costs[0]) / (many - few);
            println!("{backend}: {slope} bytes");
            assert!(slope <= 700, "{slope} bytes");
            for mut client in clients {
                client.read_exact(&mut [0; 6]).unwrap(); // Or closing it would be a reset.
            }
            drop(connect);
            while alive(&stats()).1 > 0 {
                turns(1).await;
            }
        });
    });
}

/// Makes tables by number as large as they will be: that is no affair of a connection.
async fn wait_for_a_high_number() {
    let (_peer, socket) = std_pair();
    let socket = rustix::io::fcntl_dupfd_cloexec(&socket, 1_000).unwrap();
    let source = Source::new(socket).unwrap();
    let mut readable = pin!(source.readable());
    assert!(poll_once(&mut readable).await.is_none());
}

#[test]
fn an_idle_connection_costs_at_most_700_bytes_with_its_task() {
    an_idle_connection_costs_at_most_700_bytes(async || {
        async || {
            let (client, server) = std_pair();
            let (reader, writer) = TcpStream::from_std(server).unwrap().into_streams();
            spawn(handle_client(reader, writer));
            client
        }
    });
}

#[test]
fn an_idle_connection_of_a_server_costs_at_most_700_bytes_with_its_place() {
    an_idle_connection_costs_at_most_700_bytes(async || {
        let server = start_server("127.0.0.1:0", handle_client).await.unwrap();
        async move || {
            let before = server.connections();
            let client = net::TcpStream::connect(server.local_addrs()[0]).unwrap();
            while server.connections() == before {
                turns(1).await;
            }
            client
        }
    });
}

#[test]
fn a_large_task_that_was_awaited_leaves_no_memory_behind() {
    let _turn = common::turn();
    selio::run(async {
        let before = LIVE.load(Relaxed);
        let large = spawn(async {
            let buffer = [1_u8; 64 * 1024];
            turns(1).await;
            buffer.iter().map(|&byte| usize::from(byte)).sum::<usize>()
        });
        assert_eq!(large.await.unwrap(), 64 * 1024);
        let left = LIVE.load(Relaxed) - before;
        assert!(left < 32 * 1024, "{left} bytes");
    });
}

/// Whether the echo of a greeting is there.
fn has_answer(client: &net::TcpStream) -> bool {
    client.set_nonblocking(true).unwrap();
    client.peek(&mut [0; 6]).is_ok_and(|n| n == 6)
}

#[test]
fn ever_new_tasks_that_give_up_on_a_stalled_writer_leave_next_to_nothing() {
    on_each_backend(async || {
        let (peer, stream) = half_std_pair().await;
        let (reader, writer) = stream.into_streams();
        writer.set_marks(0..=0).unwrap();
        while writer.pending() == 0 {
            writer.write(&BLOCK);
        }
        // Some wait all the while, each as a task of its own.
        let writer = Rc::new(writer);
        let waiting: Vec<_> = (0..40)
            .map(|_| {
                let writer = Rc::clone(&writer);
                spawn(async move { (&*writer).flush().await })
            })
            .collect();
        turns(2).await;
        let peak = peak_of(async {
            for _ in 0..10_000 {
                let writer = Rc::clone(&writer);
                let impatient = async move {
                    let mut output = &*writer;
                    assert!(poll_once(&mut output.flush()).await.is_none());
                };
                spawn(impatient).await.unwrap();
            }
        });
        let peak = peak.await;
        assert!(peak < 32 * 1024, "{peak} bytes");
        assert!(waiting.iter().all(|it| !it.is_finished()));
        // They are told all the same.
        let received = thread::spawn(move || io::copy(&mut &peer, &mut io::sink()));
        for task in waiting {
            task.await.unwrap().unwrap();
        }
        drop((reader, writer));
        assert!(received.join().unwrap().unwrap() > 0);
    });
}
