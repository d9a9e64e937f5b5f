//! A handler of streams, and what it leaves behind: bytes that are still to be sent.

use std::future::poll_fn;
use std::rc::Rc;
use std::thread;

use super::transport::Transport;
use super::{StreamReader, StreamWriter};

/// Runs a handler, and then waits until all that it has written is sent, or the connection lost.
///
/// Who drops this wants an end, and not what is pending.
pub(in crate::net) async fn until_sent<R>(
    (reader, writer): (StreamReader, StreamWriter),
    handle_client: impl AsyncFnOnce(StreamReader, StreamWriter) -> R,
) -> R {
    let mut unsent = Unsent {
        transport: Rc::clone(&writer.transport),
        is_over: false,
    };
    let output = handle_client(reader, writer).await;
    // The handler had its chance to hear of an error: by `drain`.
    let _ = poll_fn(|cx| unsent.transport.poll_sent(cx, "StreamWriter")).await;
    unsent.is_over = true;
    output
}

struct Unsent {
    transport: Rc<Transport>,
    is_over: bool,
}

impl Drop for Unsent {
    fn drop(&mut self) {
        // After a panic, what was written is still sent, as after an error.
        if !self.is_over && !thread::panicking() {
            self.transport.abort();
        }
    }
}
