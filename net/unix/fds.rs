//! What only Unix sockets can: hand over file descriptors, and say who the peer is.

use std::future::{Future, poll_fn};
use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::os::unix::net;
use std::task::Poll;

use rustix::net::{
    self as sys, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags,
    SendAncillaryBuffer, SendAncillaryMessage,
};

use super::UnixStream;
use crate::net::socket::NO_SIGNAL;
use crate::reactor::Direction;

/// How many file descriptors one message carries at most: `SCM_MAX_FD` of Linux.
const MAX_FDS: usize = 253;

/// Hands them on to no child process, from the moment on in which they arrive.
#[cfg(not(any(target_vendor = "apple", target_os = "illumos", target_os = "solaris")))]
const CLOSE_ON_EXEC: RecvFlags = RecvFlags::CMSG_CLOEXEC;
#[cfg(any(target_vendor = "apple", target_os = "illumos", target_os = "solaris"))]
const CLOSE_ON_EXEC: RecvFlags = RecvFlags::empty();

/// What was received together with file descriptors, from [`UnixStream::recv_with_fds`].
#[derive(Debug)]
pub struct ReceivedFds {
    /// How many bytes are in the buffer. 0: the peer will send no more.
    pub length: usize,
    /// The file descriptors that came with those bytes, in their order. They are not handed on to
    /// child processes.
    pub fds: Vec<OwnedFd>,
    /// Whether more were sent: there was no room for them, or this process has too many files open.
    /// They are closed, and lost.
    pub is_truncated: bool,
}

impl UnixStream {
    /// Waits until there is room, and writes as much as fits into it, together with copies of file
    /// descriptors: the peer gets files of its own that are the same. They go with the first byte,
    /// so they are on their way even if this writes fewer bytes than there are; go on with
    /// [`write_all`](Self::write_all) then.
    ///
    /// Whoever is to take them has to ask for them, by [`recv_with_fds`](Self::recv_with_fds): other
    /// ways of reading close them. It is Python's
    /// [`socket.send_fds`](https://docs.python.org/3/library/socket.html#socket.send_fds), and
    /// `SCM_RIGHTS` of [unix(7)](https://man7.org/linux/man-pages/man7/unix.7.html).
    ///
    /// # Errors
    ///
    /// `InvalidInput` if there are file descriptors but no bytes, or more than 253 file descriptors.
    /// `ETOOMANYREFS` if too many of this user are on their way. Those of [`write`](Self::write).
    ///
    /// # Cancel safety
    ///
    /// If it does not return, nothing was written.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::{fs::File, io::Read, os::fd::AsFd};
    /// use selio::net::UnixStream;
    ///
    /// # fn main() -> std::io::Result<()> {
    /// selio::run(async {
    ///     let (here, there) = UnixStream::pair()?;
    ///     let file = File::open("Cargo.toml")?;
    ///     here.send_with_fds(b"read this", &[file.as_fd()]).await?;
    ///
    ///     let mut buffer = [0; 64];
    ///     let mut received = there.recv_with_fds(&mut buffer, 1).await?;
    ///     assert_eq!(&buffer[..received.length], b"read this");
    ///     let mut text = String::new();
    ///     File::from(received.fds.remove(0)).read_to_string(&mut text)?;
    ///     assert!(text.contains("selio"));
    ///     Ok(())
    /// })
    /// # }
    /// ```
    #[track_caller]
    #[doc(alias = "send_fds")]
    #[doc(alias = "SCM_RIGHTS")]
    pub fn send_with_fds(
        &self,
        bytes: &[u8],
        fds: &[BorrowedFd<'_>],
    ) -> impl Future<Output = io::Result<usize>> {
        let mut waiter = self.source.waiter(Direction::Write);
        poll_fn(move |cx| match (bytes, fds) {
            ([], []) => Poll::Ready(Ok(0)),
            ([], _) => Poll::Ready(Err(refused("they go with a byte; write at least one"))),
            _ if fds.len() > MAX_FDS => Poll::Ready(Err(refused(
                "a message carries at most 253 of them; send them with several",
            ))),
            _ => waiter.poll_io(cx, |stream| send(stream, bytes, fds)),
        })
    }

    /// Waits until there are bytes, and reads them, at most as many as the buffer holds, together
    /// with the file descriptors that came with them, at most `limit` of them. It does not read
    /// on beyond bytes that came with others.
    ///
    /// It is Python's
    /// [`socket.recv_fds`](https://docs.python.org/3/library/socket.html#socket.recv_fds).
    ///
    /// # Errors
    ///
    /// Those of [`read`](Self::read).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: bytes and file descriptors that were not returned are there for the next
    /// call.
    #[track_caller]
    #[doc(alias = "recv_fds")]
    pub fn recv_with_fds(
        &self,
        buffer: &mut [u8],
        limit: usize,
    ) -> impl Future<Output = io::Result<ReceivedFds>> {
        let mut waiter = self.source.waiter(Direction::Read);
        poll_fn(move |cx| match buffer {
            [] => Poll::Ready(Ok(ReceivedFds {
                length: 0,
                fds: Vec::new(),
                is_truncated: false,
            })),
            _ => waiter.poll_io(cx, |stream| recv(stream, buffer, limit)),
        })
    }

    /// Who the peer was when the connection was made (`SO_PEERCRED`): Linux and Android only. Others
    /// have `getpeereid`, for which there is no safe way yet.
    ///
    /// # Errors
    ///
    /// The peer is of another PID namespace, as one outside of our container is, and so has no number
    /// that we could know it by.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> std::io::Result<()> {
    /// selio::run(async {
    ///     let (stream, _peer) = selio::net::UnixStream::pair()?;
    ///     let peer = stream.peer_cred()?;
    ///     assert_eq!(peer.pid, std::process::id());
    ///     Ok(())
    /// })
    /// # }
    /// ```
    #[cfg(any(target_os = "linux", target_os = "android"))]
    #[doc(alias = "SO_PEERCRED")]
    pub fn peer_cred(&self) -> io::Result<UCred> {
        // What else getsockopt(2) could fail by does not befall a Unix stream. rustix knows no process 0,
        // and gives an error without a meaning.
        let peer = sys::sockopt::socket_peercred(self).map_err(|_| {
            io::Error::other(
                "UnixStream::peer_cred: the peer has no process id in this PID namespace; run both \
                 in the same one",
            )
        })?;
        Ok(UCred {
            uid: peer.uid.as_raw(),
            gid: peer.gid.as_raw(),
            pid: peer.pid.as_raw_nonzero().get().cast_unsigned(),
        })
    }
}

/// A process, as the kernel knows it: from [`UnixStream::peer_cred`].
#[cfg(any(target_os = "linux", target_os = "android"))]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UCred {
    /// The number of its user.
    pub uid: u32,
    /// The number of its group.
    pub gid: u32,
    /// Its own number. It may have ended by now, and another process may have got that number.
    pub pid: u32,
}

