//! Optimisers, schedules, and the extragradient steps of the SAM family.
//!
//! An optimiser takes an update vector; an extragradient step takes the closure that computes logits and gives that vector.

mod extragradient;
mod optimizer;
mod schedule;

pub use extragradient::{Batch, Extragradient, Perturbation, StepOutput};
pub use optimizer::{AdamW, Group, Optimizer, Sgd};
pub use schedule::{LinearSchedule, RhoSchedule};
