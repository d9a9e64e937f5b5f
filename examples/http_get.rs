//! Gets a page by HTTP, by hand: all that goes over the wire stands here.
//!
//! ```text
//! cargo run --release --example http_get -- http://example.com/
//! cargo run --release --example http_get -- http://127.0.0.1:8000/a/page.html > page.html
//! ```
//!
//! The headers go to stderr, the body to stdout. It is the client of the [streams page of asyncio],
//! "Get HTTP headers", and goes on to the body, which has three ways to end. A server to try it on:
//! `python3 -m http.server`.
//!
//! [streams page of asyncio]: https://docs.python.org/3/library/asyncio-stream.html#examples

use std::io::{self, Write};
use std::process::ExitCode;
use std::time::Duration;

use selio::{StreamReader, open_connection, timeout};

/// How long the server may keep silent.
const PATIENCE: Duration = Duration::from_secs(30);

/// How much of the body is written to stdout at once.
const CHUNK: u64 = 64 * 1024;

async fn get(url: &Url) -> io::Result<()> {
    let connect = open_connection((url.host.as_str(), url.port));
    let (mut reader, writer) = timeout(PATIENCE, connect).await??;
    let Url {
        authority, path, ..
    } = url;
    let request = format!("GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
    writer.write(request.as_bytes());
    writer.drain().await?;

    let mut body = Body::UntilTheEnd;
    let status = line(&mut reader).await?;
    if !status.starts_with("HTTP/1.") {
        return Err(io::Error::other(format!("this is no HTTP/1: `{status}`")));
    }
    eprintln!("{status}");
    loop {
        let header = line(&mut reader).await?;
        if header.is_empty() {
            break;
        }
        eprintln!("{header}");
        body.note(&header)?;
    }
    match body {
        Body::UntilTheEnd => copy(&mut reader, u64::MAX).await.map(drop),
        Body::Length(length) => copy_exactly(&mut reader, length).await,
        Body::Chunked => copy_chunks(&mut reader).await,
    }
}

/// How the body ends.
enum Body {
    UntilTheEnd,
    Length(u64),
    Chunked,
}

impl Body {
    /// Learns it from a header.
    fn note(&mut self, header: &str) -> io::Result<()> {
        let Some((name, value)) = header.split_once(':') else {
            return Err(io::Error::other(format!("this is no header: `{header}`")));
        };
        let value = value.trim();
        if name.eq_ignore_ascii_case("transfer-encoding") && value.eq_ignore_ascii_case("chunked") {
            *self = Self::Chunked;
        } else if name.eq_ignore_ascii_case("content-length") && !matches!(self, Self::Chunked) {
            let length = value.parse();
            let wrong = |_| io::Error::other(format!("this is no length: `{header}`"));
            *self = Self::Length(length.map_err(wrong)?);
        }
        Ok(())
    }
}

/// The next line, without its end. The reader has a limit for its length.
async fn line(reader: &mut StreamReader) -> io::Result<String> {
    let line = timeout(PATIENCE, reader.read_until(b"\n")).await??;
    Ok(String::from_utf8_lossy(line).trim_end().to_owned())
}

/// Writes at most so many bytes of the body to stdout. How many there were.
async fn copy(reader: &mut StreamReader, length: u64) -> io::Result<u64> {
    let mut left = length;
    while left > 0 {
        let chunk = reader.read_chunk(left.min(CHUNK) as usize);
        let chunk = timeout(PATIENCE, chunk).await??;
        if chunk.is_empty() {
            break;
        }
        io::stdout().write_all(chunk)?;
        left -= chunk.len() as u64;
    }
    io::stdout().flush()?;
    Ok(length - left)
}

async fn copy_exactly(reader: &mut StreamReader, length: u64) -> io::Result<()> {
    match copy(reader, length).await? {
        n if n == length => Ok(()),
        n => Err(io::Error::other(format!(
            "the server has hung up after {n} of {length} bytes"
        ))),
    }
}

/// Pieces, each after its length in hexadecimal; the last one is empty.
async fn copy_chunks(reader: &mut StreamReader) -> io::Result<()> {
    loop {
        let line = line(reader).await?;
        let length = line.split(';').next().unwrap_or_default().trim();
        let wrong = |_| io::Error::other(format!("this is no length of a chunk: `{line}`"));
        match u64::from_str_radix(length, 16).map_err(wrong)? {
            0 => return Ok(()),
            length => copy_exactly(reader, length).await?,
        }
        self::line(reader).await?;
    }
}

/// `http://host[:port][/path]`, in parts.
struct Url {
    authority: String,
    host: String,
    port: u16,
    path: String,
}

impl Url {
    fn parse(url: &str) -> Result<Self, String> {
        if url.contains(|it: char| it.is_whitespace() || it.is_control()) {
            return Err("a URL has no spaces in it; write %20".to_owned());
        }
        let rest = match url.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("http") => rest,
            Some((scheme, _)) => return Err(format!("no `{scheme}` here, `http` only")),
            None => return Err("a URL begins with http://".to_owned()),
        };
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.contains('@') {
            return Err("names and passwords are not for this example".to_owned());
        }
        let (host, port) = match authority.rsplit_once(':') {
            // The colons of an IPv6 address stand between brackets.
            Some((host, port)) if !port.contains(']') => match port.parse() {
                Ok(port) => (host, port),
                Err(_) => return Err(format!("`{port}` is no port")),
            },
            _ => (authority, 80),
        };
        if host.is_empty() {
            return Err("the host is missing".to_owned());
        }
        let slash = if path.starts_with('/') { "" } else { "/" };
        Ok(Self {
            authority: authority.to_owned(),
            host: host.trim_matches(['[', ']']).to_owned(),
            port,
            path: format!("{slash}{path}"),
        })
    }
}

fn run() -> io::Result<()> {
    let usage = |problem: String| io::Error::other(problem + "\nusage: http_get http://HOST/PATH");
    let mut arguments = std::env::args().skip(1);
    let (Some(url), None) = (arguments.next(), arguments.next()) else {
        return Err(usage("it wants one URL".to_owned()));
    };
    let url = Url::parse(&url).map_err(|problem| usage(format!("`{url}`: {problem}")))?;
    selio::run(get(&url))
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("http_get: {error}");
            ExitCode::FAILURE
        }
    }
}
