//! The options that commands share.

use super::device::DeviceArg;
use super::output::note;
use crate::config::MAX_THREADS;
use crate::data::SearchPath;
use crate::error::Error;
use crate::progress::Show;
use crate::run::{Checkpoint, RunFolder};
use crate::training::Progress;
use clap::Args;
use std::ops::RangeInclusive;
use std::path::PathBuf;

/// The options of every command that loads data and computes.
#[derive(Args)]
pub struct Common {
    #[command(flatten)]
    pub device: DeviceArg,
    /// The folder that holds the data set, or that holds a folder named after it; by default the one that a run was trained on, then $LETHE_DATA, then
    /// the user's and the system's data folders.
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// CPU threads; by default, and with 0, as many as the config says, or all. Results do not depend on the number.
    #[arg(long, value_name = "N", value_parser = threads())]
    pub threads: Option<usize>,
}

impl Common {
    /// Where data sets are searched, also those that this run was trained on.
    pub fn search_path(&self, run: Option<&RunFolder>) -> SearchPath {
        let noted = run.and_then(RunFolder::noted_folder);
        SearchPath { noted, ..SearchPath::of_process(self.data_dir.clone()) }
    }
}

/// How a training tells of its progress.
#[derive(Args)]
pub struct Telling {
    /// Print the result alone.
    #[arg(long, conflicts_with = "json")]
    quiet: bool,
    /// Print the progress and the result as lines of JSON on standard output.
    #[arg(long)]
    json: bool,
}

impl Telling {
    /// Prints a line on standard error that is not a warning, unless nothing but the result is wanted.
    pub fn note(&self, line: &str) {
        if !self.quiet {
            note(line);
        }
    }

    /// Where the progress is shown.
    pub fn show(&self) -> Show {
        match (self.quiet, self.json) {
            (true, _) => Show::Nothing,
            (_, true) => Show::Json,
            _ => Show::Text,
        }
    }
}

/// A run, and which of its checkpoints to use.
#[derive(Args)]
pub struct Source {
    /// The run's folder.
    #[arg(value_name = "RUN")]
    pub run: PathBuf,
    /// Use this checkpoint of the run instead of the last one: a file, such as RUN/checkpoints/epoch-025.safetensors (see train.keep_checkpoints), or
    /// `best` (see train.best), `last` or `previous`.
    #[arg(long, value_name = "FILE|NAME")]
    pub checkpoint: Option<PathBuf>,
}

/// Which weights of a checkpoint are used.
#[derive(Args)]
pub struct Averaged {
    /// Use the moving average of the parameters and running statistics (see train.ema).
    #[arg(long)]
    ema: bool,
}

impl Averaged {
    /// The checkpoint, with its averages in place of its parameters if that was asked for.
    pub fn of(&self, checkpoint: Checkpoint) -> Result<Checkpoint, Error> {
        if self.ema { Ok(checkpoint.averaged()?) } else { Ok(checkpoint) }
    }
}

impl Source {
    /// Opens its folder, to read it.
    pub fn open(&self) -> Result<RunFolder, Error> {
        Ok(RunFolder::open(&self.run)?)
    }

    /// Reads the checkpoint, and warns if it is not the last one though none was named.
    pub fn checkpoint(&self, run: &RunFolder) -> Result<Checkpoint, Error> {
        let checkpoint = run.load(self.checkpoint.as_deref())?;
        if self.checkpoint.is_none() {
            run.remark(&checkpoint).iter().for_each(|remark| note(&format!("warning: {remark}")));
        }
        Ok(checkpoint)
    }

    /// The name of a record; it includes the epoch if a checkpoint was named, so that the records of several checkpoints do not overwrite each other.
    pub fn record_name(&self, analysis: &str, progress: Progress) -> String {
        match self.checkpoint {
            None => analysis.to_owned(),
            Some(_) => format!("{analysis}-epoch-{:03}", progress.epochs),
        }
    }
}

/// A finite number, 0 or more.
pub fn not_negative(text: &str) -> Result<f64, String> {
    let number = text.parse::<f64>().ok().filter(|x| x.is_finite() && *x >= 0.0);
    number.ok_or_else(|| "expected a finite number, 0 or more".into())
}

/// A whole number in this range.
pub fn whole<T>(range: RangeInclusive<u64>) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static
where
    T: TryFrom<u64> + Clone + Send + Sync + 'static,
{
    move |text: &str| {
        let number = text.parse::<u64>().ok().filter(|number| range.contains(number));
        number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| {
            let (least, most) = (range.start(), range.end());
            match *most {
                u64::MAX => format!("expected a whole number, {least} or more"),
                most => format!("expected a whole number from {least} to {most}"),
            }
        })
    }
}

/// Any whole number, 0 or more.
pub fn natural<T>() -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static
where
    T: TryFrom<u64> + Clone + Send + Sync + 'static,
{
    whole(0..=u64::MAX)
}

/// A number of threads, 0 for all.
pub fn threads() -> impl Fn(&str) -> Result<usize, String> + Clone + Send + Sync + 'static {
    whole(0..=MAX_THREADS as u64)
}

/// A count of at least 1.
pub fn number() -> impl Fn(&str) -> Result<usize, String> + Clone + Send + Sync + 'static {
    whole(1..=1_000_000_000)
}
