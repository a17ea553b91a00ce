//! `lethe reproduce`: the paper's tables and figures.

use super::device::{DeviceChoice, threads};
use super::options::{Common, whole};
use super::output::{note, say};
use crate::config::{MAX_THREADS, Problem, nearest};
use crate::data::SearchPath;
use crate::error::Error;
use crate::paper::Architecture;
use crate::reproduce::{Experiment, Scale, Study, reproduce};
use crate::stop::StopRequests;
use crate::words::count;
use clap::Args;
use lethe_tensor::Device;
use std::path::PathBuf;

/// What to reproduce, and at which scale.
#[derive(Args)]
pub struct ReproduceArgs {
    /// The table or figure to reproduce.
    #[arg(value_name = "EXPERIMENT")]
    experiment: Experiment,
    /// digits and fashion: small models on small images; paper: the paper's models and data.
    #[arg(long, value_name = "SCALE", default_value = "digits")]
    scale: Scale,
    /// Number of runs of every method, with seeds 0, 1, …
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = whole::<u64>(1..=1000))]
    seeds: u64,
    /// The folder for runs and results; runs that are already there are not trained again.
    #[arg(long, value_name = "DIR", default_value = "results")]
    out: PathBuf,
    /// Include only this model in tables (vit or resnet at reduced scales; vit-s32, … at the paper's); may be repeated.
    #[arg(long, value_name = "MODEL")]
    model: Vec<String>,
    /// Change a key of every config, such as train.batch=1024: section.key=value; may be repeated. The results mention the changes.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Number of runs to train at the same time, each on its share of the threads; by default as many as threads on a CPU at a reduced scale,
    /// otherwise one.
    #[arg(long, value_name = "N", value_parser = whole::<usize>(1..=MAX_THREADS as u64))]
    jobs: Option<usize>,
    #[command(flatten)]
    common: Common,
}

/// Trains what is missing and writes the results.
pub fn run(args: &ReproduceArgs) -> Result<(), Error> {
    let threads = threads(args.common.threads.unwrap_or(0));
    let out = args.out.join(args.scale.to_string());
    let (devices, threads) = devices(args, threads)?;
    let study = Study {
        scale: args.scale,
        architectures: architectures(args)?,
        set: args.set.clone(),
        seeds: args.seeds,
        devices,
        threads,
        search_path: SearchPath::of_process(args.common.data_dir.clone()),
        runs: out.join("runs"),
        out,
        stop: StopRequests::of_process().map_err(Error::Signals)?,
        say: &say,
    };
    let jobs = study.devices.len();
    note(&format!(
        "{} at scale {}, {}, {} at a time, in {}",
        args.experiment,
        args.scale,
        count(args.seeds, "seed"),
        count(jobs, "run"),
        study.out.display()
    ));
    reproduce(args.experiment, &study)
}

/// A device for each of the runs that are trained at the same time, and the number of threads of a run. Small networks leave threads idle, so one
/// thread per run is fastest.
fn devices(args: &ReproduceArgs, threads: usize) -> Result<(Vec<Device>, usize), Error> {
    let first = args.common.device.choice.open(threads)?;
    let cpu = matches!(first, Device::Cpu(_));
    let jobs = args.jobs.unwrap_or(if cpu && args.scale != Scale::Paper { threads } else { 1 });
    if jobs == 1 {
        return Ok((vec![first], threads));
    }
    let share = (threads / jobs).max(1);
    let choice = if cpu { &DeviceChoice::Cpu } else { &args.common.device.choice };
    Ok(((0..jobs).map(|_| choice.open(share)).collect::<Result<_, Error>>()?, share))
}

/// The requested models: all of the scale if none is named.
fn architectures(args: &ReproduceArgs) -> Result<Vec<Architecture>, Error> {
    let all = args.scale.architectures();
    let name = |a: &Architecture| args.scale.model_name(*a);
    if let Some(unknown) = args.model.iter().find(|wanted| all.iter().all(|a| name(a) != **wanted)) {
        let names: Vec<String> = all.iter().map(name).collect();
        let choices: Vec<&str> = names.iter().map(String::as_str).collect();
        let near = nearest(unknown, &choices).map_or_else(String::new, |near| format!(" (did you mean {near}?)"));
        let reason = format!("scale {} has {}{near}", args.scale, names.join(", "));
        return Err(Problem::value("--model", unknown, reason).into());
    }
    let wanted = |a: &&Architecture| args.model.is_empty() || args.model.contains(&name(a));
    Ok(all.iter().filter(wanted).copied().collect())
}
