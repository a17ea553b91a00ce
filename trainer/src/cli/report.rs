//! `lethe report`.

use super::options::Common;
use super::output::{note, say};
use super::prepared::prepare_analysis;
use crate::data::{Loader, Preparation};
use crate::error::Error;
use crate::experiment;
use crate::files;
use crate::report::{Judged, Shown, judge, page};
use crate::run::{RunError, RunFolder};
use crate::training::{Parts, Restored};
use clap::Args;
use std::path::{Path, PathBuf};

/// Which runs are reported, and where to.
#[derive(Args)]
pub struct ReportArgs {
    /// The folders of runs, of which the first ones may still be in training; several are drawn into the same curves.
    #[arg(value_name = "RUN", required = true)]
    runs: Vec<PathBuf>,
    /// The file to write.
    #[arg(long, value_name = "FILE", default_value = "report.html")]
    out: PathBuf,
    /// Report what was logged alone, without the predictions for the test images, which need the data and the device.
    #[arg(long)]
    logs_only: bool,
    #[command(flatten)]
    common: Common,
}

/// Writes a page of HTML about runs.
pub fn run(args: &ReportArgs) -> Result<(), Error> {
    let names = names(&args.runs);
    let mut shown = Vec::new();
    for (path, name) in args.runs.iter().zip(names) {
        let run = RunFolder::open(path)?;
        let mut run_shown = Shown::of(&run, name)?;
        if !args.logs_only {
            run_shown.judged = judged(&run, &args.common)?;
        }
        shown.push(run_shown);
    }
    files::write(&args.out, page(&shown).as_bytes())?;
    say(&format!("{}", args.out.display()));
    Ok(())
}

/// What the run's last checkpoint says of its test images; a run without one has nothing to be asked.
fn judged(run: &RunFolder, common: &Common) -> Result<Option<Judged>, Error> {
    let checkpoint = match run.load(None) {
        Err(RunError::NoCheckpoint(path)) => {
            note(&format!("note: {} has no checkpoint yet: its logs alone are reported", path.display()));
            return Ok(None);
        }
        checkpoint => checkpoint?,
    };
    let prepared = prepare_analysis(run, &[], common)?;
    let (config, workers) = (prepared.config, prepared.threads);
    let Parts { train, test, .. } = Parts::of(&config, prepared.split);
    let restored = Restored::new(&config, &checkpoint, &train, &prepared.device)?;
    let preparation = Preparation::of_test(&config.data);
    let loader = Loader::evaluation(test, preparation, config.train.eval_batch, workers);
    judge(restored.network(), &loader, preparation, experiment::task_loss(&config).likelihood).map(Some)
}

/// The folders' own names, or their paths where two have the same.
pub fn names(runs: &[PathBuf]) -> Vec<String> {
    let own = |path: &Path| {
        let whole = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        whole.file_name().map_or_else(|| path.display().to_string(), |name| name.to_string_lossy().into_owned())
    };
    let names: Vec<String> = runs.iter().map(|path| own(path)).collect();
    let is_unique = |name: &String| names.iter().filter(|other| *other == name).count() == 1;
    let shown =
        |(path, name): (&PathBuf, &String)| if is_unique(name) { name.clone() } else { path.display().to_string() };
    runs.iter().zip(&names).map(shown).collect()
}
