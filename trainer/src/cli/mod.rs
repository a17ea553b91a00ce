//! The command line.

mod analyze;
mod bench;
mod device;
mod doctor;
mod eval;
mod export;
mod landscape;
mod output;
mod paper_configs;
mod reproduce;
mod resume;
mod session;
#[cfg(feature = "gpu")]
mod shaders;

use crate::analysis::forgetting::Progress;
use crate::config::{Config, MOST_THREADS, Problem};
use crate::data::{DataSplit, SearchPath, load};
use crate::error::Error;
use crate::files;
use crate::miniature;
use crate::run::{Checkpoint, Existing, RunFolder, timestamp};
use crate::training::{self, Training};
use crate::words::count;
use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser, Subcommand};
use lethe_tensor::Device;
use serde::Serialize;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use output::{note, say, say_or_end};

pub use device::{DeviceChoice, UnknownDevice};

/// Training with perturbed forgetting.
#[derive(Parser)]
#[command(name = "lethe", version, about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Train what a config describes, and write a run folder.
    Train(TrainArgs),
    /// Resume an interrupted run from its last checkpoint; the result is that of an uninterrupted run.
    Resume(resume::ResumeArgs),
    /// Evaluate a run's checkpoint on test sets.
    Eval(eval::EvalArgs),
    /// Write a run's model as a safetensors file with PyTorch's names.
    Export(export::ExportArgs),
    /// Measure a run's sharpness, its loss landscape, or what its perturbation makes it forget.
    #[command(subcommand)]
    Analyze(analyze::Analysis),
    /// Time operations and training steps; print one line of JSON for each.
    Bench(bench::BenchArgs),
    /// Check every operation and its gradient on a device against double precision on the CPU.
    Doctor(doctor::DoctorArgs),
    /// Write small synthetic data sets in the formats of ImageNet, its evaluation sets, CIFAR-10 and CIFAR-100, to test the pipeline with.
    Miniature {
        /// The folder to write; it must be empty or not exist.
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
    /// Write a config for every row of the paper's hyper-parameter table.
    PaperConfigs(paper_configs::PaperConfigsArgs),
    /// Reproduce a table or figure of the paper.
    Reproduce(reproduce::ReproduceArgs),
    /// List the devices of this machine.
    Devices,
    /// Write every GPU kernel as a self-contained WGSL file.
    #[cfg(feature = "gpu")]
    Shaders(shaders::ShadersArgs),
}

/// The options of every command that loads data and computes.
#[derive(Args)]
struct Common {
    #[command(flatten)]
    device: device::DeviceArg,
    /// The folder that holds the data set, or that holds a folder named after it; by default $LETHE_DATA, then the system's data folders.
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// CPU threads; by default, and with 0, as many as the config says, or all. Results do not depend on the number.
    #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<usize>::new().range(..=MOST_THREADS as u64))]
    threads: Option<usize>,
}

#[derive(Args)]
struct TrainArgs {
    /// The config file.
    #[arg(value_name = "CONFIG.toml")]
    config: PathBuf,
    /// Change a key of the config: section.key=value; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// The run folder to create; by default a new one under runs/.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Replace the run in --out, if there is one.
    #[arg(long)]
    overwrite: bool,
    /// Stop at the first operation that produces a NaN or an infinity, and name it with its source line and inputs. Slow: every result is read back.
    #[arg(long)]
    detect_anomaly: bool,
    #[command(flatten)]
    common: Common,
}

/// A run, and which of its checkpoints to use.
#[derive(Args)]
struct Source {
    /// The run's folder.
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Use this checkpoint of the run instead of the last one, such as RUN/checkpoints/epoch-025.safetensors (see train.keep_checkpoints).
    #[arg(long, value_name = "FILE")]
    checkpoint: Option<PathBuf>,
}

impl Source {
    fn open(&self) -> Result<RunFolder, Error> {
        Ok(RunFolder::open(&self.run)?)
    }

    fn checkpoint(&self, run: &RunFolder) -> Result<Checkpoint, Error> {
        Ok(run.load(self.checkpoint.as_deref())?)
    }

    /// The name of a record; it includes the epoch if a checkpoint was named, so that the records of several checkpoints do not overwrite each other.
    fn record_name(&self, analysis: &str, progress: Progress) -> String {
        match self.checkpoint {
            None => analysis.to_owned(),
            Some(_) => format!("{analysis}-epoch-{:03}", progress.epochs),
        }
    }
}

