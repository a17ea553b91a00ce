//! Reverse-mode automatic differentiation.
//!
//! A [`Tape`] records what is done with tracked [`Var`]s; a sweep in reverse order turns a cotangent of the last into gradients of the first.
//! Every rule is written in differentiable operations (`ops`, a file per family, each rule beside its formula), so that a sweep that is itself
//! recorded gives second derivatives. Parameters are views of one vector ([`ParamLayout`]), and their gradients land in one of the same layout.

pub mod agreement;
pub mod anomaly;
mod explain;
mod functions;
pub mod gradcheck;
mod gradients;
mod graph;
mod hvp;
mod indexing;
#[cfg(feature = "mutation")]
pub mod mutation;
mod numbers;
mod ops;
mod parameters;
mod params;
mod recompute;
pub mod registry;
mod segment;
mod tape;
mod untracked;
mod var;

pub use explain::{Cut, Unreached};
pub use functions::Functions;
pub use gradients::Gradients;
pub use graph::{Tape, Var};
pub use hvp::{gradient, hessian_vector_product};
pub use ops::norm::BatchNormVars;
pub use parameters::Parameters;
pub use params::{ALIGNMENT, Param, ParamId, ParamLayout, Tags};
pub use recompute::recompute;
pub use tape::Mode;
