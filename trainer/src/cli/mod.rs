//! The command line.

mod analyze;
mod bench;
mod check;
mod compare;
mod data;
mod device;
mod doctor;
mod eval;
mod export;
mod info;
mod landscape;
mod new;
mod options;
mod output;
mod paper_configs;
mod predict;
mod prepared;
mod rehearsal;
mod report;
mod reproduce;
mod resume;
mod schema;
mod session;
#[cfg(feature = "gpu")]
pub mod shaders;
mod shell;
mod sweep;
mod sweep_progress;
mod train;

use crate::miniature;
use crate::sweep::parent;
#[cfg(feature = "gpu")]
use crate::words::count;
use clap::{CommandFactory, Parser, Subcommand};
use std::ffi::OsString;
use std::path::PathBuf;
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
    /// Write a config with comments to start from.
    New(new::NewArgs),
    /// Download published data sets, or say what is in one.
    #[command(subcommand)]
    Data(data::Data),
    /// Train what a config describes, and write a run folder.
    Train(train::TrainArgs),
    /// Train with several values of keys and several seeds, and tabulate the results.
    Sweep(sweep::SweepArgs),
    /// Check a config, its data and its model against each other, and say what a training would take, without training.
    Check(check::CheckArgs),
    /// Resume an interrupted run from its last checkpoint; the result is that of an uninterrupted run.
    Resume(resume::ResumeArgs),
    /// Evaluate a run's checkpoint on test sets.
    Eval(eval::EvalArgs),
    /// Name the classes of images from anywhere, as a run's model sees them.
    Predict(predict::PredictArgs),
    /// Write a page of HTML about runs: curves, configs, confused classes, the most wrong images.
    Report(report::ReportArgs),
    /// Print the results of runs side by side, and where their configs differ.
    Compare(compare::CompareArgs),
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
    /// Print a JSON Schema of configs, by which editors complete and check them.
    Schema(schema::SchemaArgs),
    /// List the devices of this machine.
    Devices,
    /// Print a script that completes the program's commands and options in a shell.
    Completions(shell::CompletionsArgs),
    /// Write manual pages.
    Man(shell::ManArgs),
    /// Write every GPU kernel as a self-contained WGSL file.
    #[cfg(feature = "gpu")]
    Shaders(shaders::ShadersArgs),
}

/// The arguments with every negative number joined to the option before it, `--reach=-1`: alone it would be read as options that do not exist, and
/// the option could not say what it expects.
fn with_negative_numbers(arguments: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let is_negative = |text: &OsString| text.to_str().is_some_and(|t| t.starts_with('-') && t.parse::<f64>().is_ok());
    let is_option = |text: &OsString| text.to_str().is_some_and(|t| t.starts_with("--") && !t.contains('='));
    let mut joined: Vec<OsString> = Vec::new();
    for argument in arguments {
        match joined.last_mut().filter(|last| is_option(last) && is_negative(&argument)) {
            Some(option) => {
                option.push("=");
                option.push(argument);
            }
            None => joined.push(argument),
        }
    }
    joined
}

/// Runs the program with these arguments, the first of which is its name. The exit status is 0 for success, 1 for a failure, 2 for a wrong command
/// line or config.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = with_negative_numbers(arguments);
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
    if !parent::follow() {
        note("lethe: the sweep that this run belongs to has ended");
        return ExitCode::FAILURE;
    }
    let done = match cli.command {
        Command::New(args) => new::run(&args),
        Command::Data(data) => data::run(&data),
        Command::Train(args) => train::train(&args),
        Command::Sweep(args) => sweep::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Resume(args) => resume::resume(&args),
        Command::Eval(args) => eval::eval(&args),
        Command::Predict(args) => predict::run(&args),
        Command::Report(args) => report::run(&args),
        Command::Compare(args) => compare::run(&args),
        Command::Export(args) => export::export(&args),
        Command::Analyze(analysis) => analyze::analyze(&analysis),
        Command::Bench(args) => bench::bench(&args),
        Command::Doctor(args) => doctor::examine(&args),
        Command::Miniature { folder } => {
            miniature::write(&folder).map(|()| say(&format!("written to {}", folder.display())))
        }
        Command::PaperConfigs(args) => paper_configs::write(&args),
        Command::Reproduce(args) => reproduce::run(&args),
        Command::Schema(args) => schema::run(&args),
        Command::Completions(args) => {
            shell::completions(&args, Cli::command());
            Ok(())
        }
        Command::Man(args) => shell::man(&args, Cli::command()),
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
