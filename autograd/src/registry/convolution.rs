//! Cases of convolution, its two gradients and its transpose, and of pooling.

use super::draws::Domain::Normal;
use super::draws::{Draws, case};
use super::operation::Operation;
use lethe_tensor::{ConvOptions, PoolOptions};

/// The shapes of an image batch and a weight that fit, and how the window moves.
fn convolution(d: &mut Draws) -> (Vec<usize>, Vec<usize>, ConvOptions) {
    let groups = 1 + d.below(2);
    let (c_in, c_out) = (groups * (1 + d.below(2)), groups * (1 + d.below(2)));
    let mut pair = |least: usize, n: usize| [least + d.below(n), least + d.below(n)];
    let (kernel, stride, dilation) = (pair(1, 3), pair(1, 2), pair(1, 2));
    let padding = [pair(0, 3), pair(0, 3)];
    let spread = [0, 1].map(|i| (kernel[i] - 1) * dilation[i] + 1);
    let [h, w] = [0, 1].map(|i| {
        let least = spread[i].saturating_sub(padding[i][0] + padding[i][1]).max(1);
        least + d.positive() - 1
    });
    let batch = if d.once_in(12) { 0 } else { 1 + d.below(2) };
    let options = ConvOptions { stride, padding, dilation, groups };
    (vec![batch, c_in, h, w], vec![c_out, c_in / groups, kernel[0], kernel[1]], options)
}

/// An image batch and a pooling window that fits it.
fn pooling(d: &mut Draws) -> PoolOptions {
    let mut pair = |least: usize, n: usize| [least + d.below(n), least + d.below(n)];
    let (kernel, stride, free) = (pair(1, 3), pair(1, 3), pair(0, 2));
    let padding = [0, 1].map(|i| free[i].min(kernel[i] / 2));
    let [h, w] = [0, 1].map(|i| (kernel[i] - 2 * padding[i]).max(1) + d.positive() - 1);
    let planes = [d.extent(), d.positive()];
    d.input(&[planes[0].min(2), planes[1].min(2), h, w], Normal);
    PoolOptions { kernel, stride, padding }
}

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "conv2d",
        generate: |d| {
            let (x, w, options) = convolution(d);
            d.input(&x, Normal);
            d.input(&w, Normal);
            if d.coin() {
                return case!(d, [options], |x| x[0].conv2d(&x[1], None, &options));
            }
            d.input(&w[..1], Normal);
            case!(d, [options], |x| x[0].conv2d(&x[1], Some(&x[2]), &options))
        },
    },
    Operation {
        name: "conv2d_input_grad",
        generate: |d| {
            let (image, weight, options) = convolution(d);
            d.input(&options.geometry(&image, &weight).y_shape(), Normal);
            d.input(&weight, Normal);
            if d.coin() {
                return case!(d, [options, image, weight], |x| {
                    x[0].conv2d_input_grad(&x[1], None, &options.geometry(&image, &weight))
                });
            }
            d.input(&image[1..2], Normal);
            case!(d, [options, image, weight], |x| {
                x[0].conv2d_input_grad(&x[1], Some(&x[2]), &options.geometry(&image, &weight))
            })
        },
    },
    Operation {
        name: "conv2d_weight_grad",
        generate: |d| {
            let (image, weight, options) = convolution(d);
            d.input(&image, Normal);
            d.input(&options.geometry(&image, &weight).y_shape(), Normal);
            case!(d, [options, image, weight], |x| {
                x[0].conv2d_weight_grad(&x[1], &options.geometry(&image, &weight))
            })
        },
    },
    Operation {
        name: "conv_transpose2d",
        generate: |d| {
            let (image, weight, options) = convolution(d);
            let geometry = options.geometry(&image, &weight);
            let output_padding = [0, 1].map(|i| {
                let padding = options.padding[i][0] + options.padding[i][1];
                let spread =
                    (geometry.output[i] - 1) * options.stride[i] + options.dilation[i] * (weight[2 + i] - 1) + 1;
                image[2 + i] + padding - spread
            });
            d.input(&geometry.y_shape(), Normal);
            d.input(&weight, Normal);
            if d.coin() {
                return case!(d, [options, output_padding], |x| x[0].conv_transpose2d(
                    &x[1],
                    None,
                    &options,
                    output_padding
                ));
            }
            d.input(&[image[1]], Normal);
            case!(d, [options, output_padding], |x| x[0].conv_transpose2d(&x[1], Some(&x[2]), &options, output_padding))
        },
    },
    Operation {
        name: "max_pool2d",
        generate: |d| {
            let options = pooling(d);
            case!(d, [options], |x| x[0].max_pool2d(&options))
        },
    },
    Operation {
        name: "avg_pool2d",
        generate: |d| {
            let options = pooling(d);
            let count_pad = d.coin();
            case!(d, [options, count_pad], |x| x[0].avg_pool2d(&options, count_pad))
        },
    },
    Operation {
        name: "adaptive_avg_pool2d",
        generate: |d| {
            let shape = [d.extent().min(2), 1 + d.below(2), d.positive(), d.positive()];
            d.input(&shape, Normal);
            let output = if d.coin() { [1, 1] } else { [1 + d.below(4), 1 + d.below(4)] };
            case!(d, [output], |x| x[0].adaptive_avg_pool2d(output))
        },
    },
];
