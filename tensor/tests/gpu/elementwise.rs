//! Generated kernels: functions, strides, types, random numbers, copies, windows.

use super::functions::{ANY, OF_POSITIVE, Op};
use super::{check, check_by, devices, normal, numbers, open};
use lethe_tensor::gpu::GpuOptions;
use lethe_tensor::random::Draw;
use lethe_tensor::{DType, Device, Tensor, store};

#[test]
fn functions_of_one_number_have_their_stated_errors() {
    let mut data: Vec<f32> = normal(&[3000], 1).mul_scalar(4.0).to_vec().unwrap();
    data.extend([
        0.0,
        -0.0,
        1e-30,
        -1e-7,
        0.5,
        -3.0,
        14.0,
        -14.0,
        80.0,
        -80.0,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::NAN,
    ]);
    let x = Tensor::from_slice(&Device::cpu(), &data, &[data.len()]);
    let finite = x.slice(0, 0, data.len() - 3).contiguous();
    for (name, f) in ANY {
        // Where the CPU's definition limits its argument first, a shader promises nothing of a NaN; GELU at infinity is 0 · ∞ on both.
        let plain = !matches!(name, "exp" | "expm1" | "gelu" | "gelu_grad" | "pow 3");
        check(name, std::slice::from_ref(if plain { &x } else { &finite }), |t| vec![f(&t[0])], 6e-7);
    }
    check("log", std::slice::from_ref(&x), |t| vec![t[0].log()], 6e-7);
    let positive = finite.abs().add_scalar(1e-3).force().clone();
    let more: [Op; 1] = [("pow -2", |t| t.pow_scalar(-2.0))];
    for (name, f) in OF_POSITIVE.into_iter().chain(more) {
        check(name, std::slice::from_ref(&positive), |t| vec![f(&t[0])], 6e-7);
    }
    let near_zero = positive.mul_scalar(1e-4).force().clone();
    check("log1p near 0", std::slice::from_ref(&near_zero), |t| vec![t[0].log1p().div(&t[0])], 3e-7);
    check("expm1 near 0", std::slice::from_ref(&near_zero), |t| vec![t[0].expm1().div(&t[0])], 3e-7);
    let near_one = near_zero.add_scalar(1.0).force().clone();
    check_by("log next to 1", &[near_one], |t| vec![t[0].log()], |_, e| 4e-7 * e.abs());
}

#[test]
fn expressions_take_operands_of_any_strides() {
    for (rows, columns) in [(1, 1), (3, 5), (17, 300), (70, 1024)] {
        let full = normal(&[rows, columns], 1);
        let others = [
            normal(&[columns], 2),
            normal(&[rows, 1], 3),
            normal(&[1, 1], 4),
            normal(&[columns, rows], 5),
            normal(&[rows, 2 * columns], 6),
            normal(&[rows, columns], 7),
        ];
        type View = fn(&Tensor) -> Tensor;
        let views: [View; 6] = [
            Tensor::clone,
            Tensor::clone,
            Tensor::clone,
            Tensor::t,
            |t| t.slice_step(1, 1, t.shape()[1], 2),
            |t| t.flip(&[0, 1]),
        ];
        for (other, view) in others.iter().zip(views) {
            check(
                &format!("{rows} by {columns} and {:?}", other.shape()),
                &[full.clone(), other.clone()],
                |t| vec![t[0].mul(&view(&t[1])).sub(&view(&t[1])), view(&t[1]).contiguous()],
                3e-7,
            );
        }
    }
}

#[test]
fn copies_follow_permutations() {
    let x = normal(&[3, 20, 4, 33], 1);
    for dims in [[0, 1, 3, 2], [3, 2, 1, 0], [0, 2, 1, 3], [1, 0, 3, 2], [2, 3, 0, 1], [0, 3, 1, 2], [0, 2, 3, 1]] {
        check(&format!("{dims:?}"), std::slice::from_ref(&x), |t| vec![t[0].permute(&dims).contiguous()], 0.0);
        let cut = |t: &Tensor| t.slice(1, 3, 17).permute(&dims).contiguous();
        check(&format!("{dims:?}, cut"), std::slice::from_ref(&x), |t| vec![cut(&t[0])], 0.0);
    }
}

