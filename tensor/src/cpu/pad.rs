//! Constant padding on the CPU.

use super::regions::{Region, Source, fill};
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
    let value = T::from_f64(p.value);
    let new = |n: usize| Region { len: n * size_of::<T>(), source: Source::Element(bytemuck::bytes_of(&value)) };
    let old = Region { len: p.block * size_of::<T>(), source: Source::Rows(inputs[0].bytes()) };
    fill(&[new(p.before), old, new(p.after)], outputs[0].bytes_mut());
}
