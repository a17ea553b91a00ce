//! Matrix products on the CPU: every item of the batch is one packed, blocked product.

#![allow(unsafe_code)]

use super::gemm::{Mat, gemm};
use super::threads::{Parts, parallel};
use super::{Input, Output, reference};
use crate::dtype::DType;
use crate::layout::numel;
use crate::plan::{Matmul, MatrixStrides};

/// Runs the plan.
pub fn run(p: &Matmul, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    if p.dtype == DType::F64 {
        return reference::matmul::<f64>(p, inputs, outputs);
    }
    let (a, b) = (inputs[0].from_offset::<f32>(), inputs[1].from_offset::<f32>());
    let bias = p.bias.then(|| inputs[2].values::<f32>());
    let add = outputs[0].add || bias.is_some();
    let out = outputs[0].values::<f32>();
    let (items, size) = (numel(&p.batch), p.m * p.n);
    let place = |s: &MatrixStrides, item: usize| {
        let (mut at, mut rest) = (0, item);
        for axis in (0..p.batch.len()).rev() {
            at += rest % p.batch[axis] * s.batch[axis];
            rest /= p.batch[axis];
        }
        at
    };
    let matrix =
        |data, s: &MatrixStrides, item| Mat { data: &<[f32]>::as_ref(data)[place(s, item)..], rs: s.row, cs: s.col };
    let one = |item: usize, c: &mut [f32], serial: bool| {
        if let Some(bias) = bias {
            c.chunks_exact_mut(p.n).for_each(|row| row.copy_from_slice(bias));
        }
        gemm(p.m, p.n, p.k, matrix(a, &p.a, item), matrix(b, &p.b, item), c, p.n, add, serial);
    };
    // A few large items are each worth all threads; many small ones are shared out.
    if items < 4 && 2 * size * p.k >= 1_000_000 {
        return out.chunks_exact_mut(size).enumerate().for_each(|(item, c)| one(item, c, false));
    }
    let parts = Parts::new(out);
    // About a hundred thousand multiply-adds a task, whatever the number of threads.
    let group = (100_000 / (size * p.k)).clamp(1, items.max(1));
    parallel(items.div_ceil(group), |g| {
        for item in g * group..items.min((g + 1) * group) {
            // SAFETY: one matrix each.
            one(item, unsafe { parts.range(item * size..(item + 1) * size) }, true);
        }
    });
}