fn send(stream: &net::UnixStream, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> io::Result<usize> {
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(fds.len()))];
    let mut message = SendAncillaryBuffer::new(&mut space);
    // Without any, there is no message to send: the other end would get an empty one.
    let fits = fds.is_empty() || message.push(SendAncillaryMessage::ScmRights(fds));
    debug_assert!(fits, "the space was made for it");
    let sent = sys::sendmsg(stream, &[IoSlice::new(bytes)], &mut message, NO_SIGNAL)?;
    Ok(sent)
}

/// The space for so many file descriptors, behind the credentials of the sender: a socket that was
/// asked for those (`SO_PASSCRED`) gets them first.
#[cfg(any(target_os = "linux", target_os = "android"))]
fn room(fds: usize) -> usize {
    rustix::cmsg_space!(ScmCredentials(1), ScmRights(fds))
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn room(fds: usize) -> usize {
    rustix::cmsg_space!(ScmRights(fds))
}

fn recv(stream: &net::UnixStream, buffer: &mut [u8], limit: usize) -> io::Result<ReceivedFds> {
    let mut space = vec![MaybeUninit::uninit(); room(limit.min(MAX_FDS))];
    let mut messages = RecvAncillaryBuffer::new(&mut space);
    let buffers = &mut [IoSliceMut::new(buffer)];
    let message = sys::recvmsg(stream, buffers, &mut messages, CLOSE_ON_EXEC)?;
    let mut received = ReceivedFds {
        length: message.bytes,
        fds: Vec::new(),
        is_truncated: message.flags.contains(ReturnFlags::CTRUNC),
    };
    for message in messages.drain() {
        if let RecvAncillaryMessage::ScmRights(fds) = message {
            received.fds.extend(fds);
        }
    }
    if CLOSE_ON_EXEC.is_empty() {
        for fd in &received.fds {
            rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::CLOEXEC)?;
        }
    }
    // The space is rounded up, and may have room for more.
    received.is_truncated |= received.fds.len() > limit;
    received.fds.truncate(limit);
    Ok(received)
}

#[cold]
fn refused(problem: &str) -> io::Error {
    let problem = format!("UnixStream::send_with_fds: {problem}");
    io::Error::new(io::ErrorKind::InvalidInput, problem)
}
