//! The command line.

use crate::config::Config;
use crate::data::{Places, load};
use crate::error::Error;
use crate::run::{Existing, RunFolder, default_folder, timestamp};
use crate::training;
use clap::{Args, Parser, Subcommand};
use lethe_tensor::Device;
use lethe_tensor::cpu::CpuDevice;
use std::path::PathBuf;
use std::process::ExitCode;

/// Training with perturbed forgetting.
#[derive(Parser)]
#[command(name = "lethe", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train as a config says, and write a run folder.
    Train(TrainArgs),
    /// Measure the test set with a run's checkpoint.
    Eval(EvalArgs),
}

/// What commands that load data and compute share.
#[derive(Args)]
struct Common {
    /// The folder that holds the data set, or a folder of its name.
    #[arg(long)]
    data_dir: Option<PathBuf>,
    /// CPU threads; 0 or none for the config's, or all. Results do not depend on it.
    #[arg(long)]
    threads: Option<usize>,
}

#[derive(Args)]
struct TrainArgs {
    /// The experiment file.
    config: PathBuf,
    /// Change a key of the config: section.key=value; may be given again.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// The run's folder; by default a new one under runs/.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Replace a run that stands in --out.
    #[arg(long)]
    overwrite: bool,
    #[command(flatten)]
    common: Common,
}

#[derive(Args)]
struct EvalArgs {
    /// The run's folder.
    run: PathBuf,
    #[command(flatten)]
    common: Common,
}

/// Runs the program: 0 for success, 1 for a failure, 2 for wrong usage or config.
pub fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Train(args) => train(&args),
        Command::Eval(args) => eval(&args),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("lethe: {error}");
            ExitCode::from(error.exit_status())
        }
    }
}

/// The CPU with as many threads as the command line, or else the config, asks for.
fn device(common: &Common, config: &Config) -> Result<(Device, usize), Error> {
    let asked = common.threads.filter(|t| *t > 0).unwrap_or(config.train.threads);
    let all = std::thread::available_parallelism().map_or(1, |n| n.get());
    let threads = if asked == 0 { all } else { asked };
    Ok((Device::Cpu(CpuDevice::with_threads(threads)?), threads))
}

fn train(args: &TrainArgs) -> Result<(), Error> {
    let config = Config::load(&args.config, &args.set)?;
    let split = load(&config.data, &Places::of_process(args.common.data_dir.clone()))?;
    let config = config.resolve(training::facts(&split)).map_err(|p| p.in_file(&args.config))?;
    let (device, threads) = device(&args.common, &config)?;
    let out = args.out.clone();
    let out = out.unwrap_or_else(|| default_folder(&args.config, &timestamp(std::time::SystemTime::now())));
    let existing = if args.overwrite { Existing::Overwrite } else { Existing::Refuse };
    let run = RunFolder::create(&out, existing, &config)?;
    eprintln!(
        "{}: {} training and {} test images, {threads} threads",
        out.display(),
        split.train.len(),
        split.test.len()
    );
    let summary = training::train(&config, split, &device, &run, threads)?;
    println!("run {}", out.display());
    println!("test accuracy {:.2} % after {} updates", summary.test_accuracy, summary.updates);
    Ok(())
}

fn eval(args: &EvalArgs) -> Result<(), Error> {
    let run = RunFolder::open(&args.run)?;
    let config = Config::load(&run.config(), &[])?;
    let split = load(&config.data, &Places::of_process(args.common.data_dir.clone()))?;
    let (device, threads) = device(&args.common, &config)?;
    let result = training::evaluate_run(&config, &run.load()?, split, &device, threads)?;
    println!("test accuracy {:.2} %, loss {:.4}, {} images", result.accuracy(), result.loss, result.images);
    Ok(())
}
