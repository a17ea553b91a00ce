//! Cases of softmax, its logarithm, and the losses over it.

use super::draws::Domain::{Normal, Within};
use super::draws::case;
use super::operation::Operation;
use lethe_tensor::plan::Likelihood;

/// Softmax or its logarithm along any axis.
macro_rules! along {
    ($name:ident) => {
        Operation {
            name: stringify!($name),
            generate: |d| {
                let shape = d.shape(1, 4);
                d.input(&shape, Within(-5.0, 5.0));
                let dim = d.axis(shape.len());
                case!(d, [dim], |x| x[0].$name(dim))
            },
        }
    };
}

pub(super) const OPERATIONS: &[Operation] = &[
    along!(softmax),
    along!(log_softmax),
    Operation {
        name: "cross_entropy",
        generate: |d| {
            let (rows, classes) = (d.extent(), d.positive());
            d.input(&[rows, classes], Normal);
            match d.below(3) {
                0 => d.index(&[rows], classes),
                1 => d.labels(rows, classes),
                _ => d.fixed_input(&[rows, classes], Within(0.0, 1.0)),
            }
            let smoothing = d.pick(&[0.0, 0.1, 0.5]);
            if d.coin() {
                return case!(d, [smoothing], |x| x[0].cross_entropy(x[1].tensor(), Likelihood::Softmax, smoothing));
            }
            case!(d, [smoothing], |x| x[0].cross_entropy(x[1].tensor(), Likelihood::Sigmoid, smoothing))
        },
    },
];
