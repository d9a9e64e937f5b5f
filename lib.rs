//! tmp
pub mod reactor;
pub use reactor::selector;
