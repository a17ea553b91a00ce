//! Convolutions of every stride, padding, dilation and group count, with both gradients.

use super::matmul::rounding;
use super::{assert_settles, check, check_by, devices, normal, open};
use lethe_tensor::gpu::GpuOptions;
use lethe_tensor::plan::ConvGeometry;
use lethe_tensor::{ConvOptions, DType, Tensor, store};

/// x, w, biases of both kinds, and dy for a geometry.
fn operands(g: &ConvGeometry) -> Vec<Tensor> {
    let bias = |n: usize, seed| normal(&[n], seed);
    vec![normal(&g.x_shape(), 1), normal(&g.w_shape(), 2), normal(&g.y_shape(), 3), bias(g.c_out, 4), bias(g.c_in, 5)]
}

/// Both passes that can have a bias with it and without, and the weight gradient.
fn passes(t: &[Tensor], g: &ConvGeometry, options: &ConvOptions) -> Vec<Tensor> {
    let [x, w, dy, out_bias, in_bias] = t else { unreachable!() };
    vec![
        x.conv2d(w, None, options),
        x.conv2d(w, Some(out_bias), options),
        dy.conv2d_input_grad(w, None, g),
        dy.conv2d_input_grad(w, Some(in_bias), g),
        x.conv2d_weight_grad(dy, g),
    ]
}

fn every_pass(x: [usize; 4], c_out: usize, kernel: [usize; 2], options: &ConvOptions) {
    let w = [c_out, x[1] / options.groups, kernel[0], kernel[1]];
    let g = options.geometry(&x, &w);
    let taps = kernel[0] * kernel[1];
    let terms = [x[1] / options.groups * taps, c_out / options.groups * taps, g.batch * g.output[0] * g.output[1]];
    let bound = |(output, _): (usize, usize), e: f64| rounding(terms[[0, 0, 1, 1, 2][output]], e);
    check_by(&format!("{x:?} to {c_out}, {kernel:?}, {options:?}"), &operands(&g), |t| passes(t, &g, options), bound);
}

#[test]
fn every_combination_of_options_is_right() {
    for (i, stride) in [[1, 1], [2, 2], [1, 3], [5, 2]].into_iter().enumerate() {
        for (j, padding) in [[[0; 2]; 2], [[1; 2]; 2], [[2, 1], [0, 3]]].into_iter().enumerate() {
            for dilation in [[1, 1], [2, 3]] {
                for groups in [1, 2] {
                    let options = ConvOptions { stride, padding, dilation, groups };
                    let kernel = [[3, 3], [1, 2], [2, 1]][(i + j) % 3];
                    every_pass([2, 6, 11 + i, 10 + j], 4, kernel, &options);
                }
            }
        }
    }
}

#[test]
fn edges_are_right() {
    let plain = ConvOptions::default();
    every_pass([1, 1, 1, 1], 1, [1, 1], &plain);
    every_pass([2, 20, 7, 9], 70, [1, 1], &plain);
    every_pass([2, 6, 8, 8], 5, [1, 1], &ConvOptions::new(2, 0));
    every_pass([1, 3, 20, 23], 8, [7, 7], &ConvOptions::new(4, 3));
    every_pass([3, 3, 32, 32], 10, [16, 16], &ConvOptions::new(16, 0));
    // The window is the image; a window much larger than the image; pixels that no window reaches.
    every_pass([2, 3, 5, 4], 6, [5, 4], &plain);
    every_pass([1, 2, 3, 2], 2, [9, 9], &ConvOptions::new(1, 4));
    every_pass([2, 2, 13, 13], 3, [2, 2], &ConvOptions::new(7, 0));
    every_pass([2, 5, 10, 10], 5, [3, 3], &ConvOptions { groups: 5, ..ConvOptions::new(1, 1) });
    every_pass([2, 5, 10, 10], 15, [3, 3], &ConvOptions { groups: 5, ..ConvOptions::new(2, 1) });
}

#[test]
fn every_tile_and_long_sums_are_right() {
    // Of the forward pass: 128, then both of 64.
    for (x, c_out) in [([3, 3, 75, 80], 66), ([1, 66, 130, 128], 70), ([1, 40, 130, 128], 64), ([1, 40, 70, 128], 64)] {
        every_pass(x, c_out, [1, 1], &ConvOptions::default());
    }
    // Of the weight gradient.
    for c_out in [512, 256, 130] {
        every_pass([1, 460, 3, 3], c_out, [3, 3], &ConvOptions::default());
    }
}

