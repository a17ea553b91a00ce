//! Runs a folder of reference cases and reports which fail: `conformance FOLDER [--device DEVICE] [--f64]`.

use clap::Parser;
use lethe::cli::DeviceChoice;
use lethe_tensor::DType;
use lethe_tests::conformance::{Report, run_folder};
use std::path::PathBuf;
use std::process::ExitCode;

/// Runs a folder of reference cases: a line for each that fails or is unknown, then the counts.
#[derive(Parser)]
struct Arguments {
    /// Holds manifest.json and the safetensors files that it names.
    folder: PathBuf,
    /// Where to run: cpu, gpu, gpu:N, gpu:NAME or gpu:BACKEND, as `lethe devices` lists.
    #[arg(long, default_value_t = DeviceChoice::Cpu)]
    device: DeviceChoice,
    /// Compute in double precision, on the CPU only: a case that still fails is wrong, not imprecise.
    #[arg(long)]
    f64: bool,
}

fn run(arguments: &Arguments) -> Result<Report, String> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let device = arguments.device.open(threads).map_err(|e| e.to_string())?;
    if arguments.f64 && !device.is_cpu() {
        return Err("--f64 needs --device cpu: shaders have no f64".into());
    }
    let dtype = if arguments.f64 { DType::F64 } else { DType::F32 };
    run_folder(&arguments.folder, &device, dtype).map_err(|e| e.to_string())
}

/// The exit status: 0 if no case failed, 1 if some did, 2 if nothing could be run.
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
