//! M1, M2 and M6: wakes from other threads, against the poll and against the sleep of the loop.

use std::future::poll_fn;
use std::sync::{Arc, Mutex};
use std::task::Poll;

use super::super::executor::inbox::{Inbox, Posted};
use super::super::executor::{Runtime, spawn};
use super::{News, in_thread, models, wait_for};

models! {
    /// M1. The same in the small: no queue, only [`Posted`]. Whoever wakes while a wake is on its
    /// way does not post, and relies on that one.
    fn a_wake_that_is_not_posted_anew_brings_its_news() {
        let posted = Arc::new(Posted::new());
        assert!(posted.post(), "nothing was on its way");
        let news = News::new();
        let (ours, their_news) = (Arc::clone(&posted), news.clone());
        let is_posted = Arc::new(Mutex::new(false));
        let theirs = Arc::clone(&is_posted);
        let thread = in_thread(move || {
            their_news.write();
            *theirs.lock().unwrap() = ours.post();
        });
        posted.receive();
        let is_brought = news.are_there();
        thread.join().unwrap();
        assert!(is_brought || *is_posted.lock().unwrap(), "neither posted nor brought");
    }

    /// M1. One wake carries the news of two threads. What must not be:
    ///
    /// ```text
    ///   one thread           another thread        the loop
    ///   post: first
    ///   push
    ///                                              pop
    ///                        write the news
    ///                        post: not the first
    ///                        (so: no push)
    ///                                              receive
    ///                                              poll: no news, wait
    ///                                              asleep for ever
    /// ```
    fn two_wakes_at_once_are_not_lost_and_bring_their_news() {
        let runtime = Runtime::new().unwrap();
        let news = [News::new(), News::new()];
        runtime.block_on(wait_for(&news, |waker| {
            for news in news.clone() {
                let waker = waker.clone();
                in_thread(move || {
                    news.write();
                    waker.wake_by_ref();
                });
            }
        }));
    }

    /// M1. A task is woken while it is polled. What must not be:
    ///
    /// ```text
    ///   a thread             the loop
    ///   wake: post, push
    ///                        pop, queue the task
    ///                        poll: not all news
    ///   write the news
    ///   wake: posted already
    ///                        receive, too late
    ///                        asleep for ever
    /// ```
    fn a_wake_during_the_poll_is_not_lost() {
        let runtime = Runtime::new().unwrap();
        let task = async {
            let news = [News::new(), News::new(), News::new()];
            wait_for(&news, |waker| {
                let (news, waker) = (news.clone(), waker.clone());
                in_thread(move || {
                    for news in news {
                        news.write();
                        waker.wake_by_ref();
                    }
                });
            })
            .await;
        };
        runtime.block_on(async { spawn(task).await.unwrap() });
    }

    /// M2. Either the loop sees the message before it sleeps, or who leaves it sees that the loop
    /// is asleep. What must not be:
    ///
    /// ```text
    ///   a thread                     the loop
    ///                                asleep = true, still in its store buffer
    ///   push, in its store buffer
    ///   asleep? false: no notify
    ///                                is_empty? true
    ///                                asleep for ever
    /// ```
    ///
    /// And of two that push, one notifies:
    ///
    /// ```text
    ///   one thread       another thread       the loop
    ///                                         asleep = true
    ///   push             push
    ///   asleep? true     asleep? true
    ///   notify           notify, in vain
    /// ```
    fn no_message_lies_there_while_the_loop_sleeps_and_one_notify_ends_a_sleep() {
        let runtime = Runtime::new().unwrap();
        let handle = runtime.handle();
        let news = [News::new(), News::new()];
        let mut threads = Vec::new();
        runtime.block_on(wait_for(&news, |waker| {
            for news in news.clone() {
                let (handle, waker) = (handle.clone(), waker.clone());
                threads.push(in_thread(move || {
                    handle.spawn(move || async move {
                        news.write();
                        waker.wake();
                    });
                }));
            }
        }));
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let stats = runtime.stats();
        assert!(stats.notifies <= stats.selects, "two notified for one sleep: {stats:?}");
    }

    /// M2. Who pushes while the loop runs does not notify. What must not be:
    ///
    /// ```text
    ///   a thread           the loop
    ///   push
    ///                      asleep = true
    ///                      is_empty? false: only look, and go on, still marked as asleep
    ///   push
    ///   asleep? true
    ///   notify, in vain
    /// ```
    fn a_wake_while_the_loop_is_awake_does_not_notify() {
        let runtime = Runtime::new().unwrap();
        let news = [News::new()];
        let mut thread = None;
        runtime.block_on(async {
            wait_for(&news, |waker| {
                let ([news], waker) = (news.clone(), waker.clone());
                thread = Some(in_thread(move || {
                    news.write();
                    waker.wake();
                }));
            })
            .await;
            thread.take().unwrap().join().unwrap();
            let before = runtime.stats().notifies;
            poll_fn(|cx| {
                let waker = cx.waker().clone();
                in_thread(move || waker.wake()).join().unwrap();
                Poll::Ready(())
            })
            .await;
            let after = runtime.stats().notifies;
            assert_eq!(before, after, "notified although the loop was awake");
        });
    }

    /// M2. The same in the small, for a loop that wants to sleep and finds a message: no [`Runtime`],
    /// only its [`Inbox`]. What must not be:
    ///
    /// ```text
    ///   a thread           the loop
    ///                      asleep = true, although there is a message
    ///   push
    ///   asleep? true
    ///   notify, in vain
    ///                      is_empty? false: asleep = false
    /// ```
    fn a_loop_that_has_messages_is_not_woken_for_another() {
        let inbox = Arc::new(Inbox::new());
        assert_eq!(inbox.push(1), Ok(false), "asleep from the beginning");
        let theirs = Arc::clone(&inbox);
        let thread = in_thread(move || {
            assert_eq!(theirs.push(2), Ok(false), "asked to wake a loop that does not sleep");
        });
        assert!(!inbox.fall_asleep(), "asleep in spite of a message");
        inbox.wake_up();
        thread.join().unwrap();
        assert_eq!([inbox.pop(), inbox.pop()], [Some(1), Some(2)]);
    }
}
