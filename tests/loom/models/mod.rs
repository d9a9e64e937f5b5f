//! The claims. Each model is run in every order that its threads can meet in, by the public calls
//! of the executor, as a program makes them.
//!
//! Two ways to fail are the same for all: a wake that is lost leaves the loop asleep for ever, which
//! loom calls a deadlock; and an `Arc` that is left over, as in a cycle, is a leak.

mod end;
mod pool;
mod remote;
mod reuse;
mod wake;

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use loom::model::Builder;

pub(crate) use self::end::*;
pub(crate) use self::pool::*;
pub(crate) use self::remote::*;
pub(crate) use self::reuse::*;
pub(crate) use self::wake::*;

/// What a thread has to say. It is relaxed: only the wake can bring it over in time.
#[derive(Clone)]
struct News(Arc<loom::sync::atomic::AtomicBool>);

impl News {
    fn new() -> Self {
        Self(Arc::new(loom::sync::atomic::AtomicBool::new(false)))
    }

    fn write(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn are_there(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Gives the waker away in the first poll, and waits until the news are there.
async fn wait_for(news: &[News], give: impl FnOnce(&Waker)) {
    let mut give = Some(give);
    poll_fn(|cx| {
        if let Some(give) = give.take() {
            give(cx.waker());
        }
        match news.iter().all(News::are_there) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        }
    })
    .await;
}

/// Lets another thread meet the loop.
fn in_thread(body: impl FnOnce() + Send + 'static) -> loom::thread::JoinHandle<()> {
    loom::thread::spawn(body)
}

/// Gives the waker away in the first poll, and must not be polled again before the news are there.
async fn wait_for_nothing_but(news: &News, give: impl FnOnce(&Waker)) {
    let mut give = Some(give);
    poll_fn(|cx: &mut Context<'_>| match give.take() {
        Some(give) => {
            give(cx.waker());
            Poll::Pending
        }
        None => {
            assert!(
                news.are_there(),
                "woken by a wake that was meant for another"
            );
            Poll::Ready(())
        }
    })
    .await;
}

/// Tries all orders with up to 3 preemptions, or `LOOM_MAX_PREEMPTIONS`, and says how many they are.
fn check(claim: &str, model: fn()) {
    let start = Instant::now();
    let orders = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&orders);
    let counted = move || {
        count.fetch_add(1, Ordering::Relaxed);
        model();
    };
    if std::env::var_os("LOOM_LOG").is_some() {
        loom::model(counted); // It alone sets up the log.
    } else {
        let mut builder = Builder::new();
        builder.preemption_bound.get_or_insert(3);
        builder.check(counted);
    }
    let orders = orders.load(Ordering::Relaxed);
    println!("{claim}: {orders} orders, {:.1?}", start.elapsed());
}

/// Defines models whose names are claims.
macro_rules! models {
    ($($(#[$doc:meta])* fn $claim:ident() $body:block)*) => {$(
        $(#[$doc])*
        pub(crate) fn $claim() {
            super::check(stringify!($claim), || $body);
        }
    )*};
}

use models;
