//! Signals: each listener sees each of them, nobody silences another, and Ctrl-C ends a program in
//! good order.

#![cfg(feature = "signal")]
#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;
#[path = "common/dropping.rs"]
mod dropping;
#[path = "common/example.rs"]
mod example;
#[path = "common/tasks.rs"]
mod tasks;

use std::env;
use std::future::pending;
use std::io::{self, ErrorKind, Read, Write};
use std::mem;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::pin::pin;
use std::process::{Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use futures::StreamExt;
use rustix::process::{Signal, getpid, kill_process};
use selio::signal::{SignalKind, Signals, ctrl_c, run_until_ctrl_c, signal};
use selio::{Builder, Runtime, Source, sleep, spawn, stats, timeout, yield_now};
use signal_hook::low_level::raise;

use crate::common::{child, deadline, each_backend, is_child, open_fds, turn};
use crate::dropping::drop_at_each_pending;
use crate::example::{Server, example};
use crate::tasks::{
    OnDrop, a_look, in_a_process_of_its_own, on_each_runtime, panic_here, poll_once,
};

const HUP: i32 = SignalKind::SIGHUP.as_raw();
const INT: i32 = SignalKind::SIGINT.as_raw();
const USR1: i32 = SignalKind::SIGUSR1.as_raw();
const USR2: i32 = SignalKind::SIGUSR2.as_raw();
const STOP: i32 = SignalKind::SIGSTOP.as_raw();
const TERM: i32 = SignalKind::SIGTERM.as_raw();

/// Whether nothing has come.
async fn is_silent(signals: &Signals) -> bool {
    a_look().await;
    poll_once(&mut pin!(signals.recv())).await.is_pending()
}

#[test]
fn a_signal_wakes_who_waits_for_it_and_nobody_else() {
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            let usr1 = signal(SignalKind::SIGUSR1).unwrap();
            let usr2 = signal(USR2).unwrap();
            let waiting = spawn(async move {
                usr1.recv().await.unwrap();
                usr1
            });
            a_look().await;
            raise(USR1).unwrap();
            let usr1 = waiting.await.unwrap();
            assert!(is_silent(&usr1).await && is_silent(&usr2).await);
            assert_eq!(usr1.kind(), SignalKind::SIGUSR1);
            assert_eq!(format!("{usr2:?}"), "Signals(SIGUSR2)");
        });
    });
}

#[test]
fn what_came_before_the_first_recv_is_not_lost() {
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            let signals = signal(USR1).unwrap();
            raise(USR1).unwrap();
            signals.recv().await.unwrap();
            let interrupt = ctrl_c();
            raise(INT).unwrap();
            interrupt.await.unwrap();
        });
    });
}

#[test]
fn signals_are_a_stream_that_does_not_end() {
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            let mut signals = signal(USR1).unwrap();
            for _ in 0..3 {
                raise(USR1).unwrap();
                signals.next().await.unwrap().unwrap();
            }
            a_look().await;
            assert!(poll_once(&mut signals.next()).await.is_pending());
        });
    });
}

#[test]
fn a_recv_that_is_dropped_loses_nothing() {
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            let signals = signal(USR1).unwrap();
            {
                let mut dropped = pin!(signals.recv());
                assert!(poll_once(&mut dropped).await.is_pending());
                raise(USR1).unwrap();
                a_look().await;
            }
            signals.recv().await.unwrap();
            assert!(is_silent(&signals).await);
        });
    });
}

#[test]
fn recv_dropped_anywhere_loses_nothing() {
    on_each_runtime(|runtime| {
        let pendings = drop_at_each_pending(
            async || {
                spawn(async { raise(USR1).unwrap() });
                signal(USR1).unwrap()
            },
            async |signals| signals.recv().await,
            async |signals, got| match got {
                Some(result) => result.unwrap(),
                None => signals.recv().await.unwrap(),
            },
        );
        assert_eq!(runtime.block_on(pendings), 1);
    });
}

