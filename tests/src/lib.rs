//! What crosses packages.

pub mod conformance;
pub mod proof;
