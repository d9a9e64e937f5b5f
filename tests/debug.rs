//! Claims about debug mode and the dump of the tasks.

#![allow(clippy::unwrap_used, reason = "a test panics when it fails")]

mod common;

use std::cell::Cell;
use std::future::pending;
use std::io::{BufRead, BufReader};
use std::os::fd::AsRawFd;
use std::process::Stdio;
use std::rc::Rc;
use std::thread;
use std::time::Duration;

use common::{child, deadline, each_backend, is_child};
use selio::net::{TcpListener, TcpStream};
use selio::sync::{Mutex, oneshot};
use selio::{Builder, Handle, run, sleep, spawn_named, task, to_thread, yield_now};

const SOON: Duration = Duration::from_secs(20);

/// The line of the dump that begins with this name, without what its branches are drawn with.
fn line_of(dump: &str, name: &str) -> String {
    let lines = dump
        .lines()
        .map(|line| line.trim_start_matches(['│', '├', '└', '─', ' ']));
    let mut lines = lines.filter(|line| line.starts_with(name));
    lines
        .next()
        .unwrap_or_else(|| panic!("{name} is not in {dump}"))
        .to_owned()
}

#[test]
fn a_dump_tells_what_each_task_waits_for() {
    each_backend(|backend| {
        for is_debug in [true, false] {
            let runtime = Builder::new().backend(backend).debug(is_debug).build();
            runtime.unwrap().block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                let client = TcpStream::connect(listener.local_addr().unwrap()).await;
                let client = client.unwrap();
                let fd = client.as_raw_fd();
                spawn_named("reader", async move { client.read(&mut [0; 8]).await });
                spawn_named("sleeper", sleep(Duration::from_secs(100)));
                let lost = spawn_named("lost", pending::<()>());
                spawn_named("joiner", lost);
                yield_now().await;
                yield_now().await;
                spawn_named("ready", async {});

                let dump = task::dump().to_string();
                assert!(dump.starts_with("main: runs"), "{dump}");
                let reader = line_of(&dump, "reader");
                let place = format!("reader (spawned at {}:", file!());
                assert!(reader.starts_with(&place), "{dump}");
                assert!(
                    reader.contains(&format!(": waits to read fd {fd}")),
                    "{dump}"
                );
                assert!(reader.ends_with("; 1 poll"), "{dump}");
                assert_eq!(reader.contains(", since "), is_debug, "{dump}");
                assert!(
                    line_of(&dump, "sleeper").contains(": waits for a timer "),
                    "{dump}"
                );
                assert!(
                    line_of(&dump, "joiner").contains(": waits for lost to end"),
                    "{dump}"
                );
                assert!(line_of(&dump, "lost").contains(": waits"), "{dump}");
                assert!(
                    line_of(&dump, "ready").contains(": is ready; 0 polls"),
                    "{dump}"
                );
            });
        }
    });
}

#[test]
fn a_dump_draws_children_below_their_parents_and_orphans_below_main() {
    deadline(SOON, || {
        run(async {
            let parent = spawn_named("parent", async {
                spawn_named("child", pending::<()>());
                spawn_named("brother", async {
                    spawn_named("grandchild", pending::<()>());
                    pending::<()>().await;
                });
                pending::<()>().await;
            });
            for _ in 0..4 {
                yield_now().await;
            }
            let shape = || {
                let dump = task::dump().to_string();
                let name = |line: &str| line.split(" (").next().unwrap().to_owned();
                dump.lines().skip(1).map(name).collect::<Vec<_>>()
            };
            assert_eq!(
                shape(),
                [
                    "└─ parent",
                    "   ├─ child",
                    "   └─ brother",
                    "      └─ grandchild"
                ]
            );
            parent.cancel();
            assert_eq!(shape(), ["├─ child", "└─ brother", "   └─ grandchild"]);
        });
        assert_eq!(task::dump().to_string(), "no runtime runs on this thread");
    });
}

