//! What the layers above keep with a runtime, one value of each type: the threads that it may use,
//! say, of which the executor knows nothing.

use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc;

#[derive(Default)]
pub(crate) struct Extensions(RefCell<Vec<Rc<dyn Any>>>);

impl Extensions {
    pub(crate) fn insert<T: 'static>(&self, value: Rc<T>) {
        self.0.borrow_mut().push(value);
    }

    pub(crate) fn get<T: 'static>(&self) -> Option<Rc<T>> {
        let all = self.0.borrow();
        all.iter().find_map(|it| Rc::clone(it).downcast().ok())
    }

    /// The runtime has ended.
    pub(super) fn clear(&self) {
        let all = self.0.take();
        drop(all); // Not while they are borrowed: destructors may come back.
    }
}
