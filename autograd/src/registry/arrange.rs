//! Cases of rearranging, repeating and cutting.

use super::draws::Domain::Normal;
use super::draws::{Draws, axis, case};
use super::operation::Operation;
use crate::graph::Var;

/// An input, one of its axes, and that axis's extent.
fn along(d: &mut Draws, least: usize) -> (isize, usize) {
    let mut shape = d.shape(1, 3);
    let dim = d.axis(shape.len());
    let at = axis(dim, shape.len());
    shape[at] = shape[at].max(least);
    d.input(&shape, Normal);
    (dim, shape[at])
}

/// Pieces in reverse order: so that a test sees each of them.
fn reversed(pieces: Vec<Var>, dim: isize) -> Var {
    Var::concat(&pieces.iter().rev().collect::<Vec<_>>(), dim)
}

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "roll",
        generate: |d| {
            let (dim, _) = along(d, 0);
            let shift = d.below(15) as isize - 7;
            case!(d, [shift, dim], |x| x[0].roll(shift, dim))
        },
    },
    Operation {
        name: "repeat",
        generate: |d| {
            let shape = d.shape(0, 3);
            d.input(&shape, Normal);
            let rank = shape.len() + d.below(2);
            let times: Vec<usize> = (0..rank).map(|_| d.below(4)).collect();
            case!(d, [times], |x| x[0].repeat(&times))
        },
    },
    Operation {
        name: "repeat_interleave",
        generate: |d| {
            let (dim, _) = along(d, 0);
            let times = d.below(4);
            case!(d, [times, dim], |x| x[0].repeat_interleave(times, dim))
        },
    },
    Operation {
        name: "split",
        generate: |d| {
            let (dim, _) = along(d, 0);
            let size = 1 + d.below(3);
            case!(d, [size, dim], |x| reversed(x[0].split(size, dim), dim))
        },
    },
    Operation {
        name: "chunk",
        generate: |d| {
            let pieces = 1 + d.below(3);
            let mut shape = d.shape(1, 3);
            let dim = d.axis(shape.len());
            let at = axis(dim, shape.len());
            shape[at] *= pieces;
            d.input(&shape, Normal);
            case!(d, [pieces, dim], |x| reversed(x[0].chunk(pieces, dim), dim))
        },
    },
    Operation {
        name: "slice_assign",
        generate: |d| {
            let mut shape = d.shape(1, 3);
            let dim = d.axis(shape.len());
            let at = axis(dim, shape.len());
            d.input(&shape, Normal);
            let start = d.below(shape[at] + 1);
            shape[at] = d.below(shape[at] - start + 1);
            d.input(&shape, Normal);
            case!(d, [dim, start], |x| x[0].slice_assign(dim, start, &x[1]))
        },
    },
    Operation {
        name: "pad_reflect",
        generate: |d| {
            let (dim, n) = along(d, 1);
            let (before, after) = (d.below(n), d.below(n));
            case!(d, [dim, before, after], |x| x[0].pad_reflect(dim, before, after))
        },
    },
    Operation {
        name: "pad_edge",
        generate: |d| {
            let (dim, _) = along(d, 1);
            let (before, after) = (d.below(4), d.below(4));
            case!(d, [dim, before, after], |x| x[0].pad_edge(dim, before, after))
        },
    },
];