/// Runs the program with these arguments, the first of which is its name. The exit status is 0 for success, 1 for a failure, 2 for a wrong command
/// line or config.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        // Help and version are reported as errors too; clap knows the stream and the status of each.
        Err(error) => {
            let printed = error.print();
            if error.use_stderr() {
                return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(1));
            }
            output::record(printed);
            return output::status();
        }
    };
    session::silence_layers(&arguments);
    let done = match cli.command {
        Command::Train(args) => train(&args),
        Command::Resume(args) => resume::resume(&args),
        Command::Eval(args) => eval::eval(&args),
        Command::Export(args) => export::export(&args),
        Command::Analyze(analysis) => analyze::analyze(&analysis),
        Command::Bench(args) => bench::bench(&args),
        Command::Doctor(args) => doctor::examine(&args),
        Command::Miniature { folder } => {
            miniature::write(&folder).map(|()| say(&format!("written to {}", folder.display())))
        }
        Command::PaperConfigs(args) => paper_configs::write(&args),
        Command::Reproduce(args) => reproduce::run(&args),
        Command::Devices => {
            device::list().iter().for_each(|line| say_or_end(line));
            Ok(())
        }
        #[cfg(feature = "gpu")]
        Command::Shaders(args) => shaders::write(&args).map(|(variants, generated)| {
            say(&format!("{} and {}", count(variants, "kernel"), count(generated, "expression")));
        }),
    };
    match done {
        Ok(()) => output::status(),
        Err(error) => {
            note(&format!("lethe: {error}"));
            ExitCode::from(error.exit_status())
        }
    }
}

/// The number of threads requested, or for 0, the number of the machine's.
fn threads(asked: usize) -> usize {
    if asked > 0 { asked } else { std::thread::available_parallelism().map_or(1, |n| n.get()) }
}

/// The device that the command line names, with the number of CPU threads that it, or else the config, asks for.
fn device(common: &Common, config: &Config) -> Result<(Device, usize), Error> {
    let threads = threads(common.threads.filter(|t| *t > 0).unwrap_or(config.train.threads));
    let cores = self::threads(0);
    if threads > cores {
        note(&format!("warning: {threads} threads share {}; --threads {cores} is faster", count(cores, "core")));
    }
    Ok((common.device.choice.open(threads)?, threads))
}

fn train(args: &TrainArgs) -> Result<(), Error> {
    let Prepared { config, split, device, threads } = prepare(&args.config, &args.set, &args.common)?;
    let images = (split.train.len(), split.test.len());
    let mut training = Training::new(&config, split, &device, threads)?;
    if args.detect_anomaly {
        training.detect_anomaly();
    }
    let existing = if args.overwrite { Existing::Overwrite } else { Existing::Refuse };
    let run = match &args.out {
        Some(out) => RunFolder::create(out, existing, &config),
        None => {
            let now = timestamp(std::time::SystemTime::now());
            RunFolder::create_new(Path::new("runs"), &args.config, &now, &config)
        }
    }?;
    let (path, (train, test)) = (run.path().display(), images);
    let (test, threads) = (count(test, "test image"), count(threads, "thread"));
    note(&format!("{path}: {train} training and {test}, {threads}"));
    if let Some(origin) = training.origin() {
        note(&format!("{path} {origin}"));
    }
    finish(training, &run)
}

fn finish(training: Training<'_>, run: &RunFolder) -> Result<(), Error> {
    let summary = training.run(run)?;
    say(&format!("run {}", run.path().display()));
    say(&format!("test accuracy {:.2} % after {}", summary.test_accuracy, count(summary.updates, "update")));
    Ok(())
}

/// Writes a record as JSON to the file that the command line names.
fn write_json(path: &Path, record: &impl Serialize) -> Result<(), Error> {
    let text = serde_json::to_string_pretty(record).expect("records can be written as JSON") + "\n";
    files::write(path, text.as_bytes()).map(drop)
}

/// A config, the data that matches it, and where to compute.
struct Prepared {
    config: Config,
    split: DataSplit,
    device: Device,
    threads: usize,
}

/// For a config to train.
fn prepare(path: &Path, set: &[String], common: &Common) -> Result<Prepared, Error> {
    prepared(Config::load(path, set)?, path, common)
}

/// For the config of a run that is evaluated or analysed.
fn prepare_trained(path: &Path, set: &[String], common: &Common) -> Result<Prepared, Error> {
    let config = Config::load_trained(path, set)?;
    if config.analysis.split != Config::load_trained(path, &[])?.analysis.split {
        let reason = "cannot change after training: the run held out other images";
        return Err(Problem::value("analysis.split", format!("{:?}", config.analysis.split), reason).into());
    }
    prepared(config, path, common)
}

fn prepared(config: Config, path: &Path, common: &Common) -> Result<Prepared, Error> {
    let split = load(&config.data, &SearchPath::of_process(common.data_dir.clone()))?;
    [&split.train, &split.test]
        .into_iter()
        .flat_map(|set| &set.remarks)
        .for_each(|remark| note(&format!("note: {remark}")));
    let config = config.resolve(training::facts(&split)).map_err(|p| p.in_file(path))?;
    let (device, threads) = device(common, &config)?;
    Ok(Prepared { config, split, device, threads })
}
