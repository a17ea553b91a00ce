//! Joining tensors on the CPU: runs of bytes, whatever they mean.

use super::regions::{Region, Source, fill};
use super::{Input, Output};
use crate::plan::{Assemble, Concat};

/// Runs the plan.
pub fn run(p: &Concat, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    let size = p.dtype.size();
    let parts = inputs.iter().zip(&p.blocks);
    let regions: Vec<Region<'_>> =
        parts.map(|(input, n)| Region { len: n * size, source: Source::Rows(input.bytes()) }).collect();
    fill(&regions, outputs[0].bytes_mut());
}

/// Runs the plan.
pub fn assemble(p: &Assemble, inputs: &[Input<'_>], outputs: &mut [Output<'_>]) {
    let size = p.dtype.size();
    let mut parts: Vec<_> = p.ranges.iter().zip(inputs).collect();
    parts.sort_by_key(|((start, len), _)| (*start, *len));
    let gap = |len: usize| Region { len: len * size, source: Source::Element(&[0]) };
    let mut regions = Vec::with_capacity(2 * parts.len() + 1);
    let mut end = 0;
    for ((start, len), input) in parts {
        regions.push(gap(start - end));
        regions.push(Region { len: len * size, source: Source::Rows(input.bytes()) });
        end = start + len;
    }
    regions.push(gap(p.len - end));
    fill(&regions, outputs[0].bytes_mut());
}
