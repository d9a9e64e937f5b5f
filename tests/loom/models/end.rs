//! M5: the end of the runtime, against those who still have a waker or a handle.

use std::future::pending;

use super::super::executor::{Runtime, spawn, yield_now};
use super::{in_thread, models, wait_for};

models! {
    /// M5. The last waker is used and dropped while the runtime ends. A message holds the waker,
    /// which holds the mailbox, which holds the message. What must not be:
    ///
    /// ```text
    ///   a thread             the loop
    ///                        empty the inbox
    ///   wake: post, push
    ///                        close the inbox: the three of them are left for ever
    /// ```
    fn a_wake_at_the_end_of_the_runtime_leaves_nothing_behind() {
        let runtime = Runtime::new().unwrap();
        runtime.block_on(async {
            spawn(async {
                wait_for(&[], |waker| {
                    let waker = waker.clone();
                    in_thread(move || {
                        waker.wake_by_ref();
                        drop(waker);
                    });
                })
                .await;
                pending::<()>().await;
            });
            yield_now().await;
        });
        drop(runtime);
    }

    /// M5. A task is sent to a runtime that ends. What must not be:
    ///
    /// ```text
    ///   a thread             the loop
    ///                        empty the inbox
    ///   spawn: push
    ///                        close the inbox: nobody will tell the thread
    ///   join: for ever
    /// ```
    fn a_spawn_at_the_end_of_the_runtime_is_run_or_cancelled() {
        let runtime = Runtime::new().unwrap();
        let handle = runtime.handle();
        let thread = in_thread(move || match handle.spawn(|| async { 7 }).join() {
            Ok(result) => assert_eq!(result, 7),
            Err(error) => assert!(error.is_cancelled()),
        });
        runtime.block_on(yield_now());
        drop(runtime);
        thread.join().unwrap();
    }
}
