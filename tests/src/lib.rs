//! What crosses packages.

pub mod conformance;
