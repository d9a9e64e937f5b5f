//! The ladder: nine servers, one transcript, and what each step claims of itself.

#![allow(clippy::unwrap_used, reason = "a test says what it expects by failing")]

mod common;
#[path = "common/example.rs"]
mod example;
#[path = "common/loopback.rs"]
mod loopback;

use std::fs;
use std::io::{self, BufRead, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::process::ExitStatusExt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use common::{Random, watched};
use example::{Server, example};
use loopback::{impatient, ping, raise_file_limit, random_bytes, reset};
use rustix::event::{PollFd, PollFlags, Timespec};
use selio::selector::Backend;

const STEPS: [&str; 9] = [
    "01_blocking",
    "02_threads",
    "03_select",
    "04_poll",
    "05_epoll",
    "06_selector",
    "07_future",
    "08_tasks",
    "09_await",
];

/// How long one server may take over one test.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a client may send without reading before it is certain that the server takes no more: the
/// buffers of the kernel on both sides are smaller.
const WITHOUT_END: usize = 256 << 20;

/// A step, with the selector that it runs on if it has a choice.
#[derive(Clone, Copy, Debug)]
struct Step {
    name: &'static str,
    backend: Option<Backend>,
}

impl Step {
    fn command(self) -> Command {
        let mut command = example(self.name);
        if let Some(backend) = self.backend {
            command.env("SELIO_SELECTOR", backend.name());
        }
        command
    }

    fn start(self) -> (Server, SocketAddr) {
        let mut server = Server::start(self.command().arg("127.0.0.1:0"));
        let address = server.address();
        (server, address)
    }
}

/// The steps that this platform has, those with selio on each selector.
fn steps_on_every_selector() -> impl Iterator<Item = Step> {
    let here = |name: &&str| cfg!(target_os = "linux") || *name != "05_epoll";
    STEPS.into_iter().filter(here).flat_map(|name| {
        let backends: Vec<_> = if name < "06" {
            vec![None]
        } else {
            Backend::available().iter().copied().map(Some).collect()
        };
        let step = move |backend| Step { name, backend };
        backends.into_iter().map(step)
    })
}

/// The same, where only the last step, which is the library itself, has to try every selector.
fn steps() -> impl Iterator<Item = Step> {
    steps_on_every_selector().filter(|step| {
        let is_default = step.backend == Backend::available().first().copied();
        step.name < "06" || step.name == "09_await" || is_default
    })
}

/// How many servers are tried at once. They mostly wait, and all their clients together stay below
/// the usual limit of 1,024 files.
const SIDE_BY_SIDE: usize = 4;

/// Tries each of these steps, against a deadline, and names the one that fails.
fn each_step(steps: impl Iterator<Item = Step> + Send, test: impl Fn(Step) + Sync) {
    let _turn = common::turn();
    let name = thread::current().name().unwrap_or("a test").to_owned();
    let steps = Mutex::new(steps);
    let next = || steps.lock().unwrap().next();
    let attempt = || {
        while let Some(step) = next() {
            let circumstances = || format!(" with {step:?}");
            watched(circumstances, PATIENCE, || {
                let outcome = catch_unwind(AssertUnwindSafe(|| test(step)));
                if let Err(panic) = outcome {
                    eprintln!("that was with {step:?}");
                    resume_unwind(panic);
                }
            });
        }
    };
    thread::scope(|scope| {
        for _ in 0..SIDE_BY_SIDE {
            let thread = thread::Builder::new().name(name.clone());
            thread.spawn_scoped(scope, attempt).unwrap();
        }
    });
}

/// The same, with a server that has started and that is killed in the end.
fn each(steps: impl Iterator<Item = Step> + Send, test: impl Fn(SocketAddr, &mut Server) + Sync) {
    each_step(steps, |step| {
        let (mut server, address) = step.start();
        test(address, &mut server);
    });
}

fn connect(address: SocketAddr) -> TcpStream {
    impatient(TcpStream::connect(address).unwrap())
}

/// Sends bytes without reading any, until there is no more room on the way to the server and back.
/// Returns what was sent.
fn stuff(mut client: &TcpStream, random: &mut Random) -> Vec<u8> {
    client.set_nonblocking(true).unwrap();
    let moment = Timespec::try_from(Duration::from_millis(350)).unwrap();
    let (mut sent, bytes) = (Vec::new(), random_bytes(random, 256 << 10));
    let mut list = [PollFd::new(client, PollFlags::OUT)];
    while rustix::event::poll(&mut list, Some(&moment)).unwrap() > 0 {
        match client.write(&bytes) {
            Ok(n) => sent.extend(&bytes[..n]),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => panic!("{error}"),
        }
        assert!(sent.len() < WITHOUT_END, "it takes bytes without end");
    }
    client.set_nonblocking(false).unwrap();
    sent
}

/// Reads what a server has to send back, which must be this and then the end of the stream.
fn assert_gets(mut client: &TcpStream, expected: &[u8]) {
    client.shutdown(Shutdown::Write).unwrap();
    let mut got = Vec::new();
    client.read_to_end(&mut got).unwrap();
    assert_eq!(got.len(), expected.len());
    assert!(got == expected, "other bytes than were sent");
}

/// What one of 200 clients does. None of them waits for what another one does, so that a server
/// that serves one after the other is not at a disadvantage.
fn talk(number: usize, address: SocketAddr) {
    let random = &mut Random::new(number as u64);
    let client = connect(address);
    match number % 10 {
        // Messages, each as soon as the answer to the last one has come.
        0..4 => {
            for length in [1, 100, 4_096, 4_097, 20_000] {
                ping(&client, &random_bytes(random, length)).unwrap();
            }
            assert_gets(&client, &[]);
        }
        // Everything at once, and the end of it, before any of it is read.
        4 | 5 => {
            let message = random_bytes(random, 50_000);
            (&client).write_all(&message).unwrap();
            assert_gets(&client, &message);
        }
        // As much as is taken. Only then is it read.
        6 if number < 30 => {
            let sent = stuff(&client, random);
            assert_gets(&client, &sent);
        }
        6 => assert_gets(&client, &[]),
        // A reset after an answer; at once; and with an answer on its way.
        7 => {
            ping(&client, b"hello").unwrap();
            reset(client);
        }
        8 => reset(client),
        _ => {
            (&client).write_all(&random_bytes(random, 50_000)).unwrap();
            reset(client);
        }
    }
}

#[test]
fn every_step_gives_200_clients_back_what_they_send() {
    each(steps(), |address, server| {
        let first = connect(address);
        ping(&first, b"hello").unwrap();
        let with_one = open_files(server);
        drop(first);
        thread::scope(|scope| {
            for number in 0..200 {
                scope.spawn(move || talk(number, address));
            }
        });
        let last = connect(address);
        ping(&last, b"still here").unwrap();
        // It has closed what it has opened: at once, or as soon as it sees the last reset.
        let deadline = Instant::now() + PATIENCE;
        while open_files(server) > with_one {
            assert!(Instant::now() < deadline, "it keeps sockets of the dead");
            thread::yield_now();
        }
    });
}

#[test]
fn a_silent_client_and_a_stuck_one_hold_up_the_others_on_the_first_step_only() {
    each(steps().skip(1), |address, _| {
        let silent = connect(address);
        let stuck = connect(address);
        stuff(&stuck, &mut Random::new(1));
        ping(&connect(address), b"hello").unwrap();
        ping(&silent, b"at last").unwrap();
    });
    each(steps().take(1), |address, _| {
        let silent = connect(address);
        ping(&silent, b"hello").unwrap();
        let other = connect(address);
        (&other).write_all(b"hello").unwrap();
        let moment = Timespec::try_from(Duration::from_millis(200)).unwrap();
        let mut list = [PollFd::new(&other, PollFlags::IN)];
        let answers = rustix::event::poll(&mut list, Some(&moment)).unwrap();
        assert_eq!(answers, 0, "the second client was answered");
        drop(silent);
        assert_gets(&other, b"hello");
    });
}

/// The states in which a careless loop spins.
#[cfg(target_os = "linux")]
fn set_traps(address: SocketAddr) -> Vec<TcpStream> {
    let mut clients = Vec::new();
    let random = &mut Random::new(2);
    for _ in 0..20 {
        let silent = connect(address);
        ping(&silent, b"hello").unwrap();
        clients.push(silent);
    }
    // It has sent the end of its stream, has got everything, and does not leave.
    let ended = connect(address);
    (&ended).write_all(b"hello").unwrap();
    assert_gets(&ended, b"hello");
    clients.push(ended);
    // It does not read: the server waits for room.
    let stuck = connect(address);
    stuff(&stuck, random);
    clients.push(stuck);
    // The same, and the end of the stream is there too, with what is unread.
    let stuck = connect(address);
    stuff(&stuck, random);
    stuck.shutdown(Shutdown::Write).unwrap();
    clients.push(stuck);
    // The same, and then it resets: HUP and ERR, whatever the server waits for.
    let stuck = connect(address);
    stuff(&stuck, random);
    reset(stuck);
    let quiet = connect(address);
    ping(&quiet, b"hello").unwrap();
    reset(quiet);
    clients
}

#[cfg(target_os = "linux")]
#[test]
fn no_step_uses_the_processor_while_its_clients_are_idle() {
    let _turn = common::turn();
    let circumstances = || " with all steps".to_owned();
    watched(circumstances, 3 * PATIENCE, || {
        let servers: Vec<_> = steps_on_every_selector()
            .skip(1)
            .map(|step| (step, step.start()))
            .collect();
        let traps: Vec<_> = thread::scope(|scope| {
            let threads: Vec<_> = (servers.iter())
                .map(|&(_, (_, address))| scope.spawn(move || set_traps(address)))
                .collect();
            threads.into_iter().map(|it| it.join().unwrap()).collect()
        });
        let before: Vec<_> = servers.iter().map(|(_, (it, _))| cpu_time(it)).collect();
        thread::sleep(Duration::from_secs(2));
        for ((step, (server, _)), before) in servers.iter().zip(before) {
            let used = cpu_time(server).saturating_sub(before);
            assert!(used < Duration::from_millis(80), "{step:?}: {used:?}");
        }
        drop(traps);
    });
}

#[test]
fn select_turns_away_clients_whose_number_it_cannot_hold() {
    raise_file_limit();
    let only = |name: &'static str| steps().filter(move |step| step.name == name);
    const CLIENTS: usize = 1_030;
    let count_served = |address| {
        let clients: Vec<_> = (0..CLIENTS).map(|_| connect(address)).collect();
        let served: Vec<_> = (clients.iter())
            .map(|client| ping(client, b"hello").is_ok())
            .collect();
        let count = served.iter().take_while(|&&it| it).count();
        assert!(!served[count..].contains(&true), "{count}");
        ping(&clients[0], b"still here").unwrap();
        ping(&clients[count - 1], b"so am I").unwrap();
        count
    };
    each(only("03_select"), |address, _| {
        let served = count_served(address);
        // Some numbers are taken by standard input and output, and by the listener.
        assert!((1_000..1_024).contains(&served), "{served}");
    });
    each(only("04_poll"), |address, _| {
        assert_eq!(count_served(address), CLIENTS);
    });
}

#[test]
fn no_step_minds_ctrl_z_and_ctrl_c_ends_them_all() {
    each(steps_on_every_selector(), |address, server| {
        let client = connect(address);
        ping(&client, b"hello").unwrap();
        server.signal("-STOP");
        wait_until_stopped(server);
        server.signal("-CONT");
        ping(&client, b"hello again").unwrap();
        server.signal("-INT");
        assert_eq!(server.wait().signal(), Some(2));
    });
}

#[test]
fn no_step_spins_when_no_descriptor_is_left_and_those_who_leave_make_room() {
    const FILES: usize = 32;
    // The first step has one client at a time.
    let steps = steps().filter(|step| step.name != "01_blocking");
    each_step(steps, |step| {
        let (mut limited, program) = (Command::new("sh"), step.command());
        let script = format!("ulimit -n {FILES}; exec \"$0\" 127.0.0.1:0");
        limited.args(["-c", &script]).arg(program.get_program());
        limited.env_remove("SELIO_SELECTOR").env("SELIO_DEBUG", "0"); // Slow polls are not counted.
        limited.envs(
            program
                .get_envs()
                .filter_map(|(key, value)| Some((key, value?))),
        );
        let (mut server, errors) = Server::start_and_listen(&mut limited);
        let complaints = Arc::new(AtomicU32::new(0));
        let counter = Arc::clone(&complaints);
        let count = move || {
            for line in errors.lines() {
                assert!(line.unwrap().contains("Too many open files"));
                counter.fetch_add(1, Ordering::Relaxed);
            }
        };
        let counting = thread::spawn(count);

        let start = Instant::now();
        let address = server.address();
        let mut clients: Vec<_> = (0..FILES + 8).map(|_| connect(address)).collect();
        while complaints.load(Ordering::Relaxed) < 2 {
            thread::sleep(Duration::from_millis(1));
        }
        for _ in 0..10 {
            ping(&clients[0], b"those who are here go on").unwrap();
        }
        thread::sleep(Duration::from_millis(200));
        let (count, time) = (complaints.load(Ordering::Relaxed), start.elapsed());
        // A pause of 10 ms lies between two of them, and none of them is told twice.
        let most = time.as_millis() / 10 + 2;
        assert!(u128::from(count) <= most, "{step:?}: {count} in {time:?}");

        let last = clients.pop().unwrap();
        clients.truncate(FILES / 2);
        ping(&last, b"and those who come find room").unwrap();
        drop(server);
        counting.join().unwrap();
    });
}

/// How many files a server has open.
fn open_files(server: &Server) -> usize {
    match fs::read_dir(format!("/proc/{}/fd", server.id())) {
        Ok(list) => list.count(),
        Err(_) => 0, // There is no /proc here.
    }
}

/// A signal is not a stop yet, and another one that comes at once takes it back.
fn wait_until_stopped(server: &Server) {
    while cfg!(target_os = "linux") && stat(server)[0] != "T" {
        thread::yield_now();
    }
}

/// What Linux tells of a process after its name, from the third field on.
fn stat(server: &Server) -> Vec<String> {
    let stat = fs::read_to_string(format!("/proc/{}/stat", server.id())).unwrap();
    let (_, fields) = stat.rsplit_once(')').unwrap();
    fields.split_whitespace().map(str::to_owned).collect()
}

/// How much processor time a server has used: to a hundredth of a second.
#[cfg(target_os = "linux")]
fn cpu_time(server: &Server) -> Duration {
    let fields = stat(server);
    let ticks: u64 =
        fields[14 - 3].parse::<u64>().unwrap() + fields[15 - 3].parse::<u64>().unwrap();
    Duration::from_millis(ticks * 10)
}

/// The text of a file of the ladder.
fn text(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/ladder");
    fs::read_to_string(folder.join(name)).unwrap()
}

/// The lines of a program that are neither empty nor comments.
fn code(text: &str) -> Vec<&str> {
    let lines = text.lines().map(str::trim);
    lines
        .filter(|line| !line.is_empty() && !line.starts_with("//"))
        .collect()
}

#[test]
fn the_table_of_the_ladder_counts_its_lines() {
    let table = text("README.md");
    for step in STEPS {
        let row = format!("| [`{step}`]({step}.rs) | ");
        let row = table.lines().find(|line| line.starts_with(&row));
        let row = row.unwrap_or_else(|| panic!("no row for {step}"));
        let lines = code(&text(&format!("{step}.rs"))).len();
        assert_eq!(row.split(" | ").nth(1), Some(&*lines.to_string()), "{row}");
    }
}

#[test]
fn every_step_says_what_is_new_what_it_costs_what_is_wrong_and_what_it_mends() {
    for (number, step) in STEPS.into_iter().enumerate() {
        let text = text(&format!("{step}.rs"));
        let wrong = if number == 8 { "No longer" } else { "Still" };
        let parts = [
            format!("//! Step {}: ", number + 1),
            format!("//! cargo run --example {step} "),
            "//! **New here.** ".to_owned(),
            "//! **What it costs.** ".to_owned(),
            format!("//! **{wrong} wrong.** "),
            "//! **Mends** ".to_owned(),
        ];
        let mut lines = text.lines();
        for part in parts {
            assert!(lines.any(|line| line.starts_with(&part)), "{step}: {part}");
        }
    }
}

#[test]
fn the_first_five_steps_stand_on_std_and_rustix_alone_and_only_select_is_unsafe() {
    for step in STEPS {
        let text = text(&format!("{step}.rs"));
        let code = code(&text).join("\n");
        assert_eq!(code.contains("selio"), step >= "06", "{step}");
        assert_eq!(code.contains("unsafe {"), step == "03_select", "{step}");
    }
}
