//! Child processes: what asyncio's subprocess page and std say of them, and bad input.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

#[path = "common/children.rs"]
mod children;
mod common;
#[path = "common/example.rs"]
mod example;
#[path = "common/tasks.rs"]
mod tasks;

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::pin::pin;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use futures::{AsyncReadExt, AsyncWriteExt};
use selio::net::PipeReader;
use selio::process::{Command, Stdio};
use selio::signal::SignalKind;
use selio::{sleep, spawn, timeout, yield_now};

use crate::children::{cat, endless, endless_with_stdin, pid};
use crate::common::{child, deadline, each_backend, is_child};
use crate::tasks::{a_look, on_a_runtime, on_each_runtime, panic_here, poll_once};

/// More than any pipe holds.
const MUCH: usize = 10 << 20;

fn much() -> Vec<u8> {
    let piece: Vec<u8> = (0..251).collect();
    let mut bytes = piece.repeat(MUCH.div_ceil(piece.len()));
    bytes.truncate(MUCH);
    bytes
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn a_process_runs_and_gives_its_status() {
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            let status = Command::new("true").status().await.unwrap();
            assert!(status.success());
            let status = Command::shell("exit 7").status().await.unwrap();
            assert_eq!(status.code(), Some(7));
            let status = Command::shell("kill -9 $$").status().await.unwrap();
            assert_eq!((status.code(), status.signal()), (None, Some(9)));
        });
    });
}

#[test]
fn output_collects_both_streams_and_gives_no_input() {
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            let mut command = Command::shell("cat; echo out; echo err >&2; exit 3");
            for _ in 0..2 {
                let output = command.output().await.unwrap();
                assert_eq!(output.status.code(), Some(3));
                assert_eq!(
                    (text(&output.stdout), text(&output.stderr)),
                    ("out\n", "err\n")
                );
            }
        });
    });
}

#[test]
fn output_leaves_our_standard_input_alone() {
    if is_child() {
        on_a_runtime(|runtime| {
            let output = runtime.block_on(Command::new("cat").output()).unwrap();
            assert_eq!(text(&output.stdout), "");
        });
        return;
    }
    deadline(Duration::from_secs(30), || {
        let mut process = child("output_leaves_our_standard_input_alone");
        let process = process.stdin(Stdio::piped()).stdout(Stdio::null());
        let mut process = process.spawn().unwrap();
        let mut stdin = process.stdin.take().unwrap();
        stdin.write_all(b"not for `cat`").unwrap();
        assert!(process.wait().unwrap().success());
        drop(stdin); // Open until now.
    });
}

#[test]
fn output_collects_only_what_does_not_go_elsewhere() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let mut command = Command::shell("echo out; echo err >&2");
            let output = command.stderr(Stdio::null()).output().await.unwrap();
            assert_eq!((text(&output.stdout), text(&output.stderr)), ("out\n", ""));
            let mut child = command.stdout(Stdio::null()).spawn().unwrap();
            assert!(child.stdin.is_none() && child.stdout.is_none() && child.stderr.is_none());
            child.wait().await.unwrap();
        });
    });
}

#[test]
fn spawn_after_output_pipes_nothing() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let mut command = Command::new("true");
            command.output().await.unwrap();
            let child = command.spawn().unwrap();
            assert!(child.stdin.is_none() && child.stdout.is_none() && child.stderr.is_none());
        });
    });
}

#[test]
fn the_number_of_a_shell_command_is_that_of_the_shell() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let mut command = Command::shell("echo $$");
            let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
            let output = child.communicate("").await.unwrap();
            assert_eq!(text(&output.stdout), format!("{}\n", child.id()));
        });
    });
}

/// asyncio's `stderr=STDOUT`.
#[test]
fn both_streams_may_go_into_one_pipe() {
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            let (reader, writer) = std::io::pipe().unwrap();
            let mut command = Command::shell("echo one; echo two >&2; echo three");
            command.stdout(writer.try_clone().unwrap()).stderr(writer);
            let mut child = command.spawn().unwrap();
            drop(command); // And with it our own writers: the reader will come to the end.
            let mut reader = PipeReader::from_fd(reader).unwrap();
            let mut said = String::new();
            reader.read_to_string(&mut said).await.unwrap();
            assert_eq!(said, "one\ntwo\nthree\n");
            assert!(child.wait().await.unwrap().success());
        });
    });
}