#[test]
fn a_burst_is_received_at_least_once_after_its_last_signal() {
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            let signals = signal(USR1).unwrap();
            // More than the socket pair has room for, while the loop stands still.
            for _ in 0..20_000 {
                raise(USR1).unwrap();
            }
            signals.recv().await.unwrap();
            assert!(is_silent(&signals).await, "they have become one");
            raise(USR1).unwrap();
            signals.recv().await.unwrap();
        });
    });
}

#[test]
fn a_storm_of_signals_disturbs_no_transfer_and_no_sleep() {
    each_backend(|backend| {
        let runtime = Builder::new().backend(backend).build().unwrap();
        runtime.block_on(async {
            // Any thread may be chosen to handle the last one, at its leisure, so that this must
            // not be the last one who listens.
            mem::forget(signal(USR1));
            let signals = signal(USR1).unwrap();
            let (a, mut b) = UnixStream::pair().unwrap();
            let a = Source::new(a).unwrap();
            const LENGTH: usize = 4 << 20;
            let writer = thread::spawn(move || {
                let bytes: Vec<u8> = (0..LENGTH).map(|i| (i % 251) as u8).collect();
                b.write_all(&bytes).unwrap();
            });
            let us = getpid();
            let is_over = Arc::new(AtomicBool::new(false));
            let storm = thread::spawn({
                let is_over = is_over.clone();
                move || {
                    while !is_over.load(Ordering::SeqCst) {
                        kill_process(us, Signal::USR1).unwrap();
                        thread::sleep(Duration::from_micros(200));
                    }
                }
            });
            let mut received = 0;
            let mut buffer = vec![0; 64 << 10];
            while received < LENGTH {
                a.readable().await.unwrap();
                while let Ok(n) = a.get_ref().read(&mut buffer) {
                    let expected = (received..received + n).map(|i| (i % 251) as u8);
                    assert!(expected.eq(buffer[..n].iter().copied()));
                    received += n;
                    if n == 0 {
                        break;
                    }
                }
            }
            let start = Instant::now();
            sleep(Duration::from_millis(20)).await;
            assert!(start.elapsed() >= Duration::from_millis(20));
            is_over.store(true, Ordering::SeqCst);
            writer.join().unwrap();
            storm.join().unwrap();
            signals.recv().await.unwrap();
        });
    });
}

#[test]
fn every_runtime_sees_every_signal_and_none_silences_another() {
    each_backend(|backend| {
        const RUNTIMES: usize = 4;
        let raised = Barrier::new(RUNTIMES + 1);
        let listening = Barrier::new(RUNTIMES + 1);
        thread::scope(|scope| {
            for number in 0..RUNTIMES {
                let (raised, listening) = (&raised, &listening);
                scope.spawn(move || {
                    for round in 0..=number {
                        // One after the other ends for good, the others go on.
                        let runtime = Builder::new().backend(backend).build().unwrap();
                        runtime.block_on(async {
                            let signals = signal(USR1).unwrap();
                            listening.wait();
                            raised.wait();
                            signals.recv().await.unwrap();
                            assert!(is_silent(&signals).await, "round {round}");
                        });
                    }
                    for _ in number + 1..RUNTIMES {
                        listening.wait();
                        raised.wait();
                    }
                });
            }
            for _ in 0..RUNTIMES {
                listening.wait();
                raise(USR1).unwrap();
                raised.wait();
            }
        });
    });
}

#[test]
fn two_listeners_of_one_runtime_both_see_it() {
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            let (a, b) = (signal(USR1).unwrap(), signal(USR1).unwrap());
            raise(USR1).unwrap();
            a.recv().await.unwrap();
            b.recv().await.unwrap();
            drop(a);
            raise(USR1).unwrap();
            b.recv().await.unwrap();
        });
    });
}

