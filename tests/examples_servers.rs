//! The examples of servers do what they say: they chat, stop in good order, use all cores, and pass on.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/example.rs"]
mod example;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Stdio;
use std::time::Duration;

use common::deadline;
use example::{Server, example};

const PATIENCE: Duration = Duration::from_secs(30);

/// A client that talks in lines.
struct Client {
    stream: TcpStream,
    input: BufReader<TcpStream>,
}

impl Client {
    fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let input = BufReader::new(stream.try_clone().unwrap());
        Self { stream, input }
    }

    fn say(&self, line: &str) {
        (&self.stream)
            .write_all(format!("{line}\n").as_bytes())
            .unwrap();
    }

    /// The next line; an empty text is the end.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.input.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }
}

#[test]
fn chat_tells_everybody_what_one_says() {
    deadline(PATIENCE, || {
        let mut server = Server::start(example("chat").arg("127.0.0.1:0"));
        let address = server.address();
        let join = |name| {
            let mut client = Client::connect(address);
            assert_eq!(client.line(), "Your name?");
            client.say(name);
            assert_eq!(client.line(), format!("Welcome, {name}."));
            client
        };
        let mut ada = join("ada");
        let mut bob = join("bob");
        assert_eq!(ada.line(), "bob is here");

        let mut impostor = Client::connect(address);
        impostor.line();
        impostor.say("");
        assert_eq!(impostor.line(), "Your name?");
        impostor.say("ada");
        assert_eq!(impostor.line(), "That one is taken. Your name?");
        impostor.say("eve");
        assert_eq!(impostor.line(), "Welcome, eve.");
        for client in [&mut ada, &mut bob] {
            assert_eq!(client.line(), "eve is here");
        }

        ada.say("hello");
        for client in [&mut bob, &mut impostor] {
            assert_eq!(client.line(), "ada says: hello");
        }
        drop(impostor);
        for client in [&mut ada, &mut bob] {
            assert_eq!(client.line(), "eve has left");
        }
        // What comes in parts is one line, and a name is free when its owner has left.
        ada.stream.write_all(b"in ").unwrap();
        ada.say("parts");
        assert_eq!(bob.line(), "ada says: in parts");
        drop(bob);
        assert_eq!(ada.line(), "bob has left");
        join("bob");
        assert_eq!(ada.line(), "bob is here");
    });
}

#[test]
fn chat_drops_a_slow_reader_and_nobody_else() {
    deadline(PATIENCE, || {
        let mut server = Server::start(example("chat").arg("127.0.0.1:0"));
        let address = server.address();
        let [mut ada, mut bob, slow] = ["ada", "bob", "slow"].map(|name| {
            let mut client = Client::connect(address);
            client.line();
            client.say(name);
            assert_eq!(client.line(), format!("Welcome, {name}."));
            client
        });
        assert_eq!(ada.line(), "bob is here");
        assert_eq!(
            (ada.line(), bob.line()),
            ("slow is here".into(), "slow is here".into())
        );

        // More than the buffers of a connection that nobody reads can hold.
        let words = "x".repeat(1000);
        let mut lines = 0;
        loop {
            ada.say(&words);
            lines += 1;
            match bob.line().as_str() {
                "slow has left" => break,
                line => assert_eq!(line, format!("ada says: {words}")),
            }
            assert!(lines < 100_000, "it is still there");
        }
        assert_eq!(server.line(), "slow reads too slowly\n");
        assert_eq!(ada.line(), "slow has left");
        // The others have missed nothing.
        assert_eq!(bob.line(), format!("ada says: {words}"));
        ada.say("bye");
        assert_eq!(bob.line(), "ada says: bye");
        drop(slow);
    });
}

/// Starts it with so many milliseconds of grace.
fn graceful(grace: &str) -> (Server, SocketAddr) {
    let mut command = example("graceful");
    let mut server = Server::start(command.args(["127.0.0.1:0", grace]).stdin(Stdio::piped()));
    let address = server.address();
    (server, address)
}

