//! Cases of views.

use super::draws::Domain::Normal;
use super::draws::{axis, case};
use super::operation::Operation;

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "reshape",
        generate: |d| {
            let parts = d.shape(0, 4);
            d.input(&parts, Normal);
            // Neighbouring axes are joined at random, axes of one element strewn in.
            let mut shape: Vec<usize> = vec![];
            for n in parts {
                match shape.last_mut() {
                    Some(last) if d.coin() => *last *= n,
                    _ => shape.push(n),
                }
                if d.once_in(4) {
                    shape.push(1);
                }
            }
            case!(d, [shape], |x| x[0].reshape(&shape))
        },
    },
    Operation {
        name: "permute",
        generate: |d| {
            let shape = d.shape(0, 4);
            d.input(&shape, Normal);
            let dims = d.permutation(shape.len());
            case!(d, [dims], |x| x[0].permute(&dims))
        },
    },
    Operation {
        name: "transpose",
        generate: |d| {
            let shape = d.shape(1, 4);
            d.input(&shape, Normal);
            let (a, b) = (d.axis(shape.len()), d.axis(shape.len()));
            case!(d, [a, b], |x| x[0].transpose(a, b))
        },
    },
    Operation {
        name: "t",
        generate: |d| {
            let shape = d.shape(2, 4);
            d.input(&shape, Normal);
            case!(d, [], |x| x[0].t())
        },
    },
    Operation {
        name: "slice",
        generate: |d| {
            let shape = d.shape(1, 3);
            d.input(&shape, Normal);
            let dim = d.axis(shape.len());
            let n = shape[axis(dim, shape.len())];
            let end = d.below(n + 1);
            let start = d.below(end + 1);
            case!(d, [dim, start, end], |x| x[0].slice(dim, start, end))
        },
    },
    Operation {
        name: "slice_step",
        generate: |d| {
            let shape = d.shape(1, 3);
            d.input(&shape, Normal);
            let dim = d.axis(shape.len());
            let n = shape[axis(dim, shape.len())];
            let end = n - d.below(n.min(1) + 1);
            let (start, step) = (d.below(end + 1), 1 + d.below(4));
            case!(d, [dim, start, end, step], |x| x[0].slice_step(dim, start, end, step))
        },
    },
    Operation {
        name: "flip",
        generate: |d| {
            let shape = d.shape(0, 3);
            d.input(&shape, Normal);
            let dims = d.axes(shape.len());
            case!(d, [dims], |x| x[0].flip(&dims))
        },
    },
    Operation {
        name: "expand",
        generate: |d| {
            let shape = d.shape(0, 4);
            let from = d.broadcasts_to(&shape);
            d.input(&from, Normal);
            case!(d, [shape], |x| x[0].expand(&shape))
        },
    },
    Operation {
        name: "unsqueeze",
        generate: |d| {
            let shape = d.shape(0, 3);
            d.input(&shape, Normal);
            let dim = d.axis(shape.len() + 1);
            case!(d, [dim], |x| x[0].unsqueeze(dim))
        },
    },
    Operation {
        name: "squeeze",
        generate: |d| {
            let mut shape = d.shape(1, 4);
            let dim = d.axis(shape.len());
            let at = axis(dim, shape.len());
            shape[at] = 1;
            d.input(&shape, Normal);
            case!(d, [dim], |x| x[0].squeeze(dim))
        },
    },
];
