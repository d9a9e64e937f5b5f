//! The examples `tcp_and_udp` and `stdin_and_sockets` do what they say.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::{deadline, turn};
use selio::selector::Backend;

const PATIENCE: Duration = Duration::from_secs(60);

/// A running example, which is killed when the test is over. Cargo builds it beside the tests.
struct Example(Child);

impl Example {
    fn start(name: &str, backend: Backend, arguments: &[&str]) -> Self {
        let mut path = std::env::current_exe().unwrap();
        path.pop();
        path.pop();
        let mut command = Command::new(path.join("examples").join(name));
        command
            .args(arguments)
            .env("SELIO_SELECTOR", backend.name());
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        Self(command.stderr(Stdio::piped()).spawn().unwrap())
    }

    /// Ends by itself, and well. What it has said.
    fn finish(mut self) -> String {
        let mut said = String::new();
        let stdout = self.0.stdout.as_mut().unwrap();
        stdout.read_to_string(&mut said).unwrap();
        assert!(self.0.wait().unwrap().success());
        said
    }
}

impl Drop for Example {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn tcp_and_udp_echoes_on_both_and_counts_on_another_port() {
    let _turn = turn();
    for &backend in Backend::available() {
        deadline(PATIENCE, || {
            let arguments = ["127.0.0.1:0", "127.0.0.1:0"];
            let mut example = Example::start("tcp_and_udp", backend, &arguments);
            let mut lines = BufReader::new(example.0.stdout.take().unwrap()).lines();
            let line = lines.next().unwrap().unwrap();
            let address = line.strip_prefix("echo on ").unwrap();
            let address = address.strip_suffix(", over TCP and UDP").unwrap();
            let line = lines.next().unwrap().unwrap();
            let status = line.strip_prefix("status on ").unwrap();

            let mut stream = TcpStream::connect(address).unwrap();
            let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.connect(address).unwrap();
            let mut buffer = [0; 4096];
            for message in ["hello", "world"] {
                stream.write_all(message.as_bytes()).unwrap();
                stream.read_exact(&mut buffer[..5]).unwrap();
                assert_eq!(&buffer[..5], message.as_bytes());
                socket.send(message.as_bytes()).unwrap();
                assert_eq!(socket.recv(&mut buffer).unwrap(), 5);
                assert_eq!(&buffer[..5], message.as_bytes());
            }
            // One that is too long is not answered, and the next one is.
            socket.send(&[b'x'; 3000]).unwrap();
            socket.send(b"").unwrap();
            assert_eq!(socket.recv(&mut buffer).unwrap(), 0);

            let mut told = String::new();
            let mut status = TcpStream::connect(status).unwrap();
            status.read_to_string(&mut told).unwrap();
            assert_eq!(told, "1 connections, 3 datagrams, 20 bytes\n");
        });
    }
}

#[test]
fn stdin_and_sockets_sends_lines_and_shows_what_comes_whichever_is_first() {
    let _turn = turn();
    for &backend in Backend::available() {
        deadline(PATIENCE, || {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = listener.local_addr().unwrap().to_string();
            let connect = || {
                let mut example = Example::start("stdin_and_sockets", backend, &[&address]);
                let (server, _) = listener.accept().unwrap();
                let stdin = example.0.stdin.take().unwrap();
                (example, server, stdin)
            };

            // The server says something first; then lines go there and back.
            let (mut example, mut server, mut stdin) = connect();
            server.write_all(b"welcome\n").unwrap();
            let mut screen = BufReader::new(example.0.stdout.take().unwrap()).lines();
            assert_eq!(screen.next().unwrap().unwrap(), "welcome");
            stdin.write_all(b"hel").unwrap();
            stdin.write_all(b"lo\nworld\n").unwrap();
            let mut heard = [0; 12];
            server.read_exact(&mut heard).unwrap();
            assert_eq!(&heard, b"hello\nworld\n");
            stdin.write_all(b"/quit\nnot sent\n").unwrap();
            assert_eq!(server.read(&mut heard).unwrap(), 0);
            assert!(example.0.wait().unwrap().success());

            // The end of the input: what still comes is shown.
            let (example, mut server, stdin) = connect();
            drop(stdin);
            assert_eq!(server.read(&mut heard).unwrap(), 0);
            server.write_all(b"goodbye\n").unwrap();
            drop(server);
            assert_eq!(example.finish(), "goodbye\n");

            // The server closes: it is over, although the input is still open.
            let (example, server, stdin) = connect();
            drop(server);
            assert_eq!(example.finish(), "");
            drop(stdin);
        });
    }
}

#[test]
fn both_say_what_went_wrong() {
    deadline(PATIENCE, || {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let backend = Backend::available()[0];
        for (name, argument) in [
            ("tcp_and_udp", address.as_str()),
            ("stdin_and_sockets", "nowhere"),
        ] {
            let mut example = Example::start(name, backend, &[argument]);
            let mut error = String::new();
            let stderr = example.0.stderr.as_mut().unwrap();
            stderr.read_to_string(&mut error).unwrap();
            assert!(error.starts_with(&format!("{name}: ")), "{error}");
            assert!(error.contains(argument), "{error}");
            assert_eq!(example.0.wait().unwrap().code(), Some(1));
        }
    });
}
