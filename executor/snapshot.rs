//! What the executor knows of its tasks at one moment, for those who tell of them: it looks, and
//! changes nothing.

use std::collections::HashSet;
use std::sync::Arc;

use super::key::TaskKey;
use super::slot::{Joiner, Slot};
use super::task_ref::Label;
use super::{Executor, TaskId, run_queue};

/// A task that has not ended, or the future that `block_on` runs.
pub(crate) struct Snapshot {
    /// `None`: the future of `block_on`.
    pub(crate) label: Option<Label>,
    pub(crate) parent: Option<TaskId>,
    pub(crate) polls: Option<u32>,
    pub(crate) is_polled: bool,
    pub(crate) is_queued: bool,
    /// What its waker points to, if it has one that may lie somewhere.
    pub(crate) waker: Option<*const ()>,
    pub(crate) joiner: Option<JoinedBy>,
}

/// Who awaits the end of a task.
pub(crate) enum JoinedBy {
    /// `None`: the future of `block_on`.
    Task(Option<TaskId>),
    /// Whoever is polled with the waker that points there.
    Waker(*const ()),
}

impl Snapshot {
    pub(crate) fn id(&self) -> Option<TaskId> {
        self.label.as_ref().map(|label| label.id)
    }
}

impl Executor {
    /// The future of `block_on`, and then the tasks, in the order in which they were spawned.
    pub(crate) fn snapshot(&self) -> Vec<Snapshot> {
        let polled = self.polled.get().map(|(key, _)| key);
        let mut queued: HashSet<_> = run_queue::keys().into_iter().collect();
        if self.is_main_ready.get() {
            queued.insert(TaskKey::MAIN);
        }
        let tasks = self.tasks.borrow();
        let main = Snapshot {
            label: None,
            parent: None,
            polls: None,
            is_polled: polled == Some(TaskKey::MAIN),
            is_queued: queued.contains(&TaskKey::MAIN),
            waker: Some(Arc::as_ptr(&self.main).cast()),
            joiner: None,
        };
        let alive = tasks.iter().filter(|(_, slot)| !slot.has_ended());
        let of_task = |(place, slot): (usize, &Slot)| {
            let key = TaskKey::new(place as u32, slot.id);
            // A younger task has taken the place of one that has ended.
            let parent = tasks.get(slot.parent as usize).map(|parent| parent.id);
            Snapshot {
                label: Some(slot.label()),
                parent: parent.filter(|parent| *parent < slot.id),
                polls: Some(slot.polls),
                is_polled: polled == Some(key),
                is_queued: queued.contains(&key),
                waker: slot.waker().map(|waker| waker.data()),
                joiner: match &slot.joiner {
                    Joiner::Task(TaskKey::MAIN) => Some(JoinedBy::Task(None)),
                    // Nobody is no task.
                    Joiner::Task(key) => {
                        let joiner = tasks.get(key.slot()).filter(|joiner| key.is_of(joiner.id));
                        joiner.map(|joiner| JoinedBy::Task(Some(joiner.id)))
                    }
                    Joiner::Future(waker) => Some(JoinedBy::Waker(waker.data())),
                },
            }
        };
        let mut all: Vec<_> = [main].into_iter().chain(alive.map(of_task)).collect();
        all.sort_unstable_by_key(Snapshot::id);
        all
    }

    /// Whether nobody but the runtime itself holds a waker of its tasks, nor has any other way into
    /// it: then no other thread will ever wake one. What waits in the reactor has given it a waker, and
    /// is not alone.
    pub(crate) fn is_alone(&self) -> bool {
        // Our own two references to a waker are its typed and its untyped half.
        let tasks = self.tasks.borrow();
        let mut alive = tasks.iter().filter(|(_, slot)| !slot.has_ended());
        let has_all_wakers = Arc::strong_count(&self.main) == 2
            && alive.all(|(_, slot)| {
                let references = slot.task.as_ref().and_then(|it| it.as_ref().references());
                references.is_none_or(|references| references == 2)
            });
        let of_tasks = tasks.iter().filter(|(_, slot)| slot.waker().is_some());
        let spare = self.spare_wakers.take();
        let ours = of_tasks.count() + usize::from(spare.is_some());
        self.spare_wakers.set(spare);
        // One for the executor, one for the future of `block_on`.
        has_all_wakers && Arc::strong_count(&self.mailbox) == 2 + ours
    }
}
