//! Runs a folder of reference cases and says which fail: `conformance FOLDER [--device cpu|gpu] [--f64]`.

use clap::{Parser, ValueEnum};
use lethe_tensor::{DType, Device};
use lethe_tests::conformance::{Report, run_folder};
use std::path::PathBuf;
use std::process::ExitCode;

/// Runs a folder of reference cases: a line for each that fails or is unknown, then the counts.
#[derive(Parser)]
struct Arguments {
    /// Holds manifest.json and the safetensors files that it names.
    folder: PathBuf,
    /// Where to run.
    #[arg(long, value_enum, default_value_t = Place::Cpu)]
    device: Place,
    /// Compute in double precision, on the CPU alone: what then fails is wrong, not imprecise.
    #[arg(long)]
    f64: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Place {
    Cpu,
    Gpu,
}

#[cfg(feature = "gpu")]
fn gpu() -> Result<Device, String> {
    Device::gpu().map_err(|e| e.to_string())
}

#[cfg(not(feature = "gpu"))]
fn gpu() -> Result<Device, String> {
    Err("this program was built without the feature `gpu`".into())
}

fn run(arguments: &Arguments) -> Result<Report, String> {
    let device = match arguments.device {
        Place::Cpu => Device::cpu(),
        Place::Gpu if arguments.f64 => return Err("--f64 needs --device cpu: shaders have no f64".into()),
        Place::Gpu => gpu()?,
    };
    let dtype = if arguments.f64 { DType::F64 } else { DType::F32 };
    run_folder(&arguments.folder, &device, dtype).map_err(|e| e.to_string())
}

/// 0: none failed; 1: some did; 2: nothing could be run.
fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(report) => {
            report.lines().for_each(|line| println!("{line}"));
            println!("{}", report.summary());
            ExitCode::from(u8::from(report.failed() > 0))
        }
        Err(why) => {
            eprintln!("conformance: {why}");
            ExitCode::from(2)
        }
    }
}
