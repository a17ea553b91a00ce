//! `lethe reproduce`: the paper's tables and figures.

use super::{Common, note, say, threads};
use crate::data::Places;
use crate::error::Error;
use crate::reproduce::{Experiment, Scale, Study, reproduce};
use clap::Args;
use clap::builder::RangedU64ValueParser;
use std::path::PathBuf;

/// What to make.
#[derive(Args)]
pub struct ReproduceArgs {
    /// The table or figure.
    #[arg(value_name = "EXPERIMENT")]
    experiment: Experiment,
    /// digits and fashion: reduced models of small images; paper: its own.
    #[arg(long, value_name = "SCALE", default_value = "digits")]
    scale: Scale,
    /// Runs of every method, with seeds 0, 1, …
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = RangedU64ValueParser::<u64>::new().range(1..=1000))]
    seeds: u64,
    /// The folder for runs and results; runs that are there are not made again.
    #[arg(long, value_name = "DIR", default_value = "results")]
    out: PathBuf,
    #[command(flatten)]
    common: Common,
}

/// Makes it.
pub fn run(args: &ReproduceArgs) -> Result<(), Error> {
    let threads = threads(args.common.threads.unwrap_or(0));
    let out = args.out.join(args.scale.to_string());
    let study = Study {
        scale: args.scale,
        seeds: args.seeds,
        device: args.common.device.choice.open(threads)?,
        threads,
        places: Places::of_process(args.common.data_dir.clone()),
        runs: out.join("runs"),
        out,
        say: &say,
    };
    note(&format!("{} at scale {}, {} seeds, in {}", args.experiment, args.scale, args.seeds, study.out.display()));
    reproduce(args.experiment, &study)
}
