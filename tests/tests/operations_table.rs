//! The figures in docs/operations.md belong to this code: they are computed again, and compared within the tolerance that the page states.

use lethe_autograd::registry::operations;
use lethe_tensor::{DType, Device};
use lethe_tests::proof::{Figures, Mutants, agreement_on, all_derivatives, read};
use std::path::Path;

/// The cases of the command in docs/operations.md.
const CASES: u64 = 64;
#[cfg(feature = "gpu")]
const DEVICE_CASES: u64 = 6;

fn table() -> Vec<Figures> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/operations.md");
    read(&std::fs::read_to_string(path).expect("the page is there")).expect("every row is of the table's form")
}

/// Roundings differ with the SIMD level and the driver.
fn are_close(said: [f64; 2], now: [f64; 2]) -> bool {
    said.into_iter().zip(now).all(|(said, now)| (said - now).abs() <= 1.0 + 0.5 * f64::max(said, now))
}

fn all_right(stale: &[String]) {
    assert!(stale.is_empty(), "run the command in docs/operations.md: its figures differ from this code's: {stale:#?}");
}

#[test]
fn rows_derivatives_and_mutants_are_those_of_this_code() {
    let table = table();
    let names: Vec<&str> = table.iter().map(|row| &row.name[..]).collect();
    assert_eq!(names, operations().map(|op| op.name).collect::<Vec<_>>(), "run the command in docs/operations.md");
    let mutants = Mutants::find().counts();
    let mut stale = vec![];
    for (op, row) in operations().zip(&table) {
        let now = all_derivatives(&op, CASES).expect("they are right").map(|r| (r.error, r.compared));
        let same = |((said, of), (now, compared)): ((f64, usize), (f64, usize))| {
            // Of differences whose own noise is about 1e-10.
            of == compared && (said - now).abs() <= 1e-9 + 0.5 * f64::max(said, now)
        };
        if !row.derivatives.into_iter().zip(now).all(same) {
            stale.push(format!("{}: derivatives {:?}, now {now:?}", row.name, row.derivatives));
        }
        if row.mutants != mutants.get(op.name).copied() {
            stale.push(format!("{}: mutants {:?}, now {:?}", row.name, row.mutants, mutants.get(op.name)));
        }
    }
    all_right(&stale);
}

/// The column with this heading, computed again.
fn column_is_true(head: &str, device: &Device, cases: u64) {
    let mut stale = vec![];
    for (op, row) in operations().zip(table()) {
        let Some((_, said)) = row.devices.iter().find(|(of, _)| of == head) else {
            panic!("docs/operations.md has no column {head}; run its command")
        };
        let now = agreement_on(device, DType::F32, &op, cases).expect("within bounds").map(|a| a.roundings);
        if !are_close(*said, now) {
            stale.push(format!("{}, {head}: {said:?}, now {now:.1?}", row.name));
        }
    }
    all_right(&stale);
}

#[test]
fn roundings_on_the_cpu_are_those_of_this_code() {
    column_is_true("f32, CPU", &Device::cpu(), CASES);
}

#[cfg(feature = "gpu")]
#[test]
fn roundings_on_a_software_adapter_are_those_of_this_code() {
    use lethe_tensor::gpu::{GpuDevice, GpuOptions};
    let Some(gpu) = GpuDevice::for_tests(GpuOptions::default()) else { return };
    let summary = gpu.summary();
    if summary.name.starts_with("llvmpipe") && summary.backend == "vulkan" {
        column_is_true("f32, llvmpipe (vulkan)", &Device::Gpu(gpu), DEVICE_CASES);
    }
}
