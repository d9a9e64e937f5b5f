//! Addresses of Unix sockets: paths, and the abstract names of Linux.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::SocketAddr;
use std::path::{Path, PathBuf};

use rustix::net::{SocketAddrAny, SocketAddrUnix};

use super::abstract_name;
use crate::net::explain;

/// What a Unix socket can be bound to, or connected to: a path, an abstract name, or an address
/// that came from another socket.
///
/// A path has at most 107 bytes on Linux, and 103 elsewhere. On Linux, a name that begins with a
/// NUL, as in `"\0name"`, is abstract: it is no path, nothing is left of it when the socket is
/// closed, and it may have more NULs in it.
///
/// This trait is sealed: it cannot be implemented elsewhere.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the address of a Unix socket",
    label = "an address is a path, or on Linux an abstract name, `\"\\0name\"`"
)]
pub trait ToUnixAddr: sealed::ToAddress {}

impl<T: sealed::ToAddress + ?Sized> ToUnixAddr for T {}

mod sealed {
    use super::{SocketAddr, io};

    pub trait ToAddress {
        fn to_address(&self) -> io::Result<SocketAddr>;
    }
}

pub(super) use sealed::ToAddress;

macro_rules! path {
    ($($path:ty),*) => {$(
        impl ToAddress for $path {
            fn to_address(&self) -> io::Result<SocketAddr> {
                from_path(self.as_ref())
            }
        }
    )*};
}

path!(str, String, OsStr, OsString, Path, PathBuf);

impl ToAddress for SocketAddr {
    fn to_address(&self) -> io::Result<SocketAddr> {
        if self.is_unnamed() {
            return Err(invalid(
                "the socket that this address is of has no name; bind it to one to reach it",
            ));
        }
        Ok(self.clone())
    }
}

impl<T: ToAddress + ?Sized> ToAddress for &T {
    fn to_address(&self) -> io::Result<SocketAddr> {
        (**self).to_address()
    }
}

fn from_path(path: &Path) -> io::Result<SocketAddr> {
    match path.as_os_str().as_bytes() {
        [] => Err(invalid("the path is empty; give one, as in /tmp/echo.sock")),
        [0, name @ ..] => abstract_name::from_name(name),
        bytes if bytes.contains(&0) => Err(invalid(
            "there is a NUL in the path; only abstract names may have some, and they begin with one",
        )),
        bytes => SocketAddr::from_pathname(path).map_err(|_| {
            let length = bytes.len();
            invalid(&format!(
                "the path has {length} bytes, and the system takes 107 at most, or 103; use a \
                 shorter one, or one that is relative to the current directory"
            ))
        }),
    }
}

/// The address, as the system calls take it.
pub(super) fn wire(addr: &SocketAddr) -> io::Result<SocketAddrUnix> {
    Ok(match (addr.as_pathname(), abstract_name::name_of(addr)) {
        (Some(path), _) => SocketAddrUnix::new(path)?,
        (None, Some(name)) => abstract_name::wire(name)?,
        (None, None) => return Err(io::ErrorKind::InvalidInput.into()),
    })
}

/// The address that a system call gave. One that std cannot hold counts as one without a name.
pub(super) fn from_wire(addr: Option<SocketAddrAny>) -> io::Result<SocketAddr> {
    // Linux lets a path have 108 bytes, and counts the NUL behind it, for which there is no room in
    // its `sockaddr_un`. rustix would look for it.
    let addr = addr.filter(|addr| addr.addr_len() <= 110);
    let addr = addr.map(SocketAddrUnix::try_from).transpose()?;
    let path = addr.as_ref().and_then(SocketAddrUnix::path_bytes);
    match addr.as_ref().and_then(abstract_name::name_on_wire) {
        Some(name) => abstract_name::from_name(name),
        None => SocketAddr::from_pathname(OsStr::from_bytes(path.unwrap_or_default())),
    }
}

/// The error of a call that was about an address, which it names.
pub(super) fn explain(call: &str, addr: &SocketAddr, error: io::Error) -> io::Error {
    let name = match (addr.as_pathname(), abstract_name::name_of(addr)) {
        (Some(path), _) => path.display().to_string(),
        (None, Some(name)) => format!("\\0{}", name.escape_ascii()),
        (None, None) => "without a name".to_owned(),
    };
    explain::explain(call, &name, error)
}

/// The error of a call that was given no address, but something else.
pub(super) fn malformed(call: &str, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("{call}: {error}"))
}

fn invalid(problem: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, problem)
}
