//! Attention on the CPU. A task is a head, or some query rows of one if there are few. Scores are made by blocks of query rows, and of keys
//! where these are many, that stay in cache: nothing of the size queries × keys is stored. The backward pass makes them again. Short sequences, whose
//! scores fit into the first cache, have files of their own ([`short`]).

mod backward;
mod blocks;
mod forward;
mod heads;
mod mask;
mod rows;
mod short;
mod short_rows;

use super::levels::{Level, level};
use super::threads::parallel;
use super::{Input, Output, reference};
use crate::dtype::DType;
use crate::plan::{Attention, AttentionBackward};
use heads::{Part, RowLayout};
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

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
    [p.batch, p.heads, p.queries, p.keys, p.dim].contains(&0)
}

fn forward(level: Level, p: &Attention, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    match is_empty(p) {
        true => reference::attention::forward::<f32>(p, inputs, outputs),
        false if short::suits(level, p) => short::forward(level, p, inputs, outputs),
        false => {
            forward::run(level, p, inputs, outputs);
            mend(p, outputs, &[Part::O], |i, outputs| reference::attention::head::<f32>(p, inputs, outputs, i));
        }
    }
}

fn gradients(level: Level, p: &AttentionBackward, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    match is_empty(&p.0) {
        true => reference::attention::backward::<f32>(p, inputs, outputs),
        false if short::suits(level, &p.0) => short::backward(level, &p.0, inputs, outputs),
        false => {
            let p = &p.0;
            backward::run(level, p, inputs, outputs);
            mend(p, outputs, &[Part::Q, Part::K, Part::V], |i, outputs| {
                reference::attention::head_backward::<f32>(p, inputs, outputs, i);
            });
        }
    }
}

/// The products multiply what is hidden by a weight of 0, which leaves NaN where it was NaN or infinite. So heads in whose results a NaN is
/// found are done again by the definition, which does not look at what is hidden.
fn mend(p: &Attention, outputs: &mut [Output<'_>], parts: &[Part], again: impl Fn(usize, &mut [Output<'_>])) {
    if !p.hides() {
        return;
    }
    let found: Vec<AtomicBool> = (0..p.batch * p.heads).map(|_| AtomicBool::new(false)).collect();
    let values: Vec<&[f32]> = outputs.iter_mut().map(|o| &*o.values::<f32>()).collect();
    parallel(found.len(), |i| {
        let is_nan = |part: &Part| {
            let own = values[if p.packed || *part == Part::O { 0 } else { *part as usize }];
            let (layout, rows) = (RowLayout::of(p, *part, i), if part.is_of_keys() { p.keys } else { p.queries });
            (0..rows).any(|r| own[layout.row(r, p.dim)].iter().fold(false, |any, x| any | x.is_nan()))
        };
        found[i].store(parts.iter().any(is_nan), Relaxed);
    });
    for (i, _) in found.iter().enumerate().filter(|(_, found)| found.load(Relaxed)) {
        again(i, outputs);
    }
}

#[cfg(test)]
mod tests;
