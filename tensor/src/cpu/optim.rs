//! Optimiser steps on the CPU.

use super::reference::by_float;
use super::{Input, Output, reference};
use crate::dtype::DType;
use crate::plan::{AdamW, Sgd};

/// Runs the plan.
pub fn adamw(p: &AdamW, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    by_float!(p.dtype, reference::adamw, p, inputs, outputs);
}

/// Runs the plan.
pub fn sgd(p: &Sgd, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    by_float!(p.dtype, reference::sgd, p, inputs, outputs);
}