#[test]
fn listening_leaves_neither_handles_nor_sources_behind() {
    in_a_process_of_its_own(
        "listening_leaves_neither_handles_nor_sources_behind",
        || {
            Runtime::new().unwrap().block_on(async {
                let fds = open_fds();
                for _ in 0..1_000 {
                    let signals = signal(USR1).unwrap();
                    raise(USR1).unwrap();
                    signals.recv().await.unwrap();
                    drop(ctrl_c());
                }
                assert_eq!((open_fds(), stats().sources), (fds, 0));
            });
        },
    );
}

#[cfg(target_os = "linux")]
#[test]
fn children_get_nothing_of_it() {
    let _turn = turn();
    let mut list = std::process::Command::new("ls");
    list.arg("/proc/self/fd").stdin(Stdio::null());
    let before = list.output().unwrap().stdout;
    Runtime::new().unwrap().block_on(async {
        let _signals = signal(USR1).unwrap();
        assert_eq!(list.output().unwrap().stdout, before);
    });
}

#[test]
fn what_cannot_be_listened_to_is_refused_with_a_reason() {
    let name = "what_cannot_be_listened_to_is_refused_with_a_reason";
    in_a_process_of_its_own(name, || {
        Runtime::new().unwrap().block_on(async {
            let fds = open_fds();
            for (number, reason) in [
                (9, "signal: SIGKILL cannot be listened to: "),
                (STOP, "signal: SIGSTOP cannot be listened to: "),
                (4, "signal: signal 4 cannot be listened to: "),
                (8, "signal: signal 8 cannot be listened to: "),
                (11, "signal: signal 11 cannot be listened to: "),
                (0, "signal: there is no signal 0"),
                (65, "signal: there is no signal 65"),
                (-1, "signal: there is no signal -1"),
                (i32::MAX, "signal: there is no signal 2147483647"),
                (i32::MIN, "signal: there is no signal -2147483648"),
            ] {
                for _ in 0..2 {
                    let error = signal(number).unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{number}");
                    assert!(error.to_string().starts_with(reason), "{error}");
                }
            }
            assert_eq!(open_fds(), fds);
        });
    });
}

#[cfg(target_os = "linux")]
#[test]
fn real_time_signals_can_be_listened_to() {
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            let signals = signal(40).unwrap();
            raise(40).unwrap();
            signals.recv().await.unwrap();
            assert_eq!(signals.kind().to_string(), "signal 40");
        });
    });
}

#[test]
fn outside_of_a_runtime_it_panics_and_says_where() {
    let _turn = common::turn(); // A backtrace opens files.
    let message = panic_here(|| signal(USR1));
    assert!(
        message.starts_with("signal::signal: no runtime"),
        "{message}"
    );
}

/// Runs the test of this name in a process of its own on every backend. It has to end by this
/// signal; returns what it has [`say`]d.
#[track_caller]
fn ends_by(number: i32, test: &str) -> Vec<String> {
    ends(|| child(test), Some(number))
}

#[track_caller]
fn ends(command: impl Fn() -> Command, signal: Option<i32>) -> Vec<String> {
    let mut said = Vec::new();
    each_backend(|backend| {
        let command = &mut command();
        let command = command.env("SELIO_SELECTOR", backend.name());
        let output = command.stdin(Stdio::null()).output().unwrap();
        let now = lines(&output);
        assert_eq!(output.status.signal(), signal, "{output:?}");
        assert!(said.is_empty() || said == now, "{said:?}, then {now:?}");
        said = now;
    });
    said
}

/// Tells the parent, past the harness of the tests, which keeps and mixes what is printed.
fn say(what: &str) {
    let _ = writeln!(io::stderr(), "> {what}");
}

fn lines(output: &Output) -> Vec<String> {
    let text = String::from_utf8_lossy(&output.stderr);
    let lines = text.lines().filter_map(|line| line.strip_prefix("> "));
    lines.map(str::to_owned).collect()
}

