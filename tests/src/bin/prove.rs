//! Proves every registered operation and writes the table of docs/operations.md.

use clap::Parser;
use lethe::cli::DeviceChoice;
use lethe_autograd::registry::operations;
use lethe_tensor::{DType, Device};
use lethe_tests::document::write_table;
use lethe_tests::proof::{Mutants, Row, agreement_on, all_derivatives, markdown};
use std::path::PathBuf;
use std::process::ExitCode;

/// Checks derivatives against finite differences, tries mutants of every rule, and compares every device with double precision on the CPU.
#[derive(Parser)]
struct Args {
    /// A device to compare, as in `lethe --device`; may be repeated. The first column is always the CPU.
    #[arg(long)]
    device: Vec<DeviceChoice>,
    /// Number of cases per operation, for derivatives and on the CPU.
    #[arg(long, default_value_t = 64)]
    cases: u64,
    /// Number of cases per operation on the other devices.
    #[arg(long, default_value_t = 6)]
    device_cases: u64,
    /// Try every N-th mutant; 0 for none.
    #[arg(long, default_value_t = 1)]
    mutants: usize,
    /// Write the table to this file, below its last heading; by default to standard output.
    #[arg(long)]
    out: Option<PathBuf>,
}

/// The types that inputs are stored in; everything is computed in f32.
const TYPES: [DType; 3] = [DType::F32, DType::F16, DType::BF16];

/// A device with its name, a type, and the number of cases.
type Column = (String, Device, DType, u64);

fn main() -> ExitCode {
    match prove(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("prove: {error}");
            ExitCode::FAILURE
        }
    }
}

fn prove(args: &Args) -> Result<bool, Box<dyn std::error::Error>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut columns: Vec<Column> = vec![];
    for dtype in TYPES {
        columns.push(("CPU".into(), Device::cpu(), dtype, args.cases));
    }
    for choice in &args.device {
        let device = choice.open(threads)?;
        for dtype in TYPES {
            columns.push((name(&device), device.clone(), dtype, args.device_cases));
        }
    }
    let mutants = (args.mutants > 0).then(Mutants::find);
    let mut caught = mutants.as_ref().map(|m| m.try_all(args.mutants)).unwrap_or_default();
    let (mut rows, mut right) = (vec![], true);
    for op in operations() {
        let proven = all_derivatives(&op, args.cases).and_then(|derivatives| {
            let on = |(_, device, dtype, cases): &Column| agreement_on(device, *dtype, &op, *cases);
            Ok((derivatives, columns.iter().map(on).collect::<Result<Vec<_>, _>>()?))
        });
        let mutants = caught.remove(op.name);
        for survivor in mutants.iter().flat_map(|m| &m.survived) {
            eprintln!("survived: {survivor}");
            right = false;
        }
        match proven {
            Ok((derivatives, devices)) => rows.push(Row { name: op.name, derivatives, mutants, devices }),
            Err(why) => {
                eprintln!("{}: {why}", op.name);
                right = false;
            }
        }
    }
    let heads: Vec<String> = columns.iter().map(|(name, _, dtype, _)| format!("{dtype}, {name}")).collect();
    let table = markdown(&rows, &heads);
    match &args.out {
        None => print!("{table}"),
        Some(path) => write_table(path, &table)?,
    }
    Ok(right)
}

/// The name of a device in a column's heading: the first word of the adapter's name, and its back end.
fn name(device: &Device) -> String {
    match device {
        Device::Cpu(_) => "CPU".into(),
        #[cfg(feature = "gpu")]
        Device::Gpu(gpu) => {
            let summary = gpu.summary();
            let first = summary.name.split_whitespace().next().unwrap_or("GPU");
            format!("{first} ({})", summary.backend)
        }
    }
}
