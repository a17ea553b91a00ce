//! Optimisers, schedules, and the extragradient steps of the SAM family.
//!
//! An optimiser takes an update vector; an extragradient step takes an objective and the closure that computes a
//! model's output, and gives that vector.
//!
//! With the feature `serde` (off by default), what the program's configs name can be read and written: the rules of optimisers, and the choices of a
//! step.

mod blocks;
mod extragradient;
mod optimizer;
mod schedule;
mod shrink_perturb;
mod weight_average;

pub use extragradient::{
    Adaptive, Ascent, Backup, Batch, Direction, Extragradient, Geometry, Outputs, Perturbation, Samples, Scale, Scope,
    SliceIndex, StepOutput, SurrogateGap, UpdateOn, random_direction,
};
pub use lethe_tensor::plan::{StepInputs, UpdateRule};
pub use optimizer::{Adam, AdamW, Descent, Group, Lion, Optimizer, RmsProp, Sgd};
pub use schedule::{Decay, RhoSchedule, Schedule};
pub use shrink_perturb::{ShrinkPerturb, ShrinkScaling};
pub use weight_average::WeightAverage;
