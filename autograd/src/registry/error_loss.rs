//! Cases of losses of each element or row.

use super::draws::Domain::{Normal, Within};
use super::draws::case;
use super::elementwise::binary;
use super::operation::Operation;

pub(super) const OPERATIONS: &[Operation] = &[
    binary!(mse_loss, Normal, Normal),
    binary!(l1_loss, Normal, Normal),
    binary!(bce_loss, Within(0.05, 0.95), Within(0.0, 1.0)),
    binary!(bce_with_logits, Within(-6.0, 6.0), Within(0.0, 1.0)),
    binary!(kl_div, Normal, Within(0.05, 1.0)),
    Operation {
        name: "huber_loss",
        generate: |d| {
            let [a, b] = d.operands(3);
            d.input(&a, Normal);
            d.input(&b, Normal);
            let delta = d.pick(&[1.0, 0.3]);
            case!(d, [delta], |x| x[0].huber_loss(&x[1], delta))
        },
    },
    Operation {
        name: "nll_loss",
        generate: |d| {
            let (rows, classes) = (d.extent(), d.positive());
            d.input(&[rows, classes], Normal);
            d.labels(rows, classes);
            case!(d, [], |x| x[0].nll_loss(x[1].tensor()))
        },
    },
];
