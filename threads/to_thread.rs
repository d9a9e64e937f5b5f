//! `to_thread`: calls that block, off the loop.

use std::future::Future;
use std::panic::Location;

use super::pool::{Work, on_thread};

/// Calls a closure on another thread, and waits for what it returns: for what blocks or computes
/// for long, while the other tasks go on.
///
/// The threads are those of the runtime: they start when there is something to do, are used again,
/// and end when they have had nothing to do for five seconds. There are at most as many as the
/// machine has processors and four more, and no more than 32; [`Builder::max_threads`] sets another
/// limit. Further calls wait their turn, so a closure should not wait for another one.
///
/// asyncio's counterpart is
/// [`to_thread`](https://docs.python.org/3/library/asyncio-task.html#asyncio.to_thread). There, the
/// end of `asyncio.run` waits for the threads; here nothing does, neither the end of the runtime
/// nor that of the process. Await what has to be finished.
///
/// # Panics
///
/// When the closure panics: its panic goes on in the task that awaits it. When this is polled
/// outside of a runtime. When there is no thread and the system gives us none.
///
/// # Cancel safety
///
/// A closure that has not begun is never called, and dropped at once. One that has begun goes on to
/// its end; what it returns is dropped on its thread.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// selio::run(async {
///     let manifest = selio::to_thread(|| std::fs::read_to_string("Cargo.toml")).await?;
///     assert!(manifest.contains("name = \"selio\""));
///     Ok(())
/// })
/// # }
/// ```
///
/// [`Builder::max_threads`]: crate::Builder::max_threads
#[track_caller]
#[doc(alias = "run_in_executor")]
#[doc(alias = "spawn_blocking")]
#[doc(alias = "block_in_place")]
#[doc(alias = "unblock")]
pub fn to_thread<F, T>(closure: F) -> impl Future<Output = T>
where
    F: FnOnce() -> T + Send + 'static,
    T: Send + 'static,
{
    const CALL: &str = "selio::to_thread";
    let site = Location::caller();
    async move {
        match on_thread(Work::Call, CALL, site, closure).await {
            Ok(result) => result,
            Err(error) => panic!("{CALL} at {site}: {error}"),
        }
    }
}
