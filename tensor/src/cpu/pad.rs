//! Constant padding on the CPU.

use super::{Input, Output};
use crate::dtype::{DType, Element};
use crate::plan::Pad;

/// Runs the plan.
pub fn run(p: &Pad, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    match p.dtype {
        DType::F32 => pad::<f32>(p, inputs, outputs),
        DType::F64 => pad::<f64>(p, inputs, outputs),
        DType::I32 => pad::<i32>(p, inputs, outputs),
        DType::U32 => pad::<u32>(p, inputs, outputs),
        other => unreachable!("plans of {other} are not built"),
    }
}

fn pad<T: Element>(p: &Pad, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    let (x, out) = (inputs[0].values::<T>(), outputs[0].values::<T>());
    out.fill(T::from_f64(p.value));
    let pitch = p.before + p.block + p.after;
    for o in 0..p.outer {
        out[o * pitch + p.before..][..p.block].copy_from_slice(&x[o * p.block..][..p.block]);
    }
}
