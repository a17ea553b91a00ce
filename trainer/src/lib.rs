//! Training with perturbed forgetting.
//!
//! The way of a batch through this crate: [`config`] says what is trained, [`data`] makes batches on the host, [`experiment`] builds what
//! the config describes, [`training`] makes updates, [`evaluation`] and [`analysis`] measure, and [`run`] keeps what came out. [`paper`]
//! holds the paper's tables, and [`reproduce`] makes them again. [`bench`] measures operations and steps by themselves; [`doctor`] tries
//! whether a device computes right; [`miniature`] makes data to try the pipeline with; [`plot`] draws. [`weights`] come
//! from other runs and from PyTorch, and go there.

pub mod analysis;
pub mod bench;
mod classes;
pub mod cli;
pub mod config;
pub mod data;
pub mod doctor;
mod error;
pub mod evaluation;
pub mod experiment;
mod files;
pub mod miniature;
pub mod paper;
pub mod plot;
mod progress;
pub mod reproduce;
pub mod run;
mod stopwatch;
pub mod training;
pub mod weights;
mod words;

pub use classes::Classes;
pub use error::Error;
