//! Claims about traces: what `SELIO_TRACE` makes of a program that does not know of it.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/folder.rs"]
mod folder;

use std::collections::HashMap;
use std::fs;
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use common::{child, deadline, each_backend, is_child};
use folder::Folder;
use selio::net::{TcpListener, TcpStream};
use selio::selector::Backend;
use selio::{Builder, Runtime, sleep, spawn, spawn_named, trace, yield_now};

const SOON: Duration = Duration::from_secs(20);

/// The line of the read below.
const READ: u32 = line!() + 11;

/// A server that echoes one message, to a client that lets it wait.
fn session(runtime: &Runtime) -> i32 {
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).await;
        let (client, (server, _)) = (client.unwrap(), listener.accept().await.unwrap());
        let fd = server.as_raw_fd();
        let reader = spawn_named("reader <\"1\">", async move {
            let mut buffer = [0; 16];
            let n = server.read(&mut buffer).await.unwrap();
            server.write_all(&buffer[..n]).await.unwrap();
        });
        spawn(sleep(Duration::from_secs(100)));
        yield_now().await;
        yield_now().await;
        client.write_all(b"ping").await.unwrap();
        reader.await.unwrap();
        assert_eq!(client.read(&mut [0; 16]).await.unwrap(), 4);
        fd
    })
}

