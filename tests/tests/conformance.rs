//! The reference cases in the repository, on the CPU, and on a GPU if there is one.

use lethe_tensor::{DType, Device};
use lethe_tests::conformance::run_folder;
use std::path::Path;

fn none_fails(device: &Device, dtype: DType) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let report = run_folder(&folder, device, dtype).expect("the cases can be read");
    report.lines().for_each(|line| println!("{line}"));
    println!("{}", report.summary());
    assert!(report.outcomes().len() > 700, "only {} cases were read", report.outcomes().len());
    assert_eq!((report.failed(), report.unknown()), (0, 0), "{}", report.summary());
}

#[test]
fn reference_cases_hold_on_the_cpu() {
    none_fails(&Device::cpu(), DType::F32);
}

#[test]
fn reference_cases_hold_in_double_precision() {
    none_fails(&Device::cpu(), DType::F64);
}

#[cfg(feature = "gpu")]
#[test]
fn reference_cases_hold_on_a_gpu() {
    use lethe_tensor::gpu::{GpuDevice, GpuOptions};
    GpuDevice::for_tests(GpuOptions::default())
        .iter()
        .for_each(|gpu| none_fails(&Device::Gpu(gpu.clone()), DType::F32));
}