#[test]
fn the_default_is_back_when_nobody_listens_any_more() {
    if !is_child() {
        let name = "the_default_is_back_when_nobody_listens_any_more";
        assert_eq!(ends_by(TERM, name), ["alive", "alive"]);
        return;
    }
    selio::run(async {
        let (a, b) = (signal(TERM).unwrap(), signal(TERM).unwrap());
        raise(TERM).unwrap();
        drop(a);
        raise(TERM).unwrap();
        say("alive");
        drop(b);
        let again = signal(TERM).unwrap();
        raise(TERM).unwrap();
        again.recv().await.unwrap();
        say("alive");
        drop(again);
        raise(TERM).unwrap();
        say("dead");
    });
}

#[test]
fn the_second_ctrl_c_after_ctrl_c_kills() {
    if !is_child() {
        assert_eq!(
            ends_by(INT, "the_second_ctrl_c_after_ctrl_c_kills"),
            ["one"]
        );
        return;
    }
    selio::run(async {
        let interrupt = ctrl_c();
        raise(INT).unwrap();
        interrupt.await.unwrap();
        say("one");
        raise(INT).unwrap();
        say("two");
    });
}

#[test]
fn the_first_ctrl_c_drops_main_and_then_its_tasks_and_ends_the_process() {
    if !is_child() {
        let name = "the_first_ctrl_c_drops_main_and_then_its_tasks_and_ends_the_process";
        let expected = ["ctrl-c", "main dropped", "spawned", "task dropped"];
        assert_eq!(ends_by(INT, name), expected);
        return;
    }
    run_until_ctrl_c(async {
        let _main = OnDrop::new(|| {
            say("main dropped");
            spawn(async { say("this is too late") });
            let _ = OnDrop::new(|| say("spawned")); // `spawn` works in a destructor.
        });
        spawn(async {
            let _task = OnDrop::new(|| say("task dropped"));
            pending::<()>().await;
        });
        yield_now().await;
        say("ctrl-c");
        raise(INT).unwrap();
        pending::<()>().await;
    });
    say("it returned");
}

#[test]
fn ctrl_c_ends_the_sleep_of_the_selector_from_another_thread() {
    if !is_child() {
        let name = "ctrl_c_ends_the_sleep_of_the_selector_from_another_thread";
        assert_eq!(ends_by(INT, name), ["main dropped"]);
        return;
    }
    let us = getpid();
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(20));
        kill_process(us, Signal::INT).unwrap();
    });
    run_until_ctrl_c(async {
        let _main = OnDrop::new(|| say("main dropped"));
        pending::<()>().await;
    });
}

#[test]
fn the_second_ctrl_c_kills_at_once_even_in_a_destructor() {
    if !is_child() {
        let name = "the_second_ctrl_c_kills_at_once_even_in_a_destructor";
        assert_eq!(ends_by(INT, name), ["stuck"]);
        return;
    }
    run_until_ctrl_c(async {
        let _main = OnDrop::new(|| {
            say("stuck");
            raise(INT).unwrap();
            say("alive");
        });
        raise(INT).unwrap();
        pending::<()>().await;
    });
}

#[test]
fn the_second_ctrl_c_kills_even_if_main_never_returns_to_the_loop() {
    if !is_child() {
        let name = "the_second_ctrl_c_kills_even_if_main_never_returns_to_the_loop";
        assert_eq!(ends_by(INT, name), ["first", "second"]);
        return;
    }
    run_until_ctrl_c(async {
        say("first");
        raise(INT).unwrap();
        say("second");
        raise(INT).unwrap();
        say("alive");
    });
}

#[test]
fn without_ctrl_c_main_gives_its_output_and_the_default_is_back() {
    if !is_child() {
        let name = "without_ctrl_c_main_gives_its_output_and_the_default_is_back";
        assert_eq!(ends_by(INT, name), ["42"]);
        return;
    }
    let answer = run_until_ctrl_c(async {
        yield_now().await;
        42
    });
    say(&answer.to_string());
    raise(INT).unwrap();
    say("alive");
}

