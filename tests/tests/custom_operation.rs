//! The example of a custom operation is correct on every device.

#[path = "../../autograd/examples/custom_operation.rs"]
mod example;

use lethe_tensor::Device;

#[test]
fn it_runs_and_its_derivatives_are_right() {
    example::main().unwrap();
}

#[test]
fn it_is_right_on_the_cpu() {
    let error = example::largest_error(&Device::cpu()).unwrap();
    assert!(error < 1e-6, "{error:e}"); // values of a few units, a few roundings
}

#[cfg(feature = "gpu")]
#[test]
fn it_is_right_on_the_gpu() {
    use lethe_tensor::gpu::{GpuDevice, GpuOptions};
    // Checked and not: a kernel of a program's own always runs with wgpu's checks.
    for checked_shaders in [true, false] {
        let Some(gpu) = GpuDevice::for_tests(GpuOptions { checked_shaders, ..GpuOptions::default() }) else { return };
        let error = example::largest_error(&Device::Gpu(gpu)).unwrap();
        assert!(error < 4e-6, "{error:e}"); // WGSL's exp is off by a few units more
    }
}
