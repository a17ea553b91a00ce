//! Joining tensors on the CPU: runs of bytes, whatever they mean.

use super::{Input, Output};
use crate::plan::{Assemble, Concat};

/// Runs the plan.
pub fn run(p: &Concat, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    let size = p.dtype.size();
    let pitch = p.blocks.iter().sum::<usize>() * size;
    let out = outputs[0].bytes_mut();
    let mut start = 0;
    for (input, block) in inputs.iter().zip(&p.blocks) {
        let block = block * size;
        if block > 0 {
            for (o, row) in input.bytes().chunks_exact(block).enumerate() {
                out[o * pitch + start..][..block].copy_from_slice(row);
            }
        }
        start += block;
    }
}

/// Runs the plan.
pub fn assemble(p: &Assemble, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    let size = p.dtype.size();
    let out = outputs[0].bytes_mut();
    out.fill(0);
    for (input, (start, len)) in inputs.iter().zip(&p.ranges) {
        out[start * size..(start + len) * size].copy_from_slice(input.bytes());
    }
}
