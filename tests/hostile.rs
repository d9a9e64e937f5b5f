//! Faults that a hostile reader found: runtimes inside of runtimes, and destructors that do harm.

#![allow(
    clippy::unwrap_used,
    clippy::async_yields_async,
    reason = "a test says what it expects by failing, and hands futures around"
)]

use selio::{Direction, Runtime, Source, spawn};
use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::Duration;

struct OnDrop<F: FnMut()>(F);
impl<F: FnMut()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Ends the process if the test takes longer than this.
struct Watch(#[expect(dead_code, reason = "its end tells that the test is over")] Sender<()>);

fn watchdog(seconds: u64) -> Watch {
    let (alive, over) = channel();
    std::thread::spawn(move || {
        let patience = Duration::from_secs(seconds);
        if over.recv_timeout(patience) == Err(RecvTimeoutError::Timeout) {
            eprintln!("not done after {patience:?}");
            std::process::abort();
        }
    });
    Watch(alive)
}

#[test]
fn a_task_that_owns_its_runtime_may_be_cancelled() {
    let rt = Rc::new(Runtime::new().unwrap());
    let rt2 = Rc::clone(&rt);
    let h = rt.block_on(async move {
        spawn(async move {
            let _rt = rt2;
            pending::<()>().await;
        })
    });
    drop(rt);
    h.cancel();
    assert!(h.is_finished());
    let error = futures_lite::future::block_on(h).unwrap_err();
    assert!(error.is_cancelled(), "{error}");
}

#[test]
fn a_runtime_that_is_entered_from_inside_of_another_loses_no_wake() {
    let _watch = watchdog(30);
    let a = Runtime::new().unwrap();
    let b = Runtime::new().unwrap();
    let slot: Rc<RefCell<Option<selio::JoinHandle<()>>>> = Rc::default();
    let slot2 = Rc::clone(&slot);
    let hb = b.block_on(async move {
        let h = spawn(async move {
            let _g = OnDrop(move || {
                if let Some(h) = slot2.borrow_mut().take() {
                    h.cancel();
                }
            });
            pending::<()>().await;
        });
        selio::yield_now().await;
        h
    });
    a.block_on(async move {
        let (tx, rx) = async_channel::bounded::<()>(1);
        let t = spawn(async move {
            let _g = OnDrop(move || {
                let _ = tx.try_send(());
            });
            pending::<()>().await;
        });
        selio::yield_now().await;
        *slot.borrow_mut() = Some(t);
        spawn(async move { hb.cancel() });
        rx.recv().await.unwrap();
    });
}

#[test]
fn many_who_poll_one_source_do_not_spin() {
    selio::run(async {
        let (a, mut b) = std::os::unix::net::UnixStream::pair().unwrap();
        let a = Rc::new(Source::new(a).unwrap());
        let hs: Vec<_> = (0..33)
            .map(|_| {
                let a = Rc::clone(&a);
                spawn(async move {
                    poll_fn(|cx| {
                        a.poll_io(cx, Direction::Read, |s| {
                            let mut s: &std::os::unix::net::UnixStream = s;
                            let mut b = [0; 1];
                            std::io::Read::read(&mut s, &mut b)
                        })
                    })
                    .await
                    .unwrap()
                })
            })
            .collect();
        selio::sleep(Duration::from_millis(50)).await;
        let before = selio::stats().polls;
        selio::sleep(Duration::from_millis(300)).await;
        let polls = selio::stats().polls - before;
        b.write_all(&[0; 33]).unwrap();
        for h in hs {
            h.await.unwrap();
        }
        assert!(polls < 100, "{polls} polls in 300 idle ms");
    });
}

#[test]
fn bytes_that_are_there_are_read_without_the_runtime() {
    let rt = Runtime::new().unwrap();
    let (stream, mut peer) = rt.block_on(async {
        let l = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut peer = std::net::TcpStream::connect(l.local_addr().unwrap()).unwrap();
        let (s, _) = l.accept().unwrap();
        let s = selio::net::TcpStream::from_std(s).unwrap();
        peer.write_all(b"one").unwrap();
        let mut buf = [0; 16];
        assert_eq!(s.read(&mut buf).await.unwrap(), 3);
        (s, peer)
    });
    drop(rt);
    peer.write_all(b"two").unwrap();
    std::thread::sleep(Duration::from_millis(50));
    let mut buf = [0; 16];
    let r = futures_lite::future::block_on(stream.read(&mut buf));
    assert_eq!(r.unwrap(), 3);
}

#[test]
fn a_refused_future_may_own_a_runtime() {
    let rt = Runtime::new().unwrap();
    let e = catch_unwind(AssertUnwindSafe(|| {
        spawn(async move {
            let _ = &rt;
        });
    }))
    .unwrap_err();
    let m = e
        .downcast_ref::<String>()
        .cloned()
        .or_else(|| e.downcast_ref::<&str>().map(|s| s.to_string()))
        .unwrap();
    assert!(m.contains("selio::spawn"), "{m}");
}

/// A payload whose destructor panics.
struct Bomb;
impl Drop for Bomb {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("bomb")
        }
    }
}
#[test]
fn a_payload_that_panics_harms_no_other_task() {
    let _watch = watchdog(30);
    let n = Rc::new(Cell::new(0));
    let n2 = n.clone();
    let rt = Runtime::new().unwrap();
    let r = catch_unwind(AssertUnwindSafe(|| {
        rt.block_on(async {
            drop(spawn(async { std::panic::panic_any(Bomb) }));
            let n3 = n.clone();
            spawn(async move { n3.set(n3.get() + 1) });
            for _ in 0..5 {
                selio::yield_now().await;
            }
        });
    }));
    eprintln!("block_on: {:?}", r.is_ok());
    rt.block_on(async {
        for _ in 0..5 {
            selio::yield_now().await;
        }
    });
    assert_eq!(n2.get(), 1);
    assert!(r.is_ok());
}

