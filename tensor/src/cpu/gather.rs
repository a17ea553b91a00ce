//! Gathering and scattering by index on the CPU.

use super::reference::{by_float, is_wide};
use super::{Input, Output, reference};
use crate::dtype::DType;
use crate::plan::{Gather, ScatterAdd};

/// Runs the plan.
pub fn run(p: &Gather, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    match p.dtype {
        DType::I32 => reference::gather::<i32>(p, inputs, outputs),
        DType::U32 => reference::gather::<u32>(p, inputs, outputs),
        d if is_wide(d) => reference::gather::<f64>(p, inputs, outputs),
        _ => reference::gather::<f32>(p, inputs, outputs),
    }
}

/// Runs the plan.
pub fn scatter_add(p: &ScatterAdd, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    by_float!(p.dtype, reference::scatter_add, p, inputs, outputs);
}
