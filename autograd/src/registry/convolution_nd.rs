//! Cases of convolution and pooling over one and three axes.

use super::case::Case;
use super::draws::Domain::Normal;
use super::draws::{Draws, case};
use super::operation::Operation;
use lethe_tensor::{ConvOptions, PoolOptions};

/// A batch and a weight of N axes that fit, and how the window moves.
fn convolution<const N: usize>(d: &mut Draws) -> (Vec<usize>, Vec<usize>, ConvOptions<N>) {
    let groups = 1 + d.below(2);
    let (c_in, c_out) = (groups * (1 + d.below(2)), groups * (1 + d.below(2)));
    let mut each = |least: usize, n: usize| -> [usize; N] { std::array::from_fn(|_| least + d.below(n)) };
    let (kernel, stride, dilation) = (each(1, 3), each(1, 2), each(1, 2));
    let (before, after) = (each(0, 3), each(0, 3));
    let padding = std::array::from_fn(|i| [before[i], after[i]]);
    let spread = |i: usize| (kernel[i] - 1) * dilation[i] + 1;
    let least = |i: usize| spread(i).saturating_sub(before[i] + after[i]).max(1);
    let extents: Vec<usize> = (0..N).map(|i| least(i) + d.below(3)).collect();
    let batch = if d.once_in(12) { 0 } else { 1 + d.below(2) };
    let options = ConvOptions { stride, padding, dilation, groups };
    ([vec![batch, c_in], extents].concat(), [vec![c_out, c_in / groups], kernel.to_vec()].concat(), options)
}

/// A case of the convolution itself.
macro_rules! forward {
    ($name:ident, $n:literal) => {
        Operation {
            name: stringify!($name),
            generate: |d| {
                let (x, w, options) = convolution::<$n>(d);
                d.input(&x, Normal);
                d.input(&w, Normal);
                if d.coin() {
                    return case!(d, [options], |x| x[0].$name(&x[1], None, &options));
                }
                d.input(&w[..1], Normal);
                case!(d, [options], |x| x[0].$name(&x[1], Some(&x[2]), &options))
            },
        }
    };
}

/// The input of a transposed convolution whose result is not empty, its weight, and an output padding below the stride.
fn transposed<const N: usize>(d: &mut Draws) -> (ConvOptions<N>, [usize; N], bool) {
    let (mut x, mut w, options) = convolution::<N>(d);
    for i in 0..N {
        let padding = options.padding[i][0] + options.padding[i][1];
        let spread = options.dilation[i] * (w[2 + i] - 1) + 1;
        // (i − 1) stride + spread must exceed the padding.
        x[2 + i] = (padding + 1).saturating_sub(spread).div_ceil(options.stride[i]) + 1 + d.below(2);
    }
    // The weight's first axis is the input's channels.
    let (c_in, c_out) = (x[1], w[0]);
    (w[0], w[1]) = (c_in, c_out / options.groups);
    d.input(&x, Normal);
    d.input(&w, Normal);
    let biased = d.coin();
    if biased {
        d.input(&[c_out], Normal);
    }
    (options, std::array::from_fn(|i| d.below(options.stride[i])), biased)
}

fn conv_transpose1d(d: &mut Draws) -> Case {
    let (options, [output_padding], biased) = transposed::<1>(d);
    if biased {
        return case!(d, [options, output_padding], |x| x[0].conv_transpose1d(
            &x[1],
            Some(&x[2]),
            &options,
            output_padding
        ));
    }
    case!(d, [options, output_padding], |x| x[0].conv_transpose1d(&x[1], None, &options, output_padding))
}

fn conv_transpose3d(d: &mut Draws) -> Case {
    let (options, output_padding, biased) = transposed::<3>(d);
    if biased {
        return case!(d, [options, output_padding], |x| x[0].conv_transpose3d(
            &x[1],
            Some(&x[2]),
            &options,
            output_padding
        ));
    }
    case!(d, [options, output_padding], |x| x[0].conv_transpose3d(&x[1], None, &options, output_padding))
}

/// A batch of N axes and a pooling window that fits it.
fn pooling<const N: usize>(d: &mut Draws) -> PoolOptions<N> {
    let mut each = |least: usize, n: usize| -> [usize; N] { std::array::from_fn(|_| least + d.below(n)) };
    let (kernel, stride, free) = (each(1, 3), each(1, 3), each(0, 2));
    let padding: [usize; N] = std::array::from_fn(|i| free[i].min(kernel[i] / 2));
    let mut shape = vec![d.extent().min(2), 1 + d.below(2)];
    shape.extend((0..N).map(|i| (kernel[i] - 2 * padding[i]).max(1) + d.below(3)));
    d.distinct_input(&shape, Normal);
    PoolOptions { kernel, stride, padding }
}

macro_rules! max_pool {
    ($name:ident, $n:literal) => {
        Operation {
            name: stringify!($name),
            generate: |d| {
                let options = pooling::<$n>(d);
                case!(d, [options], |x| x[0].$name(&options))
            },
        }
    };
}

macro_rules! avg_pool {
    ($name:ident, $n:literal) => {
        Operation {
            name: stringify!($name),
            generate: |d| {
                let options = pooling::<$n>(d);
                let count_pad = d.coin();
                case!(d, [options, count_pad], |x| x[0].$name(&options, count_pad))
            },
        }
    };
}

/// A batch of N axes, none of them empty, and a number of cells for each.
fn cells<const N: usize>(d: &mut Draws) -> [usize; N] {
    let mut shape = vec![d.extent().min(2), 1 + d.below(2)];
    shape.extend((0..N).map(|_| d.positive()).collect::<Vec<_>>());
    d.distinct_input(&shape, Normal);
    std::array::from_fn(|_| 1 + d.below(4))
}

pub(super) const OPERATIONS: &[Operation] = &[
    forward!(conv1d, 1),
    forward!(conv3d, 3),
    Operation { name: "conv_transpose1d", generate: conv_transpose1d },
    Operation { name: "conv_transpose3d", generate: conv_transpose3d },
    max_pool!(max_pool1d, 1),
    max_pool!(max_pool3d, 3),
    avg_pool!(avg_pool1d, 1),
    avg_pool!(avg_pool3d, 3),
    Operation {
        name: "adaptive_avg_pool1d",
        generate: |d| {
            let [output] = cells::<1>(d);
            case!(d, [output], |x| x[0].adaptive_avg_pool1d(output))
        },
    },
    Operation {
        name: "adaptive_avg_pool3d",
        generate: |d| {
            let output = cells::<3>(d);
            case!(d, [output], |x| x[0].adaptive_avg_pool3d(output))
        },
    },
    Operation {
        name: "adaptive_max_pool1d",
        generate: |d| {
            let [output] = cells::<1>(d);
            case!(d, [output], |x| x[0].adaptive_max_pool1d(output))
        },
    },
    Operation {
        name: "adaptive_max_pool2d",
        generate: |d| {
            let output = cells::<2>(d);
            case!(d, [output], |x| x[0].adaptive_max_pool2d(output))
        },
    },
    Operation {
        name: "adaptive_max_pool3d",
        generate: |d| {
            let output = cells::<3>(d);
            case!(d, [output], |x| x[0].adaptive_max_pool3d(output))
        },
    },
];
