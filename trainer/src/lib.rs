//! Training with perturbed forgetting.
//!
//! The way of a batch through this crate: [`config`] says what is trained, [`data`] makes batches on the host.

pub mod config;
pub mod data;