#[test]
fn runtimes_on_several_threads_have_children_of_their_own() {
    each_backend(|backend| {
        thread::scope(|scope| {
            for number in 0..4 {
                scope.spawn(move || {
                    tasks::runtime(backend).block_on(async {
                        for _ in 0..20 {
                            let mut command = Command::shell("exit \"$0\"");
                            let status = command.arg(number.to_string()).status().await;
                            assert_eq!(status.unwrap().code(), Some(number));
                        }
                    });
                });
            }
        });
    });
}

#[test]
fn environment_directory_and_arguments_arrive() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let mut command = Command::shell("echo \"$ONE $TWO $GONE $0 $1\"; pwd");
            command.args(["zero", "first"]).env("ONE", "1");
            command
                .envs([("TWO", "2"), ("GONE", "3")])
                .env_remove("GONE");
            let output = command.current_dir("/").output().await.unwrap();
            assert_eq!(text(&output.stdout), "1 2  zero first\n/\n");
            let output = command.env_clear().output().await.unwrap();
            assert!(text(&output.stdout).starts_with("   zero"), "{output:?}");
        });
    });
}

#[test]
fn a_command_of_std_is_taken_over() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let mut std = std::process::Command::new("sh");
            std.args(["-c", "echo $0"]);
            let mut command = Command::from(std);
            command.as_std_mut().arg("from std");
            assert_eq!(command.as_std().get_program(), "sh");
            assert_eq!(command.output().await.unwrap().stdout, b"from std\n");
            assert_eq!(format!("{command:?}"), format!("{:?}", command.as_std()));
        });
    });
}

#[test]
fn much_goes_through_a_process_both_ways_at_once() {
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            let input = much();
            let mut command = Command::shell("tee /dev/stderr");
            command.stdin(Stdio::piped());
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            let output = command.spawn().unwrap().communicate(input.clone()).await;
            let output = output.unwrap();
            assert!(output.status.success());
            assert!(output.stdout == input && output.stderr == input);
        });
    });
}

#[test]
fn who_stops_reading_its_input_is_no_error() {
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            let mut command = Command::shell("head -c 3; exec <&-; echo; echo done");
            command.stdin(Stdio::piped()).stdout(Stdio::piped());
            let output = command.spawn().unwrap().communicate(vec![b'x'; MUCH]).await;
            let output = output.unwrap();
            assert_eq!(text(&output.stdout), "xxx\ndone\n");
            assert!(output.status.success());
        });
    });
}

#[test]
fn who_ends_before_its_input_was_written_is_no_error() {
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            let mut command = Command::new("true");
            let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
            let output = child.communicate(vec![b'x'; MUCH]).await.unwrap();
            assert!(output.status.success());
        });
    });
}

#[test]
fn who_writes_to_a_process_that_dies_is_woken() {
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            let mut child = endless_with_stdin();
            let stdin = child.stdin.take().unwrap();
            let writer = spawn(async move { stdin.write_all(&[0; MUCH]).await });
            a_look().await;
            assert!(!writer.is_finished());
            child.kill().unwrap();
            let error = writer.await.unwrap().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::BrokenPipe);
            assert_eq!(child.wait().await.unwrap().signal(), Some(9));
        });
    });
}

#[test]
fn wait_closes_standard_input_and_exited_does_not() {
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            let mut child = cat();
            assert!(poll_once(&mut pin!(child.exited())).await.is_pending());
            a_look().await;
            assert!(child.stdin.is_some());
            assert!(child.wait().await.unwrap().success());
            assert!(child.stdin.is_none());
        });
    });
}

#[test]
fn a_conversation_goes_line_by_line() {
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            let mut child = cat();
            let mut stdin = child.stdin.take().unwrap();
            let mut stdout = child.stdout.take().unwrap();
            for line in ["first\n", "second\n"] {
                stdin.write_all(line.as_bytes()).await.unwrap();
                let mut echoed = vec![0; line.len()];
                stdout.read_exact(&mut echoed).await.unwrap();
                assert_eq!(text(&echoed), line);
            }
            AsyncWriteExt::close(&mut stdin).await.unwrap();
            let mut rest = Vec::new();
            assert_eq!(stdout.read_to_end(&mut rest).await.unwrap(), 0);
            assert!(child.wait().await.unwrap().success());
        });
    });
}

