//! Shapes that nothing could hold are refused where they are given, with what was asked for.

use lethe_tensor::random::Draw;
use lethe_tensor::{ConvOptions, DType, Device, PoolOptions, Tensor};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What a panic says.
#[track_caller]
fn refusal<R>(f: impl FnOnce() -> R) -> String {
    let panic = catch_unwind(AssertUnwindSafe(f)).err().expect("it was taken");
    let text = panic.downcast_ref::<String>().cloned();
    text.or_else(|| panic.downcast_ref::<&str>().map(|s| s.to_string())).expect("a panic has a message")
}

#[test]
fn products_of_extents_do_not_wrap() {
    let most = usize::MAX;
    for device in Device::all_for_tests() {
        let d = &device;
        let one = Tensor::ones(d, DType::F32, &[1, 1]);
        let wide = [1usize << 62, 4];
        for text in [
            refusal(|| Tensor::from_slice::<f32>(d, &[], &wide)),
            refusal(|| Tensor::from_slice::<u32>(d, &[], &[most, 0, 3])),
            refusal(|| Tensor::zeros(d, DType::F32, &wide)),
            refusal(|| Tensor::full(d, DType::F32, &[1 << 32, 1 << 31], 1.0)),
            refusal(|| Tensor::uniform(d, DType::F32, &wide, Draw::new(1, [0; 3]))),
            refusal(|| one.expand(&wide)),
            refusal(|| one.reshape(&wide)),
            refusal(|| one.expand(&[1 << 40, 1]).add(&one.expand(&[1, 1 << 40]))),
            refusal(|| one.pad(0, most, 1, 0.0)),
            refusal(|| one.pad(1, 1, most - 1, 0.0)),
            refusal(|| Tensor::concat(&[&one.expand(&[1, most >> 1]), &one.expand(&[1, most >> 1])], 1)),
        ] {
            assert!(text.contains("more elements than can be addressed"), "{text}");
        }
    }
}

#[test]
fn memory_that_no_device_has_is_named_in_bytes() {
    for device in Device::all_for_tests() {
        let huge = 1usize << 50;
        for text in [
            refusal(|| Tensor::zeros(&device, DType::F32, &[huge])),
            refusal(|| Tensor::normal(&device, DType::F32, &[huge], Draw::new(1, [0; 3]))),
            refusal(|| Tensor::arange(&device, huge)),
            refusal(|| Tensor::linspace(&device, 0.0, 1.0, huge)),
        ] {
            assert!(text.contains(&(4 * huge).to_string()), "{text}");
        }
    }
    // A view may be larger than memory; what would be made of it may not.
    let view = Tensor::ones(&Device::cpu(), DType::F32, &[1]).expand(&[1 << 50]);
    let text = refusal(|| view.contiguous());
    assert!(text.contains("4503599627370496 bytes"), "{text}");
}

#[test]
fn windows_have_sizes_that_can_be_counted() {
    let x = Tensor::ones(&Device::cpu(), DType::F32, &[1, 1, 4, 4]);
    let w = Tensor::ones(&Device::cpu(), DType::F32, &[1, 1, 2, 2]);
    let most = usize::MAX;
    for options in [
        ConvOptions { padding: [[most, most]; 2], ..ConvOptions::default() },
        ConvOptions { dilation: [most, 2], ..ConvOptions::default() },
    ] {
        assert!(refusal(|| x.conv2d(&w, None, &options)).contains("conv2d"));
    }
    for options in [
        PoolOptions::new(most, 1, most - 1),
        PoolOptions::new(3, 1, 3),
        PoolOptions::new(0, 1, 0),
        PoolOptions::new(2, 0, 0),
    ] {
        assert!(refusal(|| x.max_pool2d(&options)).contains("pool2d"), "{options:?}");
    }
}

#[test]
fn pools_take_any_padding_below_the_kernel() {
    for device in Device::all_for_tests() {
        let data: Vec<f32> = (0..20).map(|i| -1.0 - ((i * 7) % 11) as f32).collect();
        let x = Tensor::from_slice(&Device::cpu(), &data, &[1, 1, 4, 5]);
        let there = x.to_device(&device).unwrap();
        for (kernel, stride) in [([2, 3], [1, 1]), ([3, 2], [2, 3]), ([4, 5], [1, 4]), ([1, 6], [3, 1])] {
            for padding in [[kernel[0] - 1, kernel[1] - 1], [0, kernel[1] - 1]] {
                let options = PoolOptions { kernel, stride, padding };
                let all = |x: &Tensor| {
                    let host =
                        |t: &Tensor| t.to_device(&Device::cpu()).unwrap().to_dtype(DType::F64).to_vec::<f64>().unwrap();
                    let (y, index) = x.max_pool2d_with_indices(&options);
                    let means = [true, false].map(|count| host(&x.avg_pool2d(&options, count)));
                    [host(&y), host(&index), means[0].clone(), means[1].clone()]
                };
                for (got, expected) in all(&there).iter().zip(all(&x.to_dtype(DType::F64))) {
                    assert!(
                        got.iter().zip(&expected).all(|(g, e)| (g - e).abs() < 1e-5),
                        "{options:?}: {got:?}, not {expected:?}"
                    );
                    assert!(expected.iter().all(|e| e.is_finite()));
                }
            }
        }
    }
}

