//! Cases of normalisations. The stabilisers are large: with a small one, rows of equal elements are almost singular.

use super::draws::Domain::{Normal, Positive};
use super::draws::{Draws, case};
use super::operation::Operation;

/// An image batch or rows, at least two elements per channel, with weight and bias for each; its number of channels.
fn channels(d: &mut Draws, multiple: usize) -> usize {
    let mut shape = vec![1 + d.positive(), multiple * (1 + d.below(2))];
    shape.extend(d.full_shape(0, 2));
    d.input(&shape, Normal);
    d.input(&shape[1..2], Normal);
    d.input(&shape[1..2], Normal);
    shape[1]
}

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "layer_norm",
        generate: |d| {
            let (mut shape, trailing) = (d.shape(0, 2), d.full_shape(1, 2));
            shape.extend(&trailing);
            d.input(&shape, Normal);
            d.input(&trailing, Normal);
            d.input(&trailing, Normal);
            let eps = d.pick(&[0.01, 0.1]);
            case!(d, [eps], |x| x[0].layer_norm(&x[1], &x[2], eps))
        },
    },
    Operation {
        name: "rms_norm",
        generate: |d| {
            let mut shape = d.shape(0, 2);
            shape.push(d.positive());
            d.input(&shape, Normal);
            d.input(&shape[shape.len() - 1..], Normal);
            let eps = d.pick(&[0.01, 0.1]);
            case!(d, [eps], |x| x[0].rms_norm(&x[1], eps))
        },
    },
    Operation {
        name: "group_norm",
        generate: |d| {
            let groups = 1 + d.below(2);
            channels(d, groups);
            let eps = d.pick(&[0.01, 0.1]);
            case!(d, [groups, eps], |x| x[0].group_norm(groups, &x[1], &x[2], eps))
        },
    },
    Operation {
        name: "instance_norm",
        generate: |d| {
            channels(d, 1);
            let eps = d.pick(&[0.01, 0.1]);
            case!(d, [eps], |x| x[0].instance_norm(&x[1], &x[2], eps))
        },
    },
    Operation {
        name: "batch_norm",
        generate: |d| {
            let c = channels(d, 1);
            d.fixed_input(&[c], Normal);
            d.fixed_input(&[c], Positive);
            let eps = d.pick(&[0.01, 0.1]);
            case!(d, [eps], |x| x[0].batch_norm(&x[1], &x[2], [x[3].tensor(), x[4].tensor()], eps, 0.1).y)
        },
    },
    Operation {
        name: "batch_norm_eval",
        generate: |d| {
            let c = channels(d, 1);
            d.fixed_input(&[c], Normal);
            d.fixed_input(&[c], Positive);
            let eps = d.pick(&[0.01, 0.1]);
            case!(d, [eps], |x| x[0].batch_norm_eval(&x[1], &x[2], [x[3].tensor(), x[4].tensor()], eps))
        },
    },
];