#[test]
fn types_convert_as_on_the_cpu() {
    let data = [0.0f32, -0.0, 1.5, -1.5, 2.5, 65504.0, 65520.0, 1e-7, 3.0e-8, -6.1e-5, 1e9, 3.7, 1.0 / 3.0];
    let x = Tensor::from_slice(&Device::cpu(), &data, &[data.len()]);
    for device in devices().iter() {
        let there = x.to_device(device).unwrap();
        for dtype in [DType::F16, DType::BF16] {
            let (got, expected) = (there.to_dtype(dtype), x.to_dtype(dtype));
            assert_eq!(numbers(&got), numbers(&expected), "{dtype}");
            assert_eq!(
                numbers(&got.flip(&[0]).to_dtype(DType::F32)),
                numbers(&expected.flip(&[0]).to_dtype(DType::F32))
            );
            assert_eq!(numbers(&got.slice(0, 3, 8).contiguous()), numbers(&expected.slice(0, 3, 8).contiguous()));
        }
        let small = there.clamp_min(-100.0).clamp_max(100.0);
        let expected: Vec<i32> = x.clamp_min(-100.0).clamp_max(100.0).to_dtype(DType::I32).to_vec().unwrap();
        assert_eq!(small.to_dtype(DType::I32).to_vec::<i32>().unwrap(), expected);
        assert_eq!(
            small.abs().to_dtype(DType::U32).to_vec::<u32>().unwrap(),
            expected.iter().map(|v| v.unsigned_abs()).collect::<Vec<_>>()
        );
        let mask = there.gt_scalar(1.0);
        assert_eq!(mask.dtype(), DType::U32);
        assert_eq!(numbers(&mask), data.map(|v| f64::from(u8::from(v > 1.0))));
    }
}

#[test]
fn casts_to_integers_truncate_and_saturate() {
    let (low, high) = (-2_147_483_648.0f32, 2_147_483_648.0f32);
    let data = [
        f32::NAN,
        -f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        1e10,
        -1e10,
        low,
        high,
        2_147_483_520.0,
        4_294_967_040.0,
        4_294_967_296.0,
        -0.9,
        -1.0,
        0.9,
        1e-40,
        f32::MAX,
        f32::MIN,
    ];
    let x = Tensor::from_slice(&Device::cpu(), &data, &[data.len()]);
    for stored in [DType::F32, DType::F16, DType::BF16] {
        for device in devices().iter() {
            for to in [DType::I32, DType::U32] {
                let (here, there) = (x.to_dtype(stored), x.to_device(device).unwrap().to_dtype(stored));
                assert_eq!(numbers(&there.to_dtype(to)), numbers(&here.to_dtype(to)), "{stored} to {to}");
                assert_eq!(numbers(&there.flip(&[0]).to_dtype(to)), numbers(&here.flip(&[0]).to_dtype(to)));
            }
        }
    }
    for device in devices().iter() {
        let signed = |d: &Device| Tensor::from_slice(d, &[i32::MIN, -1, 0, 7, i32::MAX], &[5]).to_dtype(DType::U32);
        let unsigned = |d: &Device| Tensor::from_slice(d, &[0, 7, 1u32 << 31, u32::MAX], &[4]).to_dtype(DType::I32);
        assert_eq!(numbers(&signed(device)), numbers(&signed(&Device::cpu())));
        assert_eq!(numbers(&unsigned(device)), numbers(&unsigned(&Device::cpu())));
    }
}

#[test]
fn draws_are_the_same_bits() {
    let draw = Draw::new(0x1234_5678_9abc_def0, [7, u32::MAX, 1]);
    let cpu = Device::cpu();
    for device in devices().iter() {
        let uniform = |d: &Device| Tensor::uniform(d, DType::F32, &[1021], draw).to_vec::<f32>().unwrap();
        assert_eq!(uniform(device), uniform(&cpu));
        let coins = |d: &Device| Tensor::bernoulli(d, DType::F32, &[3, 50], 0.3, draw).to_vec::<f32>().unwrap();
        assert_eq!(coins(device), coins(&cpu));
        let normal = |d: &Device| Tensor::normal(d, DType::F32, &[70_000], draw).to_vec::<f32>().unwrap();
        for (g, e) in normal(device).iter().zip(normal(&cpu)) {
            assert!((g - e).abs() <= 1e-6 * (1.0 + e.abs()), "{g}, expected {e}");
        }
    }
}

