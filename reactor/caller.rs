//! For which line of the program somebody waits who cannot know it: what is called through a trait
//! of another crate is not told who calls.
//!
//! Only those who watch ask for it, so nobody else pays for more than two stores.

use std::cell::Cell;
use std::panic::Location;

thread_local! {
    static CALLER: Cell<Option<&'static Location<'static>>> = const { Cell::new(None) };
}

/// Polls on behalf of a call at `site`, if anybody knows that.
pub(crate) fn on_behalf_of<R>(
    site: impl Into<Option<&'static Location<'static>>>,
    poll: impl FnOnce() -> R,
) -> R {
    struct Former(Option<&'static Location<'static>>);

    impl Drop for Former {
        fn drop(&mut self) {
            CALLER.set(self.0);
        }
    }

    let _former = Former(CALLER.replace(site.into()));
    poll()
}

/// The line of the call that is being polled, if anybody has said it.
pub(crate) fn caller() -> Option<&'static Location<'static>> {
    CALLER.get()
}
