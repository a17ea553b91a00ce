//! Conversions between element types, and additions to what is there.

#![allow(unsafe_code)]

use crate::cpu::strided::{Strided, gather};
use crate::cpu::tasks::by_blocks;
use crate::cpu::threads::Parts;
use crate::cpu::{Input, Output};
use crate::dtype::{DType, Element, Float};
use crate::plan::Copy;
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use std::ops::Range;

/// Elements that are worth a task.
const TASK: usize = 16_384;
/// Elements that are brought together before they are added.
const BLOCK: usize = 1024;

/// Runs a plan that converts or adds.
pub fn run(p: &Copy, input: &Input<'_>, output: &mut Output<'_>) {
    let contiguous = input.layout.is_contiguous();
    match (p.from, p.to) {
        (DType::F32, DType::F32) => add::<f32>(input, output),
        (DType::F64, DType::F64) => add::<f64>(input, output),
        // Runs of 16-bit floats are converted by the CPU's own instructions, where it has them.
        (DType::F32, DType::F16) if contiguous => {
            runs(input, output, |x, out: &mut [f16]| out.convert_from_f32_slice(x))
        }
        (DType::F32, DType::BF16) if contiguous => {
            runs(input, output, |x, out: &mut [bf16]| out.convert_from_f32_slice(x))
        }
        (DType::F16, DType::F32) if contiguous => runs(input, output, |x: &[f16], out| x.convert_to_f32_slice(out)),
        (DType::BF16, DType::F32) if contiguous => runs(input, output, |x: &[bf16], out| x.convert_to_f32_slice(out)),
        (DType::F32, to) => convert::<f32>(to, input, output),
        (DType::F64, to) => convert::<f64>(to, input, output),
        (DType::I32, to) => convert::<i32>(to, input, output),
        (DType::U32, to) => convert::<u32>(to, input, output),
        (DType::F16, to) => convert::<f16>(to, input, output),
        (DType::BF16, to) => convert::<bf16>(to, input, output),
    }
}

/// Calls `f` with pieces of the output and where they are.
fn pieces<T: Element>(out: &mut [T], f: impl Fn(&mut [T], Range<usize>) + Sync) {
    let len = out.len();
    let parts = Parts::new(out);
    // SAFETY: one piece each.
    by_blocks(len, TASK, |range| f(unsafe { parts.range(range.clone()) }, range));
}

fn runs<A: Element, B: Element>(input: &Input<'_>, output: &mut Output<'_>, f: impl Fn(&[A], &mut [B]) + Sync) {
    let x = input.values::<A>();
    pieces(output.values::<B>(), |out, range| f(&x[range], out));
}

/// Element by element, through double precision: one rounding.
fn convert<A: Element>(to: DType, input: &Input<'_>, output: &mut Output<'_>) {
    fn into<A: Element, B: Element>(input: &Input<'_>, output: &mut Output<'_>) {
        let (x, from) = (input.storage::<A>(), Strided::new(input.layout));
        pieces(output.values::<B>(), |out, range| gather(x, &from, range.start, out, |v| B::from_f64(v.to_f64())));
    }
    match to {
        DType::F32 => into::<A, f32>(input, output),
        DType::F64 => into::<A, f64>(input, output),
        DType::I32 => into::<A, i32>(input, output),
        DType::U32 => into::<A, u32>(input, output),
        DType::F16 => into::<A, f16>(input, output),
        DType::BF16 => into::<A, bf16>(input, output),
    }
}

fn add<T: Float>(input: &Input<'_>, output: &mut Output<'_>) {
    let (x, from) = (input.storage::<T>(), Strided::new(input.layout));
    pieces(output.values::<T>(), |out, range| {
        let mut block = [T::ZERO; BLOCK];
        for (i, out) in out.chunks_mut(BLOCK).enumerate() {
            let block = &mut block[..out.len()];
            gather(x, &from, range.start + i * BLOCK, block, |v| v);
            out.iter_mut().zip(block).for_each(|(o, v)| *o += *v);
        }
    });
}
