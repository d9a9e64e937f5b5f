//! Addresses, and the look-up of names off the loop.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6, ToSocketAddrs};
use std::num::IntErrorKind;
use std::panic::Location;

use super::explain::{explain, explain_by};
use crate::reactor::spend;
use crate::threads::{Work, on_thread};

/// What can be connected to, or bound to: the counterpart of [`std::net::ToSocketAddrs`], which
/// blocks while a name is looked up.
///
/// It is implemented for socket addresses and lists of them, for `"host:port"`, and for `(host,
/// port)` where the host is an IP address or a name. Literal addresses are used at once; a name is
/// looked up off the loop, see [`lookup`](super::lookup).
///
/// This trait is sealed: it cannot be implemented elsewhere.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an address",
    label = "an address is `\"host:port\"`, `(\"host\", port)`, or a `SocketAddr`",
    note = "it is one argument, and comes first: `open_connection((host, port))`, `start_server(address, handler)`"
)]
pub trait ToAddrs: sealed::ToTarget {}

impl<T: sealed::ToTarget + ?Sized> ToAddrs for T {}

/// An address, or a name that stands for some.
#[derive(Debug)]
pub enum Target {
    Addrs(Vec<SocketAddr>),
    Name(String, u16),
}

mod sealed {
    use super::{Target, io};

    pub trait ToTarget {
        fn to_target(&self) -> io::Result<Target>;
    }
}

use sealed::ToTarget;

macro_rules! literal {
    ($($address:ty),*) => {$(
        impl ToTarget for $address {
            fn to_target(&self) -> io::Result<Target> {
                Ok(Target::Addrs(self.to_socket_addrs()?.collect()))
            }
        }
    )*};
}

literal!(
    SocketAddr,
    SocketAddrV4,
    SocketAddrV6,
    (IpAddr, u16),
    (Ipv4Addr, u16),
    (Ipv6Addr, u16),
    [SocketAddr]
);

impl ToTarget for Vec<SocketAddr> {
    fn to_target(&self) -> io::Result<Target> {
        Ok(Target::Addrs(self.clone()))
    }
}

impl<const N: usize> ToTarget for [SocketAddr; N] {
    fn to_target(&self) -> io::Result<Target> {
        Ok(Target::Addrs(self.to_vec()))
    }
}

impl ToTarget for (&str, u16) {
    fn to_target(&self) -> io::Result<Target> {
        let (host, port) = *self;
        Ok(match host.parse::<IpAddr>() {
            Ok(ip) => Target::Addrs(vec![(ip, port).into()]),
            Err(_) => Target::Name(host.to_owned(), port),
        })
    }
}

impl ToTarget for (&String, u16) {
    fn to_target(&self) -> io::Result<Target> {
        (self.0.as_str(), self.1).to_target()
    }
}

impl ToTarget for (String, u16) {
    fn to_target(&self) -> io::Result<Target> {
        (&self.0, self.1).to_target()
    }
}

impl ToTarget for str {
    fn to_target(&self) -> io::Result<Target> {
        if let Ok(addr) = self.parse::<SocketAddr>() {
            return Ok(Target::Addrs(vec![addr]));
        }
        let invalid = |hint: &str| {
            let problem = format!("invalid address `{self}`: it should be host:port, {hint}");
            Err(io::Error::new(io::ErrorKind::InvalidInput, problem))
        };
        let example = "as in 127.0.0.1:5566";
        let Some((host, port)) = self.rsplit_once(':') else {
            return invalid(example);
        };
        // What other languages take for every address of this machine, and what begins a URL, would
        // only be asked of a name server.
        match (host, port.parse::<u16>()) {
            ("" | "*", _) => invalid("and to listen on all addresses, 0.0.0.0:port or [::]:port"),
            (_, Ok(port)) if !host.contains('/') => (host, port).to_target(),
            (_, Err(error)) if *error.kind() == IntErrorKind::PosOverflow => {
                invalid("and a port is at most 65535")
            }
            _ => invalid(example),
        }
    }
}

impl ToTarget for String {
    fn to_target(&self) -> io::Result<Target> {
        self.as_str().to_target()
    }
}

impl<T: ToTarget + ?Sized> ToTarget for &T {
    fn to_target(&self) -> io::Result<Target> {
        (**self).to_target()
    }
}

/// Finds the addresses, without blocking the loop.
pub(super) async fn resolve(
    call: &str,
    target: io::Result<Target>,
    site: &'static Location<'static>,
) -> io::Result<Vec<SocketAddr>> {
    let invalid = |error: io::Error| io::Error::new(error.kind(), format!("{call}: {error}"));
    let (host, port) = match target.map_err(invalid)? {
        Target::Addrs(addrs) => {
            // Who tries without a pause until it works must not starve whom it waits for.
            spend().await;
            return Ok(addrs);
        }
        Target::Name(host, port) => (host, port),
    };
    let name = format!("{host}:{port}");
    let look_up = move || (host, port).to_socket_addrs().map(Vec::from_iter);
    let addrs = on_thread(Work::LookUp, call, site, look_up).await;
    let addrs = addrs.map_err(|error| explain(call, &name, error))?;
    addrs.map_err(|error| {
        let fix = "check its spelling, and whether this machine reaches a name server";
        explain_by(format!("{call} {name}: {error}; {fix}"), error)
    })
}

/// Finds the addresses, and tries one after the other until one works.
pub(super) async fn try_each<T, F>(
    call: &str,
    target: io::Result<Target>,
    site: &'static Location<'static>,
    mut attempt: impl FnMut(SocketAddr) -> F,
) -> io::Result<T>
where
    F: Future<Output = io::Result<T>>,
{
    let mut last = no_address(call);
    for addr in resolve(call, target, site).await? {
        match attempt(addr).await {
            Ok(it) => return Ok(it),
            Err(error) => last = explain(call, &addr, error),
        }
    }
    Err(last)
}

pub(super) fn no_address(call: &str) -> io::Error {
    let problem = format!("{call}: there is no address; give at least one");
    io::Error::new(io::ErrorKind::InvalidInput, problem)
}
