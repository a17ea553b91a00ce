//! Pooling of every kind, with its gradient.

use super::{assert_settles, check, normal, open};
use lethe_tensor::gpu::GpuOptions;
use lethe_tensor::plan::PoolKind;
use lethe_tensor::{DType, Device, PoolOptions, Tensor, adaptive_plan};

/// Images and windows: plain, overlapping, apart, padded to the half, odd, covering, of one pixel, and larger than the image.
fn cases() -> Vec<([usize; 4], PoolOptions)> {
    let options = |kernel, stride, padding| PoolOptions { kernel, stride, padding };
    vec![
        ([1, 1, 1, 1], PoolOptions::new(1, 1, 0)),
        ([2, 3, 8, 8], PoolOptions::new(2, 2, 0)),
        ([2, 3, 11, 14], PoolOptions::new(3, 2, 1)),
        ([1, 2, 10, 9], PoolOptions::new(2, 3, 1)),
        ([3, 1, 9, 7], options([3, 2], [1, 3], [1, 1])),
        ([2, 2, 5, 6], options([5, 6], [1, 1], [0, 0])),
        ([2, 2, 1, 2], options([4, 3], [2, 1], [2, 1])),
        ([2, 65, 13, 1], options([4, 1], [3, 2], [0, 0])),
    ]
}

#[test]
fn largest_elements_and_their_gradient_are_exact() {
    for (shape, options) in cases() {
        // Whole numbers: with ties, and sums are exact.
        let whole = |x: Tensor| x.mul_scalar(2.0).to_dtype(DType::I32).to_dtype(DType::F32);
        let x = whole(normal(&shape, 1));
        let dy = whole(normal(x.max_pool2d(&options).shape(), 2));
        let f = |t: &[Tensor]| {
            let (y, index) = t[0].max_pool2d_with_indices(&options);
            let dx = t[1].pool2d_backward(&options.plan(PoolKind::Max, &t[0]), Some(&index));
            vec![y, index, dx]
        };
        check(&format!("{shape:?} {options:?}"), &[x, dy], f, 0.0);
    }
}

#[test]
fn means_and_their_gradient_are_right() {
    for (shape, options) in cases() {
        for count_pad in [false, true] {
            let x = normal(&shape, 1);
            let dy = normal(x.avg_pool2d(&options, count_pad).shape(), 2);
            let f = |t: &[Tensor]| {
                let plan = options.plan(PoolKind::Average { count_pad }, &t[0]);
                vec![t[0].avg_pool2d(&options, count_pad), t[1].pool2d_backward(&plan, None)]
            };
            // At most 30 terms of size 1, and a rounding for each.
            check(&format!("{shape:?} {options:?}, {count_pad}"), &[x, dy], f, 3e-6);
        }
    }
}

#[test]
fn adaptive_means_and_their_gradient_are_right() {
    for shape in [[1, 1, 1, 1], [2, 3, 7, 7], [2, 70, 5, 11], [3, 2, 40, 33]] {
        for output in [[1, 1], [1, 3], [2, 2], [7, 5], [13, 4]] {
            let x = normal(&shape, 1);
            let dy = normal(&[shape[0], shape[1], output[0], output[1]], 2);
            let f = |t: &[Tensor]| {
                let plan = adaptive_plan(&t[0], output);
                vec![t[0].adaptive_avg_pool2d(output), t[1].pool2d_backward(&plan, None)]
            };
            check(&format!("{shape:?} to {output:?}"), &[x, dy], f, 3e-6);
        }
    }
}

#[test]
fn views_and_offsets_are_pooled() {
    let options = PoolOptions::new(3, 2, 1);
    let f = |t: &[Tensor]| {
        let x = t[0].slice(1, 1, 4).transpose(2, 3);
        let (y, index) = x.max_pool2d_with_indices(&options);
        let dy = t[0].slice(1, 0, 3).slice(2, 0, 4).slice(3, 2, 7).transpose(2, 3);
        let dx = dy.pool2d_backward(&options.plan(PoolKind::Max, &x), Some(&index));
        vec![y, index, dx, x.avg_pool2d(&options, false)]
    };
    check("views", &[normal(&[2, 5, 7, 9], 1)], f, 1e-6);
}

#[test]
fn infinities_and_nans_are_seen() {
    let values = [f32::NEG_INFINITY, f32::NEG_INFINITY, 1.0, f32::NAN, 2.0, f32::NAN, f32::INFINITY, 0.0];
    let x = Tensor::from_slice(&Device::cpu(), &values, &[1, 1, 1, 8]);
    let options = PoolOptions { kernel: [1, 2], stride: [1, 2], padding: [0, 0] };
    let f = |t: &[Tensor]| {
        let (y, index) = t[0].max_pool2d_with_indices(&options);
        vec![y, index]
    };
    check("extremes", &[x], f, 0.0);
}

#[test]
fn small_bindings_are_enough() {
    let options = GpuOptions { binding_limit: Some(1 << 15), checked_shaders: true, ..GpuOptions::default() };
    let Some(device) = open(options) else { return };
    let pool = PoolOptions::new(2, 2, 0);
    let x = normal(&[10, 31, 9, 9], 1);
    let run = |x: &Tensor| {
        let (y, index) = x.max_pool2d_with_indices(&pool);
        let dx = y.pool2d_backward(&pool.plan(PoolKind::Max, x), Some(&index));
        (y.to_vec::<f32>().unwrap(), index.to_vec::<u32>().unwrap(), dx.to_vec::<f32>().unwrap())
    };
    assert_eq!(run(&x.to_device(&device).unwrap()), run(&x));
}

#[test]
fn equal_steps_create_nothing() {
    let options = PoolOptions::new(3, 2, 1);
    assert_settles(&[normal(&[2, 3, 12, 12], 1)], |t| {
        let (y, index) = t[0].max_pool2d_with_indices(&options);
        let dx = y.pool2d_backward(&options.plan(PoolKind::Max, &t[0]), Some(&index));
        drop((t[0].avg_pool2d(&options, true), t[0].adaptive_avg_pool2d([1, 1])));
        dx
    });
}