/// Runs a test in a process of its own, with this trace.
fn traced(test: &str, backend: Backend, value: impl AsRef<Path>) -> Output {
    let mut command = child(test);
    command.env("SELIO_TRACE", value.as_ref());
    command.env("SELIO_SELECTOR", backend.name());
    let output = command.stdout(Stdio::null()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}

/// In the child: the session. Whether this is the child.
fn is_session() -> bool {
    if is_child() {
        deadline(SOON, || session(&Runtime::new().unwrap()));
    }
    is_child()
}

/// Asserts that lines with these parts come in this order, whatever else comes in between.
#[track_caller]
fn assert_in_order(text: &str, expected: &[&[&str]]) {
    let mut lines = text.lines();
    for parts in expected {
        let found = lines.any(|line| parts.iter().all(|part| line.contains(part)));
        assert!(found, "{parts:?} does not come in time in:\n{text}");
    }
}

#[test]
fn stderr_tells_one_read_in_order_with_its_line() {
    if is_session() {
        return;
    }
    each_backend(|backend| {
        let output = traced(
            "stderr_tells_one_read_in_order_with_its_line",
            backend,
            "stderr",
        );
        let text = String::from_utf8(output.stderr).unwrap();
        let place = format!("{}:{READ}:", file!());
        let reader = "reader <\"1\">#";
        assert_in_order(
            &text,
            &[
                &["main", " spawn ", reader, file!()],
                &[reader, " poll"],
                &[reader, " would-block ", " to read, at ", &place],
                &[reader, " arm ", " to read"],
                &[reader, " poll-ends ", "pending, after "],
                &["loop", " sleep ", backend.name(), ", for "],
                &["loop", " select ", backend.name(), " after "],
                &["loop", " ready ", " to read"],
                &["loop", " wake ", reader, " is ready"],
                &[reader, " poll"],
                &[reader, " poll-ends ", "ready, after "],
                &[reader, " done"],
                &[reader, " wake ", "main"],
                &["task-", " cancelled"],
            ],
        );
        assert!(
            !text.contains('\x1b'),
            "no colours but on a terminal: {text}"
        );
        let columns: Vec<_> = text
            .lines()
            .filter(|line| line.contains(" poll-ends "))
            .collect();
        let column = columns[0].find(" poll-ends ").unwrap();
        let is_aligned = |line: &&str| line.find(" poll-ends ").unwrap() == column;
        let short = columns.iter().filter(|line| line.contains("main")).copied();
        assert!(short.collect::<Vec<_>>().iter().all(is_aligned), "{text}");
    });
}

#[test]
fn stderr_keeps_its_columns_behind_a_name_that_is_longer_than_most() {
    const NAME: &str = "server 127.0.0.1:55660";
    if is_child() {
        return deadline(SOON, || {
            Runtime::new().unwrap().block_on(async {
                spawn_named(NAME, yield_now()).await.unwrap();
                spawn(yield_now()).await.unwrap();
            });
        });
    }
    each_backend(|backend| {
        let output = traced(
            "stderr_keeps_its_columns_behind_a_name_that_is_longer_than_most",
            backend,
            "stderr",
        );
        let text = String::from_utf8(output.stderr).unwrap();
        let ends = |line: &str| line.find(" poll-ends ");
        let (before, after) = text.split_once(&format!("{NAME}#1 poll\n")).unwrap();
        let columns: Vec<_> = after.lines().filter_map(ends).collect();
        assert!(columns.len() > 4, "{text}");
        assert!(columns.iter().all(|&it| it == columns[0]), "{text}");
        assert_ne!(before.lines().find_map(ends), Some(columns[0]), "{text}");
    });
}

/// What follows a value of JSON.
fn after_json(text: &str) -> Option<&str> {
    fn sequence(text: &str, end: char, has_names: bool) -> Option<&str> {
        let mut rest = text.trim_start();
        if let Some(rest) = rest.strip_prefix(end) {
            return Some(rest);
        }
        loop {
            if has_names {
                rest = rest.trim_start();
                rest = rest.starts_with('"').then(|| after_json(rest))??;
                rest = rest.trim_start().strip_prefix(':')?;
            }
            rest = after_json(rest)?.trim_start();
            match rest.strip_prefix(',') {
                Some(more) => rest = more,
                None => return rest.strip_prefix(end),
            }
        }
    }
    let text = text.trim_start();
    if let Some(rest) = text.strip_prefix('[') {
        return sequence(rest, ']', false);
    } else if let Some(rest) = text.strip_prefix('{') {
        return sequence(rest, '}', true);
    } else if let Some(mut rest) = text.strip_prefix('"') {
        loop {
            let at = rest.find(['"', '\\'])?;
            let is_end = rest[at..].starts_with('"');
            if rest[..at].contains(|letter: char| letter.is_control()) {
                return None;
            }
            rest = rest.get(at + if is_end { 1 } else { 2 }..)?;
            if is_end {
                return Some(rest);
            }
        }
    }
    let end = text.find([',', ']', '}']).unwrap_or(text.len());
    let word = text[..end].trim();
    let is_word = ["true", "false", "null"].contains(&word) || word.parse::<f64>().is_ok();
    is_word.then(|| &text[end..])
}

/// Asserts that it is JSON, and returns its entries: one in each line.
#[track_caller]
fn entries(json: &str) -> Vec<&str> {
    assert_eq!(after_json(json).map(str::trim), Some(""), "{json}");
    let lines = json.lines().filter(|line| line.starts_with('{'));
    lines.map(|line| line.trim_end_matches(',')).collect()
}

/// What stands behind a name in an entry.
fn field<'a>(entry: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = entry.split_once(&format!("\"{name}\":"))?;
    rest.split([',', '}']).next()
}

/// Asserts that what begins also ends, that arrows arrive, and that time does not go back.
#[track_caller]
fn assert_sound(entries: &[&str]) {
    let mut polled = HashMap::new();
    let mut arrows = Vec::new();
    let mut last: f64 = 0.0;
    for entry in entries {
        let at: f64 = field(entry, "ts").map_or(0.0, |at| at.parse().unwrap());
        match field(entry, "ph").unwrap() {
            "\"B\"" => assert_eq!(polled.insert(field(entry, "tid"), at), None, "{entry}"),
            "\"E\"" => assert!(polled.remove(&field(entry, "tid")).is_some(), "{entry}"),
            "\"s\"" => arrows.push(field(entry, "id").unwrap()),
            "\"f\"" => assert!(arrows.contains(&field(entry, "id").unwrap()), "{entry}"),
            "\"M\"" | "\"X\"" => continue,
            phase => assert_eq!(phase, "\"i\"", "{entry}"),
        }
        assert!(at >= last, "{entry} is before {last}");
        last = at;
    }
    assert!(polled.is_empty(), "{polled:?} did not end");
    assert!(!arrows.is_empty());
}

