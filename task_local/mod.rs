//! Values that belong to a task and to those that it spawns: `TaskLocal`.
//!
//! ```text
//!   TaskLocal::scope --> Scope: enter, poll, leave --> the bindings of the thread --> TaskLocal::get
//!                                                          ^
//!   executor: a task inherits them where it is spawned, ---+
//!             and is polled and dropped where they hold
//! ```
//!
//! What a thread-local is for threads: who is served, in which language, under which number in the
//! log, without a parameter through every function in between. It is a `static` and needs no macro.
//! A value holds for a scope and is never changed: a task cannot be surprised by its callees.
//!
//! The one rule: **they hold while something is polled or dropped, and never in between.** So this
//! knows nothing of tasks, and works in any executor; but only ours lets tasks inherit.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::pin::Pin;
use std::ptr;
use std::rc::Rc;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

thread_local! {
    /// Without a destructor, they are there to the very end of the thread. Nothing leaks: there are
    /// none unless a scope runs.
    static BINDINGS: RefCell<ManuallyDrop<Bindings>> =
        const { RefCell::new(ManuallyDrop::new(None)) };
    /// Whether there are any, so that each spawn has one byte to look at.
    static IS_BOUND: Cell<bool> = const { Cell::new(false) };
}

/// A value that a future has, and everything that it awaits or spawns.
///
/// Declare it as a `static`. A task inherits the values that hold where it is
/// [spawned](crate::spawn), shared and not copied; a scope in the task is not seen by its parent.
/// Neither a [`Handle`](crate::Handle) nor [`to_thread`](crate::to_thread()) takes them to another
/// thread. The destructors of a future that was polled see them too.
///
/// asyncio's counterpart is
/// [`contextvars.ContextVar`](https://docs.python.org/3/library/contextvars.html#contextvars.ContextVar),
/// with [`scope`](Self::scope) for `set` and `reset`.
///
/// # Examples
///
/// ```
/// use selio::TaskLocal;
///
/// static USER: TaskLocal<String> = TaskLocal::new();
///
/// async fn log(text: &str) -> String {
///     match USER.get() {
///         Some(user) => format!("{user}: {text}"),
///         None => text.to_owned(),
///     }
/// }
///
/// selio::run(async {
///     let served = USER.scope("ada".to_owned(), async {
///         let inherited = selio::spawn(log("from a task of hers"));
///         assert_eq!(log("hello").await, "ada: hello");
///         inherited.await.unwrap()
///     });
///     assert_eq!(served.await, "ada: from a task of hers");
///     assert_eq!(log("nobody").await, "nobody");
/// });
/// ```
#[doc(alias = "ContextVar")]
#[doc(alias = "contextvars")]
pub struct TaskLocal<T: 'static> {
    /// The address tells one from another. Two statics without a size could have the same.
    _address: u8,
    value: PhantomData<fn() -> T>,
}

impl<T: 'static> TaskLocal<T> {
    /// A task-local without a value.
    #[must_use]
    #[expect(clippy::new_without_default, reason = "it is of use in a static only")]
    pub const fn new() -> Self {
        Self {
            _address: 0,
            value: PhantomData,
        }
    }

    /// The value of the innermost scope that runs now. `None` outside of all.
    #[must_use]
    #[doc(alias = "get_context")]
    pub fn get(&'static self) -> Option<Rc<T>> {
        let bindings = current()?;
        let binding = bindings
            .iter()
            .find(|binding| binding.address == self.address())?;
        // It is a `T`, unless this is a constant that shares its address with another one.
        Rc::clone(&binding.value).downcast().ok()
    }

    /// Runs a future in which this has a value.
    ///
    /// # Cancel safety
    ///
    /// That of `future`.
    pub fn scope<F: Future>(
        &'static self,
        value: T,
        future: F,
    ) -> impl Future<Output = F::Output> + use<F, T> {
        Scope {
            future: Some(future),
            binding: Binding {
                address: self.address(),
                value: Rc::new(value),
            },
            outer: None,
            bindings: None,
        }
    }

    fn address(&'static self) -> usize {
        ptr::from_ref(self).addr()
    }
}

impl<T: 'static> fmt::Debug for TaskLocal<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TaskLocal")
    }
}

/// The values that hold somewhere, if there are any. They are few: there is one for each static.
pub(crate) type Bindings = Option<Rc<Vec<Binding>>>;

#[derive(Clone)]
pub(crate) struct Binding {
    /// Which static it is the value of.
    address: usize,
    value: Rc<dyn Any>,
}

pub(crate) fn current() -> Bindings {
    BINDINGS.with(|bindings| (**bindings.borrow()).clone())
}

/// Whether a task that is spawned here has something to inherit.
#[inline]
pub(crate) fn is_bound() -> bool {
    IS_BOUND.with(Cell::get)
}

/// Lets these values hold until the guard is dropped.
pub(crate) fn enter(bindings: &Bindings) -> Entered {
    Entered(exchange(bindings.clone()))
}

/// Lets no values hold until the guard is dropped, if any do: a future that is cancelled ends in the
/// middle of another task, whose values are not its own.
pub(crate) fn leave() -> Option<Entered> {
    is_bound().then(|| enter(&None))
}

fn exchange(bindings: Bindings) -> Bindings {
    IS_BOUND.with(|is_bound| is_bound.set(bindings.is_some()));
    let former = BINDINGS.with(|place| place.replace(ManuallyDrop::new(bindings)));
    ManuallyDrop::into_inner(former)
}

pub(crate) struct Entered(Bindings);

impl Drop for Entered {
    fn drop(&mut self) {
        drop(exchange(self.0.take()));
    }
}

pin_project! {
    /// The future of [`TaskLocal::scope`].
    struct Scope<F> {
        #[pin]
        future: Option<F>,
        binding: Binding,
        // What holds where it was polled last.
        outer: Bindings,
        // That, and its own. `None`: it was not polled yet.
        bindings: Bindings,
    }

    impl<F> PinnedDrop for Scope<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let was_polled = this.bindings.is_some();
            let _entered = was_polled.then(|| enter(this.bindings));
            this.future.set(None);
        }
    }
}

impl<F: Future> Future for Scope<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let outer = current();
        let place = |bindings: &Bindings| bindings.as_ref().map(Rc::as_ptr);
        if this.bindings.is_none() || place(&outer) != place(this.outer) {
            let mut bindings = outer.as_deref().cloned().unwrap_or_default();
            bindings.retain(|binding| binding.address != this.binding.address);
            bindings.push(this.binding.clone());
            *this.bindings = Some(Rc::new(bindings));
            *this.outer = outer;
        }
        let _entered = enter(this.bindings);
        let future = this.future.as_pin_mut();
        future.expect("it is there until the end").poll(cx)
    }
}
