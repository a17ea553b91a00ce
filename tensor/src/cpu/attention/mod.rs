//! Attention on the CPU. A task is a head, or some query rows of one if there are few. Scores are made by blocks of query rows, and of keys
//! where these are many, that stay in cache: nothing of the size queries × keys is stored. The backward pass makes them again.

mod backward;
mod forward;
mod heads;
mod rows;

use super::simd::{Level, level};
use super::{Input, Output, reference};
use crate::dtype::DType;
use crate::plan::{Attention, AttentionBackward};

/// Query rows of a block: whole tiles of the widest instruction set.
const ROWS: usize = 56;
/// Keys of a block, if there are more than twice as many.
const KEYS: usize = 512;

/// Lines of scores are whole pairs of the widest vectors.
const LINE: usize = 32;

/// Runs the plan.
pub fn run(p: &Attention, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    match p.dtype {
        DType::F64 => reference::attention::forward::<f64>(p, inputs, outputs),
        _ => forward(level(), p, inputs, outputs),
    }
}

/// Runs the plan.
pub fn backward(p: &AttentionBackward, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    match p.0.dtype {
        DType::F64 => reference::attention::backward::<f64>(p, inputs, outputs),
        _ => gradients(level(), p, inputs, outputs),
    }
}

/// Without keys, or without elements, there is nothing to be quick about.
fn is_empty(p: &Attention) -> bool {
    p.batch * p.heads * p.queries * p.keys * p.dim == 0
}

fn forward(level: Level, p: &Attention, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    match is_empty(p) {
        true => reference::attention::forward::<f32>(p, inputs, outputs),
        false => forward::run(level, p, inputs, outputs),
    }
}

fn gradients(level: Level, p: &AttentionBackward, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    match is_empty(&p.0) {
        true => reference::attention::backward::<f32>(p, inputs, outputs),
        false => backward::run(level, &p.0, inputs, outputs),
    }
}

/// The most keys that a block of scores holds.
fn key_block(p: &Attention) -> usize {
    if p.keys <= 2 * KEYS { p.keys } else { KEYS }
}

/// The number of keys that the query rows below `end` can see.
fn visible(p: &Attention, end: usize) -> usize {
    if p.causal { p.keys.min(end) } else { p.keys }
}

#[cfg(test)]
mod tests;
