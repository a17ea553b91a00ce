//! Tensors, automatic differentiation, layers, and optimisers of the SAM family, on the CPU and on any GPU.
//!
//! `use lethe::prelude::*;` brings what most programs need. The parts are [`tensor`], [`autograd`], [`nn`] and [`optim`]; [`digits`] is a small
//! data set to try them on.
//!
//! ```
//! use lethe::prelude::*;
//!
//! let tape = Tape::new();
//! let x = tape.leaf(&Tensor::new(&Device::cpu(), [1.0, 2.0, 3.0]));
//! let y = (x.square() * 0.5).sum();
//! println!("{}", tape.backward(&y).of(&x)); // [1., 2., 3.]
//! ```
//!
//! The feature `gpu` (on by default) brings the GPU back end. The feature `program` (on by default too) brings what the `lethe` program is made
//! of: experiment files ([`config`]), data sets ([`data`]), training runs ([`training`], [`run`]), measurements ([`evaluation`], [`analysis`]),
//! and the paper's tables and figures ([`paper`], [`reproduce`]); with the feature `tls` (on by default) it downloads over https. A library that
//! only computes does without them:
//! `lethe = { path = "…/trainer", default-features = false, features = ["gpu"] }`.

pub use lethe_autograd as autograd;
pub use lethe_nn as nn;
pub use lethe_optim as optim;
pub use lethe_tensor as tensor;

pub mod digits;
#[cfg(doctest)]
mod guide;
mod hold_out;
pub mod prelude;

#[cfg(feature = "program")]
pub mod analysis;
#[cfg(feature = "program")]
pub mod bench;
#[cfg(feature = "program")]
mod classes;
#[cfg(feature = "program")]
pub mod cli;
#[cfg(feature = "program")]
pub mod config;
#[cfg(feature = "program")]
pub mod data;
#[cfg(feature = "program")]
pub mod doctor;
#[cfg(all(feature = "program", not(fuzzing)))]
mod download;
#[cfg(all(feature = "program", fuzzing))]
pub mod download; // its archives are fuzzed
#[cfg(feature = "program")]
mod error;
#[cfg(feature = "program")]
pub mod evaluation;
#[cfg(feature = "program")]
pub mod experiment;
#[cfg(feature = "program")]
mod files;
#[cfg(feature = "program")]
mod groups;
#[cfg(feature = "program")]
pub mod miniature;
#[cfg(feature = "program")]
pub mod network;
#[cfg(feature = "program")]
pub mod paper;
#[cfg(feature = "program")]
pub mod plot;
#[cfg(feature = "program")]
mod progress;
#[cfg(feature = "program")]
pub mod report;
#[cfg(feature = "program")]
pub mod reproduce;
#[cfg(feature = "program")]
pub mod run;
#[cfg(feature = "program")]
pub mod shape;
#[cfg(feature = "program")]
mod standing;
#[cfg(feature = "program")]
pub mod stop;
#[cfg(feature = "program")]
mod stopwatch;
#[cfg(feature = "program")]
pub mod sweep;
#[cfg(feature = "program")]
pub mod training;
#[cfg(feature = "program")]
pub mod weights;
#[cfg(feature = "program")]
mod words;

#[cfg(feature = "program")]
pub use classes::Classes;
#[cfg(feature = "program")]
pub use error::Error;
