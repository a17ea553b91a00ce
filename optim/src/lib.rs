//! Optimisers, schedules, and the extragradient steps of the SAM family.
//!
//! An optimiser takes an update vector; an extragradient step takes the closure that computes logits and gives that vector.

mod blocks;
mod extragradient;
mod optimizer;
mod schedule;
mod shrink_perturb;

pub use extragradient::{
    Adaptive, Ascent, Backup, Batch, Direction, Extragradient, Geometry, Logits, Perturbation, Place, Samples, Scale,
    Scope, StepOutput, SurrogateGap, UpdateOn, random_direction,
};
pub use optimizer::{AdamW, Group, Optimizer, Sgd};
pub use schedule::{LinearSchedule, RhoSchedule};
pub use shrink_perturb::{ShrinkPerturb, ShrinkScaling};