#[test]
fn json_parses_pairs_its_polls_and_tells_one_read_in_order() {
    let test = "json_parses_pairs_its_polls_and_tells_one_read_in_order";
    if is_session() {
        return;
    }
    let folder = Folder::new("json");
    each_backend(|backend| {
        let path = folder.file("life.json");
        traced(test, backend, &path);
        let json = fs::read_to_string(&path).unwrap();
        let entries = entries(&json);
        assert_sound(&entries);
        let name = "{\"name\":\"reader \\u003c\\\"1\\\">#";
        let named = entries.iter().find(|entry| entry.contains(name)).unwrap();
        let lane = format!("\"tid\":{},", field(named, "tid").unwrap());
        let task = format!("\"task\":{}", field(named, "tid").unwrap());
        let place = format!("\"to\":\"read\",\"at\":\"{}:{READ}:", file!());
        let answer = format!("\"backend\":\"{backend}\"");
        assert_in_order(
            &json,
            &[
                &["\"spawn\"", &task, file!()],
                &["\"poll\"", "\"B\"", &lane],
                &["\"would-block\"", &lane, &place],
                &["\"arm\"", &lane],
                &["\"poll\"", "\"E\"", &lane, "false"],
                &["\"select\"", "\"tid\":0,", &answer],
                &["\"ready\"", "\"tid\":0,"],
                &["\"wake\"", "\"tid\":0,", &task, "\"fd\":"],
                &["\"wake\"", "\"s\""],
                &["\"poll\"", "\"B\"", &lane],
                &["\"wake\"", "\"f\"", &lane],
                &["\"poll\"", "\"E\"", &lane, "true"],
                &["\"done\"", &lane, "false"],
                &["\"cancelled\""],
            ],
        );
    });
}

#[test]
fn html_is_one_page_with_the_entries_and_no_address_of_the_network() {
    let test = "html_is_one_page_with_the_entries_and_no_address_of_the_network";
    if is_session() {
        return;
    }
    let folder = Folder::new("html");
    each_backend(|backend| {
        let path = folder.file("life.html");
        traced(test, backend, &path);
        let page = fs::read_to_string(&path).unwrap();
        let (frame, rest) = page
            .split_once("<script type=\"application/json\" id=\"entries\">")
            .unwrap();
        let (json, end) = rest.split_once("</script>").unwrap();
        assert_eq!(end.trim(), "</html>");
        assert_sound(&entries(json));
        assert!(json.contains(&format!("{}:{READ}:", file!())));
        assert!(frame.starts_with("<!doctype html>") && !frame.contains("/* page."));
        for foreign in ["http:", "https:", "src=", "@import", "url(", "//cdn"] {
            assert!(!frame.contains(foreign), "{foreign}");
        }
    });
}

#[test]
fn a_file_is_complete_while_the_runtime_lives_and_after_a_kill() {
    let test = "a_file_is_complete_while_the_runtime_lives_and_after_a_kill";
    if is_child() {
        deadline(SOON, || {
            let runtime = Runtime::new().unwrap();
            session(&runtime);
            std::process::abort();
        });
    }
    let folder = Folder::new("kill");
    let path = folder.file("life.json");
    let mut command = child(test);
    command.env("SELIO_TRACE", &path).stdout(Stdio::null());
    let output = command.stderr(Stdio::null()).output().unwrap();
    assert!(!output.status.success());
    let json = fs::read_to_string(&path).unwrap();
    assert_sound(&entries(&json));
    assert!(json.contains("\"done\""));
}

