//! Every example does what it says, in the words of the pages that it comes from.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod common;
#[path = "common/example.rs"]
mod example;

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::process::ExitStatusExt;
use std::process::Output;
use std::time::Duration;

use common::deadline;
use example::{Server, example};
use selio::selector::Backend;

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn assert_echoes(address: impl ToSocketAddrs) {
    let mut stream = TcpStream::connect(address).unwrap();
    for message in ["hello\n", "world\n"] {
        stream.write_all(message.as_bytes()).unwrap();
        let mut answer = vec![0; message.len()];
        stream.read_exact(&mut answer).unwrap();
        assert_eq!(answer, message.as_bytes());
    }
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    assert_eq!(stream.read(&mut [0; 16]).unwrap(), 0);
}

#[test]
fn echo_serves_on_every_selector_and_says_which() {
    deadline(Duration::from_secs(60), || {
        for backend in Backend::available() {
            let mut echo =
                Server::start(example("echo").args(["127.0.0.1:0", "--selector", backend.name()]));
            let line = echo.line();
            assert!(line.ends_with(&format!("({backend})\n")), "{line}");
            let address = line.split_whitespace().nth(2).unwrap().to_owned();
            assert!(echo.line().starts_with("try: nc 127.0.0.1 "));
            assert_echoes(address);
        }
    });
}

#[test]
fn echo_explains_wrong_arguments() {
    deadline(Duration::from_secs(30), || {
        for (arguments, complaint) in [
            (
                &["--selector", "epol"][..],
                "there is no selector `epol`; available here: ",
            ),
            (&["--selector"], "--selector wants a name"),
            (&["--port", "7"], "unexpected argument `--port`"),
            (
                &["127.0.0.1:0", "127.0.0.1:0"],
                "unexpected argument `127.0.0.1:0`",
            ),
            (&["5566"], "invalid address `5566`: it should be host:port"),
            (&["127.0.0.1:99999"], "invalid address `127.0.0.1:99999`"),
        ] {
            let output = example("echo").args(arguments).output().unwrap();
            let error = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{arguments:?}");
            assert!(
                error.starts_with("echo: ") && error.contains(complaint),
                "{error}"
            );
        }
    });
}

#[test]
fn echo_names_the_address_that_is_in_use() {
    deadline(Duration::from_secs(30), || {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let output = example("echo").arg(&address).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(
            error.contains(&address) && error.contains("in use"),
            "{error}"
        );
    });
}

#[test]
fn ctrl_c_ends_echo() {
    deadline(Duration::from_secs(30), || {
        let mut echo = Server::start(example("echo").arg("127.0.0.1:0"));
        let address = echo.address();
        let _client = TcpStream::connect(address).unwrap();
        echo.signal("-INT");
        assert_eq!(echo.wait().signal(), Some(2));
    });
}

#[test]
fn multi_client_prints_the_transcript_of_the_select_page() {
    deadline(Duration::from_secs(30), || {
        let mut echo = Server::start(example("echo").arg("127.0.0.1:0"));
        let address = echo.address().to_string();
        let output = example("multi_client").arg(&address).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let text = stdout(&output);
        let mut lines = text.lines();
        assert_eq!(
            lines.next().unwrap(),
            format!("connecting to {}", address.replace(':', " port "))
        );
        let mut names: Vec<&str> = Vec::new();
        for part in ["This is the message. ", "It will be sent ", "in parts."] {
            for verb in ["sending", "received"] {
                for client in 0..2 {
                    let (name, what) = lines.next().unwrap().split_once(": ").unwrap();
                    if names.len() < 2 {
                        names.push(name);
                    }
                    assert_eq!(name, names[client]);
                    assert_eq!(what, format!("{verb} b'{part}'"));
                }
            }
        }
        assert_ne!(names[0], names[1]);
        assert!(names[0].starts_with("('127.0.0.1', "), "{}", names[0]);
        assert_eq!(lines.next(), None);
    });
}

#[test]
fn slow_client_and_the_server_with_timeouts_print_those_of_the_select_page() {
    deadline(Duration::from_secs(30), || {
        let mut server = Server::start(example("timeouts").args(["127.0.0.1:0", "100"]));
        let first = server.line();
        let port = first
            .trim()
            .strip_prefix("starting up on 127.0.0.1 port ")
            .unwrap()
            .to_owned();
        let address = format!("127.0.0.1:{port}");
        let output = example("slow_client")
            .args([&address, "400"])
            .output()
            .unwrap();
        assert_eq!(
            stdout(&output),
            format!(
                "connecting to 127.0.0.1 port {port}\n\
                 sending b'Part one of the message.'\n\
                 sending b'Part two of the message.'\n\
                 received b'Part one of the '\n\
                 received b'message.Part two'\n\
                 received b' of the message.'\n\
                 closing socket\n"
            )
        );

        // What the server says, without the client's port, and each pause once, however long.
        let mut said: Vec<String> = Vec::new();
        while said.last().is_none_or(|line| !line.starts_with("closing")) {
            let line = server.line().trim().to_owned();
            let line = line.split(" ('").next().unwrap().to_owned();
            if line != "waiting for the next event" && said.last() != Some(&line) {
                said.push(line);
            }
        }
        let pause = "timed out, do some other work here";
        let expected = [
            "connection from",
            "received b'Part one of the message.' from",
            "sending b'Part one of the message.' to",
            pause,
            "received b'Part two of the message.' from",
            "sending b'Part two of the message.' to",
            pause,
            "closing",
        ];
        let start = said.iter().position(|line| line == expected[0]).unwrap();
        assert_eq!(said[start..], expected);
    });
}

#[test]
fn selector_callbacks_echo_on_every_selector_even_to_a_slow_reader() {
    deadline(Duration::from_secs(60), || {
        for backend in Backend::available() {
            let mut server = Server::start(
                example("selector_callbacks")
                    .arg("127.0.0.1:0")
                    .env("SELIO_SELECTOR", backend.name()),
            );
            let address = server.address();
            assert_echoes(address);

            // More than fits into the buffers of both sides: the server must keep what it cannot
            // send, and may not read on meanwhile.
            let mut reader = TcpStream::connect(address).unwrap();
            let mut writer = reader.try_clone().unwrap();
            const LENGTH: usize = 8 << 20;
            let thread = std::thread::spawn(move || {
                let bytes: Vec<u8> = (0..LENGTH).map(|i| (i % 251) as u8).collect();
                writer.write_all(&bytes).unwrap();
            });
            assert_echoes(address); // Others are served meanwhile.
            let mut bytes = vec![0; LENGTH];
            reader.read_exact(&mut bytes).unwrap();
            thread.join().unwrap();
            assert!(
                bytes
                    .iter()
                    .enumerate()
                    .all(|(i, &byte)| byte == (i % 251) as u8)
            );
        }
    });
}
