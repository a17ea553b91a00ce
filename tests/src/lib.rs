//! What crosses packages.

pub mod conformance;
pub mod document;
pub mod proof;
pub mod pytorch_names;
#[cfg(unix)]
pub mod reliability;
