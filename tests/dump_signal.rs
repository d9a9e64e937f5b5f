//! Claims about the signal that has the tasks told.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;

use std::process::Stdio;
use std::time::Duration;

use common::{child, deadline, is_child};
use selio::run;

const SOON: Duration = Duration::from_secs(20);

/// What a runtime says that is made with this value of `SELIO_DUMP`, in a process of its own.
fn said(test: &str, value: &str) -> String {
    let mut command = child(test);
    command.env("SELIO_DUMP", value).stdout(Stdio::null());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let text = String::from_utf8(output.stderr).unwrap();
    let said = text.lines().filter(|line| line.starts_with("selio"));
    said.collect::<Vec<_>>().join("\n")
}

#[cfg(not(feature = "signal"))]
#[test]
fn without_the_feature_who_asks_is_told_so_once_and_the_program_goes_on() {
    let test = "without_the_feature_who_asks_is_told_so_once_and_the_program_goes_on";
    if is_child() {
        deadline(SOON, || (0..3).for_each(|_| run(async {})));
        return;
    }
    assert_eq!(
        said(test, "SIGUSR1"),
        "selio: SELIO_DUMP: nobody listens to SIGUSR1; build this program with selio's cargo \
         feature `signal`"
    );
    assert_eq!(said(test, ""), "");
}

#[cfg(feature = "signal")]
mod with_the_feature {
    use std::future::pending;
    use std::io::{self, BufRead, BufReader};
    use std::process::Child;
    use std::sync::Barrier;
    use std::thread;

    use rustix::process::{Pid, Signal, kill_process};
    use selio::signal::{SignalKind, signal};
    use selio::sync::Mutex;
    use selio::{Builder, Runtime, sleep, spawn_named, stats, yield_now};
    use signal_hook::low_level::raise;

    use super::common::{each_backend, open_fds, turn};
    use super::*;

    /// What a child writes to stderr, line by line.
    struct Heard(Child, io::Lines<BufReader<std::process::ChildStderr>>);

    impl Heard {
        fn start(command: &mut std::process::Command) -> Self {
            command.stdout(Stdio::null()).stderr(Stdio::piped());
            let mut child = command.spawn().unwrap();
            let stderr = BufReader::new(child.stderr.take().unwrap());
            Self(child, stderr.lines())
        }

        /// The next line that begins with this, and all that are not further away than so many.
        fn lines(&mut self, begins: &str, more: usize) -> Vec<String> {
            let lines = self.1.by_ref().map(Result::unwrap);
            let mut lines = lines.skip_while(|line| !line.starts_with(begins));
            lines.by_ref().take(1 + more).collect()
        }

        fn send(&self, signal: Signal) {
            kill_process(Pid::from_child(&self.0), signal).unwrap();
        }
    }

    #[test]
    fn a_runtime_that_sleeps_tells_its_tasks_and_goes_on() {
        let test = "with_the_feature::a_runtime_that_sleeps_tells_its_tasks_and_goes_on";
        if is_child() {
            deadline(SOON, || {
                let builder = match std::env::var_os("SELIO_DUMP") {
                    Some(_) => Builder::new(),
                    None => Builder::new().dump_on_signal(SignalKind::SIGUSR1),
                };
                builder.debug(true).build().unwrap().block_on(async {
                    let end = signal(SignalKind::SIGTERM).unwrap();
                    let lock = std::rc::Rc::new(Mutex::new(()));
                    let shared = std::rc::Rc::clone(&lock);
                    spawn_named("holder", async move {
                        let _guard = shared.lock().await;
                        pending::<()>().await;
                    });
                    spawn_named("waiter", async move { drop(lock.lock().await) });
                    yield_now().await;
                    yield_now().await;
                    eprintln!("here we are");
                    let before = stats();
                    end.recv().await.unwrap();
                    assert_eq!(stats().tasks, 2);
                    assert_eq!(stats().polls, before.polls, "no task is polled for it");
                });
            });
            return;
        }
        each_backend(|backend| {
            for asks_by_environment in [true, false] {
                let mut command = child(test);
                command.env("SELIO_SELECTOR", backend.name());
                if asks_by_environment {
                    command.env("SELIO_DUMP", "SIGUSR1");
                }
                let mut heard = Heard::start(&mut command);
                heard.lines("here we are", 0);
                for _ in 0..3 {
                    heard.send(Signal::USR1);
                    let told = heard.lines("selio: ", 3);
                    assert!(
                        told[0].starts_with("selio: SIGUSR1: the tasks of thread "),
                        "{told:?}"
                    );
                    assert!(told[1].starts_with("main: waits to read fd "), "{told:?}");
                    assert!(told[2].starts_with("├─ holder (spawned at "), "{told:?}");
                    assert!(told[3].starts_with("└─ waiter (spawned at "), "{told:?}");
                    let wait = ": waits for a Mutex that holder has at ";
                    assert!(told[3].contains(wait), "{told:?}");
                }
                heard.send(Signal::TERM);
                assert!(heard.0.wait().unwrap().success());
            }
        });
    }

