//! `send_file`: from a file into a connection, without a way through this process.

use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use super::bytes::retry;
use super::{TcpStream, UnixStream, socket};
use crate::reactor::{Direction, Waiter};

/// How much one call may send, so that a fast peer does not keep the thread.
#[cfg(any(target_os = "linux", target_os = "android"))]
const CHUNK: usize = 1 << 20;

/// How much is read at once where the system does not do it by itself.
const BUFFER: usize = 64 << 10;

macro_rules! impl_send_file {
    ($($stream:ty),*) => {$(
        impl $stream {
            /// Sends a part of a file, from `offset` on: so many bytes, or all that there are
            /// (`None`). Advances `offset`, and returns how many bytes were sent: fewer if the file
            /// ends before. The file's own position does not count, and stays where it is.
            ///
            /// On Linux, [sendfile(2)](https://man7.org/linux/man-pages/man2/sendfile.2.html)
            /// carries the bytes from the page cache to the connection. For files that it does not
            /// take, and elsewhere, they are read and written. Either way the thread waits for what
            /// has to come from the disk first: for large files on slow disks, read on a thread
            /// (with [`to_thread`](crate::to_thread)) and write here.
            ///
            /// asyncio's counterpart is
            /// [`loop.sendfile`](https://docs.python.org/3/library/asyncio-eventloop.html#asyncio.loop.sendfile).
            ///
            /// # Errors
            ///
            /// Those of [`write`](Self::write) and of reading the file; `ESPIPE` if it is none, but
            /// a pipe, say. When the peer is gone, Linux also raises `SIGPIPE` here, which every
            /// Rust program ignores from its start. One that undoes this, or whose `main` is in
            /// another language, ends by it.
            ///
            /// # Cancel safety
            ///
            /// Nothing is lost: `offset` tells how far it got, also after an error.
            ///
            /// # Examples
            ///
            /// ```
            /// use std::fs::File;
            /// # use selio::net::UnixStream;
            ///
            /// # selio::run(async {
            /// # let (stream, peer) = UnixStream::pair()?;
            /// let file = File::open("Cargo.toml")?;
            /// let mut offset = 0;
            /// let sent = stream.send_file(&file, &mut offset, None).await?;
            /// assert_eq!(sent, file.metadata()?.len());
            /// # Ok::<(), std::io::Error>(())
            /// # }).unwrap();
            /// ```
            #[doc(alias = "sendfile")]
            #[doc(alias = "sock_sendfile")]
            #[track_caller]
            pub fn send_file(
                &self,
                file: impl AsFd,
                offset: &mut u64,
                count: Option<u64>,
            ) -> impl Future<Output = io::Result<u64>> {
                let waiter = self.source.waiter(Direction::Write);
                async move { send_file(waiter, file.as_fd(), offset, count).await }
            }
        }
    )*};
}

impl_send_file!(TcpStream, UnixStream);

async fn send_file<T: AsFd>(
    mut waiter: Waiter<'_, T>,
    file: BorrowedFd<'_>,
    offset: &mut u64,
    count: Option<u64>,
) -> io::Result<u64> {
    let start = *offset;
    let end = count.map_or(u64::MAX, |count| start.saturating_add(count));
    if !send_in_the_kernel(&mut waiter, file, offset, end).await? {
        read_and_write(&mut waiter, file, offset, end).await?;
    }
    Ok(*offset - start)
}

/// How much is left, and may be sent at once.
fn next(offset: u64, end: u64, limit: usize) -> usize {
    usize::try_from(end - offset).map_or(limit, |left| left.min(limit))
}

/// Sends until the end. Returns whether the system can do that.
#[cfg(any(target_os = "linux", target_os = "android"))]
async fn send_in_the_kernel<T: AsFd>(
    waiter: &mut Waiter<'_, T>,
    file: BorrowedFd<'_>,
    offset: &mut u64,
    end: u64,
) -> io::Result<bool> {
    use rustix::io::Errno;
    while *offset < end {
        let mut send = |stream: &T| {
            let count = next(*offset, end, CHUNK);
            // Devices read alike at any position, and some leave it as it is.
            let mut position = *offset;
            match rustix::fs::sendfile(stream, file, Some(&mut position), count) {
                Ok(sent) => {
                    *offset += sent as u64;
                    Ok(Some(sent))
                }
                // EOVERFLOW: beyond the end of any file of this file system.
                Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::OVERFLOW) => Ok(None),
                Err(error) => Err(error.into()),
            }
        };
        match poll_fn(|cx| waiter.poll_io(cx, &mut send)).await? {
            None => return Ok(false),
            Some(0) => break,
            Some(_) => {}
        }
    }
    Ok(true)
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
async fn send_in_the_kernel<T>(
    _: &mut Waiter<'_, T>,
    _: BorrowedFd<'_>,
    _: &mut u64,
    _: u64,
) -> io::Result<bool> {
    Ok(false)
}

async fn read_and_write<T: AsFd>(
    waiter: &mut Waiter<'_, T>,
    file: BorrowedFd<'_>,
    offset: &mut u64,
    end: u64,
) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER];
    while *offset < end {
        let room = next(*offset, end, BUFFER);
        let read = retry(|| Ok(rustix::io::pread(file, &mut buffer[..room], *offset)?))?;
        let mut bytes = &buffer[..read];
        if bytes.is_empty() {
            break;
        }
        while !bytes.is_empty() {
            let mut send = |stream: &T| socket::send(stream, bytes);
            let sent = poll_fn(|cx| waiter.poll_io(cx, &mut send)).await?;
            *offset += sent as u64;
            bytes = &bytes[sent..];
        }
    }
    Ok(())
}