#[test]
#[should_panic(expected = "its task belongs to a runtime that does not run on this thread")]
fn a_handle_that_is_awaited_in_another_runtime_says_so() {
    let _watch = watchdog(30);
    let (here, there) = (Runtime::new().unwrap(), Runtime::new().unwrap());
    let handle = here.block_on(async { spawn(pending::<()>()) });
    let _ = there.block_on(handle);
}

/// Whatever happens in a runtime, an observer that asks who is there finds nothing borrowed.
#[test]
fn an_observer_may_ask_for_the_current_task_the_figures_and_the_dump() {
    struct Asks(Rc<Cell<u32>>);
    impl selio::trace::Observer for Asks {
        fn event(&self, _: &selio::trace::Event<'_>) {
            let _ = (selio::task::current(), selio::task::all_tasks());
            let _ = (selio::stats(), selio::task::dump().to_string());
            self.0.set(self.0.get() + 1);
        }
    }

    let _watch = watchdog(30);
    let asked = Rc::new(Cell::new(0));
    let builder = Runtime::builder().observer(Asks(Rc::clone(&asked)));
    builder.build().unwrap().block_on(async {
        let (a, mut b) = std::os::unix::net::UnixStream::pair().unwrap();
        let a = Source::new(a).unwrap();
        let reader = spawn(async move { a.readable().await });
        let idle = spawn(pending::<()>());
        selio::sleep(Duration::from_millis(1)).await;
        b.write_all(b"!").unwrap();
        reader.await.unwrap().unwrap();
        idle.cancel();
        selio::sleep(Duration::from_millis(1)).await;
    });
    assert!(asked.get() > 10);
}

/// The destructor of a cancelled task runs in the middle of the one that cancels it, but not in its
/// scope.
#[test]
fn the_destructor_of_a_cancelled_task_does_not_see_the_values_of_who_cancels_it() {
    static USER: selio::TaskLocal<&str> = selio::TaskLocal::new();
    let seen = Rc::new(Cell::new(None));
    let sees = Rc::clone(&seen);
    selio::run(async {
        let background = spawn(async move {
            let _end = OnDrop(|| sees.set(Some(USER.get().map(|user| *user))));
            pending::<()>().await;
        });
        selio::yield_now().await;
        let request = USER.scope("ada", async move {
            background.cancel();
            assert_eq!(USER.get().as_deref(), Some(&"ada"));
        });
        request.await;
    });
    assert_eq!(seen.get(), Some(None));
}

/// A comparison that panics loses no item: the end of the queue is reached.
#[test]
fn a_queue_whose_items_cannot_be_compared_can_still_be_ended() {
    #[derive(PartialEq)]
    struct Priority(f64);
    impl Eq for Priority {}
    impl PartialOrd for Priority {
        fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
            Some(self.cmp(other))
        }
    }
    impl Ord for Priority {
        fn cmp(&self, other: &Self) -> std::cmp::Ordering {
            self.0.partial_cmp(&other.0).unwrap()
        }
    }

    let _watch = watchdog(30);
    let queue = Rc::new(selio::sync::PriorityQueue::unbounded());
    queue.put_nowait(Priority(1.0)).unwrap_or_else(|_| panic!());
    let put = catch_unwind(AssertUnwindSafe(|| {
        queue.put_nowait(Priority(f64::NAN)).is_ok()
    }));
    assert!(put.is_err());
    queue.shutdown(false);
    selio::run(async {
        let left = queue.len();
        for _ in 0..left {
            // To take it out compares nothing, or panics once more; it does not wait for ever.
            let _ = catch_unwind(AssertUnwindSafe(|| queue.get_nowait().is_ok()));
        }
        assert!(queue.get().await.is_err());
    });
}

/// A receiver that is always fast enough keeps no sender from letting others run.
#[test]
fn who_sends_datagrams_to_a_path_without_a_pause_lets_others_run() {
    let _watch = watchdog(30);
    let path = std::env::temp_dir().join(format!("selio-hostile-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    selio::run(async {
        let receiver = selio::net::UnixDatagram::bind(&path).unwrap();
        let sender = selio::net::UnixDatagram::unbound().unwrap();
        let others = Rc::new(Cell::new(0));
        let run = Rc::clone(&others);
        let other = spawn(async move {
            loop {
                run.set(run.get() + 1);
                selio::yield_now().await;
            }
        });
        for _ in 0..1000 {
            sender.send_to(b"!", &path).await.unwrap();
            receiver.try_recv(&mut [0; 8]).unwrap();
        }
        assert!(others.get() > 2, "{} polls of the other", others.get());
        other.cancel();
    });
}
