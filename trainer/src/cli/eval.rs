//! `lethe eval`.

use super::{Common, Prepared, prepare, say, write_json};
use crate::data::{Loader, Preparation};
use crate::error::Error;
use crate::evaluation::{ClassScore, Evaluation, evaluate, multi_label_accuracy};
use crate::experiment;
use crate::run::RunFolder;
use crate::training::{Parts, Restored};
use clap::Args;
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Which run, and what else to say of it.
#[derive(Args)]
pub struct EvalArgs {
    /// The run's folder.
    #[arg(value_name = "RUN")]
    run: PathBuf,
    /// Print a line for each class.
    #[arg(long)]
    per_class: bool,
    /// Measure also against several right labels an image, as ReaL has them: a JSON file with a list of classes for each test image, in order; images
    /// with an empty list are left out.
    #[arg(long, value_name = "FILE")]
    multi_label: Option<PathBuf>,
    /// Write all of it as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

/// What `--json` writes.
#[derive(Serialize)]
struct Record {
    #[serde(flatten)]
    evaluation: Evaluation,
    accuracy: f64,
    top5_accuracy: Option<f64>,
    multi_label_accuracy: Option<f64>,
    classes: Vec<ClassScore>,
}

/// Measures the test set with a run's checkpoint.
pub fn eval(args: &EvalArgs) -> Result<(), Error> {
    let run = RunFolder::open(&args.run)?;
    let Prepared { config, split, device, threads } = prepare(&run.config(), &[], &args.common)?;
    let Parts { train, test, .. } = Parts::of(&config, split);
    let labels = args.multi_label.as_deref().map(|path| right_labels(path, test.len())).transpose()?;
    let restored = Restored::new(&config, &run.load()?, &train, &device)?;
    let loader = Loader::evaluation(test, Preparation::of(&config.data), config.train.batch.max(100), threads);
    let tally = evaluate(restored.network(), &loader, experiment::task_loss(&config).likelihood)?;
    let evaluation = tally.evaluation();
    let Evaluation { images, loss, calibration_error, .. } = evaluation;
    let multi_label_accuracy = labels.as_deref().and_then(|labels| multi_label_accuracy(&tally.predictions, labels));
    let part = |name: &str, value: Option<f64>| value.map_or_else(String::new, |v| format!(", {name} {v:.2} %"));
    say(&format!(
        "test accuracy {:.2} %{}{}, calibration error {calibration_error:.4}, loss {loss:.4}, {images} images",
        evaluation.accuracy(),
        part("top-5", evaluation.top5()),
        part("with several labels", multi_label_accuracy),
    ));
    if args.per_class {
        say(&format!("{:>6} {:>8} {:>8} {:>10}", "class", "images", "correct", "accuracy"));
        tally.classes.iter().enumerate().for_each(|(class, score)| say(&line(class, score)));
    }
    if let Some(path) = &args.json {
        let (accuracy, top5_accuracy) = (evaluation.accuracy(), evaluation.top5());
        let record = Record { evaluation, accuracy, top5_accuracy, multi_label_accuracy, classes: tally.classes };
        write_json(path, &record)?;
    }
    Ok(())
}

fn line(class: usize, score: &ClassScore) -> String {
    let accuracy = score.accuracy().map_or_else(|| "-".into(), |percent| format!("{percent:.2} %"));
    format!("{class:>6} {:>8} {:>8} {accuracy:>10}", score.images, score.correct)
}

/// The right labels of every test image.
fn right_labels(path: &Path, images: usize) -> Result<Vec<Vec<u32>>, Error> {
    let wrong = |found: String| Error::Labels { path: path.to_owned(), images, found };
    let text = std::fs::read_to_string(path).map_err(|e| wrong(e.to_string()))?;
    let labels: Vec<Vec<u32>> = serde_json::from_str(&text).map_err(|e| wrong(e.to_string()))?;
    if labels.len() == images { Ok(labels) } else { Err(wrong(format!("{} lists", labels.len()))) }
}
