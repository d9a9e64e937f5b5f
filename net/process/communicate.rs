//! A whole conversation with a child: all that it is to read, all that it writes, and its end.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::mem;
use std::panic::Location;
use std::pin::Pin;
use std::process::Output;
use std::task::{Context, Poll, ready};

use futures_io::{AsyncRead, AsyncWrite};

use super::{Child, ChildStdin};
use crate::reactor::on_behalf_of;

/// How much is read at once: what a pipe of Linux holds is four times that.
const CHUNK: usize = 16 * 1024;

/// How far a conversation has got. The child keeps it, so that a future that is dropped loses
/// nothing.
#[derive(Default)]
pub(super) struct Transcript {
    unsent: VecDeque<u8>,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

impl Child {
    /// Writes the input to it and closes its standard input, reads all that it writes to the pipes
    /// that were set up, and waits for its end. All at once, so that no pipe can be full while
    /// everybody waits. `""` is no input.
    ///
    /// If it stops reading, the rest of the input is dropped without an error: that is its good
    /// right. Everything is kept in memory. A process that has handed its standard output on to
    /// another one is waited for until that has closed it too.
    ///
    /// asyncio's counterpart is
    /// [`communicate`](https://docs.python.org/3/library/asyncio-subprocess.html#asyncio.subprocess.Process.communicate).
    ///
    /// # Errors
    ///
    /// `InvalidInput` if there is input and standard input is not piped, or closed already. Those
    /// of reading and writing pipes, and those of [`wait`](Self::wait).
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost: call it again, with no input, or with what is to be written after the first
    /// one. It gives all that the child has written since the first call.
    ///
    /// # Examples
    ///
    /// The pattern of Python's `subprocess` page:
    ///
    /// ```
    /// use std::time::Duration;
    /// use selio::{process::{Command, Stdio}, timeout};
    ///
    /// # fn main() -> std::io::Result<()> {
    /// selio::run(async {
    ///     let mut command = Command::shell("echo working; exec sleep 3600");
    ///     let mut child = command.stdout(Stdio::piped()).spawn()?;
    ///     let output = match timeout(Duration::from_millis(15), child.communicate("")).await {
    ///         Ok(output) => output?,
    ///         Err(_) => {
    ///             child.kill()?;
    ///             child.communicate("").await? // What it has written by then is here.
    ///         }
    ///     };
    ///     assert!(!output.status.success());
    ///     Ok(())
    /// })
    /// # }
    /// ```
    #[track_caller]
    pub fn communicate(
        &mut self,
        input: impl Into<Vec<u8>>,
    ) -> impl Future<Output = io::Result<Output>> {
        self.communicate_at(Location::caller(), input.into())
    }

    /// The same for a call at `site`.
    pub(super) async fn communicate_at(
        &mut self,
        site: &'static Location<'static>,
        input: Vec<u8>,
    ) -> io::Result<Output> {
        if !input.is_empty() && self.stdin.is_none() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "Child::communicate: its standard input is not open; set it to `Stdio::piped()`, and \
                 give the input at the first call",
            ));
        }
        self.transcript.unsent.extend(input);
        poll_fn(|cx| on_behalf_of(site, || self.poll_communicate(cx))).await?;
        let status = self.exited_at(site).await?;
        let Transcript { stdout, stderr, .. } = mem::take(&mut self.transcript);
        Ok(Output {
            status,
            stdout,
            stderr,
        })
    }

    /// Goes on wherever it can.
    fn poll_communicate(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let transcript = &mut self.transcript;
        let fed = poll_feed(&mut self.stdin, &mut transcript.unsent, cx)?;
        let stdout = poll_collect(&mut self.stdout, &mut transcript.stdout, cx)?;
        let stderr = poll_collect(&mut self.stderr, &mut transcript.stderr, cx)?;
        if [fed, stdout, stderr].iter().all(Poll::is_ready) {
            Poll::Ready(Ok(()))
        } else {
            Poll::Pending
        }
    }
}

/// Writes all of it, then closes the pipe.
fn poll_feed(
    pipe: &mut Option<ChildStdin>,
    unsent: &mut VecDeque<u8>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    while let Some(stdin) = pipe {
        let (next, _) = unsent.as_slices();
        if next.is_empty() {
            *pipe = None;
            break;
        }
        match ready!(Pin::new(stdin).poll_write(cx, next)) {
            Ok(n) => drop(unsent.drain(..n)),
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => unsent.clear(),
            Err(error) => return Poll::Ready(Err(error)),
        }
    }
    Poll::Ready(Ok(()))
}

/// Reads all of it, then closes the pipe.
fn poll_collect(
    pipe: &mut Option<impl AsyncRead + Unpin>,
    collected: &mut Vec<u8>,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>> {
    let mut chunk = [0; CHUNK];
    while let Some(reader) = pipe {
        match ready!(Pin::new(reader).poll_read(cx, &mut chunk))? {
            0 => *pipe = None,
            n => collected.extend_from_slice(&chunk[..n]),
        }
    }
    Poll::Ready(Ok(()))
}