#[test]
fn what_was_read_before_is_not_collected_again() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let mut child = cat();
            let stdin = child.stdin.as_ref().unwrap();
            stdin.write_all(b"head").await.unwrap();
            let stdout = child.stdout.as_ref().unwrap();
            stdout.read_exact(&mut [0; 4]).await.unwrap();
            assert_eq!(child.communicate("tail").await.unwrap().stdout, b"tail");
        });
    });
}

#[test]
fn every_wait_gives_the_same_status_at_once() {
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            let mut child = Command::shell("exit 5").spawn().unwrap();
            let first = child.wait().await.unwrap();
            assert_eq!(first.code(), Some(5));
            assert_eq!(child.wait().await.unwrap(), first);
            assert_eq!(child.try_wait().unwrap(), Some(first));
            let output = child.communicate("").await.unwrap();
            assert_eq!(output.status, first);
        });
    });
}

#[test]
fn several_tasks_wait_for_one_process_while_another_kills_it() {
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            let child = Rc::new(endless());
            let waiting: Vec<_> = (0..3)
                .map(|_| {
                    let child = Rc::clone(&child);
                    spawn(async move { child.exited().await.unwrap() })
                })
                .collect();
            a_look().await;
            child.terminate().unwrap();
            for task in waiting {
                assert_eq!(task.await.unwrap().signal(), Some(15));
            }
        });
    });
}

#[test]
fn try_wait_tells_without_waiting() {
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            let mut child = cat();
            assert_eq!(child.try_wait().unwrap(), None);
            drop(child.stdin.take());
            while child.try_wait().unwrap().is_none() {
                yield_now().await;
            }
            assert!(child.try_wait().unwrap().unwrap().success());
        });
    });
}

#[test]
fn a_process_that_is_stopped_has_not_ended_and_may_go_on() {
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            let mut child = cat();
            child.send_signal(SignalKind::SIGSTOP).unwrap();
            assert!(
                timeout(Duration::from_millis(30), child.wait())
                    .await
                    .is_err()
            );
            assert_eq!(child.try_wait().unwrap(), None);
            child.send_signal(SignalKind::SIGCONT).unwrap();
            assert!(child.wait().await.unwrap().success());
        });
    });
}

#[test]
fn signals_are_checked_before_they_are_sent() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let mut child = endless();
            for number in [0, -1, -9, 32, 34, 64, 65, i32::MIN, i32::MAX] {
                let error = child.send_signal(number).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::InvalidInput, "{number}");
                let expected = format!("Child::send_signal: signal {number} has no name");
                assert!(error.to_string().starts_with(&expected), "{error}");
            }
            assert_eq!(child.try_wait().unwrap(), None);
            child.send_signal(9).unwrap();
            assert_eq!(child.wait().await.unwrap().signal(), Some(9));
        });
    });
}

#[test]
fn a_process_that_has_ended_is_left_in_peace() {
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            let mut child = Command::new("true").spawn().unwrap();
            let status = child.wait().await.unwrap();
            child.kill().unwrap();
            child.terminate().unwrap();
            child.send_signal(SignalKind::SIGUSR1).unwrap();
            assert_eq!(child.wait().await.unwrap(), status);
            // A zombie too.
            let child = Command::new("true").spawn().unwrap();
            while fs::read_to_string(format!("/proc/{}/stat", child.id()))
                .is_ok_and(|stat| !stat.contains(") Z "))
            {
                sleep(Duration::from_millis(1)).await;
            }
            child.kill().unwrap();
            assert!(child.exited().await.unwrap().success());
        });
    });
}

#[test]
fn a_missing_program_is_named() {
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            let program = "no-such-program-anywhere";
            for error in [
                Command::new(program).spawn().unwrap_err(),
                Command::new(program).status().await.unwrap_err(),
                Command::new(program).output().await.unwrap_err(),
            ] {
                assert_eq!(error.kind(), ErrorKind::NotFound);
                let message = error.to_string();
                let expected = "cannot run `no-such-program-anywhere`: No such file";
                assert!(message.starts_with(expected), "{message}");
                assert!(message.ends_with("; install it, or give its path"));
                let source = error.get_ref().unwrap().source().unwrap();
                let source = source.downcast_ref::<std::io::Error>().unwrap();
                assert_eq!(source.raw_os_error(), Some(2));
            }
            let mut elsewhere = Command::new("true");
            let error = elsewhere.current_dir("/no/such/place").spawn().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotFound);
            let expected = "cannot run `true` in `/no/such/place`: ";
            assert!(error.to_string().starts_with(expected), "{error}");
            assert!(error.to_string().ends_with("a directory that exists"));
            let error = Command::new("true").arg("a\0b").spawn().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            let error = Command::new("/").spawn().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PermissionDenied);
            assert!(error.to_string().contains("`/`"), "{error}");
        });
    });
}

