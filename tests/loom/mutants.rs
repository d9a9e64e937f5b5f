//! The executor with one fault each, and the model that must find it: a model that cannot fail
//! proves nothing.

/// One fault.
pub(crate) struct Mutant {
    /// Says what is wrong.
    pub(crate) name: &'static str,
    pub(crate) edits: &'static [Edit],
    /// Which claim is false then.
    pub(crate) model: &'static str,
    /// How loom, or the model, says so.
    pub(crate) panic: &'static str,
}

/// Replaces what stands exactly once in a file of the library.
pub(crate) struct Edit {
    pub(crate) file: &'static str,
    pub(crate) find: &'static str,
    pub(crate) replace: &'static str,
}

const LOST: &str = "deadlock";
const LEFT: &str = "leaked";
const WRONG: &str = "woken by a wake that was meant for another";

const M1: &str = "two_wakes_at_once_are_not_lost_and_bring_their_news";
const M1_NEWS: &str = "a_wake_that_is_not_posted_anew_brings_its_news";
const M1_POLL: &str = "a_wake_during_the_poll_is_not_lost";
const M2: &str = "no_message_lies_there_while_the_loop_sleeps_and_one_notify_ends_a_sleep";
const M2_AWAKE: &str = "a_wake_while_the_loop_is_awake_does_not_notify";
const M2_STAY: &str = "a_loop_that_has_messages_is_not_woken_for_another";
const M3: &str = "a_late_wake_neither_reaches_nor_robs_the_heir_of_the_waker";
const M3_CLONES: &str = "the_last_of_two_clones_does_not_reach_the_heir_either";
const M4: &str = "a_wake_of_a_cancelled_task_does_not_reach_the_heir_of_its_slot";
const M5: &str = "a_wake_at_the_end_of_the_runtime_leaves_nothing_behind";
const M5_SPAWN: &str = "a_spawn_at_the_end_of_the_runtime_is_run_or_cancelled";
const M7: &str = "a_call_is_not_lost_on_a_thread_that_goes_to_sleep";
const M7_BOTH: &str = "a_call_that_waits_for_a_thread_is_not_lost";
const M7_END: &str = "a_call_that_is_given_up_leaves_nothing_behind";
const M8_JOIN: &str = "join_returns_when_the_task_has_ended";
const M8_CANCEL: &str = "cancel_ends_a_task_that_waits_for_ever";
const M8_BOTH: &str = "a_task_that_is_cancelled_as_it_ends_has_one_outcome";
const M8_AWAIT: &str = "an_await_across_two_runtimes_ends";

/// Time passes as soon as a thread waits, since in loom it does not pass at all.
const IDLE_NO_LONGER: Edit = Edit {
    file: "threads/pool.rs",
    find: "let waited = self.has_news.wait_timeout(state, IDLE);
                let (guard, result) = waited.unwrap_or_else(PoisonError::into_inner);
                // News may have come at the same time: the jobs are looked at once more.
                has_idled = result.timed_out();",
    replace: "drop(state);
                let guard = self.lock();
                has_idled = true;",
};

/// Executors that differ and are right as well: the model has to hold. Name, edits, and model.
pub(crate) const VARIANTS: &[(&str, &[Edit], &str)] = &[
    (
        "messages_that_are_left_for_the_next_turn_are_not_lost",
        &[Edit {
            file: "executor/mailbox.rs",
            find: "const MESSAGES: usize = 1024;",
            replace: "const MESSAGES: usize = 1;",
        }],
        M1,
    ),
    (
        "a_call_is_not_lost_on_a_thread_that_has_idled_long_enough",
        &[IDLE_NO_LONGER],
        M7,
    ),
];

