//! What a handler of streams leaves behind: bytes that are still to be sent.

use std::panic::Location;
use std::rc::Rc;

use super::StreamWriter;
use super::transport::Transport;
use super::waiting::Goal;

/// The bytes that a handler has written, and the socket has not taken when it ends. Who drops this
/// before they are sent wants an end, and not what is kept.
pub(in crate::net) struct Unsent {
    transport: Rc<Transport>,
    is_over: bool,
}

impl Unsent {
    pub(in crate::net) fn of(writer: &StreamWriter) -> Self {
        Self {
            transport: Rc::clone(&writer.transport),
            is_over: false,
        }
    }

    /// Waits until everything is sent, or the connection lost.
    pub(in crate::net) async fn sent(&mut self, site: &'static Location<'static>) {
        // The handler had its chance to hear of an error: by `drain`.
        let _ = self.transport.until(Goal::Sent, site).await;
        self.is_over = true;
    }
}

impl Drop for Unsent {
    fn drop(&mut self) {
        if !self.is_over && self.transport.is_ours() {
            self.transport.abort();
        }
    }
}