#[test]
fn input_without_a_pipe_is_refused_and_the_process_goes_on() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let mut command = Command::new("true");
            let mut child = command.stdin(Stdio::null()).spawn().unwrap();
            let error = child.communicate("input").await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidInput);
            assert!(error.to_string().contains("Stdio::piped()"), "{error}");
            assert!(child.communicate("").await.unwrap().status.success());
        });
    });
}

#[test]
#[allow(unused_must_use, reason = "it panics")]
fn outside_of_a_runtime_it_panics_and_says_where() {
    let message = panic_here(|| Command::new("true").spawn());
    assert!(
        message.starts_with("process::Command::spawn: no runtime"),
        "{message}"
    );
}

#[test]
fn a_timeout_around_communicate_loses_nothing() {
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            // It reads a part of its input, answers, and reads the rest only when told.
            let flag = temporary("communicate");
            let script = "head -c 5; until [ -e \"$0\" ]; do sleep 0.01; done; cat";
            let mut command = Command::shell(script);
            command
                .arg(&flag)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped());
            let mut child = command.spawn().unwrap();
            let input = much();
            let first = child.communicate(input.clone());
            assert!(timeout(Duration::from_millis(50), first).await.is_err());
            let again = child.communicate("more");
            assert!(timeout(Duration::from_millis(5), again).await.is_err());
            File::create(&flag).unwrap();
            let output = child.communicate("").await.unwrap();
            fs::remove_file(&flag).unwrap();
            // What `head` has read beyond its five bytes is its own loss.
            let (answer, rest) = output.stdout.split_at(5);
            assert_eq!(answer, &input[..5]);
            let mut expected = input;
            expected.extend(b"more");
            assert!(expected.ends_with(rest) && rest.len() > MUCH / 2);
        });
    });
}

fn temporary(name: &str) -> PathBuf {
    let name = format!("selio-{name}-{}", std::process::id());
    std::env::temp_dir().join(name)
}

#[test]
fn a_child_of_another_runtime_is_waited_for_too() {
    on_each_runtime(|runtime| {
        let mut child = runtime.block_on(async { cat() });
        let other = tasks::runtime(runtime.backend());
        assert!(other.block_on(child.wait()).unwrap().success());
    });
}

#[test]
fn a_process_group_of_its_own_is_made() {
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            let mut command = Command::new("sleep");
            let child = command.arg("60").process_group(0).spawn().unwrap();
            let group = rustix::process::getpgid(Some(pid(&child))).unwrap();
            assert_eq!(group, pid(&child));
            assert!(format!("{child:?}").contains("Unseen"));
            child.kill().unwrap();
            child.exited().await.unwrap();
        });
    });
}

#[test]
fn the_example_prints_what_the_subprocess_page_does() {
    let example = |arguments: &[&str]| {
        let output = example::example("subprocess").args(arguments).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    deadline(Duration::from_secs(60), || {
        let said = example(&[]);
        assert!(said.starts_with("['ls /zzz': exit status: "), "{said}");
        let (stderr, rest) = said.split_once("it says: ").unwrap();
        assert!(stderr.contains("[stderr]\nls: "), "{said}");
        assert_eq!(
            rest,
            "line 1\nit says: line 2\nit says: line 3\nthe end: exit status: 0\n\
             sorted:\napple\nfig\npear\nsleep: signal: 15 (SIGTERM)\n"
        );
        let said = example(&["read line || echo at the end", "exit 7"]);
        let first = "['read line || echo at the end': exit status: 0]\n[stdout]\nat the end\n";
        assert!(
            said.contains(first) && said.contains("['exit 7': exit status: 7]"),
            "{said}"
        );
    });
}
