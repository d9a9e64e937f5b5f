//! Processes, signals, threads and traces, in company that they did not choose.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

#[path = "common/children.rs"]
mod children;
mod common;
#[path = "common/folder.rs"]
mod folder;

use std::env;
use std::fs;
use std::future::{pending, poll_fn};
use std::io::{self, ErrorKind, Read};
use std::net::Shutdown;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use children::{endless, pid, until_gone};
use common::{child, deadline, each_backend, is_child};
use folder::Folder;
use rustix::io::{ioctl_fionbio, ioctl_fionread};
use rustix::process::{Signal, kill_process};
use selio::net::UnixDatagram;
use selio::process::Command;
use selio::{
    Builder, Handle, RemoteHandle, TaskLocal, run, sleep, spawn, task, timeout, trace, yield_now,
};

const SOON: Duration = Duration::from_secs(20);

/// What one of the tests below said in a process of its own.
fn said(command: &mut std::process::Command) -> String {
    let run = || command.stdout(Stdio::null()).output().unwrap();
    let Output { status, stderr, .. } = deadline(SOON, run);
    let text = String::from_utf8(stderr).unwrap();
    assert!(status.success(), "{text}");
    text
}

/// A file that may be executed.
fn script(folder: &Folder, name: &str, text: &str) -> PathBuf {
    let path = folder.file(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// The system says only that something was not found, or that something is not permitted.
#[test]
fn who_cannot_be_run_is_told_what_to_do_about_it_and_nothing_false() {
    let folder = Folder::new("cannot-run");
    let orphan = script(&folder, "orphan", "#!/no/such/interpreter\n");
    let plain = script(&folder, "plain", "echo hello\n");
    let within = |name: &str| {
        let mut command = Command::new(name);
        command.current_dir(orphan.parent().unwrap());
        command
    };
    let interpreter = "(os error 2); install the interpreter that its first line names";
    run(async {
        for (mut command, end) in [
            (Command::new(&orphan), interpreter),
            (within("./orphan"), interpreter),
            (
                within("orphan"),
                "(os error 2); install it, or give its path",
            ),
            (
                Command::new(&plain),
                "it is a script, let it begin with the line `#!/bin/sh`",
            ),
            (
                Command::new("/"),
                "it has to be a file that may be executed",
            ),
        ] {
            let error = command.spawn().unwrap_err().to_string();
            assert!(error.ends_with(end), "{error}");
        }
        // Process 1 is in another session. That `true` may not be executed is not the point.
        let error = Command::new("true").process_group(1).spawn().unwrap_err();
        assert!(error.to_string().ends_with("(os error 1)"), "{error}");
    });
}

/// std waits for a process that has failed to run a program, and panics if it has been waited for.
#[test]
fn a_start_that_fails_where_others_take_the_status_is_an_error_and_no_panic() {
    let name = "a_start_that_fails_where_others_take_the_status_is_an_error_and_no_panic";
    if !is_child() {
        let program = child(name);
        let mut shell = std::process::Command::new("bash"); // Not all shells do this.
        shell.args(["-c", "trap '' CHLD; exec \"$0\" \"$@\""]);
        shell.arg(program.get_program()).args(program.get_args());
        said(shell.env("SELIO_TEST_CHILD", "1"));
        return;
    }
    run(async {
        let mut command = Command::new("no-such-program");
        command.env("PATH", "/bin"); // Where std has to look for it by itself, it forks.
        let error = command.spawn().unwrap_err().to_string();
        assert!(
            error.starts_with("cannot run `no-such-program`: "),
            "{error}"
        );
        assert!(error.ends_with("or ignores SIGCHLD"), "{error}");
        assert!(Command::new("true").spawn().is_ok());
    });
}

#[test]
fn what_a_process_wrote_is_kept_while_its_end_is_waited_for() {
    const MOMENT: Duration = Duration::from_millis(1);
    run(async {
        let mut command = Command::shell("echo said; exec sleep 60 >/dev/null");
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        while child.stdout.is_some() {
            assert!(timeout(MOMENT, child.communicate("")).await.is_err());
        }
        assert!(timeout(MOMENT, child.communicate("")).await.is_err());
        child.kill().unwrap();
        assert_eq!(child.communicate("").await.unwrap().stdout, b"said\n");
    });
}

/// Nobody has spawned it: who cancels all tasks, or waits until there are none, means others.
#[test]
fn who_reaps_a_process_that_was_dropped_is_no_task_of_the_program_and_has_none_of_its_values() {
    static REQUEST: TaskLocal<Rc<()>> = TaskLocal::new();
    run(async {
        let request = Rc::new(());
        let dropped = REQUEST.scope(Rc::clone(&request), async {
            let child = endless();
            (pid(&child), child.id())
        });
        let (process, number) = dropped.await;
        assert_eq!(Rc::strong_count(&request), 1);
        let tasks = task::dump().to_string();
        assert!(
            tasks.contains(&format!(" reaper of process {number} ")),
            "{tasks}"
        );
        assert!(task::all_tasks().is_empty());
        kill_process(process, Signal::KILL).unwrap();
        timeout(SOON, until_gone(process)).await.unwrap();
    });
}

#[test]
fn who_waits_for_room_for_a_datagram_is_told_that_the_peer_is_gone() {
    each_backend(|backend| {
        Builder::new()
            .backend(backend)
            .build()
            .unwrap()
            .block_on(async {
                let (ours, theirs) = UnixDatagram::pair().unwrap();
                while ours.try_send(b"much").is_ok() {}
                let waiting = spawn(async move { ours.send(b"more").await });
                sleep(Duration::from_millis(1)).await;
                assert!(!waiting.is_finished());
                drop(theirs);
                let error = waiting.await.unwrap().unwrap_err();
                assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
            });
    });
}

#[test]
fn who_peeks_at_datagrams_after_a_shutdown_comes_to_the_end() {
    each_backend(|backend| {
        let runtime = Builder::new().backend(backend).build().unwrap();
        runtime.block_on(async {
            let (ours, _theirs) = UnixDatagram::pair().unwrap();
            ours.shutdown(Shutdown::Read).unwrap();
            let peeked = timeout(SOON, async { ours.peek(&mut [0; 4]).await });
            assert_eq!(peeked.await.unwrap().unwrap(), 0);
        });
    });
}

/// By another thread, say, in the moment before it begins to wait.
#[test]
fn a_remote_task_that_is_cancelled_while_it_is_polled_ends() {
    run(async {
        let (give, take) = channel::<RemoteHandle<()>>();
        let is_alive = Arc::new(());
        let future = Arc::clone(&is_alive);
        let remote = Handle::current().spawn(move || async move {
            let _alive = future;
            take.recv().unwrap().cancel();
            pending::<()>().await;
        });
        give.send(remote).unwrap();
        for _ in 0..100 {
            yield_now().await;
        }
        assert_eq!(Arc::strong_count(&is_alive), 1);
    });
}

/// The lines of both would be mixed in it, and nobody could read any.
#[test]
fn a_file_holds_one_trace_at_a_time() {
    let folder = Folder::new("one-trace");
    let path = folder.file("life.json");
    let first = trace::to_file(&path).unwrap();
    let before = fs::read_to_string(&path).unwrap();
    let error = trace::to_file(&path).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ResourceBusy);
    assert!(
        error
            .to_string()
            .ends_with("give each runtime a file of its own")
    );
    assert_eq!(fs::read_to_string(&path).unwrap(), before);
    drop(first);
    trace::to_file(&path).unwrap();
}

/// Between fork(2) and execve(2), each of them has the file too.
#[test]
fn a_file_is_free_for_the_next_trace_while_processes_are_being_started() {
    let folder = Folder::new("free-again");
    let path = folder.file("life.json");
    let starts = thread::spawn(|| {
        for _ in 0..50 {
            // Where std has to look for it by itself, it forks.
            let mut command = std::process::Command::new("true");
            command.env("PATH", env::var_os("PATH").unwrap());
            command.status().unwrap();
        }
    });
    while !starts.is_finished() {
        drop(trace::to_file(&path).unwrap());
    }
    starts.join().unwrap();
}

/// A line of its own, and an escape of the terminal.
const THREAD: &str = "worker\nselio: all is well\x1b[2K";
const SHOWN: &str = "thread worker\\nselio: all is well\\u{1b}[2K";

/// Calls this on a thread whose name would rather be something else.
fn on_another_thread(call: impl FnOnce() + Send + 'static) {
    let thread = thread::Builder::new().name(THREAD.to_owned());
    thread.spawn(call).unwrap().join().unwrap();
}

#[test]
fn the_name_of_a_thread_stays_in_its_line_of_a_trace() {
    if is_child() {
        let runtime = Builder::new().observer(trace::to_stderr()).build();
        return runtime.unwrap().block_on(async {
            let mut is_woken = false;
            poll_fn(|cx| {
                let waker = cx.waker().clone();
                if is_woken {
                    return Poll::Ready(());
                }
                is_woken = true;
                on_another_thread(|| waker.wake());
                Poll::Pending
            })
            .await;
        });
    }
    let trace = said(&mut child(
        "the_name_of_a_thread_stays_in_its_line_of_a_trace",
    ));
    assert!(trace.contains(SHOWN), "{trace}");
    assert!(!trace.contains("\nselio: all"), "{trace}");
}

/// Node does it to the terminal of the shell, for one, and whoever shares that has it too.
#[test]
fn a_stderr_that_others_have_made_non_blocking_gets_the_whole_trace() {
    if is_child() {
        let runtime = Builder::new().observer(trace::to_stderr()).build();
        return runtime.unwrap().block_on(async {
            for _ in 0..1_000 {
                yield_now().await;
            }
        });
    }
    let (mut reader, writer) = io::pipe().unwrap();
    ioctl_fionbio(&writer, true).unwrap();
    let mut command = child("a_stderr_that_others_have_made_non_blocking_gets_the_whole_trace");
    command.stdout(Stdio::null()).stderr(writer);
    let mut traced = command.spawn().unwrap();
    drop(command);
    let trace = deadline(SOON, || {
        // Until there is no room left, and a while longer.
        let mut came = 0;
        while came < 60_000 || came < ioctl_fionread(&reader).unwrap() {
            came = ioctl_fionread(&reader).unwrap();
            thread::sleep(Duration::from_millis(10));
        }
        let mut trace = String::new();
        reader.read_to_string(&mut trace).unwrap();
        trace
    });
    assert!(traced.wait().unwrap().success());
    let last = trace.lines().last().unwrap();
    assert!(last.contains("poll-ends    ready"), "{last}");
}

#[cfg(feature = "signal")]
mod with_the_feature {
    use std::sync::atomic::{AtomicBool, Ordering};

    use selio::signal::{SignalKind, signal};
    use signal_hook::low_level::raise;

    use super::*;

    const USR1: i32 = SignalKind::SIGUSR1.as_raw();

    #[test]
    fn the_name_of_a_thread_stays_in_its_line_above_a_dump() {
        let name = "with_the_feature::the_name_of_a_thread_stays_in_its_line_above_a_dump";
        if is_child() {
            return on_another_thread(|| {
                let runtime = Builder::new().dump_on_signal(USR1).build().unwrap();
                runtime.block_on(async {
                    raise(USR1).unwrap();
                    sleep(Duration::from_millis(1)).await;
                });
            });
        }
        let dump = said(&mut child(name));
        assert!(dump.contains(SHOWN), "{dump}");
        assert!(!dump.contains("\nselio: all"), "{dump}");
    }

    /// As that of another crate, or of a library in C.
    #[test]
    fn a_handler_that_the_program_had_before_is_called_again_when_nobody_else_listens() {
        let name = "with_the_feature::a_handler_that_the_program_had_before_is_called_again_when_nobody_else_listens";
        if !is_child() {
            said(&mut child(name));
            return;
        }
        let is_called = Arc::new(AtomicBool::new(false));
        signal_hook::flag::register(USR1, Arc::clone(&is_called)).unwrap();
        run(async {
            let usr1 = signal(USR1).unwrap();
            raise(USR1).unwrap();
            usr1.recv().await.unwrap();
            assert!(is_called.swap(false, Ordering::Relaxed));
            drop(usr1);
            raise(USR1).unwrap();
            assert!(is_called.load(Ordering::Relaxed));
        });
    }

    /// The handler must never write to who is closed already: for that, the system raises another
    /// signal, which ends a program that does not ignore it.
    #[test]
    fn who_stops_listening_in_a_storm_of_signals_raises_no_broken_pipe() {
        let name =
            "with_the_feature::who_stops_listening_in_a_storm_of_signals_raises_no_broken_pipe";
        if !is_child() {
            said(&mut child(name));
            return;
        }
        run(async {
            let broken_pipes = signal(SignalKind::SIGPIPE).unwrap();
            let _survives = signal(USR1).unwrap();
            let is_over = Arc::new(AtomicBool::new(false));
            let storm = thread::spawn({
                let is_over = Arc::clone(&is_over);
                move || {
                    while !is_over.load(Ordering::Relaxed) {
                        raise(USR1).unwrap();
                    }
                }
            });
            for _ in 0..1_000 {
                drop(signal(USR1).unwrap());
                drop(Builder::new().dump_on_signal(USR1).build().unwrap());
            }
            is_over.store(true, Ordering::Relaxed);
            storm.join().unwrap();
            let received = timeout(Duration::from_millis(1), broken_pipes.recv()).await;
            assert!(received.is_err());
        });
    }
}
