//! Claims about standard input, output and error. Each is about a process of its own, whose handles
//! its test holds.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/loopback.rs"]
mod loopback;

use std::fs::{self, File};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::pin::pin;
use std::process::{Child, ChildStderr, Stdio};
use std::rc::Rc;
use std::time::Duration;

use common::{child, each_backend, is_child};
use futures_lite::io::BufReader;
use futures_lite::{AsyncBufReadExt, AsyncReadExt, StreamExt};
use loopback::{Killed, assert_error, poll_once, turns};
use rustix::fs::{Mode, OFlags, fcntl_getfl};
use rustix::io::{FdFlags, fcntl_setfd};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use selio::net::{Stdin, stderr, stdin, stdout};
use selio::selector::Backend;
use selio::{sleep, spawn};

/// Starts this test again, in a process of its own, on one backend. What it reports comes as its
/// standard error, because the harness writes to its standard output.
fn start(name: &str, backend: Backend, stdin: Stdio, stdout: Stdio) -> Started {
    let mut child = child(name)
        .env("SELIO_SELECTOR", backend.name())
        .stdin(stdin)
        .stdout(stdout)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stderr = child.stderr.take().unwrap();
    Started {
        child: Killed(child),
        stderr,
        report: String::new(),
    }
}

struct Started {
    child: Killed,
    stderr: ChildStderr,
    report: String,
}

impl Started {
    fn child(&mut self) -> &mut Child {
        &mut self.child.0
    }

    /// Waits until it has reported this.
    fn expect(&mut self, report: &str) {
        while !self.report.contains(report) {
            let mut buffer = [0; 1024];
            let n = self.stderr.read(&mut buffer).unwrap();
            assert!(n > 0, "`{report}` is not in the report: {}", self.report);
            self.report += &String::from_utf8_lossy(&buffer[..n]);
        }
    }

    /// Waits for its end. What it has reported, and not been asked for yet.
    fn finish(mut self) -> String {
        self.stderr.read_to_string(&mut self.report).unwrap();
        let status = self.child().wait().unwrap();
        assert!(status.success(), "{status}: {}", self.report);
        self.report
    }
}

/// A terminal: its controlling end, and the end that is a process's standard input.
fn terminal() -> (File, OwnedFd) {
    let control = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    fcntl_setfd(&control, FdFlags::CLOEXEC).unwrap();
    grantpt(&control).unwrap();
    unlockpt(&control).unwrap();
    let name = ptsname(&control, Vec::new()).unwrap();
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let terminal = rustix::fs::open(name.as_c_str(), flags, Mode::empty()).unwrap();
    (control.into(), terminal)
}

fn is_non_blocking(fd: impl AsFd) -> bool {
    fcntl_getfl(fd).unwrap().contains(OFlags::NONBLOCK)
}

async fn read_to_end(stdin: &Stdin) -> Vec<u8> {
    let (mut all, mut buffer) = (Vec::new(), [0; 1000]);
    loop {
        match stdin.read(&mut buffer).await.unwrap() {
            0 => return all,
            n => all.extend_from_slice(&buffer[..n]),
        }
    }
}

#[test]
fn files_pipes_sockets_and_dev_null_are_read_to_the_end() {
    let name = "files_pipes_sockets_and_dev_null_are_read_to_the_end";
    if is_child() {
        return selio::run(async {
            let stdin = stdin().unwrap();
            let all = read_to_end(&stdin).await;
            assert_eq!(stdin.read(&mut [0]).await.unwrap(), 0, "the end stays");
            let sum: u64 = all.iter().copied().map(u64::from).sum();
            eprintln!("{} bytes, {sum}", all.len());
        });
    }
    let bytes = loopback::random_bytes(&mut common::Random::from_environment(), 300_000);
    let sum: u64 = bytes.iter().copied().map(u64::from).sum();
    let expected = format!("{} bytes, {sum}", bytes.len());
    let path = std::env::temp_dir().join(format!("selio-stdin-{}", std::process::id()));
    fs::write(&path, &bytes).unwrap();
    each_backend(|backend| {
        let file = File::open(&path).unwrap();
        let report = start(name, backend, file.into(), Stdio::null()).finish();
        assert!(report.contains(&expected), "{report}");
        let report = start(name, backend, Stdio::null(), Stdio::null()).finish();
        assert!(report.contains("0 bytes, 0"), "{report}");

        let mut started = start(name, backend, Stdio::piped(), Stdio::null());
        let mut pipe = started.child().stdin.take().unwrap();
        pipe.write_all(&bytes).unwrap();
        drop(pipe);
        let report = started.finish();
        assert!(report.contains(&expected), "{report}");

        let (mut ours, theirs) = std::os::unix::net::UnixStream::pair().unwrap();
        let theirs = OwnedFd::from(theirs);
        let started = start(name, backend, theirs.into(), Stdio::null());
        ours.write_all(&bytes).unwrap();
        drop(ours);
        let report = started.finish();
        assert!(report.contains(&expected), "{report}");
    });
    fs::remove_file(&path).unwrap();
}