#[test]
fn a_poll_that_holds_the_thread_is_reported_with_its_name_its_place_and_its_last_await() {
    let test =
        "a_poll_that_holds_the_thread_is_reported_with_its_name_its_place_and_its_last_await";
    if !is_child() {
        let output = child(test).stdout(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        let stderr = String::from_utf8(output.stderr).unwrap();
        let told: Vec<_> = stderr
            .lines()
            .filter(|line| line.starts_with("selio: "))
            .collect();
        assert_eq!(told.len(), 1, "{stderr}");
        let place = format!("selio: greedy (spawned at {}:", file!());
        assert!(told[0].starts_with(&place), "{stderr}");
        assert!(told[0].contains(" has held the thread for "), "{stderr}");
        assert!(
            told[0].contains(&format!("; its last await: {}:", file!())),
            "{stderr}"
        );
        return;
    }
    deadline(SOON, || {
        let limit = Duration::from_millis(300);
        let runtime = Builder::new().debug(true).slow_poll(limit).build().unwrap();
        runtime.block_on(async {
            let greedy = spawn_named("greedy", async {
                sleep(Duration::from_millis(1)).await;
                thread::sleep(Duration::from_millis(400)); // what a task must not do
                yield_now().await;
            });
            greedy.await.unwrap();
            // A long wait is none.
            sleep(Duration::from_millis(400)).await;
        });
        let silent = Builder::new().debug(true).slow_poll(Duration::MAX).build();
        silent.unwrap().block_on(async {
            thread::sleep(Duration::from_millis(400));
        });
    });
}

/// What a test writes to stderr in a process of its own, which hangs and is killed as soon as it
/// has written as many lines as expected.
fn last_words(test: &str, lines: usize) -> Vec<String> {
    let mut child = child(test)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let stderr = BufReader::new(child.stderr.take().unwrap());
    let told = stderr.lines().map(Result::unwrap);
    let told = told.skip_while(|line| !line.starts_with("selio: "));
    let told = told.take(lines).collect();
    child.kill().unwrap();
    child.wait().unwrap();
    told
}

#[test]
fn tasks_that_nobody_can_wake_are_told_instead_of_hanging_silently() {
    let test = "tasks_that_nobody_can_wake_are_told_instead_of_hanging_silently";
    if !is_child() {
        deadline(SOON, || {
            let told = last_words(test, 3);
            assert!(told[0].starts_with("selio: stuck for ever: "), "{told:?}");
            assert!(
                told[1].starts_with("main: waits for lost to end"),
                "{told:?}"
            );
            assert!(told[2].starts_with("└─ lost (spawned at "), "{told:?}");
            assert!(told[2].contains(": waits, since "), "{told:?}");
        });
        return;
    }
    let runtime = Builder::new().debug(true).build().unwrap();
    runtime.block_on(async {
        sleep(Duration::from_millis(1)).await; // A timer that has fired is none.
        spawn_named("lost", pending::<()>()).await.unwrap();
    });
}

#[test]
fn a_deadlock_of_two_tasks_on_two_locks_is_told_with_their_names_and_lines() {
    let test = "a_deadlock_of_two_tasks_on_two_locks_is_told_with_their_names_and_lines";
    if !is_child() {
        deadline(SOON, || {
            let told = last_words(test, 4);
            assert!(told[0].starts_with("selio: stuck for ever: "), "{told:?}");
            assert!(
                told[1].starts_with("main: waits for ann to end"),
                "{told:?}"
            );
            for (line, who, other) in [(&told[2], "ann", "bob"), (&told[3], "bob", "ann")] {
                let wait = format!(": waits for a Mutex that {other} has at {}:", file!());
                assert!(line.contains(&format!(" {who} (spawned at ")), "{told:?}");
                assert!(line.contains(&wait), "{told:?}");
            }
        });
        return;
    }
    let runtime = Builder::new().debug(true).build().unwrap();
    runtime.block_on(async {
        let (left, right) = (Rc::new(Mutex::new(())), Rc::new(Mutex::new(())));
        let lock_both = |first: &Rc<Mutex<()>>, second: &Rc<Mutex<()>>| {
            let (first, second) = (Rc::clone(first), Rc::clone(second));
            async move {
                let _first = first.lock().await;
                yield_now().await;
                let _second = second.lock().await;
            }
        };
        let ann = spawn_named("ann", lock_both(&left, &right));
        let bob = spawn_named("bob", lock_both(&right, &left));
        ann.await.unwrap();
        bob.await.unwrap();
    });
}

#[test]
fn who_may_be_woken_by_another_thread_is_not_called_stuck() {
    let test = "who_may_be_woken_by_another_thread_is_not_called_stuck";
    if !is_child() {
        let output = child(test).stdout(Stdio::null()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{stderr}");
        assert!(!stderr.contains("stuck"), "{stderr}");
        return;
    }
    deadline(SOON, || {
        let runtime = Builder::new().debug(true).build().unwrap();
        let pause = Duration::from_millis(200);
        runtime.block_on(async {
            let (send, receive) = async_channel::bounded(1);
            let thread = thread::spawn(move || {
                thread::sleep(pause);
                send.send_blocking(7).unwrap();
            });
            assert_eq!(receive.recv().await, Ok(7));
            thread.join().unwrap();

            let handle = Handle::current();
            let (send, receive) = oneshot::channel();
            thread_local! {
                static SEND: Cell<Option<oneshot::Sender<i32>>> = const { Cell::new(None) };
            }
            SEND.set(Some(send));
            let thread = thread::spawn(move || {
                thread::sleep(pause);
                let sent = handle.spawn(|| async {
                    let send = SEND.take().unwrap();
                    send.send(8).unwrap();
                });
                sent.join().unwrap();
            });
            assert_eq!(receive.await, Ok(8));
            thread.join().unwrap();
            assert_eq!(
                to_thread(move || {
                    thread::sleep(pause);
                    9
                })
                .await,
                9
            );
        });
    });
}

#[test]
fn who_waits_for_an_answer_is_told_with_the_line_of_its_channel() {
    deadline(SOON, || {
        let runtime = Builder::new().debug(true).build().unwrap();
        runtime.block_on(async {
            let (sender, receiver) = oneshot::channel::<()>();
            let (mut asked, _asker) = oneshot::channel::<()>();
            let place = format!(" at {}:{}:", file!(), line!() - 2);
            spawn_named("asker", receiver);
            spawn_named("asked", async move { asked.closed().await });
            yield_now().await;
            let dump = task::dump().to_string();
            let asker = line_of(&dump, "asker");
            let wait = format!(": waits for a oneshot::Sender{place}");
            assert!(asker.contains(&wait), "{dump}");
            let asked = line_of(&dump, "asked");
            let wait = ": waits for a oneshot::Receiver to go at ";
            assert!(asked.contains(wait), "{dump}");
            drop(sender);
        });
    });
}

#[test]
fn who_waits_for_an_answer_that_nobody_gives_is_stuck() {
    let test = "who_waits_for_an_answer_that_nobody_gives_is_stuck";
    if !is_child() {
        deadline(SOON, || {
            let told = last_words(test, 2);
            assert!(told[0].starts_with("selio: stuck for ever: "), "{told:?}");
            let wait = "main: waits for a oneshot::Sender at ";
            assert!(told[1].starts_with(wait), "{told:?}");
        });
        return;
    }
    let runtime = Builder::new().debug(true).build().unwrap();
    let (_sender, receiver) = oneshot::channel::<()>();
    runtime.block_on(receiver).unwrap_err();
}