#[test]
fn main_that_ends_at_the_same_time_gives_its_output() {
    in_a_process_of_its_own("main_that_ends_at_the_same_time_gives_its_output", || {
        let runtime = Runtime::new().unwrap();
        let answer = runtime.run_until_ctrl_c(async {
            raise(INT).unwrap();
            42
        });
        assert_eq!(answer, 42);
    });
}

#[test]
fn a_graceful_main_may_await_after_ctrl_c() {
    if !is_child() {
        let expected = ["serving", "saying goodbye"];
        assert_eq!(
            ends_by(TERM, "a_graceful_main_may_await_after_ctrl_c"),
            expected
        );
        return;
    }
    selio::run(async {
        let interrupt = ctrl_c();
        say("serving");
        raise(INT).unwrap();
        interrupt.await.unwrap();
        let _ = timeout(Duration::from_millis(1), pending::<()>()).await;
        say("saying goodbye");
    });
    raise(TERM).unwrap();
}

#[test]
fn run_leaves_ctrl_c_as_it_is() {
    if !is_child() {
        assert_eq!(ends_by(INT, "run_leaves_ctrl_c_as_it_is"), ["running"]);
        return;
    }
    selio::run(async {
        let _main = OnDrop::new(|| say("main dropped"));
        say("running");
        raise(INT).unwrap();
        say("alive");
    });
}

#[cfg(target_os = "linux")]
#[test]
fn who_is_started_with_ctrl_c_ignored_ignores_it_until_asking_for_it() {
    if !is_child() {
        let name = "who_is_started_with_ctrl_c_ignored_ignores_it_until_asking_for_it";
        let said = ends(|| common::child_that_ignores_ctrl_c(name), None);
        assert_eq!(said, ["still here", "heard it"]);
        return;
    }
    let answer = run_until_ctrl_c(async {
        raise(INT).unwrap();
        a_look().await;
        say("still here");
        let interrupt = ctrl_c();
        raise(INT).unwrap();
        interrupt.await.unwrap();
        say("heard it");
        42
    });
    assert_eq!(answer, 42);
}

#[test]
fn what_was_printed_before_ctrl_c_is_seen() {
    deadline(Duration::from_secs(30), || {
        if is_child() {
            run_until_ctrl_c(async {
                print!("no newline");
                raise(INT).unwrap();
                pending::<()>().await;
            });
        }
        let output = child("what_was_printed_before_ctrl_c_is_seen")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.ends_with("no newline"), "{output:?}");
        assert_eq!(output.status.signal(), Some(INT));
    });
}

#[test]
fn the_example_cleans_up_at_ctrl_c() {
    deadline(Duration::from_secs(30), || {
        let lock = env::temp_dir().join(format!("selio-ctrl-c-{}", getpid()));
        let mut process = Server::start(example("ctrl_c").arg(&lock));
        let first = format!("{} is locked: press Ctrl-C\n", lock.display());
        assert_eq!(process.line(), first);
        assert!(lock.exists());
        process.signal("-INT");
        let farewell = format!("cleaned up: {} is gone\n", lock.display());
        let mut line = process.line();
        while line.starts_with("worked for ") {
            line = process.line();
        }
        assert_eq!((line, process.line()), (farewell, String::new()));
        assert!(!lock.exists());
        assert_eq!(process.wait().signal(), Some(INT));
    });
}

#[test]
fn another_runtime_on_another_thread_does_not_see_the_sources_of_the_first() {
    let _turn = turn();
    let runtime = Runtime::new().unwrap();
    let signals = runtime.block_on(async { signal(HUP).unwrap() });
    let other = Runtime::new().unwrap();
    let error = other.block_on(async { signals.recv().await.unwrap_err() });
    assert!(
        error.to_string().contains("belongs to a runtime"),
        "{error}"
    );
}
