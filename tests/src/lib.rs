//! What crosses packages.

pub mod conformance;
pub mod proof;
pub mod pytorch_names;