#[test]
fn results_are_stored_and_added_anywhere_in_a_vector() {
    for device in devices().iter() {
        for start in [0, 64, 3] {
            let mut vector = Tensor::ones(device, DType::F32, &[200]);
            let value = normal(&[7, 5], 1).to_device(device).unwrap();
            store(&value.mul_scalar(2.0), &mut vector, start, false);
            store(&value.t(), &mut vector, start, true);
            let mut expected = vec![1.0f32; 200];
            let host: Vec<f32> = value.to_vec().unwrap();
            let turned: Vec<f32> = value.t().to_vec().unwrap();
            for i in 0..35 {
                expected[start + i] = 2.0 * host[i] + turned[i];
            }
            assert_eq!(vector.to_vec::<f32>().unwrap(), expected, "at {start}");
        }
    }
}

#[test]
fn halves_beyond_the_binding_limit_go_in_windows() {
    // Of 768 bytes: three times what a binding's start is a multiple of.
    let options = GpuOptions { binding_limit: Some(768), checked_shaders: true, ..GpuOptions::default() };
    let Some(device) = open(options) else { return };
    let numbers: Vec<f32> = (0..1001).map(|i| i as f32).collect();
    let x = Tensor::from_slice(&device, &numbers, &[1001]).to_dtype(DType::F16).to_dtype(DType::F32);
    assert_eq!(x.to_vec::<f32>().unwrap(), numbers);
}

#[test]
fn vectors_beyond_the_binding_limit_go_in_windows() {
    let options = GpuOptions { binding_limit: Some(1024), ..GpuOptions::default() };
    let Some(device) = open(options) else { return };
    let draw = Draw::new(3, [0; 3]);
    let on = |d: &Device| {
        let x = normal(&[41, 37], 1).to_device(d).unwrap();
        let row = normal(&[37], 2).to_device(d).unwrap();
        let u = Tensor::uniform(d, DType::F32, &[41, 37], draw);
        x.mul(&row).add(&u).add(&x.flip(&[1])).to_vec::<f32>().unwrap()
    };
    for (i, (g, e)) in on(&device).iter().zip(on(&Device::cpu())).enumerate() {
        assert!((g - e).abs() <= 1e-6 * (1.0 + e.abs()), "element {i}: {g}, expected {e}"); // a shader may fuse x · row + u
    }
}

#[test]
fn integer_constants_wrap_as_on_the_cpu() {
    for device in devices().iter() {
        let on = |d: &Device| {
            let x = Tensor::from_slice(d, &[5u32, 1, 0], &[3]);
            let y = Tensor::from_slice(d, &[5i32, -1, 0], &[3]);
            (numbers(&x.add_scalar(-1.0)), numbers(&y.mul_scalar(-3.0)))
        };
        assert_eq!(on(device), on(&Device::cpu()));
    }
}

#[test]
fn lengths_share_a_kernel() {
    for device in devices().iter() {
        let Device::Gpu(gpu) = device else { unreachable!("a GPU") };
        let run = |n: usize| {
            Tensor::ones(device, DType::F32, &[n, 7]).force().mul_scalar(0.37).add_scalar(1.9).force().clone()
        };
        run(3);
        let before = gpu.counters().pipelines_created;
        run(50);
        assert_eq!(gpu.counters().pipelines_created, before);
    }
}

/// Whatever its size, a number has a sine: 1.6367173e7 · 2⁷² is the one that comes nearest to a multiple of π / 2.
#[test]
fn sines_of_large_numbers_are_right() {
    let mut numbers = vec![8e3f32, 8001.0, 131_072.5, 5e5, 1e6, 1e7, 16_367_173.0 * 2f32.powi(72), 3e38, f32::MAX];
    numbers.extend((0..2000u32).map(|i| f32::from_bits(0x45f0_0000 + i.wrapping_mul(0x9e37_79b9) % 0x398f_ffff)));
    numbers.extend(numbers.clone().iter().map(|x| -x));
    let x = Tensor::from_slice(&Device::cpu(), &numbers, &[numbers.len()]);
    for device in devices().iter().chain([&Device::cpu()]) {
        let x = x.to_device(device).unwrap();
        let [sines, cosines] = [x.sin(), x.cos()].map(|y| y.to_vec::<f32>().unwrap());
        for (i, x) in numbers.iter().enumerate() {
            let (sin, cos) = f64::from(*x).sin_cos();
            let error = (f64::from(sines[i]) - sin).abs().max((f64::from(cosines[i]) - cos).abs());
            assert!(error < 1e-6, "{device:?}: sin {x:e} = {}, right {sin}; cos {}, right {cos}", sines[i], cosines[i]);
        }
    }
}