pub(crate) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "post_is_relaxed",
        edits: &[Edit {
            file: "executor/inbox.rs",
            find: "!self.0.swap(true, Ordering::AcqRel)",
            replace: "!self.0.swap(true, Ordering::Relaxed)",
        }],
        model: M1,
        panic: LOST,
    },
    // The fence in the next `pop` of the queue would make up for it, so that no model of the whole
    // executor can find it; but nobody has promised us that fence.
    Mutant {
        name: "receive_is_relaxed",
        edits: &[Edit {
            file: "executor/inbox.rs",
            find: "self.0.swap(false, Ordering::AcqRel);",
            replace: "self.0.swap(false, Ordering::Relaxed);",
        }],
        model: M1_NEWS,
        panic: "neither posted nor brought",
    },
    Mutant {
        name: "a_wake_is_received_when_its_task_is_not_queued_only",
        edits: &[Edit {
            file: "executor/mailbox.rs",
            find: "waker.receive();
                    if waker.queue() {",
            replace: "if waker.queue() {
                        waker.receive();",
        }],
        model: M1_POLL,
        panic: LOST,
    },
    Mutant {
        name: "a_wake_is_received_after_the_poll",
        edits: &[
            Edit {
                file: "executor/mailbox.rs",
                find: "                    waker.receive();\n",
                replace: "",
            },
            Edit {
                file: "executor/runtime.rs",
                find: "polls += 1;",
                replace: "self.executor.main.receive(); polls += 1;",
            },
        ],
        model: M1,
        panic: LOST,
    },
    Mutant {
        name: "push_without_a_fence",
        edits: &[Edit {
            file: "executor/inbox.rs",
            find: "fence(Ordering::SeqCst);
        Ok(",
            replace: "Ok(",
        }],
        model: M2,
        panic: LOST,
    },
    Mutant {
        name: "push_with_a_weak_fence",
        edits: &[Edit {
            file: "executor/inbox.rs",
            find: "fence(Ordering::SeqCst);
        Ok(",
            replace: "fence(Ordering::AcqRel);
        Ok(",
        }],
        model: M2,
        panic: LOST,
    },
    Mutant {
        name: "fall_asleep_without_a_fence",
        edits: &[Edit {
            file: "executor/inbox.rs",
            find: "fence(Ordering::SeqCst);
        self.messages.is_empty()",
            replace: "self.messages.is_empty()",
        }],
        model: M2,
        panic: LOST,
    },
    Mutant {
        name: "fall_asleep_with_a_weak_fence",
        edits: &[Edit {
            file: "executor/inbox.rs",
            find: "fence(Ordering::SeqCst);
        self.messages.is_empty()",
            replace: "fence(Ordering::AcqRel);
        self.messages.is_empty()",
        }],
        model: M2,
        panic: LOST,
    },
    Mutant {
        name: "fall_asleep_looks_before_it_says_so",
        edits: &[Edit {
            file: "executor/inbox.rs",
            find: "fence(Ordering::SeqCst);
        self.messages.is_empty()",
            replace: "true",
        }],
        model: M2,
        panic: LOST,
    },
    Mutant {
        name: "fall_asleep_says_so_though_there_are_messages",
        edits: &[Edit {
            file: "executor/inbox.rs",
            find: "if !self.messages.is_empty() {",
            replace: "if false {",
        }],
        model: M2_STAY,
        panic: "asked to wake a loop that does not sleep",
    },
    Mutant {
        name: "the_loop_sleeps_whatever_there_is",
        edits: &[Edit {
            file: "executor/runtime.rs",
            find: "if inbox.fall_asleep() {",
            replace: "if inbox.fall_asleep() || true {",
        }],
        model: M2,
        panic: LOST,
    },
    Mutant {
        name: "everybody_notifies",
        edits: &[Edit {
            file: "executor/inbox.rs",
            find: "self.asleep.load(Ordering::Relaxed) && self.asleep.swap(false, Ordering::Relaxed)",
            replace: "self.asleep.load(Ordering::Relaxed)",
        }],
        model: M2,
        panic: "two notified for one sleep",
    },
    Mutant {
        name: "the_loop_looks_asleep_while_it_runs",
        edits: &[Edit {
            file: "executor/inbox.rs",
            find: "self.asleep.store(false, Ordering::Relaxed);",
            replace: "",
        }],
        model: M2_AWAKE,
        panic: "notified although the loop was awake",
    },
    Mutant {
        name: "a_waker_is_reused_though_others_have_it",
        edits: &[Edit {
            file: "executor/mod.rs",
            find: " == 2",
            replace: " >= 2",
        }],
        model: M3,
        panic: WRONG,
    },
    Mutant {
        name: "a_waker_is_reused_though_one_other_has_it",
        edits: &[Edit {
            file: "executor/mod.rs",
            find: " == 2",
            replace: " <= 3",
        }],
        model: M3_CLONES,
        panic: WRONG,
    },
    // This one shows that the model gets as far as to reuse a waker at all.
    Mutant {
        name: "the_heir_of_a_waker_gets_the_old_key",
        edits: &[Edit {
            file: "executor/waker.rs",
            find: "self.key.store(key.into_u64(), Ordering::Relaxed);",
            replace: "",
        }],
        model: M3,
        panic: LOST,
    },
    Mutant {
        name: "a_slot_has_no_generation",
        edits: &[Edit {
            file: "executor/mod.rs",
            find: "key.is_of(slot.id).then(|| with(slot))",
            replace: "Some(with(slot))",
        }],
        model: M4,
        panic: WRONG,
    },
    Mutant {
        name: "the_inbox_stays_open",
        edits: &[Edit {
            file: "executor/shut_down.rs",
            find: "self.mailbox.inbox.close();",
            replace: "",
        }],
        model: M5,
        panic: LEFT,
    },
    Mutant {
        name: "the_inbox_is_closed_too_late",
        edits: &[Edit {
            file: "executor/shut_down.rs",
            find: "self.mailbox.inbox.close();
        while let Some(message) = self.mailbox.inbox.pop() {
            swallow(|| drop(message));
        }",
            replace: "while let Some(message) = self.mailbox.inbox.pop() {
            swallow(|| drop(message));
        }
        self.mailbox.inbox.close();",
        }],
        model: M5_SPAWN,
        panic: LOST,
    },
    Mutant {
        name: "the_inbox_is_closed_but_not_emptied",
        edits: &[Edit {
            file: "executor/shut_down.rs",
            find: "while let Some(message) = self.mailbox.inbox.pop() {",
            replace: "while let Some(message) = None::<super::mailbox::Message> {",
        }],
        model: M5,
        panic: LEFT,
    },
    Mutant {
        name: "the_end_is_not_told_to_who_joins",
        edits: &[Edit {
            file: "threads/remote.rs",
            find: "self.0.is_done.notify_all();",
            replace: "",
        }],
        model: M8_JOIN,
        panic: LOST,
    },
    Mutant {
        name: "a_cancel_during_the_poll_is_not_seen",
        edits: &[Edit {
            file: "threads/remote.rs",
            find: "if state.is_cancelled {
                drop(state);",
            replace: "if false {
                drop(state);",
        }],
        model: M8_CANCEL,
        panic: LOST,
    },
    Mutant {
        name: "the_waker_of_who_awaits_is_left_without_a_look",
        edits: &[Edit {
            file: "threads/remote.rs",
            find: "if let Some(result) = state.take() {
            return Poll::Ready(result);
        }
        let former",
            replace: "if let Some(result) = state.take() {
            return Poll::Ready(result);
        }
        drop(state);
        let mut state = self.0.lock();
        let former",
        }],
        model: M8_AWAIT,
        panic: LOST,
    },
    Mutant {
        name: "an_outcome_is_overwritten",
        edits: &[Edit {
            file: "threads/remote.rs",
            find: "return; // It is settled: this is the promise going away.",
            replace: "",
        }],
        model: M8_BOTH,
        panic: "join does not say what happened",
    },
    Mutant {
        name: "the_threads_are_not_told_of_a_call",
        edits: &[Edit {
            file: "threads/pool.rs",
            find: "pool.has_news.notify_one();",
            replace: "",
        }],
        model: M7,
        panic: LOST,
    },
    Mutant {
        name: "a_thread_ends_without_a_last_look",
        edits: &[
            IDLE_NO_LONGER,
            Edit {
                file: "threads/pool.rs",
                find: "state = guard;",
                replace: "state = guard; break;",
            },
        ],
        model: M7,
        panic: LOST,
    },
    Mutant {
        name: "a_thread_takes_one_call_only",
        edits: &[Edit {
            file: "threads/pool.rs",
            find: "has_idled = false;
            }",
            replace: "break;
            }",
        }],
        model: M7_BOTH,
        panic: LOST,
    },
    Mutant {
        name: "the_end_is_not_told_to_the_threads",
        edits: &[Edit {
            file: "threads/pool.rs",
            find: "self.has_news.notify_all();",
            replace: "",
        }],
        model: M7_END,
        panic: LOST,
    },
    Mutant {
        name: "the_end_is_told_before_it_is_true",
        edits: &[Edit {
            file: "threads/pool.rs",
            find: "self.lock().is_closed = true;
        self.has_news.notify_all();",
            replace: "self.has_news.notify_all();
        self.lock().is_closed = true;",
        }],
        model: M7_END,
        panic: LOST,
    },
];
