//! What a script has come to, as both ends of its connections tell it, and what must hold then.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::time::{Duration, Instant};

use selio::net::{Listener, Server};
use selio::{sleep, stats, yield_now};

use super::PATIENCE;
use super::common::Random;

/// The byte at a place of what is sent over a connection, in either direction.
fn byte(id: usize, place: usize) -> u8 {
    (place.wrapping_mul(0x9e37_79b1) >> 9) as u8 ^ (id as u8)
}

fn bytes(id: usize, start: usize, length: usize) -> Vec<u8> {
    (start..start + length)
        .map(|place| byte(id, place))
        .collect()
}

/// One direction of a connection, as its two ends tell it.
#[derive(Default)]
pub(super) struct Direction {
    pub(super) written: Cell<usize>,
    /// So much was surely given to the system: with `drain` down to no byte, or at the end.
    pub(super) drained: Cell<usize>,
    pub(super) read: Cell<usize>,
    /// The reader has come to the end of the stream.
    pub(super) is_at_end: Cell<bool>,
}

impl Direction {
    pub(super) fn next(&self, id: usize, length: usize) -> Vec<u8> {
        let start = self.written.get();
        self.written.set(start + length);
        bytes(id, start, length)
    }

    #[track_caller]
    pub(super) fn got(&self, id: usize, got: &[u8]) {
        let start = self.read.get();
        assert!(got == bytes(id, start, got.len()), "other bytes at {start}");
        self.read.set(start + got.len());
    }
}

/// What both ends of a connection know of it.
#[derive(Default)]
pub(super) struct Connection {
    pub(super) to_server: Direction,
    pub(super) to_client: Direction,
    /// Its client, or its handler, has reset it or cut it off; the other end may miss something.
    pub(super) is_cut: Cell<bool>,
    /// The handler has ended by itself, without an error of its own making.
    pub(super) is_served: Cell<bool>,
}

impl Connection {
    /// Nothing was lost on the way to the client, if it has come to the end. `is_aborted`: its handler
    /// may have been cut off.
    pub(super) fn check(&self, is_aborted: bool) {
        let (to_server, to_client) = (&self.to_server, &self.to_client);
        // Bytes that nobody has read turn a close into a reset, which may overtake the last ones.
        let has_unread = to_server.read.get() < to_server.written.get();
        if self.is_cut.get() || has_unread || !to_client.is_at_end.get() {
            return;
        }
        let arrived = to_client.read.get();
        assert!(
            arrived >= to_client.drained.get(),
            "what was drained is lost"
        );
        if self.is_served.get() && !is_aborted {
            assert_eq!(arrived, to_client.written.get(), "what was written is lost");
        }
    }
}

/// A script and what it has come to.
pub(super) struct World<L: Listener> {
    pub(super) server: OnceCell<Server<L>>,
    pub(super) connections: RefCell<Vec<Rc<Connection>>>,
    pub(super) random: RefCell<Random>,
    /// Somebody has called `abort_clients` or `shutdown`: any handler may have been cut off. Or a handler
    /// has left its connection to somebody else.
    pub(super) is_aborted: Cell<bool>,
    /// Somebody has called `close_clients`: handlers may have come to an early end.
    pub(super) are_clients_closed: Cell<bool>,
    /// How many connections were made, and how many of them have come to a handler.
    pub(super) connected: Cell<usize>,
    pub(super) accepted: Cell<usize>,
    pub(super) max_connections: usize,
    /// How many handlers wait for something that never comes, and for the end of the server.
    pub(super) stuck: Cell<usize>,
    pub(super) waiting: Cell<usize>,
    pub(super) panics: Cell<usize>,
    pub(super) told_panics: Cell<usize>,
    pub(super) errors: Cell<usize>,
    pub(super) told_errors: Cell<usize>,
}

impl<L: Listener> World<L> {
    pub(super) fn below(&self, bound: usize) -> usize {
        self.random.borrow_mut().below(bound)
    }

    /// Mostly small, sometimes much.
    pub(super) fn length(&self) -> usize {
        match self.below(12) {
            0 => 1 + self.below(300_000),
            1..=3 => 1 + self.below(20_000),
            4 => 8 * 1024,
            _ => 1 + self.below(200),
        }
    }

    pub(super) async fn pause(&self) {
        for _ in 0..self.below(6) {
            match self.below(3) {
                0 => sleep(Duration::from_micros(self.below(100) as u64)).await,
                _ => yield_now().await,
            }
        }
    }

    pub(super) fn server(&self) -> &Server<L> {
        self.server.get().expect("it was started")
    }

    /// Each handler that is left has a reason to be, and each client in the backlog, too. TCP has
    /// timers of its own, of 200 ms and more, before that is so.
    pub(super) async fn settle(&self, is_over: bool) {
        let start = Instant::now();
        loop {
            quiet().await;
            let (server, stuck) = (self.server(), self.stuck.get());
            let open = server.connections();
            let has_room = server.is_serving() && open < self.max_connections;
            // Who is cut off at once has had no handler that could count.
            let is_accepted =
                !has_room || self.is_aborted.get() || self.accepted.get() >= self.connected.get();
            let waiting = if stuck > 0 { self.waiting.get() } else { 0 };
            if is_accepted && (!is_over || open == stuck + waiting) {
                return;
            }
            let late = start.elapsed() > PATIENCE / 2;
            assert!(
                !late,
                "{open} are open, of which {stuck} stuck, {waiting} wait; accepted: {is_accepted}\n{}",
                selio::task::dump()
            );
        }
    }
}

/// One more, as long as this lives.
pub(super) struct Counted<'a>(&'a Cell<usize>);

impl<'a> Counted<'a> {
    pub(super) fn new(count: &'a Cell<usize>) -> Self {
        count.set(count.get() + 1);
        Self(count)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

/// Waits until nobody has anything to do: until the loop only turns for us.
pub(super) async fn quiet() {
    let mut busy = 0;
    loop {
        let before = stats();
        sleep(Duration::from_millis(1)).await;
        let after = stats();
        // Our own sleep is one turn, or two, and one poll.
        if after.turns - before.turns <= 2 && after.polls - before.polls <= 1 {
            return;
        }
        busy += 1;
        assert!(busy < 3000, "the loop spins: {before:?} {after:?}");
    }
}
