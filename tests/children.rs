//! No child process is lost: none stays a zombie, none gets what is not its own, and nothing of it
//! stays behind, whenever its owner goes.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

#[path = "common/children.rs"]
mod children;
mod common;
#[path = "common/dropping.rs"]
mod dropping;
#[path = "common/tasks.rs"]
mod tasks;

use std::fs::{self, File};
use std::future::pending;
use std::os::unix::process::ExitStatusExt;
use std::pin::pin;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, WaitOptions, getrlimit, setrlimit, waitpid};
use selio::process::{Command, Stdio};
use selio::selector::Backend;
use selio::{sleep, spawn, stats, timeout, yield_now};

use crate::children::{cat, exists, no_children, pid, until_gone};
use crate::common::{child, deadline, is_child, open_fds};
use crate::dropping::drop_at_each_pending;
use crate::tasks::{in_a_process_of_its_own, on_a_runtime, on_each_runtime, poll_once};

#[test]
fn a_process_that_is_dropped_goes_on_and_is_reaped_when_it_ends() {
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            let mut child = cat();
            let pid = pid(&child);
            let stdin = child.stdin.take();
            let stdout = child.stdout.take().unwrap();
            drop(child);
            assert_eq!(stats().tasks, 1, "the one that waits for it");
            stdin.as_ref().unwrap().write_all(b"alive").await.unwrap();
            stdout.read_exact(&mut [0; 5]).await.unwrap();
            drop(stdin);
            until_gone(pid).await;
            while stats().tasks > 0 {
                yield_now().await;
            }
            drop(stdout);
            assert_eq!((stats().sources, stats().timers), (0, 0));
        });
    });
}

#[test]
fn kill_on_drop_kills_and_leaves_no_zombie() {
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            let mut command = Command::new("sleep");
            let child = command.arg("60").kill_on_drop(true).spawn().unwrap();
            let pid = pid(&child);
            drop(child);
            until_gone(pid).await;
            let status = command.status();
            assert!(timeout(Duration::from_millis(5), status).await.is_err());
            while stats().tasks > 0 {
                sleep(Duration::from_millis(1)).await; // Until that one is reaped.
            }
        });
    });
}

#[test]
fn what_a_runtime_leaves_behind_is_reaped_at_the_next_spawn() {
    on_each_runtime(|runtime| {
        let backend = runtime.backend();
        let runtime = tasks::runtime(backend);
        let (mut held, in_a_task) = runtime.block_on(async {
            let in_a_task = cat();
            let id = pid(&in_a_task);
            spawn(async move {
                let _keep = in_a_task;
                pending::<()>().await;
            });
            yield_now().await;
            (Some(cat()), id)
        });
        let held_pid = pid(held.as_ref().unwrap());
        drop(runtime); // Its end closes the standard input of one,
        held.take(); // and this that of the other.
        let runtime = tasks::runtime(backend);
        runtime.block_on(async {
            while exists(held_pid) || exists(in_a_task) {
                Command::new("true").status().await.unwrap();
            }
        });
    });
}

#[test]
fn a_runtime_that_ends_kills_what_is_to_be_killed() {
    on_each_runtime(|runtime| {
        let backend = runtime.backend();
        let runtime = tasks::runtime(backend);
        let killed = runtime.block_on(async {
            let mut command = Command::new("sleep");
            let child = command.arg("60").kill_on_drop(true).spawn().unwrap();
            let killed = pid(&child);
            spawn(async move {
                let _keep = child;
                pending::<()>().await;
            });
            yield_now().await;
            killed
        });
        drop(runtime);
        tasks::runtime(backend).block_on(async {
            while exists(killed) {
                Command::new("true").status().await.unwrap();
            }
        });
    });
}

#[cfg(target_os = "linux")]
#[test]
fn who_waits_is_told_by_the_selector_and_needs_no_timer() {
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            let child = Rc::new(children::endless());
            let waiting = spawn({
                let child = Rc::clone(&child);
                async move { child.exited().await.unwrap() }
            });
            tasks::a_look().await;
            assert_eq!((stats().sources, stats().timers), (1, 0));
            child.kill().unwrap();
            assert_eq!(waiting.await.unwrap().signal(), Some(9));
        });
    });
}

