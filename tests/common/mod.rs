//! What the integration tests share: every backend in turn, a deadline for everything, randomness
//! that can be replayed, and the two figures that show a leak or a spin.

#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test is a program of its own and uses a part of this"
)]

use std::env;
use std::fs;
use std::io::{self, Write};
use std::panic::Location;
use std::process::{self, Command};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Once, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use selio::selector::Backend;
use signal_hook::{consts::SIGINT, flag};

/// How long a test may take on one backend before it counts as hung.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs a test on every backend of this platform, alone in the process and against a deadline, and
/// names the backend on which it panics.
#[track_caller]
pub fn each_backend(test: impl FnMut(Backend)) {
    let _turn = turn();
    try_each_backend(test);
}

/// [`each_backend`], but for tests that may run beside each other, since they count nothing that
/// belongs to the whole process. Most of them wait for most of their time.
pub mod beside_others {
    use super::{Backend, company};

    /// See [`super::each_backend`].
    #[track_caller]
    pub fn each_backend(test: impl FnMut(Backend)) {
        let _company = company();
        super::try_each_backend(test);
    }
}

#[track_caller]
fn try_each_backend(mut test: impl FnMut(Backend)) {
    struct Named(Backend);

    impl Drop for Named {
        fn drop(&mut self) {
            if thread::panicking() {
                eprintln!("that was with the backend `{}`", self.0);
            }
        }
    }

    for &backend in Backend::available() {
        let _named = Named(backend);
        let circumstances = || format!(" with {backend}");
        watched(circumstances, PATIENCE, || test(backend));
    }
}

static TURN: RwLock<()> = RwLock::new(());

/// Waits until no other test of this process runs: for one that counts handles, chooses their numbers
/// or measures what the process uses.
pub fn turn() -> RwLockWriteGuard<'static, ()> {
    TURN.write().unwrap_or_else(PoisonError::into_inner)
}

/// Waits until no other test of this process has its [`turn`]: for one that minds no others.
pub fn company() -> RwLockReadGuard<'static, ()> {
    TURN.read().unwrap_or_else(PoisonError::into_inner)
}

/// Runs a test and aborts the process, and its children, if it takes longer than this: a lost wake is
/// a failure that can be read, not a hang.
#[track_caller]
pub fn deadline<T>(limit: Duration, test: impl FnOnce() -> T) -> T {
    watched(String::new, limit, test)
}

/// [`deadline`], with a word about the circumstances if it comes to that.
#[track_caller]
pub fn watched<T>(
    circumstances: impl Fn() -> String + Sync,
    limit: Duration,
    test: impl FnOnce() -> T,
) -> T {
    let place = Location::caller();
    let name = thread::current().name().unwrap_or("a test").to_owned();
    let (alive, watch) = channel::<()>();
    thread::scope(|scope| {
        let circumstances = &circumstances;
        scope.spawn(move || {
            if watch.recv_timeout(limit) == Err(RecvTimeoutError::Timeout) {
                // Not eprintln: what the harness has captured is lost when the process aborts.
                let _ = writeln!(
                    io::stderr(),
                    "\n{name}{}: not done after {limit:?}, {place}: was a wake lost?",
                    circumstances()
                );
                kill_children();
                process::abort();
            }
        });
        // The end of the test, and a panic too, drops this: the watch is over at once.
        let _alive = alive;
        test()
    })
}

/// Ends what this process has started and no destructor will end any more. A test that hangs often
/// hangs with its servers, which would serve for ever.
fn kill_children() {
    let us = process::id().to_string();
    let _ = Command::new("pkill").args(["-KILL", "-P", &us]).status();
}

/// Random numbers that can be had again: splitmix64, whose seed is printed when a test panics.
#[derive(Clone, Debug)]
pub struct Random {
    seed: u64,
    state: u64,
}

impl Random {
    /// Numbers that follow from this seed alone.
    pub fn new(seed: u64) -> Self {
        Self { seed, state: seed }
    }

    /// Other numbers at each run, unless `SELIO_SEED` asks for those of a seed.
    pub fn from_environment() -> Self {
        let seed = match env::var("SELIO_SEED") {
            Ok(seed) => seed.parse().expect("SELIO_SEED is a number"),
            Err(_) => SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .expect("it is after 1970")
                .as_micros() as u64,
        };
        Self::new(seed)
    }

    /// What to give as `SELIO_SEED` to see the same numbers again.
    pub fn seed(&self) -> u64 {
        self.seed
    }

    /// The next number.
    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`, which is not zero.
    pub fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

impl Drop for Random {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("to see the same numbers again: SELIO_SEED={}", self.seed);
        }
    }
}

/// How many handles this process has open.
pub fn open_fds() -> usize {
    let listed = fs::read_dir("/dev/fd").expect("/dev/fd lists our handles");
    // One of them reads the list.
    listed.count() - 1
}

/// How much processor time this process has used, in all its threads.
#[cfg(not(target_os = "netbsd"))]
pub fn cpu_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    time.try_into()
        .expect("a process does not use less than no time")
}

/// NetBSD tells, but not through rustix: there, no spin is seen.
#[cfg(target_os = "netbsd")]
pub fn cpu_time() -> Duration {
    Duration::ZERO
}

/// A command that runs one test of this binary in a process of its own, where [`is_child`] holds.
pub fn child(test: &str) -> Command {
    let_children_heed_ctrl_c();
    let mut command = Command::new(env::current_exe().expect("this binary has a path"));
    command.args([test, "--exact", "--nocapture"]);
    command.env("SELIO_TEST_CHILD", "1");
    command
}

/// The same, started as a shell starts what it runs in the background.
pub fn child_that_ignores_ctrl_c(test: &str) -> Command {
    let child = child(test);
    let mut shell = Command::new("sh");
    shell.args(["-c", r#"trap "" INT; exec "$@""#, "sh"]);
    shell.arg(child.get_program()).args(child.get_args());
    shell.env("SELIO_TEST_CHILD", "1");
    shell
}

/// Whether this process was started by a test through [`child`].
pub fn is_child() -> bool {
    env::var_os("SELIO_TEST_CHILD").is_some()
}

/// Gives those that this process starts the default action of Ctrl-C, even if it ignores it.
///
/// A shell makes what it runs in the background ignore Ctrl-C, and who ignores a signal hands that
/// down. A handler is not handed down, exec(2) makes it the default: so we get one, which does
/// nothing.
pub fn let_children_heed_ctrl_c() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        if is_ctrl_c_ignored() {
            flag::register(SIGINT, Arc::default()).expect("SIGINT can be caught");
        }
    });
}

/// Where the system tells it in a file. Elsewhere, run these tests in the foreground.
fn is_ctrl_c_ignored() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.map(|mask| u64::from_str_radix(mask.trim(), 16));
    mask.is_some_and(|mask| mask.expect("it is a mask") & 1 << (SIGINT - 1) != 0)
}