#[test]
fn lines_from_a_terminal_come_next_to_other_tasks_and_the_terminal_stays_as_it_is() {
    let name = "lines_from_a_terminal_come_next_to_other_tasks_and_the_terminal_stays_as_it_is";
    if is_child() {
        return selio::run(async {
            let ticking = spawn(async {
                loop {
                    sleep(Duration::from_millis(1)).await;
                }
            });
            let mut lines = BufReader::new(stdin().unwrap()).lines();
            eprintln!("ready");
            while let Some(line) = lines.next().await {
                eprintln!("line: {}!", line.unwrap());
            }
            eprintln!("the end");
            assert!(!ticking.is_finished());
        });
    }
    each_backend(|backend| {
        let (mut control, terminal) = terminal();
        let shell = terminal.try_clone().unwrap();
        let mut started = start(name, backend, terminal.into(), Stdio::null());
        started.expect("ready");
        control.write_all(b"first\n").unwrap();
        started.expect("line: first!");
        assert!(!is_non_blocking(&shell), "the shell's terminal was changed");
        control.write_all(b"sec").unwrap();
        control.write_all(b"ond\nthird\n").unwrap();
        started.expect("line: second!");
        started.expect("line: third!");
        control.write_all(b"\x04").unwrap(); // Ctrl-D
        assert!(started.finish().contains("the end"));
        assert!(!is_non_blocking(&shell));
    });
}

#[test]
fn who_waits_for_silent_input_does_not_keep_the_process_alive() {
    let name = "who_waits_for_silent_input_does_not_keep_the_process_alive";
    if is_child() {
        return selio::run(async {
            let stdin = stdin().unwrap();
            let reading = spawn(async move { stdin.read(&mut [0; 8]).await });
            turns(3).await;
            assert!(!reading.is_finished());
        });
    }
    each_backend(|backend| {
        let (_control, terminal) = terminal();
        start(name, backend, terminal.into(), Stdio::null()).finish();
        let mut started = start(name, backend, Stdio::piped(), Stdio::null());
        let pipe = started.child().stdin.take().unwrap();
        started.finish();
        drop(pipe);
    });
}

/// A read(2) by the one who was too late would block the thread.
#[test]
fn of_two_who_wait_for_input_one_gets_it_and_the_other_waits_on() {
    let name = "of_two_who_wait_for_input_one_gets_it_and_the_other_waits_on";
    if is_child() {
        return selio::run(async {
            let stdin = Rc::new(stdin().unwrap());
            let another = Rc::new(self::stdin().unwrap());
            let read = |stdin: &Rc<Stdin>| {
                let stdin = Rc::clone(stdin);
                spawn(async move { stdin.read(&mut [0; 8]).await.unwrap() })
            };
            let reading = [read(&stdin), read(&stdin), read(&another)];
            turns(2).await;
            eprintln!("ready");
            loop {
                let done = reading.iter().filter(|it| it.is_finished()).count();
                if done > 0 {
                    turns(5).await;
                    let done = reading.iter().filter(|it| it.is_finished()).count();
                    return eprintln!("{done} of them");
                }
                turns(1).await;
            }
        });
    }
    each_backend(|backend| {
        let mut started = start(name, backend, Stdio::piped(), Stdio::null());
        let mut pipe = started.child().stdin.take().unwrap();
        started.expect("ready");
        pipe.write_all(b"x\n").unwrap();
        let report = started.finish();
        assert!(report.contains("1 of them"), "{report}");
    });
}

