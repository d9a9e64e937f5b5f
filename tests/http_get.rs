//! The example `http_get`, against servers that answer as they like.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/example.rs"]
mod example;
#[path = "common/loopback.rs"]
mod loopback;

use std::process::{Command, Output};
use std::time::Duration;

use selio::net::TcpStream;
use selio::selector::Backend;
use selio::{spawn, timeout, to_thread};

use crate::example::example;
use crate::loopback::{listen, refusing};

fn http_get(arguments: &[&str], backend: Backend) -> Command {
    let mut command = example("http_get");
    command
        .args(arguments)
        .env("SELIO_SELECTOR", backend.name());
    command
}

/// Both the client and its server.
fn on_each_backend(test: impl AsyncFn(Backend)) {
    common::each_backend(|backend| loopback::runtime(backend).block_on(test(backend)));
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Runs it against a server that gives this answer, piece by piece. The request, and what it did.
async fn exchange(
    backend: Backend,
    path: &str,
    answer: &'static [&'static str],
) -> (String, Output) {
    let (listener, addr) = listen().await;
    let url = format!("http://{addr}{path}");
    let client = spawn(to_thread(move || {
        http_get(&[&url], backend).output().unwrap()
    }));
    let (server, _) = listener.accept().await.unwrap();
    let request = request(&server).await;
    for piece in answer {
        server.write_all(piece.as_bytes()).await.unwrap();
        loopback::turns(1).await;
    }
    drop(server);
    let output = timeout(Duration::from_secs(20), client).await;
    (request, output.unwrap().unwrap())
}

/// All up to the empty line.
async fn request(server: &TcpStream) -> String {
    let (mut request, mut buffer) = (Vec::new(), [0; 4096]);
    while !request.ends_with(b"\r\n\r\n") {
        let n = server.read(&mut buffer).await.unwrap();
        assert_ne!(n, 0, "{}", text(&request));
        request.extend_from_slice(&buffer[..n]);
    }
    text(&request)
}

#[test]
fn it_asks_for_the_page_and_prints_headers_and_body() {
    on_each_backend(async |backend| {
        let answer = &[
            "HTTP/1.1 200 OK\r\nContent-Ty",
            "pe: text/plain\r\ncontent-length: 11\r\n\r",
            "\nhello",
            " world and nothing more",
        ];
        let (request, output) = exchange(backend, "/a/page?b=c#d", answer).await;
        assert!(
            request.starts_with("GET /a/page?b=c HTTP/1.1\r\nHost: 127.0.0.1:"),
            "{request}"
        );
        assert_eq!(text(&output.stdout), "hello world");
        assert_eq!(
            text(&output.stderr),
            "HTTP/1.1 200 OK\nContent-Type: text/plain\ncontent-length: 11\n"
        );
        assert!(output.status.success());
    });
}

#[test]
fn a_body_may_come_in_chunks_or_last_until_the_end() {
    on_each_backend(async |backend| {
        let chunks = &[
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n",
            "5\r\nhel",
            "lo\r\n6;name=value\r\n world\r\n",
            "0\r\n\r\n",
        ];
        let until_the_end = &["HTTP/1.0 200 OK\r\n\r\nhello ", "world"];
        for answer in [&chunks[..], until_the_end] {
            let (_, output) = exchange(backend, "", answer).await;
            assert_eq!(
                text(&output.stdout),
                "hello world",
                "{}",
                text(&output.stderr)
            );
            assert!(output.status.success());
        }
    });
}

#[test]
fn an_answer_that_is_cut_or_none_at_all_is_an_error() {
    on_each_backend(async |backend| {
        for (answer, complaint) in [
            (
                &["HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhell"][..],
                "after 4 of 9 bytes",
            ),
            (&["HTTP/1.1 200 OK\r\nContent-"], "will send no more"),
            (&[], "will send no more"),
            (
                &["SSH-2.0-OpenSSH_9.9\r\n"],
                "no HTTP/1: `SSH-2.0-OpenSSH_9.9`",
            ),
            (
                &["HTTP/1.1 200 OK\r\nnonsense\r\n\r\n"],
                "no header: `nonsense`",
            ),
            (
                &["HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"],
                "no length",
            ),
        ] {
            let (_, output) = exchange(backend, "/", answer).await;
            let error = text(&output.stderr);
            assert!(
                error.contains("http_get: ") && error.contains(complaint),
                "{error}"
            );
            assert_eq!(output.status.code(), Some(1));
        }
    });
}

#[test]
fn a_line_without_an_end_is_given_up() {
    on_each_backend(async |backend| {
        let (listener, addr) = listen().await;
        let url = format!("http://{addr}");
        let client = spawn(to_thread(move || {
            http_get(&[&url], backend).output().unwrap()
        }));
        let (server, _) = listener.accept().await.unwrap();
        request(&server).await;
        while server.write_all(&[b'x'; 4096]).await.is_ok() {}
        let output = client.await.unwrap();
        let error = text(&output.stderr);
        assert!(
            error.contains("longer than the limit of 65536 bytes"),
            "{error}"
        );
    });
}

#[test]
fn wrong_arguments_are_explained() {
    common::deadline(Duration::from_secs(30), || {
        for (arguments, complaint) in [
            (&[][..], "it wants one URL"),
            (&["http://a", "http://b"], "it wants one URL"),
            (&["example.com"], "`example.com`: a URL begins with http://"),
            (&["https://example.com"], "no `https` here"),
            (&["http://"], "the host is missing"),
            (&["http://:80/"], "the host is missing"),
            (&["http://a:b@c/"], "names and passwords"),
            (&["http://a:http/"], "`http` is no port"),
            (&["http://a:65536/"], "`65536` is no port"),
            (&["http://a/b c"], "write %20"),
            (&["http://a/\r\nb"], "write %20"),
        ] {
            let output = http_get(arguments, Backend::Poll).output().unwrap();
            let error = text(&output.stderr);
            assert!(
                error.starts_with("http_get: ") && error.contains(complaint),
                "{error}"
            );
            assert!(
                error.ends_with("usage: http_get http://HOST/PATH\n"),
                "{error}"
            );
            assert_eq!(output.status.code(), Some(1));
        }
    });
}

#[test]
fn a_server_that_is_not_there_is_named() {
    common::deadline(Duration::from_secs(60), || {
        let (_socket, addr) = refusing();
        for &backend in Backend::available() {
            let url = format!("http://{addr}/");
            let output = http_get(&[&url], backend).output().unwrap();
            let error = text(&output.stderr);
            assert!(
                error.contains(&addr.to_string()) && error.contains("refused"),
                "{error}"
            );
        }
    });
}
