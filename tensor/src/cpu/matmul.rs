//! Matrix products on the CPU: every item of the batch is one packed, blocked product.

#![allow(unsafe_code)]

use super::gemm::{Mat, SERIAL, gemm};
use super::levels::{Level, level};
use super::threads::{Parts, parallel};
use super::{Input, Output, reference};
use crate::dtype::DType;
use crate::layout::numel;
use crate::plan::{Matmul, MatrixStrides};

/// Multiply-adds that are worth a task: a few microseconds.
const TASK: usize = 100_000;

/// Runs the plan.
pub fn run(p: &Matmul, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    if p.dtype == DType::F64 {
        return reference::matmul::<f64>(p, inputs, outputs);
    }
    run_at(level(), p, inputs, outputs);
}

/// [`run`] in `f32` at a given instruction set.
pub(super) fn run_at(level: Level, p: &Matmul, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    let (items, size) = (numel(&p.batch), p.m * p.n);
    if items * size == 0 {
        return;
    }
    let (a, b) = (inputs[0].from_offset_or_empty::<f32>(), inputs[1].from_offset_or_empty::<f32>());
    let bias = p.bias.then(|| inputs[2].values::<f32>());
    let add = outputs[0].add && bias.is_none();
    let out = outputs[0].values::<f32>();
    let one = |item: usize, c: &mut [f32], serial: bool| {
        if p.k > 0 {
            let (a, b) = (matrix(p, &p.a, a, item), matrix(p, &p.b, b, item));
            gemm(level, p.m, p.n, p.k, a, b, c, p.n, add, bias, serial);
        } else if let Some(bias) = bias {
            c.chunks_exact_mut(p.n).for_each(|row| row.copy_from_slice(bias));
        } else if !add {
            c.fill(0.0);
        }
    };
    // A few large items are each worth all threads; many are shared out. Both give the same sums.
    if items < 4.max(2 * rayon::current_num_threads()) && 2 * size * p.k >= 4 * SERIAL || items == 1 {
        return out.chunks_exact_mut(size).enumerate().for_each(|(item, c)| one(item, c, false));
    }
    let parts = Parts::new(out);
    let group = (TASK / (size * p.k).max(1)).clamp(1, items);
    parallel(items.div_ceil(group), |g| {
        for item in g * group..items.min((g + 1) * group) {
            // SAFETY: one matrix each.
            one(item, unsafe { parts.range(item * size..(item + 1) * size) }, true);
        }
    });
}

/// An item's matrix.
fn matrix<'a>(p: &Matmul, strides: &MatrixStrides, data: &'a [f32], item: usize) -> Mat<'a> {
    let (mut at, mut rest) = (0, item);
    for axis in (0..p.batch.len()).rev() {
        at += rest % p.batch[axis] * strides.batch[axis];
        rest /= p.batch[axis];
    }
    Mat { data: &data[at..], rs: strides.row, cs: strides.col }
}

#[cfg(test)]
mod tests;
