//! M3 and M4: wakes for tasks that end meanwhile, whose slot and waker go to the next task.

use std::future::{pending, poll_fn};
use std::rc::Rc;
use std::task::{Poll, Waker};

use super::super::executor::{Runtime, spawn, yield_now};
use super::{News, in_thread, models, wait_for, wait_for_nothing_but};

/// A task that wants one wake, and no other.
async fn heir() {
    let news = News::new();
    wait_for_nothing_but(&news, |waker| {
        let (news, waker) = (news.clone(), waker.clone());
        in_thread(move || {
            news.write();
            waker.wake();
        });
    })
    .await;
}

/// An heir whom nobody wakes.
async fn unwoken() {
    wait_for_nothing_but(&News::new(), |_| ()).await;
}

/// The waker of who asks.
async fn waker() -> Waker {
    poll_fn(|cx| Poll::Ready(cx.waker().clone())).await
}

models! {
    /// M3. The first wake ends the task, the second one comes late, before or after the waker was
    /// looked at for the next task. What must not be:
    ///
    /// ```text
    ///   a thread                 the loop
    ///   wake: post, push
    ///                            receive, poll: the task ends
    ///                            retire: nobody else has the waker
    ///                            spawn: the heir gets it
    ///   wake again: post, push
    ///                            receive, poll the heir: a wake of another, or, if
    ///                            `posted` stays, no wake of its own any more
    /// ```
    fn a_late_wake_neither_reaches_nor_robs_the_heir_of_the_waker() {
        let runtime = Runtime::new().unwrap();
        runtime.block_on(async {
            let first = async {
                let news = [News::new()];
                wait_for(&news, |waker| {
                    let ([news], waker) = (news.clone(), waker.clone());
                    in_thread(move || {
                        news.write();
                        waker.wake_by_ref();
                        waker.wake();
                    });
                })
                .await;
            };
            spawn(first).await.unwrap();
            spawn(heir()).await.unwrap();
        });
    }

    /// M3. Two threads have a clone each, and the task ends with the wake of either. What must not
    /// be:
    ///
    /// ```text
    ///   one thread        another thread       the loop
    ///   wake: post
    ///                     wake: posted already
    ///                     drop the waker
    ///                                          poll: the news are there, it ends
    ///                                          retire: nobody else has the waker
    ///                                          spawn: the heir gets it
    ///   push
    ///                                          receive, poll the heir: a wake of another
    /// ```
    fn the_last_of_two_clones_does_not_reach_the_heir_either() {
        let runtime = Runtime::new().unwrap();
        runtime.block_on(async {
            let first = async {
                let news = News::new();
                let mut threads = Vec::new();
                poll_fn(|cx| {
                    while threads.len() < 2 {
                        let (news, waker) = (news.clone(), cx.waker().clone());
                        threads.push(in_thread(move || {
                            news.write();
                            waker.wake();
                        }));
                    }
                    if news.are_there() { Poll::Ready(()) } else { Poll::Pending }
                })
                .await;
                threads
            };
            let threads = spawn(first).await.unwrap();
            spawn(unwoken());
            yield_now().await;
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            // All that they have sent is received together with this.
            let done = News::new();
            wait_for_nothing_but(&done, |main| {
                let (done, main) = (done.clone(), main.clone());
                in_thread(move || {
                    done.write();
                    main.wake();
                });
            })
            .await;
        });
    }

    /// M4. A task is cancelled while it is woken. What must not be:
    ///
    /// ```text
    ///   a thread             the loop
    ///   wake: post, push
    ///                        cancel: the slot is free
    ///                        spawn: the heir gets the slot
    ///                        receive, poll the heir: a wake of another
    /// ```
    fn a_wake_of_a_cancelled_task_does_not_reach_the_heir_of_its_slot() {
        let runtime = Runtime::new().unwrap();
        runtime.block_on(async {
            let alive = Rc::new(());
            let ours = Rc::clone(&alive);
            let done = [News::new()];
            let [their_done] = done.clone();
            let main = waker().await;
            let first = spawn(async move {
                let _ours = ours;
                wait_for(&[], |waker| {
                    let waker = waker.clone();
                    in_thread(move || {
                        waker.wake_by_ref();
                        waker.wake();
                        their_done.write();
                        main.wake();
                    });
                })
                .await;
                pending::<()>().await;
            });
            yield_now().await;
            first.cancel();
            assert_eq!(Rc::strong_count(&alive), 1, "cancelled, but not dropped");
            assert!(first.await.unwrap_err().is_cancelled());
            spawn(unwoken());
            wait_for(&done, |_| ()).await;
        });
    }
}
