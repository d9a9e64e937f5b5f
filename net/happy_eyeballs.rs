//! Happy Eyeballs: of several addresses, the one that answers first.
//!
//! As [RFC 8305](https://www.rfc-editor.org/rfc/rfc8305) has it, the families take turns, and each
//! attempt has a head start of 250 ms before the next one joins it; one that fails makes way at
//! once. A network whose IPv6 leads nowhere then costs a quarter of a second, and not two minutes.
//!
//! What the RFC says about asking for the addresses of both families at once is not here:
//! getaddrinfo(3) has waited for both when it returns.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use super::addr::no_address;
use super::explain::{explain, explain_by};
use crate::reactor::{Sleep, sleep};

/// The "Connection Attempt Delay" of the RFC.
const HEAD_START: Duration = Duration::from_millis(250);

/// Makes attempts, one after the other, until the first succeeds. The others are dropped then.
pub(super) async fn first_to_answer<T, F>(
    call: &str,
    addrs: Vec<SocketAddr>,
    site: &'static Location<'static>,
    mut attempt: impl FnMut(SocketAddr) -> F,
) -> io::Result<T>
where
    F: Future<Output = io::Result<T>>,
{
    if let [addr] = addrs[..] {
        return (attempt(addr).await).map_err(|error| explain(call, &addr, error));
    }
    let mut untried = interleave(addrs).into_iter();
    let mut attempts: Vec<(SocketAddr, Pin<Box<F>>)> = Vec::new();
    let mut failures = Vec::new();
    let mut head_start: Option<Sleep> = None;
    let mut is_next_due = true;
    poll_fn(move |cx| {
        loop {
            let mut winner = None;
            attempts.retain_mut(|(addr, attempt)| match attempt.as_mut().poll(cx) {
                Poll::Pending => true,
                Poll::Ready(Ok(it)) => {
                    winner.get_or_insert(it);
                    false
                }
                Poll::Ready(Err(error)) => {
                    failures.push((*addr, error));
                    is_next_due = true;
                    false
                }
            });
            if let Some(winner) = winner {
                return Poll::Ready(Ok(winner));
            }
            if !is_next_due && !is_over(&mut head_start, cx) {
                return Poll::Pending;
            }
            match untried.next() {
                Some(addr) => attempts.push((addr, Box::pin(attempt(addr)))),
                None if attempts.is_empty() => {
                    return Poll::Ready(Err(sum_up(call, std::mem::take(&mut failures))));
                }
                None => return Poll::Pending,
            }
            head_start = (untried.len() > 0).then(|| sleep(HEAD_START).made_at(site));
            is_next_due = false;
        }
    })
    .await
}

/// Without a next attempt, there is none to wait for.
fn is_over(head_start: &mut Option<Sleep>, cx: &mut Context<'_>) -> bool {
    match head_start {
        Some(sleep) => Pin::new(sleep).poll(cx).is_ready(),
        None => false,
    }
}

/// Lets IPv6 and IPv4 take turns, beginning with the family of the first address.
fn interleave(addrs: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let total = addrs.len();
    let begins_with_ipv4 = addrs.first().is_some_and(SocketAddr::is_ipv4);
    let (ours, others): (Vec<_>, Vec<_>) =
        (addrs.into_iter()).partition(|addr| addr.is_ipv4() == begins_with_ipv4);
    let (mut ours, mut others) = (ours.into_iter(), others.into_iter());
    let mut mixed = Vec::with_capacity(total);
    while mixed.len() < total {
        mixed.extend(ours.next());
        mixed.extend(others.next());
    }
    mixed
}

/// One error for all that failed. Its message has each of them; otherwise it is the last one that
/// says something about the peer, instead of about the way to it.
fn sum_up(call: &str, mut failures: Vec<(SocketAddr, io::Error)>) -> io::Error {
    use io::ErrorKind::{AddrNotAvailable, HostUnreachable, NetworkUnreachable};
    let leads_nowhere = |error: &io::Error| {
        matches!(
            error.kind(),
            AddrNotAvailable | HostUnreachable | NetworkUnreachable
        )
    };
    if failures.is_empty() {
        return no_address(call);
    }
    let each: Vec<_> = failures
        .iter()
        .map(|(addr, error)| format!("{addr}: {error}"))
        .collect();
    let telling = failures.iter().rposition(|(_, it)| !leads_nowhere(it));
    let (_, source) = failures.swap_remove(telling.unwrap_or(failures.len() - 1));
    explain_by(format!("{call} {}", each.join("; ")), source)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(addrs: &[&str]) -> Vec<String> {
        let addrs = addrs.iter().map(|addr| addr.parse().expect("an address"));
        let mixed = interleave(addrs.collect()).into_iter();
        mixed.map(|addr| addr.to_string()).collect()
    }

    #[test]
    fn the_families_take_turns_beginning_with_that_of_the_first() {
        assert_eq!(
            order(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1"]),
            ["[::1]:1", "1.1.1.1:1", "[::2]:1", "[::3]:1"]
        );
        assert_eq!(
            order(&["1.1.1.1:1", "1.1.1.2:1", "[::1]:1", "[::2]:1", "[::3]:1"]),
            ["1.1.1.1:1", "[::1]:1", "1.1.1.2:1", "[::2]:1", "[::3]:1"]
        );
        assert_eq!(order(&[]), [""; 0]);
    }

    #[test]
    fn the_error_is_the_one_that_tells_most_and_its_message_has_them_all() {
        let failure = |addr: &str, kind: io::ErrorKind| {
            (addr.parse().expect("an address"), io::Error::from(kind))
        };
        use io::ErrorKind::{ConnectionRefused, NetworkUnreachable, TimedOut};
        for (kinds, expected) in [
            ([ConnectionRefused, NetworkUnreachable], ConnectionRefused),
            ([NetworkUnreachable, ConnectionRefused], ConnectionRefused),
            ([ConnectionRefused, TimedOut], TimedOut),
            ([NetworkUnreachable; 2], NetworkUnreachable),
        ] {
            let [one, another] = kinds;
            let error = sum_up(
                "f",
                vec![failure("[::1]:1", one), failure("1.1.1.1:1", another)],
            );
            assert_eq!(error.kind(), expected);
            assert_eq!(
                error.to_string(),
                format!("f [::1]:1: {one}; 1.1.1.1:1: {another}")
            );
        }
    }
}
