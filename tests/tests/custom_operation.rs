//! The operation that lesson 11 writes outside of the packages is correct on every device, and so are its derivatives of both orders.

#[path = "../../examples/11_own_operation.rs"]
mod lesson;

use lesson::log_cosh;
use lethe::prelude::*;
use lethe_autograd::gradcheck::gradgradcheck;
use lethe_tensor::random::Draw;

#[test]
fn the_lesson_runs() {
    lesson::main().unwrap();
}

#[test]
fn its_first_and_second_derivatives_are_right() {
    let x = Tensor::normal(&Device::cpu(), DType::F64, &[7, 33], Draw::new(0, [0; 3]));
    let options = GradcheckOptions::default();
    gradcheck(|v| log_cosh(&v[0]), std::slice::from_ref(&x), &options).unwrap();
    gradgradcheck(|v| log_cosh(&v[0]), &[x], &options).unwrap();
}

/// The largest difference between a device and double precision on the CPU, for inputs of a few units.
fn largest_error(device: &Device) -> f64 {
    let x = Tensor::normal(&Device::cpu(), DType::F32, &[7, 33], Draw::new(0, [0; 3]));
    let on = |device: &Device, dtype: DType| -> Vec<f64> {
        let y = log_cosh(&Var::constant(&x.to_dtype(dtype).to_device(device).unwrap()));
        y.tensor().to_device(&Device::cpu()).unwrap().to_dtype(DType::F64).to_vec().unwrap()
    };
    let (found, exact) = (on(device, DType::F32), on(&Device::cpu(), DType::F64));
    found.iter().zip(exact).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn it_is_right_on_the_cpu() {
    let error = largest_error(&Device::cpu());
    assert!(error < 1e-6, "{error:e}"); // values of a few units, a few roundings
}

#[cfg(feature = "gpu")]
#[test]
fn it_is_right_on_the_gpu() {
    use lethe_tensor::gpu::{GpuDevice, GpuOptions};
    // Checked and not: a kernel of a program's own always runs with wgpu's checks.
    for checked_shaders in [true, false] {
        let Some(gpu) = GpuDevice::for_tests(GpuOptions { checked_shaders, ..GpuOptions::default() }) else { return };
        let error = largest_error(&Device::Gpu(gpu));
        assert!(error < 4e-6, "{error:e}"); // WGSL's exp and log are off by a few units more
    }
}