#[test]
fn runtimes_of_one_process_write_to_files_of_their_own() {
    let test = "runtimes_of_one_process_write_to_files_of_their_own";
    if is_child() {
        deadline(SOON, || {
            let first = Runtime::new().unwrap();
            let second = Runtime::new().unwrap();
            session(&first);
            second.block_on(spawn_later("second"));
            drop(first);
            Runtime::new().unwrap().block_on(spawn_later("third"));
        });
        return;
    }
    let folder = Folder::new("several");
    // Another process writes to this one.
    let taken = folder.file("life-2.json");
    fs::write(&taken, "taken").unwrap();
    let lock = fs::File::open(&taken).unwrap();
    rustix::fs::flock(&lock, rustix::fs::FlockOperation::LockExclusive).unwrap();

    traced(test, Backend::available()[0], folder.file("life.json"));
    let read = |name| fs::read_to_string(folder.file(name)).unwrap();
    for (name, task) in [
        ("life.json", "reader"),
        ("life-3.json", "second"),
        ("life-4.json", "third"),
    ] {
        let json = read(name);
        assert_sound(&entries(&json));
        assert!(json.contains(&format!("{{\"name\":\"{task}")), "{json}");
    }
    assert_eq!(read("life-2.json"), "taken");
}

async fn spawn_later(name: &str) {
    spawn_named(name.to_owned(), yield_now()).await.unwrap();
}

#[test]
fn a_bad_value_is_an_error_that_names_the_variable_the_cause_and_the_fix() {
    let test = "a_bad_value_is_an_error_that_names_the_variable_the_cause_and_the_fix";
    if is_child() {
        match Builder::new().build() {
            Ok(_) => eprintln!("selio said: nothing"),
            Err(error) => eprintln!("selio said: {:?} {error}", error.kind()),
        }
        return;
    }
    let said = |value: &str| {
        let output = traced(test, Backend::available()[0], value);
        let text = String::from_utf8(output.stderr).unwrap();
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix("selio said: "));
        line.unwrap_or_else(|| panic!("{text}")).to_owned()
    };
    assert_eq!(
        said("loud"),
        "InvalidInput SELIO_TRACE: `loud` is no place for a trace; name a file that ends with .json \
         or .html, or write `stderr`"
    );
    assert_eq!(
        said("/nowhere/life.json"),
        "NotFound SELIO_TRACE: cannot create `/nowhere/life.json`: No such file or directory (os \
         error 2); name a file in a folder that exists and may be written, or write `stderr`"
    );
    assert_eq!(said(""), "nothing");
}

#[test]
fn a_program_may_ask_for_a_trace_by_itself() {
    let error = trace::to_file("life.txt").unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    assert!(
        error
            .to_string()
            .starts_with("trace::to_file: `life.txt` is")
    );

    let folder = Folder::new("asked");
    let path = folder.file("life.json");
    each_backend(|backend| {
        let trace = trace::to_file(&path).unwrap();
        let runtime = Builder::new().backend(backend).observer(trace).build();
        session(&runtime.unwrap());
        assert_sound(&entries(&fs::read_to_string(&path).unwrap()));
    });
}

#[test]
fn a_trace_that_cannot_be_written_ends_with_a_word_and_the_program_goes_on() {
    let test = "a_trace_that_cannot_be_written_ends_with_a_word_and_the_program_goes_on";
    if is_session() {
        return;
    }
    let folder = Folder::new("full");
    let path = folder.file("life.json");
    let command = child(test);
    // No file may become longer than one block, and trying to is no reason to be killed.
    let script = "trap '' XFSZ; ulimit -f 1; exec \"$@\"";
    let mut limited = Command::new("sh");
    limited
        .args(["-c", script, "sh"])
        .arg(command.get_program());
    limited.args(command.get_args()).stdout(Stdio::null());
    limited.env("SELIO_TEST_CHILD", "1");
    let output = limited.env("SELIO_TRACE", &path).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stderr).unwrap();
    let word = "selio: the trace ends here: ";
    assert_eq!(text.matches(word).count(), 1, "{text}");
}
