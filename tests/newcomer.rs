//! What meets those who use selio for the first time: wrong arguments, a port that is taken, a task
//! that they have not spawned themselves.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod common;
#[path = "common/example.rs"]
mod example;

use std::error::Error;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use common::{deadline, each_backend};
use example::example;
use selio::net::{TcpListener, TcpStream, lookup};
use selio::{Runtime, Server, StreamReader, StreamWriter, task};

const PATIENCE: Duration = Duration::from_secs(60);

/// What an example says on stderr when it fails.
fn complaint(name: &str, arguments: &[&str]) -> String {
    let mut command = example(name);
    // A machine that is busy makes polls slow, and to be told so is another sentence.
    command.args(arguments).env("SELIO_DEBUG", "0");
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{name}: {output:?}");
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn wrong_arguments_are_answered_by_what_is_wrong_and_how_it_should_be() {
    deadline(PATIENCE, || {
        for name in [
            "chat",
            "echo",
            "graceful",
            "http_get",
            "multi_client",
            "per_core",
            "proxy",
            "selector_callbacks",
            "slow_client",
            "stdin_and_sockets",
            "streams_echo",
            "tcp_and_udp",
            "threads",
            "timeouts",
        ] {
            for argument in ["--halp", "nonsense"] {
                let complaint = complaint(name, &[argument]);
                let (problem, usage) = complaint.split_once('\n').unwrap();
                assert!(problem.starts_with(&format!("{name}: ")), "{complaint}");
                assert!(problem.contains(argument), "{complaint}");
                assert!(usage.starts_with(&format!("usage: {name} ")), "{complaint}");
            }
        }
    });
}

#[test]
fn what_a_stream_refuses_names_the_method_that_helps() {
    deadline(PATIENCE, || {
        selio::run(async {
            let mut reader = StreamReader::new(&b"a long line\n"[..]);
            reader.set_limit(4).unwrap();
            let line = reader.read_line().await.map(<[u8]>::len);
            let all = reader.read_to_end(4).await.map(|bytes| bytes.len());
            for (result, remedy) in [(line, "`set_limit`"), (all, "`max`")] {
                let error = result.unwrap_err().to_string();
                assert!(error.contains(remedy), "{error}");
            }
            let writer = StreamWriter::new(Vec::new());
            writer.close();
            writer.write(b"too late");
            let error = writer.drain().await.unwrap_err().to_string();
            assert!(
                error.ends_with("write before `close` and `write_eof`"),
                "{error}"
            );
        });
    });
}

/// Who opens the documentation first reads what others read first.
#[test]
fn the_documentation_begins_with_the_echo_of_the_readme() {
    let library = include_str!("../lib.rs");
    let (_, readme) = include_str!("../README.md")
        .split_once("```rust,no_run\n")
        .unwrap();
    let (echo, _) = readme.split_once("```").unwrap();
    let comment = |line| format!("//! {line}").trim_end().to_owned() + "\n";
    let documented: String = echo.lines().map(comment).collect();
    assert!(library.contains(&documented), "{documented}");
}

/// What is copied from an example should build with `cargo add selio` and no more.
#[test]
fn the_examples_need_no_crate_but_selio_save_one_that_is_about_another() {
    let mut needy = Vec::new();
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            continue;
        }
        let text = std::fs::read_to_string(&path).unwrap();
        let uses = text.lines().filter_map(|line| line.strip_prefix("use "));
        let foreign = |it: &str| !it.starts_with("std::") && !it.starts_with("selio::");
        if uses.into_iter().any(foreign) || text.contains("async_channel::") {
            needy.push(path.file_name().unwrap().to_owned());
        }
    }
    assert_eq!(needy, ["threads.rs"]);
}

#[test]
fn right_arguments_are_not_blamed_for_what_the_network_does() {
    deadline(PATIENCE, || {
        // Bound, and not listening: whoever connects is refused.
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let nobody = socket.local_addr().unwrap().to_string();
        for (client, server) in [
            ("multi_client", "echo"),
            ("slow_client", "timeouts"),
            ("stdin_and_sockets", "echo"),
        ] {
            let complaint = complaint(client, &[&nobody]);
            let (problem, hint) = complaint.split_once('\n').unwrap();
            assert!(problem.contains("refused"), "{complaint}");
            assert_eq!(
                hint,
                format!("start a server first: cargo run --release --example {server}\n")
            );
        }
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let taken = taken.local_addr().unwrap().to_string();
        for name in ["chat", "echo", "graceful", "proxy", "timeouts"] {
            let complaint = complaint(name, &[&taken]);
            assert!(complaint.contains("Address already in use"), "{complaint}");
            assert_eq!(complaint.lines().count(), 1, "{complaint}");
        }
    });
}

#[cfg(feature = "signal")]
#[test]
fn ctrl_c_makes_no_file_of_an_option_and_names_the_one_that_is_in_its_way() {
    deadline(PATIENCE, || {
        assert_eq!(
            complaint("ctrl_c", &["--help"]),
            "ctrl_c: usage: ctrl_c [FILE]\n"
        );
        assert!(!std::path::Path::new("--help").exists());
        let complaint = complaint("ctrl_c", &["Cargo.toml"]);
        assert!(complaint.starts_with("ctrl_c: Cargo.toml: "), "{complaint}");
        assert!(std::path::Path::new("Cargo.toml").exists());
    });
}

#[test]
fn an_error_that_main_returns_is_shown_by_its_message_and_is_what_it_was() {
    deadline(PATIENCE, || {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let addr = taken.local_addr().unwrap();
        let error = selio::run(TcpListener::bind(addr)).unwrap_err();
        assert_eq!(
            format!("{error:?}"),
            format!(
                "Custom {{ kind: AddrInUse, error: {:?} }}",
                error.to_string()
            )
        );
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
        let source = error.source().unwrap().downcast_ref::<io::Error>().unwrap();
        assert_eq!(source.kind(), ErrorKind::AddrInUse);
        assert!(source.raw_os_error().is_some());
    });
}

#[test]
fn the_name_of_a_host_may_be_lent() {
    deadline(PATIENCE, || {
        let host = String::from("127.0.0.1");
        let addrs = selio::run(lookup((&host, 80))).unwrap();
        assert_eq!(addrs, [SocketAddr::from(([127, 0, 0, 1], 80))]);
    });
}

#[test]
fn who_accepts_is_called_by_the_name_of_the_server() {
    each_backend(|backend| {
        deadline(PATIENCE, || {
            let runtime = Runtime::builder().backend(backend).build().unwrap();
            runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let addr = listener.local_addr().unwrap();
                let echo = async |_: TcpStream| {};
                let named = Server::builder().name("echo").serve([listener], echo);
                let dump = task::dump().to_string();
                assert!(
                    dump.contains(&format!("─ echo {addr} (spawned at ")),
                    "{dump}"
                );
                named.unwrap().close();

                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let addr = listener.local_addr().unwrap();
                let _server = Server::builder().serve([listener], echo).unwrap();
                let dump = task::dump().to_string();
                assert!(
                    dump.contains(&format!("─ server {addr} (spawned at ")),
                    "{dump}"
                );
                assert!(!dump.contains("─ echo"), "{dump}");
            });
        });
    });
}