#[test]
fn waiting_does_not_spin_and_neither_does_an_end_that_nobody_waits_for() {
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            let child = cat();
            let before = stats().selects;
            assert!(
                timeout(Duration::from_millis(50), child.exited())
                    .await
                    .is_err()
            );
            child.kill().unwrap();
            sleep(Duration::from_millis(50)).await;
            let selects = stats().selects - before;
            assert!(selects < 20, "{selects}");
            assert_eq!(child.exited().await.unwrap().signal(), Some(9));
        });
    });
}

/// What `ls` sees of the file descriptors that it was given, and its own one.
#[cfg(target_os = "linux")]
fn handed_on(output: &std::process::Output) -> Vec<u32> {
    let listed = str::from_utf8(&output.stdout).unwrap().lines();
    let mut fds: Vec<_> = listed.map(|line| line.parse().unwrap()).collect();
    fds.sort_unstable();
    fds
}

#[cfg(target_os = "linux")]
#[test]
fn children_get_the_three_streams_and_nothing_else() {
    use selio::net::{TcpListener, TcpStream};

    on_each_runtime(|runtime| {
        let mut list = std::process::Command::new("ls");
        list.arg("/proc/self/fd").stdin(Stdio::null());
        let expected = handed_on(&list.output().unwrap());
        runtime.block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let _client = TcpStream::connect(address).await.unwrap();
            let _served = listener.accept().await.unwrap();
            let _pipe = selio::net::pipe().unwrap();
            let children = [cat(), cat(), children::endless_with_stdin()];
            for child in &children {
                assert!(poll_once(&mut pin!(child.exited())).await.is_pending());
            }
            let output = Command::from(list).output().await.unwrap();
            assert_eq!(handed_on(&output), expected);
            for child in &children {
                child.kill().unwrap();
                child.exited().await.unwrap();
            }
        });
    });
}

#[test]
fn a_program_that_is_missing_a_thousand_times_leaves_nothing_behind() {
    in_a_process_of_its_own(
        "a_program_that_is_missing_a_thousand_times_leaves_nothing_behind",
        || {
            on_each_runtime(|runtime| {
                runtime.block_on(async {
                    let mut command = Command::new("/no/such/program");
                    command.stdin(Stdio::piped()).stdout(Stdio::piped());
                    let fds = open_fds();
                    for _ in 0..250 {
                        assert!(command.spawn().is_err() && command.output().await.is_err());
                    }
                    assert_eq!((open_fds(), stats().sources, stats().tasks), (fds, 0, 0));
                    assert!(no_children(), "not even zombies");
                });
            });
        },
    );
}

/// A quarter of them on each backend: all backends at once, each in a process of its own.
#[test]
fn ten_thousand_children_come_and_go_and_leave_nothing_behind() {
    // The system does most of this, and has to share its processors with others.
    const PATIENCE: Duration = Duration::from_secs(300);
    if is_child() {
        return deadline(PATIENCE, || selio::run(a_quarter_of_ten_thousand()));
    }
    let processes: Vec<_> = (Backend::available().iter())
        .map(|backend| {
            let mut process = child("ten_thousand_children_come_and_go_and_leave_nothing_behind");
            process.env("SELIO_SELECTOR", backend.name());
            process.stdout(Stdio::piped()).stderr(Stdio::piped());
            process.spawn().unwrap()
        })
        .collect();
    for (process, backend) in processes.into_iter().zip(Backend::available()) {
        let output = process.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("1 passed"), "{backend}: {output:?}");
    }
}

async fn a_quarter_of_ten_thousand() {
    let fds = open_fds();
    for round in 0..25 {
        let tasks: Vec<_> = (0..100).map(|n| spawn(one_of_many(n))).collect();
        for task in tasks {
            task.await.unwrap();
        }
        while stats().tasks > 0 {
            sleep(Duration::from_millis(1)).await; // Until the dropped ones are reaped.
        }
        assert_eq!(open_fds(), fds, "round {round}");
    }
    let now = stats();
    assert_eq!((now.sources, now.timers, now.tasks), (0, 0, 0));
    assert!(no_children(), "not even zombies");
}