#[test]
fn small_bindings_are_enough() {
    let options = GpuOptions { binding_limit: Some(1 << 18), checked_shaders: true, ..GpuOptions::default() };
    let Some(device) = open(options) else { return };
    let conv = ConvOptions::new(2, 1);
    let g = conv.geometry(&[100, 3, 20, 18], &[7, 3, 3, 3]);
    let inputs = operands(&g);
    let wide: Vec<Tensor> = inputs.iter().map(|t| t.to_dtype(DType::F64)).collect();
    let there: Vec<Tensor> = inputs.iter().map(|t| t.to_device(&device).unwrap()).collect();
    for (got, expected) in passes(&there, &g, &conv).iter().zip(passes(&wide, &g, &conv)) {
        let (got, expected): (Vec<f32>, Vec<f64>) = (got.to_vec().unwrap(), expected.to_vec().unwrap());
        let close = |(g, e): (&f32, &f64)| (f64::from(*g) - e).abs() < rounding(100 * 90, *e);
        assert!(got.len() == expected.len() && got.iter().zip(&expected).all(close));
    }
}

#[test]
fn weight_gradients_add_to_their_destination() {
    for device in devices().iter() {
        for x in [[2, 4, 6, 6], [40, 4, 16, 16]] {
            let g = ConvOptions::new(1, 1).geometry(&x, &[4, 4, 3, 3]);
            // Small whole numbers: sums are exact.
            let whole = |shape: &[usize], seed| {
                let t = normal(shape, seed).mul_scalar(2.0).to_dtype(DType::I32).to_dtype(DType::F32);
                t.to_device(device).unwrap()
            };
            let (x, dy) = (whole(&g.x_shape(), 1), whole(&g.y_shape(), 2));
            let dw: Vec<f32> = x.conv2d_weight_grad(&dy, &g).to_vec().unwrap();
            for (start, add) in [(64, true), (64, false), (5, true), (5, false)] {
                let mut vector = Tensor::ones(device, DType::F32, &[512]);
                lethe_tensor::defer(|| store(&x.conv2d_weight_grad(&dy, &g), &mut vector, start, add));
                let got: Vec<f32> = vector.to_vec().unwrap();
                for (i, v) in got.iter().enumerate() {
                    let there = i.checked_sub(start).and_then(|i| dw.get(i));
                    let expected = there.map_or(1.0, |p| p + f32::from(u8::from(add)));
                    assert_eq!(*v, expected, "{:?} at {start}, add {add}: element {i}", g.x_shape());
                }
            }
        }
    }
}

#[test]
fn equal_steps_create_nothing() {
    let options = ConvOptions::new(2, 1);
    let g = options.geometry(&[20, 3, 20, 20], &[8, 3, 3, 3]);
    assert_settles(&operands(&g), |t| passes(t, &g, &options).swap_remove(4));
}

/// Beyond 16-bit extents, 65,535 groups, and as many phases of a step.
#[test]
fn what_a_kernel_cannot_address_is_made_of_parts() {
    let cases = [
        (ConvOptions { groups: 65_537, ..ConvOptions::default() }, [1, 65_537, 2, 1], [65_537, 1, 2, 1]),
        // A step that leaves the last row and column unread.
        (ConvOptions { groups: 16_384, ..ConvOptions::new(2, 0) }, [1, 16_384, 4, 4], [16_384, 1, 1, 1]),
        (ConvOptions { stride: [257, 256], ..ConvOptions::default() }, [1, 1, 300, 300], [2, 1, 2, 2]),
        (ConvOptions { dilation: [1, 40_000], ..ConvOptions::default() }, [1, 2, 1, 40_010], [1, 2, 1, 2]),
        (ConvOptions::default(), [1, 20_000, 2, 1], [2, 20_000, 1, 1]),
    ];
    for (options, x, w) in cases {
        let g = options.geometry(&x, &w);
        let f = |t: &[Tensor]| {
            vec![
                t[0].conv2d(&t[1], Some(&t[3]), &options).mul_scalar(0.01),
                t[2].conv2d_input_grad(&t[1], None, &g),
                t[0].conv2d_weight_grad(&t[2], &g),
            ]
        };
        let inputs = [normal(&x, 1), normal(&w, 2), normal(&g.y_shape(), 3), normal(&[w[0]], 4)];
        check(&format!("{x:?} by {w:?}"), &inputs, f, 1e-5);
    }
}
