//! The echo over streams does what asyncio's does.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod common;
#[path = "common/example.rs"]
mod example;

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use example::{Server, example};

#[test]
fn streams_echo_sends_back_the_first_hundred_bytes_and_closes() {
    common::deadline(Duration::from_secs(60), || {
        let mut server = Server::start(example("streams_echo").arg("127.0.0.1:0"));
        let address = server.address();
        for message in [&b"hello"[..], &[b'x'; 100]] {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.write_all(message).unwrap();
            stream.shutdown(Shutdown::Write).unwrap();
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).unwrap();
            assert_eq!(answer, message);
        }
    });
}

#[test]
fn streams_echo_is_its_own_client() {
    common::deadline(Duration::from_secs(60), || {
        let mut server = Server::start(example("streams_echo").arg("127.0.0.1:0"));
        let address = server.address().to_string();
        let output = example("streams_echo")
            .args(["client", "Hello World!", &address])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        assert_eq!(
            text,
            "Send: \"Hello World!\"\nReceived: \"Hello World!\"\nClose the connection\n"
        );
        assert!(output.status.success());
    });
}

#[test]
fn streams_echo_explains_itself() {
    common::deadline(Duration::from_secs(60), || {
        let output = example("streams_echo").args(["a", "b"]).output().unwrap();
        assert!(!output.status.success());
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains("usage: streams_echo [ADDRESS]"), "{text}");
    });
}
