//! `lookup`: the addresses that a name stands for.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::panic::Location;

use super::addr::{ToAddrs, resolve};
use crate::reactor::Reactor;

/// Finds the addresses that a name stands for, the best one first, while the other tasks go on.
///
/// A name is looked up by
/// [getaddrinfo(3)](https://man7.org/linux/man-pages/man3/getaddrinfo.3.html) on a thread. Look-ups
/// have threads of their own, as many as [`Builder::max_threads`](crate::Builder::max_threads)
/// says, so that a resolver that does not answer keeps no [`to_thread`](crate::to_thread) from
/// running; nothing waits for them, neither the end of the runtime nor that of the process.
/// Addresses, as in `"127.0.0.1:80"` and `"[::1]:80"`, are not looked up: they come back at once.
///
/// asyncio's counterpart is
/// [`getaddrinfo`](https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.loop.getaddrinfo).
///
/// # Errors
///
/// The address is malformed, the name is unknown, or the system has no thread left to look it up.
///
/// # Panics
///
/// When it is polled outside of a runtime.
///
/// # Cancel safety
///
/// Nothing is left behind. A look-up that has begun goes on, on its thread, until it has its answer
/// or has waited long enough.
///
/// # Examples
///
/// ```
/// # fn main() -> std::io::Result<()> {
/// selio::run(async {
///     for addr in selio::net::lookup("localhost:5566").await? {
///         assert!(addr.ip().is_loopback());
///         assert_eq!(addr.port(), 5566);
///     }
///     Ok(())
/// })
/// # }
/// ```
#[track_caller]
#[doc(alias = "getaddrinfo")]
#[doc(alias = "lookup_host")]
#[doc(alias = "gethostbyname")]
pub fn lookup(addr: impl ToAddrs) -> impl Future<Output = io::Result<Vec<SocketAddr>>> {
    const CALL: &str = "net::lookup";
    let (target, site) = (addr.to_target(), Location::caller());
    async move {
        Reactor::expect_current_at(CALL, site);
        resolve(CALL, target, site).await
    }
}
