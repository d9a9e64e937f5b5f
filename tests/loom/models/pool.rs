//! M7: the threads of the pool, against the loop that gives them work, and against its end.

use super::super::builder::Builder;
use super::super::executor::{Runtime, spawn, yield_now};
use super::super::threads::to_thread;
use super::{News, models};

fn one_thread() -> Runtime {
    Builder::new().max_threads(1).build().unwrap()
}

models! {
    /// M7. What must not be:
    ///
    /// ```text
    ///   the loop                    a thread
    ///                               work: no job
    ///   submit: nobody to notify
    ///                               wait, for ever
    ///   asleep for ever
    /// ```
    fn a_call_is_not_lost_on_a_thread_that_goes_to_sleep() {
        let runtime = one_thread();
        runtime.block_on(async {
            assert_eq!(to_thread(|| 1).await, 1);
            assert_eq!(to_thread(|| 2).await, 2);
        });
    }

    /// M7. Two calls and one thread: whichever it has not taken yet is taken later.
    fn a_call_that_waits_for_a_thread_is_not_lost() {
        let runtime = one_thread();
        runtime.block_on(async {
            let another = spawn(to_thread(|| 2));
            assert_eq!(to_thread(|| 1).await, 1);
            assert_eq!(another.await.unwrap(), 2);
        });
    }

    /// M7. A call is given up, and then the runtime ends. Whether the call has begun or not, it
    /// leaves nothing behind, and the thread ends. What must not be:
    ///
    /// ```text
    ///   the loop             a thread
    ///                        work: no job, and not closed
    ///   close: notify
    ///                        wait, for ever
    /// ```
    fn a_call_that_is_given_up_leaves_nothing_behind() {
        let runtime = one_thread();
        let called = News::new();
        let ours = called.clone();
        runtime.block_on(async {
            let call = spawn(to_thread(move || ours.write()));
            yield_now().await;
            call.cancel();
        });
        drop(runtime);
    }
}
