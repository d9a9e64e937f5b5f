//! A process that runs out of file descriptors in the middle of any call.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod common;
#[path = "common/loopback.rs"]
mod loopback;
#[path = "common/tasks.rs"]
mod tasks;

use std::fs;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::os::unix::net;
use std::path::Path;

use common::{each_backend, open_fds};
use loopback::{lower_file_limit, raise_file_limit};
use selio::net::{
    TcpListener, TcpStream, UdpSocket, UnixDatagram, UnixListener, UnixStream, pipe, stdin, stdout,
};
use selio::process::Command;
use selio::selector::{Backend, Interest, Selector};
use selio::{Builder, StreamReader, StreamWriter, open_connection, run, start_server, stats};
use tasks::in_a_process_of_its_own;

/// More than any call below needs.
const MANY: usize = 12;

/// What all calls that take file descriptors give, and what their errors begin with.
async fn all(addr: SocketAddr, path: &Path) -> Vec<(String, io::Result<()>)> {
    let connect = TcpStream::connect(addr).await;
    let open = open_connection(addr).await;
    let bind = TcpListener::bind("127.0.0.1:0").await;
    let serve = start_server("127.0.0.1:0", async |_: StreamReader, _: StreamWriter| {}).await;
    let udp = UdpSocket::bind("127.0.0.1:0").await;
    let listener = UnixListener::bind(path);
    let client = match &listener {
        Ok(_) => UnixStream::connect(path).await.map(drop),
        Err(_) => Ok(()),
    };
    let listener = listener.map(drop);
    let datagrams = UnixDatagram::bind(path).map(drop);
    let output = Command::new("true").output().await;
    let name = |call: &str, target: &dyn std::fmt::Display| format!("{call} {target}: ");
    let path = path.display();
    let local = "127.0.0.1:0";
    #[cfg(feature = "signal")]
    let listening = selio::signal::signal(selio::signal::SignalKind::SIGUSR1).map(drop);
    vec![
        #[cfg(feature = "signal")]
        (String::new(), listening),
        (name("TcpStream::connect", &addr), connect.map(drop)),
        (name("selio::open_connection", &addr), open.map(drop)),
        (name("TcpListener::bind", &local), bind.map(drop)),
        (name("selio::start_server", &local), serve.map(drop)),
        (name("UdpSocket::bind", &local), udp.map(drop)),
        (name("UnixListener::bind", &path), listener),
        (name("UnixStream::connect", &path), client),
        (name("UnixDatagram::bind", &path), datagrams),
        ("cannot run `true`: ".to_owned(), output.map(drop)),
        (String::new(), pipe().map(drop)),
        (String::new(), UnixStream::pair().map(drop)),
        (String::new(), UnixDatagram::unbound().map(drop)),
        (String::new(), stdin().map(drop)),
        (String::new(), stdout().map(drop)),
    ]
}

#[test]
fn whatever_has_no_file_descriptor_left_says_so_and_leaves_nothing_behind() {
    const NAME: &str = "whatever_has_no_file_descriptor_left_says_so_and_leaves_nothing_behind";
    in_a_process_of_its_own(NAME, || {
        let path = std::env::temp_dir().join(format!("selio-limits-{}", std::process::id()));
        let peer = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = peer.local_addr().unwrap();
        each_backend(|backend| {
            tasks::runtime(backend).block_on(async {
                all(addr, &path).await; // What is made once is made now.
                let (before, sources) = (open_fds(), stats().sources);
                let mut failures = Vec::new();
                for free in 0..MANY {
                    let next = fs::File::open("/dev/null").unwrap().as_raw_fd() as usize;
                    lower_file_limit(next + free);
                    let results = all(addr, &path).await;
                    raise_file_limit();
                    let failed = results.iter().filter(|(_, result)| result.is_err());
                    failures.push(failed.count());
                    for (begin, result) in results {
                        if let Err(error) = result {
                            let message = error.to_string();
                            assert!(message.starts_with(&begin), "{message}");
                            assert!(message.contains("Too many open files"), "{message}");
                        }
                    }
                    assert_eq!((open_fds(), stats().sources), (before, sources));
                    assert!(!path.exists());
                }
                assert!(failures.is_sorted_by(|a, b| a >= b), "{failures:?}");
                assert!(failures[0] > 10 && failures[MANY - 1] == 0, "{failures:?}");
            });
        });
    });
}

#[test]
fn a_runtime_that_gets_no_file_descriptor_leaves_nothing_behind() {
    const NAME: &str = "a_runtime_that_gets_no_file_descriptor_leaves_nothing_behind";
    in_a_process_of_its_own(NAME, || {
        run(async {});
        let before = open_fds();
        for &backend in Backend::available() {
            let mut is_built = Vec::new();
            for free in 0..MANY {
                let next = fs::File::open("/dev/null").unwrap().as_raw_fd() as usize;
                lower_file_limit(next + free);
                let builder = Builder::new().backend(backend);
                #[cfg(feature = "signal")]
                let builder = builder.dump_on_signal(selio::signal::SignalKind::SIGUSR1);
                let built = builder.build().map(drop);
                raise_file_limit();
                is_built.push(built.is_ok());
                if let Err(error) = built {
                    assert!(error.to_string().contains("Too many open files"), "{error}");
                }
                assert_eq!(open_fds(), before);
            }
            assert!(
                is_built.is_sorted() && !is_built[0],
                "{backend}: {is_built:?}"
            );
            assert!(is_built[MANY - 1]);
        }
    });
}

/// Programs that lock themselves in lower the limit below what they have open. epoll(7) and select(2) do
/// not mind, poll(2) refuses the whole list.
#[test]
fn a_limit_below_what_is_registered_is_no_trouble_except_for_poll_which_says_so() {
    const NAME: &str =
        "a_limit_below_what_is_registered_is_no_trouble_except_for_poll_which_says_so";
    in_a_process_of_its_own(NAME, || {
        each_backend(|backend| {
            let mut selector = Selector::with_backend(backend).unwrap();
            let pairs: Vec<_> = (0..20).map(|_| net::UnixStream::pair().unwrap()).collect();
            for (key, (one, _)) in pairs.iter().enumerate() {
                selector.register(one, key, Interest::READABLE).unwrap();
            }
            (&pairs[7].1).write_all(b"!").unwrap();
            lower_file_limit(10);
            let mut events = Vec::new();
            let selected = selector.select(&mut events, None);
            raise_file_limit();
            if let Err(error) = selected {
                assert_eq!(backend, Backend::Poll);
                let message = error.to_string();
                assert!(message.contains("(RLIMIT_NOFILE), and 21 are"), "{message}");
                selector.select(&mut events, None).unwrap();
            }
            assert_eq!(events[0].key, 7);
        });
    });
}