    #[test]
    fn a_poll_that_holds_the_thread_is_followed_by_the_dump() {
        let test = "with_the_feature::a_poll_that_holds_the_thread_is_followed_by_the_dump";
        if is_child() {
            deadline(SOON, || {
                let runtime = Builder::new().dump_on_signal(10).slow_poll(Duration::MAX);
                let runtime = runtime.dump_on_signal(SignalKind::SIGUSR1).build().unwrap();
                runtime.block_on(async {
                    raise(SignalKind::SIGUSR1.as_raw()).unwrap();
                    thread::sleep(Duration::from_millis(50)); // what a task must not do
                    eprintln!("the poll ends");
                    sleep(Duration::from_millis(1)).await;
                    eprintln!("the next one");
                });
            });
            return;
        }
        let _turn = turn();
        let output = child(test).stdout(Stdio::null()).output().unwrap();
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{text}");
        let place = |word: &str| text.find(word).unwrap_or_else(|| panic!("{text}"));
        assert!(place("the poll ends") < place("selio: SIGUSR1"), "{text}");
        assert!(place("selio: SIGUSR1") < place("the next one"), "{text}");
    }

    #[test]
    fn each_runtime_tells_its_own_tasks() {
        let test = "with_the_feature::each_runtime_tells_its_own_tasks";
        if is_child() {
            deadline(SOON, || {
                let both_wait = Barrier::new(2);
                thread::scope(|scope| {
                    for name in ["one", "two"] {
                        let both_wait = &both_wait;
                        let thread = thread::Builder::new().name(name.to_owned());
                        let thread = thread.spawn_scoped(scope, move || {
                            run(async {
                                spawn_named(name, pending::<()>());
                                let end = signal(SignalKind::SIGTERM).unwrap();
                                both_wait.wait();
                                eprintln!("here we are");
                                end.recv().await.unwrap();
                            });
                        });
                        thread.unwrap();
                    }
                });
            });
            return;
        }
        let _turn = turn();
        deadline(SOON, || {
            let mut heard = Heard::start(child(test).env("SELIO_DUMP", "10"));
            heard.lines("here we are", 0);
            heard.lines("here we are", 0);
            heard.send(Signal::from_named_raw(10).unwrap());
            let mut told = [heard.lines("selio: ", 2), heard.lines("selio: ", 2)];
            told.sort();
            for (lines, name) in told.iter().zip(["one", "two"]) {
                let head = format!("the tasks of thread {name}:");
                assert!(lines[0].ends_with(&head), "{told:?}");
                assert!(lines[2].starts_with(&format!("└─ {name} (")), "{told:?}");
            }
            heard.send(Signal::TERM);
            assert!(heard.0.wait().unwrap().success());
        });
    }

    #[test]
    fn tasks_that_nobody_can_wake_are_told_all_the_same() {
        let test = "with_the_feature::tasks_that_nobody_can_wake_are_told_all_the_same";
        if is_child() {
            let builder = Builder::new().debug(true);
            let runtime = builder.dump_on_signal(SignalKind::SIGUSR1).build().unwrap();
            runtime.block_on(pending::<()>());
        }
        let _turn = turn();
        deadline(SOON, || {
            let mut heard = Heard::start(&mut child(test));
            heard.lines("selio: stuck for ever: ", 0);
            heard.send(Signal::USR1);
            heard.lines("selio: SIGUSR1: ", 0);
            heard.0.kill().unwrap();
            heard.0.wait().unwrap();
        });
    }

    #[test]
    fn a_hundred_runtimes_leave_nothing_behind() {
        each_backend(|backend| {
            let plain = Builder::new().backend(backend);
            let dumping = plain.clone().dump_on_signal(SignalKind::SIGUSR2);
            // How many are open when the runtime has ended, but not the handle of its task, and then.
            let open = |builder: &Builder, is_asked: bool| {
                let runtime = builder.clone().build().unwrap();
                let (task, tasks) = runtime.block_on(async {
                    if is_asked {
                        raise(SignalKind::SIGUSR2.as_raw()).unwrap(); // on this thread
                    }
                    let task = spawn_named("told", pending::<()>());
                    yield_now().await;
                    (task, stats().tasks)
                });
                assert_eq!(tasks, 1);
                drop(runtime);
                let while_a_handle_lives = open_fds();
                drop(task);
                [while_a_handle_lives, open_fds()]
            };
            open(&dumping, true);
            let expected = open(&plain, false);
            for _ in 0..100 {
                assert_eq!(open(&dumping, true), expected);
            }
        });
    }

    #[test]
    fn what_is_no_signal_is_an_error_that_names_who_asks_the_cause_and_the_fix() {
        let test = "with_the_feature::\
                    what_is_no_signal_is_an_error_that_names_who_asks_the_cause_and_the_fix";
        if is_child() {
            match Runtime::new() {
                Ok(_) => eprintln!("selio said: nothing"),
                Err(error) => eprintln!("selio said: {:?} {error}", error.kind()),
            }
            return;
        }
        let _turn = turn();
        assert_eq!(
            said(test, "loud"),
            "selio said: InvalidInput SELIO_DUMP: `loud` is no signal; name one, as in SIGUSR1, or \
             write its number"
        );
        assert_eq!(
            said(test, "SIGKILL"),
            "selio said: InvalidInput SELIO_DUMP: SIGKILL cannot be listened to: SIGKILL and \
             SIGSTOP never reach the program, and after a fault it cannot go on"
        );
        assert_eq!(
            said(test, "99"),
            "selio said: InvalidInput SELIO_DUMP: there is no signal 99"
        );
        assert_eq!(said(test, ""), "selio said: nothing");
        let before = open_fds();
        let error = Builder::new().dump_on_signal(99).build().unwrap_err();
        assert_eq!(
            error.to_string(),
            "Builder::dump_on_signal: there is no signal 99"
        );
        assert_eq!(open_fds(), before);
    }
}
