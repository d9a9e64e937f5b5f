//! tmp
pub mod selector;
