//! What other threads tell an executor: whom to wake, and what to spawn.

use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::inbox::Inbox;
use super::waker::TaskWaker;
use super::{Executor, run_queue};
use crate::reactor::selector::Notifier;

/// How many messages of other threads are taken in at once.
const MESSAGES: usize = 1024;

/// What other threads know of an executor. It may outlive it.
pub(crate) struct Mailbox {
    pub(super) inbox: Inbox<Message>,
    notifier: Notifier,
    /// Whether there is an observer, who is to hear which thread wakes.
    pub(super) is_observed: bool,
    /// How often the notifier had to be used.
    pub(crate) notifies: AtomicU64,
}

/// Makes a future on the thread of the executor, and spawns it.
type Spawn = Box<dyn FnOnce(Rc<Executor>) + Send>;

pub(crate) enum Message {
    /// Whom to wake, and, for an observer, the name of the thread that does.
    Wake(Arc<TaskWaker>, Option<Box<str>>),
    Spawn(Spawn),
}

impl Mailbox {
    pub(super) fn new(notifier: Notifier, is_observed: bool) -> Self {
        Self {
            inbox: Inbox::new(),
            notifier,
            is_observed,
            notifies: AtomicU64::new(0),
        }
    }

    /// Wakes a task from another thread, or from this one while the runtime does not run.
    pub(super) fn wake(&self, waker: Arc<TaskWaker>) {
        let thread = self.is_observed.then(|| {
            let thread = std::thread::current();
            thread.name().unwrap_or("a thread without a name").into()
        });
        self.send(Message::Wake(waker, thread));
    }

    /// Delivers a message, unless the executor is gone: then it is dropped here.
    pub(crate) fn send(&self, message: Message) {
        if let Ok(true) = self.inbox.push(message) {
            self.notifies.fetch_add(1, Ordering::Relaxed);
            self.notifier
                .notify()
                .expect("write(2) to an eventfd or a pipe of ours works");
        }
    }
}

impl Executor {
    /// Takes in what other threads have left in the mailbox.
    pub(super) fn receive(self: &Rc<Self>) {
        // No more than that: a thread that sends without a pause must not keep the tasks waiting.
        for _ in 0..MESSAGES {
            let Some(message) = self.mailbox.inbox.pop() else {
                break;
            };
            match message {
                Message::Wake(waker, thread) => {
                    waker.receive();
                    if waker.queue() {
                        run_queue::push(waker.key());
                        self.tell_foreign_wake(waker.key(), thread);
                    }
                }
                Message::Spawn(spawn) => spawn(Rc::clone(self)),
            }
        }
    }
}
