//! The errors of a selector: the call, the descriptor, the cause and the way out.

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;

pub(super) fn registered_already(fd: BorrowedFd<'_>) -> io::Error {
    io::Error::new(
        io::ErrorKind::AlreadyExists,
        format!(
            "Selector::register: fd {} is registered already; modify it, or deregister it before \
             it is closed",
            fd.as_raw_fd()
        ),
    )
}

/// Whether the kernel says that it does not know this descriptor (any more).
pub(super) fn is_stale(error: &io::Error) -> bool {
    is_one_of(error, &[Errno::BADF, Errno::NOENT])
}

pub(super) fn is_one_of(error: &io::Error, errnos: &[Errno]) -> bool {
    errnos
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}

pub(super) fn unknown(call: &str, fd: BorrowedFd<'_>) -> io::Error {
    io::Error::new(
        io::ErrorKind::NotFound,
        format!(
            "{call}: fd {} is not registered; register it first",
            fd.as_raw_fd()
        ),
    )
}

/// The kernel's error, with the call, the descriptor and, where one is known, the way out.
pub(super) fn explain(call: &str, fd: BorrowedFd<'_>, error: &io::Error) -> io::Error {
    let advice = if is_stale(error) {
        "; was it closed while it was registered?"
    } else {
        ""
    };
    io::Error::new(
        error.kind(),
        format!("{call}: fd {}: {error}{advice}", fd.as_raw_fd()),
    )
}
