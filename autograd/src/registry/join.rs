//! Cases of joining, padding and dropping out.

use super::draws::Domain::Normal;
use super::draws::{axis, case};
use super::operation::Operation;
use crate::graph::Var;

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "concat",
        generate: |d| {
            let mut shape = d.shape(1, 3);
            let dim = d.axis(shape.len());
            let at = axis(dim, shape.len());
            for _ in 0..1 + d.below(3) {
                shape[at] = d.extent();
                d.input(&shape, Normal);
            }
            case!(d, [dim], |x| Var::concat(&x.iter().collect::<Vec<_>>(), dim))
        },
    },
    Operation {
        name: "stack",
        generate: |d| {
            let shape = d.shape(0, 3);
            let dim = d.axis(shape.len() + 1);
            for _ in 0..1 + d.below(3) {
                d.input(&shape, Normal);
            }
            case!(d, [dim], |x| Var::stack(&x.iter().collect::<Vec<_>>(), dim))
        },
    },
    Operation {
        name: "pad",
        generate: |d| {
            let shape = d.shape(1, 3);
            d.input(&shape, Normal);
            let (dim, before, after) = (d.axis(shape.len()), d.below(4), d.below(4));
            let value = d.pick(&[0.0, -1.5]);
            case!(d, [dim, before, after, value], |x| x[0].pad(dim, before, after, value))
        },
    },
    Operation {
        name: "assemble",
        generate: |d| {
            let (mut starts, mut len) = (vec![], 0);
            for _ in 0..1 + d.below(3) {
                let shape = d.shape(0, 3);
                d.input(&shape, Normal);
                starts.push(len + d.below(4));
                len = starts[starts.len() - 1] + shape.iter().product::<usize>();
            }
            len += d.below(4);
            case!(d, [starts, len], |x| {
                let pieces: Vec<(usize, &Var)> = starts.iter().copied().zip(x).collect();
                Var::assemble(&pieces, len)
            })
        },
    },
    Operation {
        name: "dropout",
        generate: |d| {
            let shape = d.shape(0, 3);
            d.input(&shape, Normal);
            let p = d.pick(&[0.0, 0.3, 0.9]);
            let lethe_tensor::random::Draw { seed, stream } = d.draw();
            case!(d, [p, seed, stream], |x| x[0].dropout(p, lethe_tensor::random::Draw { seed, stream }))
        },
    },
];
