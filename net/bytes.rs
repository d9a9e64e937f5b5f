//! What all streams of bytes have in common, whichever system call moves the bytes.

use std::future::poll_fn;
use std::io::{self, IoSlice, IoSliceMut};
use std::ops::Deref;
use std::os::fd::AsFd;
use std::task::{Context, Poll, ready};

use crate::reactor::{Source, Waiter};

/// How many slices one system call takes at most (`IOV_MAX` of Linux and the BSDs).
const MAX_SLICES: usize = 1024;

/// Does it again after a signal.
pub(super) fn retry<R>(mut call: impl FnMut() -> io::Result<R>) -> io::Result<R> {
    // One loop for all calls, instead of one for each: next to a system call it costs nothing.
    again(&mut call)
}

fn again<R>(call: &mut dyn FnMut() -> io::Result<R>) -> io::Result<R> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// Reads or writes once, unless there is nothing to read into, or to write.
pub(super) async fn transfer<T>(
    mut waiter: Waiter<'_, T>,
    is_empty: bool,
    mut op: impl FnMut(&T) -> io::Result<usize>,
) -> io::Result<usize> {
    match is_empty {
        true => Ok(0),
        false => poll_fn(|cx| waiter.poll_io(cx, &mut op)).await,
    }
}

/// Fills the buffer, with as many reads as it takes.
pub(super) async fn read_exact<T>(
    call: &str,
    mut waiter: Waiter<'_, T>,
    buffer: &mut [u8],
    read: impl Fn(&Source<T>, &mut [u8]) -> io::Result<usize>,
) -> io::Result<()> {
    let source = waiter.source();
    let mut filled = 0;
    while filled < buffer.len() {
        let rest = &mut buffer[filled..];
        match poll_fn(|cx| waiter.poll_io(cx, |_| read(source, rest))).await? {
            0 => {
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    format!(
                        "{call}: the peer has sent {filled} of {} bytes, and will send no more",
                        buffer.len()
                    ),
                ));
            }
            n => filled += n,
        }
    }
    Ok(())
}

/// Writes all of the bytes, with as many calls as it takes, and keeps those that are left.
#[inline]
pub(super) fn poll_write_all<T>(
    waiter: &mut Waiter<'_, T>,
    cx: &mut Context<'_>,
    bytes: &mut &[u8],
    write: impl Fn(&T, &[u8]) -> io::Result<usize>,
) -> Poll<io::Result<()>> {
    while !bytes.is_empty() {
        let n = ready!(waiter.poll_io(cx, |io| write(io, bytes)))?;
        *bytes = &bytes[n..];
    }
    Poll::Ready(Ok(()))
}

/// One read(2) from a pipe or a terminal. If it takes less than there is room for, there is no more:
/// the next read need not try before it waits.
pub(super) fn read<T: AsFd>(source: &Source<T>, buffer: &mut [u8]) -> io::Result<usize> {
    let room = buffer.len();
    let n = rustix::io::read(source, buffer)?;
    if 0 < n && n < room {
        source.set_drained();
    }
    Ok(n)
}

/// One [write(2)](https://man7.org/linux/man-pages/man2/write.2.html).
pub(super) fn write(io: &impl AsFd, bytes: &[u8]) -> io::Result<usize> {
    Ok(rustix::io::write(io, bytes)?)
}

/// [readv(2)](https://man7.org/linux/man-pages/man2/readv.2.html), from a pipe or a socket.
pub(super) fn readv(source: impl AsFd, buffers: &mut [IoSliceMut<'_>]) -> io::Result<usize> {
    let start = leading_empty(buffers);
    let end = buffers.len().min(start + MAX_SLICES);
    Ok(rustix::io::readv(source, &mut buffers[start..end])?)
}

/// [writev(2)](https://man7.org/linux/man-pages/man2/writev.2.html), into a pipe.
pub(super) fn writev(source: impl AsFd, slices: &[IoSlice<'_>]) -> io::Result<usize> {
    Ok(rustix::io::writev(source, as_many_as_fit(slices))?)
}

/// The slices that one system call takes.
pub(super) fn as_many_as_fit<'a, 'b>(slices: &'a [IoSlice<'b>]) -> &'a [IoSlice<'b>] {
    let start = leading_empty(slices);
    &slices[start..slices.len().min(start + MAX_SLICES)]
}

/// Whether there is nothing to read into, or to write.
pub(super) fn are_empty(slices: &[impl Deref<Target = [u8]>]) -> bool {
    leading_empty(slices) == slices.len()
}

/// How many slices to leave out: if the limit cut off all but empty ones, the call would return 0.
fn leading_empty(slices: &[impl Deref<Target = [u8]>]) -> usize {
    slices.iter().take_while(|slice| slice.is_empty()).count()
}