#[test]
fn results_beyond_the_largest_buffer_are_refused_at_the_call() {
    for device in Device::all_for_tests() {
        let [column, row] = [[1 << 24, 1], [1, 1 << 24]].map(|shape| Tensor::ones(&device, DType::F32, &shape));
        let text = refusal(|| column.matmul(&row).force().shape().to_vec());
        assert!(text.contains("matmul") && text.contains("1125899906842624 bytes"), "{text}");
        // The device goes on.
        assert_eq!(row.sum().item::<f32>().unwrap(), 16_777_216.0);
    }
}

#[test]
fn a_window_that_is_alone_takes_no_step() {
    for device in Device::all_for_tests() {
        let x = Tensor::from_slice(&device, &[1.0f32, 2.0, 3.0, 6.0], &[1, 1, 2, 2]);
        for stride in [1, 2, 1 << 32, usize::MAX] {
            let options = PoolOptions::new(2, stride, 0);
            assert_eq!(x.avg_pool2d(&options, true).to_vec::<f32>().unwrap(), [3.0]);
            let plan = options.plan(lethe_tensor::plan::PoolKind::Average { count_pad: true }, &x);
            let dy = Tensor::ones(&device, DType::F32, &[1, 1, 1, 1]);
            assert_eq!(dy.pool2d_backward(&plan, None).to_vec::<f32>().unwrap(), [0.25; 4]);
        }
    }
}

#[test]
fn norms_of_the_smallest_numbers_are_not_lost() {
    for least in [1e-38f32, 1e-40, 1e-42, 1e-45] {
        let x = Tensor::from_slice(&Device::cpu(), &[3.0 * least, 4.0 * least], &[2]);
        let exact = (x.to_vec::<f32>().unwrap().iter().map(|x| f64::from(*x).powi(2)).sum::<f64>()).sqrt();
        let got = f64::from(x.norm().item::<f32>().unwrap());
        assert!((got - exact).abs() <= f64::from(f32::from_bits(1)) + 1.2e-7 * exact, "{got:e}, not {exact:e}");
    }
}

#[test]
fn gradients_of_kernels_are_given_what_the_forward_pass_gave() {
    for device in Device::all_for_tests() {
        let x = Tensor::ones(&device, DType::F32, &[1, 1, 2, 2]);
        let plan = PoolOptions::<2>::new(2, 1, 0).plan(lethe_tensor::plan::PoolKind::Max, &x);
        let dy = Tensor::ones(&device, DType::F32, &[1, 1, 1, 1]);
        let index = |place: u32, shape: &[usize]| Tensor::full(&device, DType::U32, shape, f64::from(place));
        assert_eq!(
            dy.pool2d_backward(&plan, Some(&index(3, &[1, 1, 1, 1]))).to_vec::<f32>().unwrap(),
            [0.0, 0.0, 0.0, 1.0]
        );
        let beyond = || dy.pool2d_backward(&plan, Some(&index(7, &[1, 1, 1, 1]))).to_vec::<f32>().unwrap();
        if device.is_cpu() {
            let text = refusal(beyond);
            assert!(text.contains("the index 7 names no pixel of planes of 2×2"), "{text}");
        } else {
            assert!(beyond().iter().all(|v| v.is_nan()));
        }
        let one = Tensor::ones(&device, DType::F32, &[2]);
        let rows = Tensor::ones(&device, DType::F32, &[3, 2]);
        for text in [
            refusal(|| dy.pool2d_backward(&plan, Some(&index(0, &[1])))),
            refusal(|| dy.pool2d_backward(&plan, Some(&dy))),
            refusal(|| dy.pool2d_backward(&plan, None)),
            refusal(|| rows.layer_norm_backward(&one, &rows, &one, 1e-5)[0].clone()),
            refusal(|| rows.batch_norm_backward(&one, &rows, &rows, 1e-5)[0].clone()),
        ] {
            assert!(text.contains("_backward: "), "{text}");
        }
    }
}
