//! `lethe bench`.

use super::device::{DeviceArg, threads};
use super::options;
use super::output::say_or_end;
use crate::bench::{self, Effort, Selection};
use crate::error::Error;
use clap::Args;
use clap::builder::PossibleValuesParser;

/// What to measure, and on which device.
#[derive(Args)]
pub struct BenchArgs {
    #[command(flatten)]
    device: DeviceArg,
    /// CPU threads; 0 for all.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = options::threads())]
    threads: usize,
    /// Run only this case, at all its shapes; may be repeated. Steps of the paper's full-size models (step_vit_s32, step_resnet50) run only if named
    /// here: once, and with their losses.
    #[arg(long, value_name = "NAME", value_parser = PossibleValuesParser::new(bench::names()))]
    case: Vec<String>,
    /// Run only this shape; may be repeated.
    #[arg(long, value_name = "STRING")]
    shape: Vec<String>,
    /// Skip the three cases that take too long on a software GPU.
    #[arg(long)]
    small: bool,
}

/// Measures the cases and prints a line for each as soon as it is done.
pub fn bench(args: &BenchArgs) -> Result<(), Error> {
    let selection = Selection { cases: args.case.clone(), shapes: args.shape.clone(), small: args.small };
    let cases = bench::select(&selection)?;
    let threads = threads(args.threads);
    let device = args.device.choice.open(threads)?;
    let mut failed = 0;
    bench::run(&cases, &device, threads, &Effort::default(), |record| {
        failed += usize::from(record.failed());
        say_or_end(&serde_json::to_string(record).expect("strings and numbers"));
    });
    if failed > 0 { Err(Error::Bench { failed, cases: cases.len() }) } else { Ok(()) }
}
