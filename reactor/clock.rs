//! The clock of a reactor: a value handed in, so that a test can have another one than the machine's.

use std::time::Instant;

/// Where a reactor reads the time.
pub(crate) trait Clock {
    fn now(&self) -> Instant;
}

/// The clock of the machine, which never goes backwards.
pub(crate) struct Monotonic;

impl Clock for Monotonic {
    fn now(&self) -> Instant {
        Instant::now()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::future::Future;
    use std::pin::pin;
    use std::rc::Rc;
    use std::task::{Context, Waker};
    use std::time::Duration;

    use super::*;
    use crate::reactor::selector::Selector;
    use crate::reactor::{Reactor, sleep};

    struct ByHand(Rc<Cell<Instant>>);

    impl Clock for ByHand {
        fn now(&self) -> Instant {
            self.0.get()
        }
    }

    #[test]
    fn an_hour_is_over_when_the_clock_says_so() {
        const HOUR: Duration = Duration::from_secs(3600);
        let time = Rc::new(Cell::new(Instant::now()));
        let clock = Box::new(ByHand(Rc::clone(&time)));
        let reactor = Reactor::new(Selector::new().expect("there is one"), clock, None);
        let _entered = reactor.enter();
        let mut hour = pin!(sleep(HOUR));
        let mut look = |after| {
            time.set(time.get() + after);
            let mut cx = Context::from_waker(Waker::noop());
            let was_ready = hour.as_mut().poll(&mut cx).is_ready();
            reactor.poll(Some(Duration::ZERO)).expect("it selects");
            (was_ready, hour.as_mut().poll(&mut cx).is_ready())
        };
        assert_eq!(look(Duration::ZERO), (false, false));
        assert_eq!(look(HOUR - Duration::from_nanos(1)), (false, false));
        assert_eq!(look(Duration::from_nanos(1)), (false, true));
    }
}
