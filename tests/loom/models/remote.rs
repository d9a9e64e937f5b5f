//! M8: the handle of a task on another thread, against the end of the task.

use std::future::pending;

use super::super::executor::{Runtime, yield_now};
use super::{News, in_thread, models, wait_for};

models! {
    /// M8. What must not be:
    ///
    /// ```text
    ///   a thread                  the loop
    ///   join: not there yet
    ///                             settle: nobody waits
    ///   join: wait, for ever
    /// ```
    fn join_returns_when_the_task_has_ended() {
        let runtime = Runtime::new().unwrap();
        let handle = runtime.handle();
        let done = [News::new()];
        runtime.block_on(wait_for(&done, |waker| {
            let ([done], waker) = (done.clone(), waker.clone());
            in_thread(move || {
                assert_eq!(handle.spawn(|| async { 7 }).join().unwrap(), 7);
                done.write();
                waker.wake();
            });
        }));
    }

    /// M8. What must not be:
    ///
    /// ```text
    ///   a thread                        the loop
    ///                                   poll: not cancelled, the future waits
    ///   cancel: no waker to be woken
    ///                                   leave the waker
    ///   join: for ever                  asleep for ever
    /// ```
    fn cancel_ends_a_task_that_waits_for_ever() {
        let runtime = Runtime::new().unwrap();
        let handle = runtime.handle();
        let done = [News::new()];
        runtime.block_on(wait_for(&done, |waker| {
            let ([done], waker) = (done.clone(), waker.clone());
            in_thread(move || {
                let task = handle.spawn(pending::<()>);
                task.cancel();
                assert!(task.join().unwrap_err().is_cancelled());
                done.write();
                waker.wake();
            });
        }));
    }

    /// M8. A task is cancelled as it ends: one of the two is true, and `join` says which. What must
    /// not be:
    ///
    /// ```text
    ///   a thread             the loop
    ///   cancel
    ///                        poll: the future ends, settle: the result
    ///                        drop the promise, settle: cancelled
    ///   join: cancelled, though it has ended
    /// ```
    fn a_task_that_is_cancelled_as_it_ends_has_one_outcome() {
        let runtime = Runtime::new().unwrap();
        let handle = runtime.handle();
        let done = [News::new()];
        runtime.block_on(wait_for(&done, |waker| {
            let ([done], waker) = (done.clone(), waker.clone());
            in_thread(move || {
                let end = News::new();
                let ours = end.clone();
                let task = handle.spawn(move || async move {
                    yield_now().await;
                    ours.write();
                });
                task.cancel();
                let has_ended = task.join().is_ok();
                assert_eq!(has_ended, end.are_there(), "join does not say what happened");
                done.write();
                waker.wake();
            });
        }));
    }

    /// M8. A task of one runtime awaits a task of another. What must not be:
    ///
    /// ```text
    ///   the runtime that awaits      the runtime that works
    ///   poll: not there yet
    ///                                settle: no waker to be woken
    ///   leave the waker
    ///   asleep for ever
    /// ```
    fn an_await_across_two_runtimes_ends() {
        let runtime = Runtime::new().unwrap();
        let handle = runtime.handle();
        let done = [News::new()];
        runtime.block_on(wait_for(&done, |waker| {
            let ([done], waker) = (done.clone(), waker.clone());
            in_thread(move || {
                let other = Runtime::new().unwrap();
                let result = other.block_on(handle.spawn(|| async { 7 }));
                assert_eq!(result.unwrap(), 7);
                done.write();
                waker.wake();
            });
        }));
    }
}
