//! A bounded pool of threads, for calls that block.
//!
//! A thread starts when there is more to do than threads that idle, takes one job after the other,
//! and ends when it has idled for some seconds or its runtime has ended. Nobody waits for it:
//! neither the end of the runtime nor that of the process, so that no call that hangs holds up
//! either. All of it is std's: the crate `blocking` would bring ten others, and selio has room for
//! twelve in all.
//!
//! After fork(2) the child has none of these threads. Its copy of the pool begins anew, with the next
//! call; those that had begun before never return there.

use std::collections::BTreeMap;
use std::io;
use std::panic::{Location, resume_unwind};
use std::process;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::remote::remote;
use crate::executor::{Executor, contain, swallow};
use crate::reactor::OUTSIDE;

/// How long a thread waits for another job.
const IDLE: Duration = Duration::from_secs(5);

/// What a thread is wanted for. Each has a pool of its own: look-ups that wait for a resolver that
/// is down do not keep calls from running, nor do calls that block keep names from being found.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Work {
    Call,
    LookUp,
}

impl Work {
    /// What somebody waits for, in words.
    fn what(self) -> &'static str {
        match self {
            Self::Call => "call on another thread",
            Self::LookUp => "name to be looked up",
        }
    }
}

/// The threads of a runtime.
pub(crate) struct Threads {
    calls: Arc<Pool>,
    look_ups: Arc<Pool>,
}

impl Threads {
    /// `limit`: how many there may be for each kind of work.
    pub(crate) fn new(limit: Option<usize>) -> Self {
        Self {
            calls: Arc::new(Pool::new("selio-thread", limit)),
            look_ups: Arc::new(Pool::new("selio-lookup", limit)),
        }
    }

    fn pool(&self, work: Work) -> &Arc<Pool> {
        match work {
            Work::Call => &self.calls,
            Work::LookUp => &self.look_ups,
        }
    }

    /// How many threads there are.
    pub(crate) fn count(&self) -> usize {
        self.calls.lock().threads + self.look_ups.lock().threads
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.calls.close();
        self.look_ups.close();
    }
}

/// Calls the closure on a thread of the current runtime, and waits for what it returns. A panic of
/// the closure goes on here.
///
/// When this is dropped, a closure that no thread has taken yet is dropped with it; one that runs
/// goes on, and what it returns is dropped on its thread.
///
/// # Errors
///
/// There is no thread, and the system gives us none.
pub(crate) async fn on_thread<T: Send + 'static>(
    work: Work,
    call: &str,
    site: &'static Location<'static>,
    closure: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let threads = Executor::current().and_then(|executor| executor.extensions.get::<Threads>());
    let threads = threads.unwrap_or_else(|| panic!("{call} at {site}: {OUTSIDE}"));
    let pool = Arc::clone(threads.pool(work));
    drop(threads);
    let (promise, handle) = remote(work.what(), site);
    let job = move |pool: &Pool| {
        let result = contain(closure);
        // First this: who gets the result may come back with the next call at once.
        pool.lock().idle += 1;
        promise.settle(result.map_err(Some));
    };
    let _queued = Pool::submit(pool, Box::new(job))?;
    match handle.await {
        Ok(result) => Ok(result),
        Err(error) => resume_unwind(error.into_panic()?),
    }
}

struct Pool {
    /// The name of its threads.
    name: &'static str,
    state: Mutex<State>,
    /// There is a job, or no more will come.
    has_news: Condvar,
}

struct State {
    /// Those that no thread has taken, by their numbers: the oldest has the lowest.
    jobs: BTreeMap<u64, Job>,
    last: u64,
    threads: usize,
    /// How many of them wait for a job, or are about to look for one.
    idle: usize,
    /// How many threads there may be; unknown until the first is wanted.
    limit: Option<usize>,
    is_closed: bool,
    /// The process that the threads are of.
    owner: u32,
}

/// Takes note that the thread is idle again.
type Job = Box<dyn FnOnce(&Pool) + Send>;

impl Pool {
    fn new(name: &'static str, limit: Option<usize>) -> Self {
        Self {
            name,
            state: Mutex::new(State {
                jobs: BTreeMap::new(),
                last: 0,
                threads: 0,
                idle: 0,
                limit,
                is_closed: false,
                owner: process::id(),
            }),
            has_news: Condvar::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Leaves a job for the threads, and starts another one if there are too few.
    fn submit(pool: Arc<Self>, job: Job) -> io::Result<Queued> {
        let mut state = pool.lock();
        if state.owner != process::id() {
            (state.owner, state.threads, state.idle) = (process::id(), 0, 0);
        }
        state.last += 1;
        let number = state.last;
        state.jobs.insert(number, job);
        let limit = *state.limit.get_or_insert_with(usual_limit);
        let is_short = state.jobs.len() > state.idle && state.threads < limit;
        if is_short {
            state.threads += 1;
            state.idle += 1;
        }
        drop(state);
        if is_short {
            Self::start_thread(&pool, number)?;
        } else {
            pool.has_news.notify_one();
        }
        Ok(Queued { pool, number })
    }

    /// Starts the thread that `submit` has counted. If there cannot be one, those that there are
    /// will come to that job too; if there are none, it goes.
    fn start_thread(pool: &Arc<Self>, number: u64) -> io::Result<()> {
        let thread = thread::Builder::new().name(pool.name.to_owned());
        let ours = Arc::clone(pool);
        let Err(error) = thread.spawn(move || ours.work()) else {
            return Ok(());
        };
        let mut state = pool.lock();
        state.threads -= 1;
        state.idle -= 1;
        let is_deserted = state.threads == 0;
        let job = is_deserted.then(|| state.jobs.remove(&number)).flatten();
        drop(state);
        if job.is_none() {
            return Ok(());
        }
        drop(job); // Not while the pool is locked: destructors may call it.
        let problem = format!("cannot start a thread: {error}");
        Err(io::Error::new(error.kind(), problem))
    }

    /// The life of a thread.
    fn work(&self) {
        let mut state = self.lock();
        let mut has_idled = false;
        loop {
            if let Some((_, job)) = state.jobs.pop_first() {
                state.idle -= 1;
                drop(state);
                // A panic of the call is told to whoever awaits it. What may panic still is the
                // destructor of a result that nobody awaits.
                swallow(|| job(self));
                state = self.lock();
                has_idled = false;
            } else if state.is_closed || has_idled {
                break;
            } else {
                let waited = self.has_news.wait_timeout(state, IDLE);
                let (guard, result) = waited.unwrap_or_else(PoisonError::into_inner);
                // News may have come at the same time: the jobs are looked at once more.
                has_idled = result.timed_out();
                state = guard;
            }
        }
        state.idle -= 1;
        state.threads -= 1;
    }

    /// Lets the threads end, as soon as there is nothing left to do.
    fn close(&self) {
        self.lock().is_closed = true;
        self.has_news.notify_all();
    }
}

/// As many as asyncio has: calls that block need more threads than there are processors.
fn usual_limit() -> usize {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    (processors + 4).min(32)
}

/// A job that somebody waits for, and withdraws when this is dropped.
struct Queued {
    pool: Arc<Pool>,
    number: u64,
}

impl Drop for Queued {
    fn drop(&mut self) {
        let job = self.pool.lock().jobs.remove(&self.number);
        drop(job); // Not while the pool is locked: destructors may call it.
    }
}
