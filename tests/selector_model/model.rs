//! What must be ready, without asking a kernel.

use selio::selector::{Backend, Interest};

/// One end of a channel, which any number of handles may stand for.
#[derive(Debug)]
pub(super) struct End {
    pub(super) kind: Kind,
    /// How many handles of it are open; with the last one it hangs up.
    pub(super) handles: usize,
    /// The bytes on the way to it that it has not read.
    pub(super) unread: usize,
    /// In how many writes they came: each takes room of its own.
    pub(super) writes: usize,
    /// Whether its peer has written until there was no more room, and nothing was read since.
    pub(super) is_full: bool,
    /// Whether it reads the end of the stream after the unread bytes.
    pub(super) is_read_shut: bool,
    /// Whether it may not write any more.
    pub(super) is_write_shut: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Socket,
    PipeReader,
    PipeWriter,
}

/// All channels: the ends 0 and 1 are each other's peers, 2 and 3, and so on.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) ends: Vec<End>,
}

pub(super) fn peer(end: usize) -> usize {
    end ^ 1
}

impl Model {
    /// Adds a channel whose ends have one handle each, and returns the first of them.
    pub(super) fn open(&mut self, kinds: [Kind; 2]) -> usize {
        self.ends.extend(kinds.map(|kind| End {
            kind,
            handles: 1,
            unread: 0,
            writes: 0,
            is_full: false,
            is_read_shut: false,
            is_write_shut: false,
        }));
        self.ends.len() - 2
    }

    pub(super) fn may_write(&self, end: usize) -> bool {
        let this = &self.ends[end];
        this.kind != Kind::PipeReader && !this.is_write_shut && self.is_open(peer(end))
    }

    pub(super) fn wrote(&mut self, end: usize, bytes: usize) {
        let peer = &mut self.ends[peer(end)];
        peer.unread += bytes;
        peer.writes += 1;
    }

    pub(super) fn read(&mut self, end: usize, bytes: usize) {
        let this = &mut self.ends[end];
        this.unread -= bytes;
        if this.unread == 0 {
            this.writes = 0;
            this.is_full = false;
        }
    }

    /// What shutdown(2) does to one end, it does to the other with the directions exchanged.
    pub(super) fn shut(&mut self, end: usize, read: bool, write: bool) {
        self.ends[end].is_read_shut |= read;
        self.ends[end].is_write_shut |= write;
        self.ends[peer(end)].is_read_shut |= write;
        self.ends[peer(end)].is_write_shut |= read;
    }

    pub(super) fn close(&mut self, end: usize) {
        let this = &mut self.ends[end];
        this.handles -= 1;
        if this.handles > 0 {
            return;
        }
        // What was on the way to it is gone, and takes no room any more.
        this.unread = 0;
        this.is_full = false;
        if this.kind == Kind::Socket {
            self.shut(end, true, true);
        }
    }

    /// What a selector must report of a handle of this end, if anything.
    pub(super) fn readiness(
        &self,
        end: usize,
        interest: Interest,
        backend: Backend,
    ) -> (bool, bool) {
        let this = &self.ends[end];
        let is_alone = !self.is_open(peer(end));
        let has_room = !self.ends[peer(end)].is_full;
        let (input, output, hang_up, error) = match this.kind {
            Kind::Socket => (
                this.unread > 0 || this.is_read_shut,
                has_room,
                this.is_read_shut && this.is_write_shut,
                false,
            ),
            Kind::PipeReader => (this.unread > 0, false, is_alone, false),
            Kind::PipeWriter => (false, has_room, false, is_alone),
        };
        // The one declared difference: select(2) does not tell a writer of a hang-up.
        let hang_up_is_room = hang_up && backend != Backend::Select;
        (
            interest.is_readable() && (input || hang_up || error),
            interest.is_writable() && (output || hang_up_is_room || error),
        )
    }

    fn is_open(&self, end: usize) -> bool {
        self.ends[end].handles > 0
    }
}
