//! Cases of the sizes that kernels are made for: tiles of 64 and 128, several workgroups a line, second passes.

use super::draws::Domain::Normal;
use super::draws::case;
use super::operation::Operation;
use lethe_tensor::{ConvOptions, PoolOptions};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "matmul",
        generate: |d| {
            d.input(&[150, 333], Normal);
            d.input(&[333, 140], Normal);
            case!(d, [], |x| x[0].matmul(&x[1]))
        },
    },
    Operation {
        name: "conv2d",
        generate: |d| {
            d.input(&[3, 17, 20, 19], Normal);
            d.input(&[70, 17, 3, 3], Normal);
            let options = ConvOptions::new(1, 1);
            case!(d, [options], |x| x[0].conv2d(&x[1], None, &options))
        },
    },
    Operation {
        name: "attention",
        generate: |d| {
            for _ in 0..3 {
                d.input(&[1, 2, 130, 40], Normal);
            }
            case!(d, [], |x| x[0].attention(&x[1], &x[2], None, 0.2, true))
        },
    },
    Operation {
        name: "sum",
        generate: |d| {
            d.input(&[3, 40_001], Normal);
            case!(d, [], |x| x[0].sum_axes(&[1], false))
        },
    },
    Operation {
        name: "softmax",
        generate: |d| {
            d.input(&[3, 2_050], Normal);
            case!(d, [], |x| x[0].softmax(-1))
        },
    },
    Operation {
        name: "layer_norm",
        generate: |d| {
            d.input(&[70, 515], Normal);
            d.input(&[515], Normal);
            d.input(&[515], Normal);
            case!(d, [], |x| x[0].layer_norm(&x[1], &x[2], 0.01))
        },
    },
    Operation {
        name: "max_pool2d",
        generate: |d| {
            d.input(&[2, 9, 33, 35], Normal);
            let options = PoolOptions::new(3, 2, 1);
            case!(d, [options], |x| x[0].max_pool2d(&options))
        },
    },
];
