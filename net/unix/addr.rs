//! Addresses of Unix sockets: paths, and the abstract names of Linux.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::SocketAddr;
use std::path::{Path, PathBuf};

use crate::net::explain;
use rustix::net::{SocketAddrAny, SocketAddrUnix};

/// What a Unix socket can be bound to, or connected to: a path, an abstract name, or an address
/// that came from another socket.
///
/// A path has at most 107 bytes on Linux, and 103 elsewhere. On Linux, a name that begins with a
/// NUL, as in `"\0name"`, is abstract: it is no path, nothing is left of it when the socket is
/// closed, and it may have more NULs in it.
///
/// This trait is sealed: it cannot be implemented elsewhere.
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
        [0, name @ ..] => from_abstract_name(name),
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

#[cfg(any(target_os = "linux", target_os = "android"))]
fn from_abstract_name(name: &[u8]) -> io::Result<SocketAddr> {
    #[cfg(target_os = "android")]
    use std::os::android::net::SocketAddrExt;
    #[cfg(target_os = "linux")]
    use std::os::linux::net::SocketAddrExt;
    SocketAddr::from_abstract_name(name).map_err(|_| {
        let length = name.len();
        invalid(&format!(
            "the abstract name has {length} bytes, and the system takes 107 at most; use a shorter \
             one"
        ))
    })
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn from_abstract_name(_: &[u8]) -> io::Result<SocketAddr> {
    Err(io::Error::new(
        io::ErrorKind::Unsupported,
        "only Linux has abstract names, which begin with a NUL; use a path",
    ))
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn abstract_name(addr: &SocketAddr) -> Option<&[u8]> {
    #[cfg(target_os = "android")]
    use std::os::android::net::SocketAddrExt;
    #[cfg(target_os = "linux")]
    use std::os::linux::net::SocketAddrExt;
    addr.as_abstract_name()
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn abstract_name(_: &SocketAddr) -> Option<&[u8]> {
    None
}

/// The address, as the system calls take it.
pub(super) fn wire(addr: &SocketAddr) -> io::Result<SocketAddrUnix> {
    Ok(match (addr.as_pathname(), abstract_name(addr)) {
        (Some(path), _) => SocketAddrUnix::new(path)?,
        (None, Some(name)) => abstract_address(name)?,
        (None, None) => return Err(io::ErrorKind::InvalidInput.into()),
    })
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn abstract_address(name: &[u8]) -> rustix::io::Result<SocketAddrUnix> {
    SocketAddrUnix::new_abstract_name(name)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn abstract_address(_: &[u8]) -> rustix::io::Result<SocketAddrUnix> {
    Err(rustix::io::Errno::AFNOSUPPORT)
}

/// The address that a system call gave. One that std cannot hold counts as one without a name.
pub(super) fn from_wire(addr: Option<SocketAddrAny>) -> io::Result<SocketAddr> {
    // Linux lets a path have 108 bytes, and counts the NUL behind it, for which there is no room in
    // its `sockaddr_un`. rustix would look for it.
    let addr = addr.filter(|addr| addr.addr_len() <= 110);
    let addr = addr.map(SocketAddrUnix::try_from).transpose()?;
    let path = addr.as_ref().and_then(SocketAddrUnix::path_bytes);
    match addr.as_ref().and_then(|addr| abstract_name_of(addr)) {
        Some(name) => from_abstract_name(name),
        None => SocketAddr::from_pathname(OsStr::from_bytes(path.unwrap_or_default())),
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn abstract_name_of(addr: &SocketAddrUnix) -> Option<&[u8]> {
    addr.abstract_name()
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn abstract_name_of(_: &SocketAddrUnix) -> Option<&[u8]> {
    None
}

/// The error of a call that was about an address, which it names.
pub(super) fn explain(call: &str, addr: &SocketAddr, error: io::Error) -> io::Error {
    let name = match (addr.as_pathname(), abstract_name(addr)) {
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