async fn one_of_many(n: usize) {
    match n % 4 {
        0 => assert!(Command::new("true").status().await.unwrap().success()),
        1 => {
            let mut command = Command::new("cat");
            command.stdin(Stdio::piped()).stdout(Stdio::piped());
            let output = command.spawn().unwrap().communicate("hello").await.unwrap();
            assert_eq!(output.stdout, b"hello");
        }
        2 => drop(Command::new("true").spawn().unwrap()),
        _ => {
            let mut command = Command::new("cat");
            command.stdin(Stdio::piped()).kill_on_drop(true);
            drop(command.spawn().unwrap());
        }
    }
}

#[test]
fn without_a_file_descriptor_for_a_pidfd_the_end_is_seen_all_the_same() {
    in_a_process_of_its_own(
        "without_a_file_descriptor_for_a_pidfd_the_end_is_seen_all_the_same",
        || {
            let limit = getrlimit(Resource::Nofile);
            let current = Some(64);
            setrlimit(Resource::Nofile, Rlimit { current, ..limit }).unwrap();
            on_each_runtime(|runtime| {
                runtime.block_on(async {
                    let mut fillers = Vec::new();
                    while let Ok(file) = File::open("/dev/null") {
                        fillers.push(file);
                    }
                    let mut command = Command::new("sleep");
                    let child = Rc::new(command.arg("60").spawn().unwrap());
                    assert_eq!(stats().sources, 0, "there is no pidfd");
                    let waiting = spawn({
                        let child = Rc::clone(&child);
                        async move { child.exited().await.unwrap() }
                    });
                    let dropped = pid(&command.kill_on_drop(true).spawn().unwrap());
                    until_gone(dropped).await;
                    sleep(Duration::from_millis(50)).await;
                    assert!(!waiting.is_finished());
                    child.terminate().unwrap();
                    assert_eq!(waiting.await.unwrap().signal(), Some(15));
                    child.kill().unwrap();
                    assert!(command.output().await.is_err(), "there are no pipes");
                    drop(fillers);
                    assert!(no_children());
                });
            });
        },
    );
}

#[test]
fn a_status_that_others_take_is_an_error_and_not_a_hang() {
    in_a_process_of_its_own(
        "a_status_that_others_take_is_an_error_and_not_a_hang",
        || {
            on_each_runtime(|runtime| {
                runtime.block_on(async {
                    let mut child = Command::new("true").spawn().unwrap();
                    let (taken, _) = waitpid(None, WaitOptions::empty()).unwrap().unwrap();
                    assert_eq!(taken, pid(&child));
                    for _ in 0..2 {
                        let error = child.wait().await.unwrap_err();
                        let expected = format!(
                            "the exit status of process {} was taken by other code",
                            child.id()
                        );
                        assert!(error.to_string().starts_with(&expected), "{error}");
                    }
                    assert!(child.kill().is_err());
                    // Taken while we wait.
                    let mut child = cat();
                    assert!(poll_once(&mut pin!(child.exited())).await.is_pending());
                    drop(child.stdin.take());
                    let thief = thread::spawn(|| waitpid(None, WaitOptions::empty()).unwrap());
                    thief.join().unwrap();
                    assert!(child.wait().await.is_err());
                    drop(child);
                    assert_eq!(stats().tasks, 0);
                });
            });
        },
    );
}

#[test]
fn a_program_that_ignores_sigchld_gets_an_error_and_not_a_hang() {
    let name = "a_program_that_ignores_sigchld_gets_an_error_and_not_a_hang";
    if !is_child() {
        deadline(Duration::from_secs(30), || {
            let program = child(name);
            let mut shell = std::process::Command::new("bash"); // Not all shells do this.
            shell.args(["-c", "trap '' CHLD; exec \"$0\" \"$@\""]);
            shell.arg(program.get_program()).args(program.get_args());
            shell.env("SELIO_TEST_CHILD", "1");
            let output = shell.output().unwrap();
            assert!(output.status.success(), "{output:?}");
        });
        return;
    }
    on_each_runtime(|runtime| {
        runtime.block_on(async {
            for _ in 0..10 {
                let mut child = Command::new("true").spawn().unwrap();
                let error = child.wait().await.unwrap_err();
                assert!(error.to_string().ends_with("or ignores SIGCHLD"), "{error}");
            }
        });
    });
}

