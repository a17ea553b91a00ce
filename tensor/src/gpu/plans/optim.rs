//! Optimiser steps on the GPU: one dispatch, or several where the vectors are longer than a binding may be.

use super::variant;
use crate::gpu::{GpuDevice, Input, Kernel, Output, Span, fold_groups};
use crate::plan::{AdamW, Sgd};

/// Runs the plan.
pub fn adamw(p: &AdamW, gpu: &GpuDevice, inputs: &[Input<'_>], outputs: &[Output<'_>]) {
    let [b1, b2] = p.betas;
    let corrections = [b1, b2].map(|b| 1.0 / (1.0 - b.powi(p.step as i32)));
    let numbers = [p.lr, 1.0 - b1, 1.0 - b2, p.eps, corrections[0], corrections[1]];
    let kernel = variant("optim", "adamw", &["ADAMW"], &[]);
    step(gpu, kernel, inputs, outputs, (p.n, p.max_norm), &numbers.map(|x| (x as f32).to_bits()));
}

/// Runs the plan.
pub fn sgd(p: &Sgd, gpu: &GpuDevice, inputs: &[Input<'_>], outputs: &[Output<'_>]) {
    let [lr, momentum] = [p.lr, p.momentum].map(|x| (x as f32).to_bits());
    let kernel = variant("optim", "sgd", &["SGD"], &[]);
    let rest = [lr, momentum, u32::from(p.first), u32::from(p.nesterov)];
    step(gpu, kernel, inputs, outputs, (p.n, p.max_norm), &rest);
}

/// Dispatches over windows; θ and what accompanies it lie in slots 3, 4, ….
fn step(
    gpu: &GpuDevice,
    kernel: Kernel<'static>,
    inputs: &[Input<'_>],
    outputs: &[Output<'_>],
    (n, max_norm): (usize, f64),
    rest: &[u32],
) {
    let [g, table, norm] = [0, 1, 2].map(|i| inputs[i].span(gpu));
    let vectors: Vec<Span> = outputs.iter().map(Output::whole).collect();
    let max_norm = (max_norm.min(3e38) as f32).to_bits();
    // A window of the table starts at a multiple of 256 bytes too: 32 pairs, for blocks of 64 elements.
    let most = (gpu.caps().max_binding as usize / 4 / 2048 * 2048).max(2048);
    for start in (0..n).step_by(most) {
        let len = most.min(n - start);
        let window = |s: &Span| s.part(4 * start as u64, 4 * len as u64);
        let (g, table) = (window(&g), table.part(start as u64 / 8, len as u64 / 8));
        let windows: Vec<Span> = vectors.iter().map(window).collect();
        let mut bindings = vec![g.read(0), norm.read(2)];
        bindings.extend((3..).zip(&windows).map(|(slot, s)| s.write(slot)));
        bindings.push(table.read(6));
        let params = [&[len as u32, max_norm], rest].concat();
        gpu.dispatch(kernel, &bindings, &params, fold_groups(len.div_ceil(1024) as u64));
    }
}
