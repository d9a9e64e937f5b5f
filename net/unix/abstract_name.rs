//! Abstract names, which only Linux has: each question about them has its answer there, and another
//! one elsewhere.

pub(super) use self::system::{from_name, name_of, name_on_wire, wire};

#[cfg(any(target_os = "linux", target_os = "android"))]
mod system {
    use std::io;
    #[cfg(target_os = "android")]
    use std::os::android::net::SocketAddrExt;
    #[cfg(target_os = "linux")]
    use std::os::linux::net::SocketAddrExt;
    use std::os::unix::net::SocketAddr;

    use rustix::net::SocketAddrUnix;

    pub(in super::super) fn from_name(name: &[u8]) -> io::Result<SocketAddr> {
        SocketAddr::from_abstract_name(name).map_err(|_| {
            let problem = format!(
                "the abstract name has {} bytes, and the system takes 107 at most; use a shorter \
                 one",
                name.len()
            );
            io::Error::new(io::ErrorKind::InvalidInput, problem)
        })
    }

    pub(in super::super) fn name_of(addr: &SocketAddr) -> Option<&[u8]> {
        addr.as_abstract_name()
    }

    pub(in super::super) fn wire(name: &[u8]) -> io::Result<SocketAddrUnix> {
        Ok(SocketAddrUnix::new_abstract_name(name)?)
    }

    pub(in super::super) fn name_on_wire(addr: &SocketAddrUnix) -> Option<&[u8]> {
        addr.abstract_name()
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
mod system {
    use std::io;
    use std::os::unix::net::SocketAddr;

    use rustix::net::SocketAddrUnix;

    pub(in super::super) fn from_name(_: &[u8]) -> io::Result<SocketAddr> {
        Err(unsupported())
    }

    pub(in super::super) fn name_of(_: &SocketAddr) -> Option<&[u8]> {
        None
    }

    pub(in super::super) fn wire(_: &[u8]) -> io::Result<SocketAddrUnix> {
        Err(unsupported())
    }

    pub(in super::super) fn name_on_wire(_: &SocketAddrUnix) -> Option<&[u8]> {
        None
    }

    fn unsupported() -> io::Error {
        let problem = "only Linux has abstract names, which begin with a NUL; use a path";
        io::Error::new(io::ErrorKind::Unsupported, problem)
    }
}
