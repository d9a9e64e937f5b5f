//! A path in the file system that was made by binding a socket, and who removes it.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process;

use super::addr::{explain, wire};
use crate::net::explain::explain_by;

/// Removes a path when it is dropped, if it is still the one that we have made.
///
/// It must be dropped before the socket is closed: until then the socket holds the inode, so that no
/// other file can have its number.
#[derive(Debug)]
pub(super) struct BoundPath {
    /// Absolute: the current directory may be another one by then.
    path: PathBuf,
    /// Device and inode.
    identity: (u64, u64),
    /// The process that removes it: no child that was forked, and nobody after it was given away.
    owner: Option<u32>,
}

impl BoundPath {
    /// [bind(2)](https://man7.org/linux/man-pages/man2/bind.2.html), which makes the path. An
    /// abstract name makes none.
    pub(super) fn bind(
        call: &str,
        socket: impl AsFd,
        addr: &SocketAddr,
    ) -> io::Result<Option<Self>> {
        let path = addr.as_pathname().map(std::path::absolute).transpose()?;
        let bind = || Ok(rustix::net::bind(&socket, &wire(addr)?)?);
        bind().map_err(|error| explain(call, addr, explain_in_use(error, addr)))?;
        Ok(path.and_then(|path| {
            Some(Self {
                identity: identity(&path).ok()?, // It may have been removed already.
                path,
                owner: Some(process::id()),
            })
        }))
    }

    /// Leaves the path to others.
    pub(super) fn keep(mut self) {
        self.owner = None;
    }
}

impl Drop for BoundPath {
    fn drop(&mut self) {
        let is_ours = self.owner == Some(process::id())
            && identity(&self.path).is_ok_and(|identity| identity == self.identity);
        if is_ours {
            // There is nobody left to hear of an error.
            let _ = fs::remove_file(&self.path);
        }
    }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    let metadata = fs::symlink_metadata(path)?;
    Ok((metadata.dev(), metadata.ino()))
}

fn explain_in_use(error: io::Error, addr: &SocketAddr) -> io::Error {
    if error.kind() != io::ErrorKind::AddrInUse || addr.as_pathname().is_none() {
        return error;
    }
    let problem = "the path exists already; if nobody listens on it any more, as after a crash, \
                   remove it first, with std::fs::remove_file";
    explain_by(problem.to_owned(), error)
}
