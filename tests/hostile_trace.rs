//! Traces into places that are not made for them.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod common;
#[path = "common/folder.rs"]
mod folder;

use std::fs;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use common::{child, deadline, is_child};
use folder::Folder;
use selio::selector::Backend;
use selio::trace::{By, Event, Observer};
use selio::{Direction, run, spawn_named, trace, yield_now};

const SOON: Duration = Duration::from_secs(20);

/// Runs a command in which no file can become longer than this many blocks of 512 bytes, and trying to
/// is no reason to be killed.
fn limited(blocks: usize, command: &Command) -> Command {
    let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
    let mut limited = Command::new("sh");
    limited
        .args(["-c", &script, "sh"])
        .arg(command.get_program());
    limited.args(command.get_args()).stdout(Stdio::null());
    limited.env("SELIO_TEST_CHILD", "1");
    limited
}

fn succeeds(command: &mut Command) -> Output {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    output
}

/// What a full disk leaves of the last entries would make the whole file unreadable.
#[test]
fn a_file_is_complete_after_the_disk_was_full() {
    const NAME: &str = "a_file_is_complete_after_the_disk_was_full";
    if is_child() {
        return run(async {
            for _ in 0..1000 {
                spawn_named("somebody", yield_now()).await.unwrap();
            }
        });
    }
    let folder = Folder::new("full-disk");
    for (name, end) in [
        ("life.json", "}\n]\n"),
        ("life.html", "}\n]\n</script>\n</html>\n"),
    ] {
        let path = folder.file(name);
        drop(trace::to_file(&path).unwrap());
        let frame = fs::metadata(&path).unwrap().len() as usize;
        let blocks = frame / 512 + 20;
        succeeds(limited(blocks, &child(NAME)).env("SELIO_TRACE", &path));
        let text = fs::read_to_string(&path).unwrap();
        // As much as there was room for: in one poll, no more is written than this.
        assert!(text.len() > blocks * 512 - 1000, "{} bytes", text.len());
        assert!(
            text.ends_with(end),
            "{name} ends with {:?}",
            text.lines().last()
        );
        let entries = text.lines().filter(|line| line.starts_with("{\"name\""));
        assert!(entries.clone().count() > 20);
        let torn = entries.filter(|line| !line.ends_with('}') && !line.ends_with("},"));
        assert_eq!(torn.count(), 0);
    }
}

/// To open one waits for somebody who reads it, and nobody does.
#[test]
fn a_named_pipe_is_no_place_for_a_trace() {
    const NAME: &str = "a_named_pipe_is_no_place_for_a_trace";
    if is_child() {
        let result = deadline(SOON, || selio::Builder::new().build());
        println!("\nselio said: {}", result.unwrap_err());
        return;
    }
    let folder = Folder::new("named-pipe");
    let path = folder.file("life.json");
    succeeds(Command::new("mkfifo").arg(&path));
    let output = succeeds(child(NAME).env("SELIO_TRACE", &path));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        text.contains("selio said: SELIO_TRACE: cannot create "),
        "{text}"
    );
}

/// Whom a handle has woken was looked for among all that were ready, for each one that was woken.
#[test]
fn of_thousands_that_are_ready_at_once_each_is_written_down_at_once() {
    const THOUSANDS: i32 = 100_000;
    let folder = Folder::new("thousands");
    let path = folder.file("life.json");
    let file = trace::to_file(&path).unwrap();
    deadline(Duration::from_secs(60), || {
        file.event(&Event::PollBegins { task: None });
        file.event(&Event::WouldBlock {
            fd: -1,
            direction: Direction::Read,
            site: None,
        });
        file.event(&Event::PollEnds {
            task: None,
            is_ready: false,
        });
        file.event(&Event::Selected {
            backend: Backend::Poll,
            timeout: None,
            since: Instant::now(),
            events: THOUSANDS as usize,
        });
        for fd in 0..THOUSANDS {
            file.event(&Event::Ready {
                fd,
                readable: true,
                writable: false,
            });
        }
        for _ in 0..THOUSANDS {
            file.event(&Event::Woken {
                task: None,
                by: By::Reactor,
            });
        }
    });
    drop(file);
    let text = fs::read_to_string(path).unwrap();
    assert_eq!(text.matches("\"ready\"").count(), THOUSANDS as usize);
}