/// Only where the numbers of processes can be chosen: as root, on Linux.
#[test]
fn a_signal_never_hits_the_next_owner_of_the_number() {
    const LAST: &str = "/proc/sys/kernel/ns_last_pid";
    on_a_runtime(|runtime| {
        runtime.block_on(async {
            for _ in 0..50 {
                let mut old = Command::new("true").spawn().unwrap();
                old.wait().await.unwrap();
                if fs::write(LAST, (old.id() - 1).to_string()).is_err() {
                    eprintln!("cannot choose the numbers of processes here");
                    return;
                }
                let mut new = cat();
                // Another process of this system may have been faster.
                if new.id() == old.id() {
                    old.kill().unwrap();
                    drop(old);
                    assert!(new.wait().await.unwrap().success());
                    return;
                }
            }
            eprintln!("others were always faster");
        });
    });
}

#[test]
fn wait_dropped_anywhere_loses_no_status() {
    on_each_runtime(|runtime| {
        let pendings = drop_at_each_pending(
            async || cat(),
            async |child| child.wait().await,
            async |mut child, got| {
                let status = match got {
                    Some(status) => status,
                    None => child.wait().await,
                };
                assert!(status.unwrap().success());
                assert!(!exists(pid(&child)));
            },
        );
        assert_eq!(runtime.block_on(pendings), 1);
    });
}

#[test]
fn wait_dropped_for_good_leaves_no_zombie() {
    on_each_runtime(|runtime| {
        let pendings = drop_at_each_pending(
            async || cat(),
            async |child| child.wait().await,
            async |child, _| {
                let pid = pid(&child);
                drop(child);
                until_gone(pid).await;
            },
        );
        assert_eq!(runtime.block_on(pendings), 1);
    });
}

#[test]
fn communicate_dropped_anywhere_loses_no_byte() {
    const LENGTH: usize = 300_000;
    on_each_runtime(|runtime| {
        let input: Vec<u8> = (0..LENGTH).map(|i| (i % 251) as u8).collect();
        let pendings = drop_at_each_pending(
            async || cat(),
            async |child| child.communicate(input.clone()).await,
            async |mut child, got| {
                let output = match got {
                    Some(output) => output,
                    None => child.communicate("").await,
                };
                let output = output.unwrap();
                assert!(output.status.success() && output.stdout == input);
            },
        );
        assert!(runtime.block_on(pendings) > 2);
    });
}

#[test]
fn output_dropped_anywhere_leaves_neither_process_nor_pipe() {
    on_each_runtime(|runtime| {
        let pendings = drop_at_each_pending(
            async || Command::shell("echo hello"),
            async |command| command.output().await,
            async |_, got| {
                if let Some(output) = got {
                    assert_eq!(output.unwrap().stdout, b"hello\n");
                }
                while stats().tasks > 0 {
                    sleep(Duration::from_millis(1)).await; // Until it is reaped.
                }
            },
        );
        assert!(runtime.block_on(pendings) >= 1);
    });
}

#[test]
fn status_dropped_anywhere_kills_what_is_to_be_killed() {
    on_each_runtime(|runtime| {
        let pendings = drop_at_each_pending(
            async || {
                let mut command = Command::new("sleep");
                command.arg("0.05").kill_on_drop(true);
                command
            },
            async |command| command.status().await,
            async |_, got| {
                if let Some(status) = got {
                    assert!(status.unwrap().success());
                }
                while stats().tasks > 0 {
                    sleep(Duration::from_millis(1)).await; // Until it is reaped.
                }
            },
        );
        assert_eq!(runtime.block_on(pendings), 1);
    });
}
