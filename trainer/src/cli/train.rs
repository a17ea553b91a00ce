//! `lethe train`.

use super::options::{Common, Telling};
use super::output::say;
use super::prepared::{Prepared, prepare};
use super::rehearsal::rehearse;
use crate::analysis::observer::observers;
use crate::error::Error;
use crate::progress::Show;
use crate::run::{Existing, RunFolder, timestamp};
use crate::stop::StopRequests;
use crate::training::{Summary, Training};
use crate::words::{count, stopped_early};
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};

/// What to train, where to write it, and how to look at it.
#[derive(Args)]
pub struct TrainArgs {
    /// The config file; `-` for standard input.
    #[arg(value_name = "CONFIG.toml")]
    config: PathBuf,
    /// Change a key of the config: section.key=value; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// The run folder to create; by default a new one under runs/.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Replace the run in --out, if there is one.
    #[arg(long, requires = "out")]
    overwrite: bool,
    /// Stop at the first operation that produces a NaN or an infinity, and name it with its source line and inputs. Slow: every result is read back.
    #[arg(long)]
    detect_anomaly: bool,
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    telling: Telling,
}

/// Trains what a config describes.
pub fn train(args: &TrainArgs) -> Result<(), Error> {
    let Prepared { config, split, device, threads } = prepare(&args.config, &args.set, &args.common)?;
    let images = (split.train.len(), split.test.len());
    rehearse(|| Training::new(&config, split.clone(), &device, threads, &observers), &device)?;
    let mut training = Training::new(&config, split, &device, threads, &observers)?;
    training.stop_when_asked(&StopRequests::of_process().map_err(Error::Signals)?);
    if args.detect_anomaly {
        training.detect_anomaly();
    }
    let existing = if args.overwrite { Existing::Overwrite } else { Existing::Refuse };
    let run = match &args.out {
        Some(out) => RunFolder::create(out, existing, &config),
        None => {
            let now = timestamp(std::time::SystemTime::now());
            let is_input = args.config == Path::new("-");
            let name = if is_input { Path::new("stdin") } else { &args.config };
            RunFolder::create_new(Path::new("runs"), name, &now, &config)
        }
    }?;
    let (path, (train, test)) = (run.path().display(), images);
    let (test, threads) = (count(test, "test image"), count(threads, "thread"));
    args.telling.note(&format!("{path}: {train} training and {test}, {threads}"));
    if let Some(origin) = training.origin() {
        args.telling.note(&format!("{path} {origin}"));
    }
    finish(training, &run, &args.telling)
}

/// Trains to the end, and says how it went.
pub fn finish(mut training: Training<'_>, run: &RunFolder, telling: &Telling) -> Result<(), Error> {
    training.show(telling.show());
    let epochs = training.planned_epochs();
    let done = training.run(run);
    let path = run.path().display().to_string();
    if let (Err(Error::Stopped { signal, .. }), Show::Json) = (&done, telling.show()) {
        say(&json!({ "run": path, "stopped": signal.to_string() }).to_string());
    }
    let summary = done?;
    if telling.show() == Show::Json {
        let Summary { test_accuracy, updates, .. } = summary;
        let mut result =
            json!({ "run": path, "test_accuracy": test_accuracy, "test_loss": summary.test.loss, "updates": updates });
        summary.stopped_after.into_iter().for_each(|done| result["stopped_after"] = done.into());
        say(&result.to_string());
        return Ok(());
    }
    say(&format!("run {path}"));
    summary.stopped_after.iter().for_each(|done| say(&stopped_early(*done, epochs)));
    say(&format!("test accuracy {:.2} % after {}", summary.test_accuracy, count(summary.updates, "update")));
    Ok(())
}