#[test]
fn graceful_lets_those_who_work_end_and_tells_the_idle() {
    deadline(PATIENCE, || {
        let (mut server, address) = graceful("60000");
        let [mut idle, mut busy] = [(); 2].map(|()| Client::connect(address));
        idle.say("0");
        assert_eq!(idle.line(), "worked for 0 ms");
        busy.say("nonsense");
        assert_eq!(busy.line(), "type a number of milliseconds");
        busy.say("500");
        server.type_line("no");
        server.type_line("quit");
        assert_eq!(server.line(), "stopping, with 2 connected\n");
        assert_eq!(idle.line(), "bye");
        TcpStream::connect(address).unwrap_err();
        assert_eq!(
            (busy.line(), busy.line()),
            ("worked for 500 ms".into(), "bye".into())
        );
        assert_eq!(server.line(), "everybody has left\n");
        assert!(server.wait().success());
    });
}

#[test]
fn graceful_cuts_off_who_takes_too_long() {
    deadline(PATIENCE, || {
        let (mut server, address) = graceful("50");
        let mut busy = Client::connect(address);
        busy.say("0");
        assert_eq!(busy.line(), "worked for 0 ms");
        busy.say("600000");
        server.type_line("quit");
        assert_eq!(server.line(), "stopping, with 1 connected\n");
        assert_eq!(server.line(), "1 cut off\n");
        assert!(server.wait().success());
        assert!(!matches!(busy.stream.read(&mut [0; 1]), Ok(1..)));
    });
}

#[test]
fn graceful_refuses_a_grace_that_is_no_number() {
    let output = example("graceful")
        .args(["127.0.0.1:0", "soon"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        error.starts_with("graceful: the grace is no number\nusage: "),
        "{error}"
    );
}

#[cfg(target_os = "linux")] // Elsewhere, one of the listeners may get all of the connections.
#[test]
fn per_core_serves_on_several_runtimes_and_one_port() {
    deadline(PATIENCE, || {
        let mut server = Server::start(example("per_core").args(["127.0.0.1:0", "3"]));
        let address = server.address();
        let mut runtimes = std::collections::HashSet::new();
        // The system chooses by the address of the client: it takes some of them to meet all.
        while runtimes.len() < 3 {
            let mut client = Client::connect(address);
            runtimes.insert(client.line());
            client.say("hello");
            assert_eq!(client.line(), "hello");
            client.stream.shutdown(std::net::Shutdown::Write).unwrap();
            assert_eq!(client.line(), "");
        }
        let wanted = (0..3).map(|n| format!("runtime {n}"));
        assert_eq!(runtimes, wanted.collect());
    });
}

/// Starts it in front of this server.
fn proxy(target: SocketAddr) -> (Server, SocketAddr) {
    let mut command = example("proxy");
    let mut server = Server::start(command.args(["127.0.0.1:0", &target.to_string()]));
    let address = server.address();
    (server, address)
}

#[test]
fn proxy_passes_on_both_directions_until_each_ends_by_itself() {
    deadline(PATIENCE, || {
        let target = TcpListener::bind("127.0.0.1:0").unwrap();
        let (_server, address) = proxy(target.local_addr().unwrap());
        for says_first in ["the client", "the server"] {
            let mut client = Client::connect(address).stream;
            let (mut behind, _) = target.accept().unwrap();
            behind.set_read_timeout(Some(PATIENCE)).unwrap();
            let (one, other) = match says_first {
                "the client" => (&mut client, &mut behind),
                _ => (&mut behind, &mut client),
            };
            // More than the buffers on the way can hold, while the other is silent.
            let words = vec![7; 4 << 20];
            let mut heard = Vec::new();
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    one.write_all(&words).unwrap();
                    one.shutdown(Shutdown::Write).unwrap();
                });
                other.read_to_end(&mut heard).unwrap();
            });
            assert!(heard == words, "{says_first}: {} bytes", heard.len());
            other.write_all(b"heard").unwrap();
            other.shutdown(Shutdown::Write).unwrap();
            let mut answer = String::new();
            one.read_to_string(&mut answer).unwrap();
            assert_eq!(answer, "heard", "{says_first}");
        }
    });
}

#[test]
fn proxy_survives_clients_whose_server_cannot_be_reached() {
    deadline(PATIENCE, || {
        let target = TcpListener::bind("127.0.0.1:0").unwrap();
        let (_server, address) = proxy(target.local_addr().unwrap());
        drop(target);
        for _ in 0..2 {
            assert!(!matches!(
                Client::connect(address).stream.read(&mut [0; 1]),
                Ok(1..)
            ));
        }
    });
}