#[test]
fn what_was_not_read_is_there_for_the_next_process() {
    let name = "what_was_not_read_is_there_for_the_next_process";
    if is_child() {
        return selio::run(async {
            let stdin = stdin().unwrap();
            let mut byte = [0];
            stdin.readable().await.unwrap();
            stdin.read_exact(&mut byte).await.unwrap();
            eprintln!("one: {}", byte[0]);
        });
    }
    each_backend(|backend| {
        let (reader, mut writer) = std::io::pipe().unwrap();
        writer.write_all(&[1, 2]).unwrap();
        for one in [1, 2] {
            let theirs = reader.try_clone().unwrap();
            let report = start(name, backend, theirs.into(), Stdio::null()).finish();
            assert!(report.contains(&format!("one: {one}")), "{report}");
        }
        assert!(!is_non_blocking(&reader));
    });
}

/// The pipe holds 64 KiB, and nobody reads: a write that blocks would stop the clock.
#[test]
fn output_that_nobody_reads_waits_without_blocking_the_others() {
    let name = "output_that_nobody_reads_waits_without_blocking_the_others";
    if is_child() {
        return selio::run(async {
            let bytes = vec![b'x'; 1 << 20];
            {
                let stdout = stdout().unwrap();
                let mut write = pin!(stdout.write_all(&bytes));
                while poll_once(&mut write).await.is_none() {
                    if stdout.try_write(b"x").is_err() {
                        break;
                    }
                }
                assert!(poll_once(&mut write).await.is_none());
                let error = stdout.try_write(b"x").unwrap_err();
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
            }
            turns(3).await;
            stderr().unwrap().write_all(b"full\n").await.unwrap();
            stdout()
                .unwrap()
                .write_all(b"the last words")
                .await
                .unwrap();
        });
    }
    each_backend(|backend| {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let ours = writer.try_clone().unwrap();
        let mut started = start(name, backend, Stdio::null(), writer.into());
        started.expect("full");
        assert!(!is_non_blocking(&ours), "it is not ours alone");
        drop(ours);
        let mut text = String::new();
        reader.read_to_string(&mut text).unwrap();
        assert!(text.contains("the last words"));
        started.finish();
    });
}

#[test]
fn output_whose_reader_is_gone_is_an_error() {
    let name = "output_whose_reader_is_gone_is_an_error";
    if is_child() {
        return selio::run(async {
            let stdin = stdin().unwrap();
            eprintln!("ready");
            assert_eq!(stdin.read(&mut [0]).await.unwrap(), 0);
            let stdout = stdout().unwrap();
            let write = stdout.write_all(b"x").await;
            assert_error(write, ErrorKind::BrokenPipe, &[]);
            eprintln!("told so");
            // The harness would panic over its own output.
            std::process::exit(0);
        });
    }
    each_backend(|backend| {
        let mut started = start(name, backend, Stdio::piped(), Stdio::piped());
        started.expect("ready");
        let output = started.child().stdout.take().unwrap();
        let input = started.child().stdin.take().unwrap();
        drop(output);
        drop(input);
        assert!(started.finish().contains("told so"));
    });
}

#[test]
fn nothing_to_read_into_or_to_write_never_waits_and_every_handle_is_given_back() {
    let name = "nothing_to_read_into_or_to_write_never_waits_and_every_handle_is_given_back";
    if is_child() {
        return selio::run(async {
            let before = common::open_fds();
            for _ in 0..100 {
                let mut stdin = stdin().unwrap();
                assert_eq!(stdin.read(&mut []).await.unwrap(), 0);
                assert_eq!(AsyncReadExt::read(&mut stdin, &mut []).await.unwrap(), 0);
                let error = stdin.try_read(&mut [0]).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                assert!(poll_once(&mut pin!(stdin.read(&mut [0]))).await.is_none());
                assert_eq!(stdout().unwrap().write(b"").await.unwrap(), 0);
                stderr().unwrap().write_all(b"").await.unwrap();
            }
            assert_eq!(common::open_fds(), before);
            assert_eq!(selio::stats().sources, 0);
            eprintln!("done");
        });
    }
    each_backend(|backend| {
        let mut started = start(name, backend, Stdio::piped(), Stdio::null());
        let _pipe = started.child().stdin.take().unwrap();
        assert!(started.finish().contains("done"));
    });
}

#[test]
fn outside_of_a_runtime_a_panic_says_what_to_do() {
    let _turn = common::turn(); // A backtrace opens files.
    let panic = std::panic::catch_unwind(stdin).unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(message.contains("stdin: no runtime runs"), "{message}");
}
