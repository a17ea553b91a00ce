//! `lethe eval`.

use super::options::{Averaged, Common, Source, natural};
use super::output::{note, say, write_json};
use super::prepared::{Prepared, prepare_run};
use crate::classes::Classes;
use crate::config::{Config, ModelConfig, Problem};
use crate::data::{TestSet, read_right_labels};
use crate::error::Error;
use crate::evaluation::{ClassScore, Evaluation, Measured, Measurement, multi_label_accuracy};
use crate::training::{Parts, Restored};
use crate::words::count;
use clap::Args;
use clap::builder::PossibleValuesParser;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Which run to evaluate, on what, and what to report.
#[derive(Args)]
pub struct EvalArgs {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    averaged: Averaged,
    /// The sets to evaluate on, separated by commas: `test` (or `v1`); ImageNet's `real`, `v2`, `r` and `sketch`; `stand-ins` for six altered
    /// versions of the test images, which stand in for robustness sets, or one of them by name; or `all` sets of the data set.
    #[arg(long, value_name = "SETS", value_delimiter = ',', value_parser = PossibleValuesParser::new(TestSet::words()))]
    on: Vec<String>,
    /// On ImageNet-R, predict among its 200 classes only, as its own protocol does; the paper predicts among all 1000.
    #[arg(long)]
    mask_classes: bool,
    /// Evaluate at this image size instead of the run's; only for ResNets on folders of images, which the paper's code tests at 288.
    #[arg(long, value_name = "PIXELS", value_parser = natural::<usize>())]
    size: Option<usize>,
    /// Print a line for each class.
    #[arg(long)]
    per_class: bool,
    /// Also compute the accuracy with several correct labels per image, as in ReaL: a JSON file with a list of classes for each test image, in order;
    /// images with an empty list are skipped.
    #[arg(long, value_name = "FILE", conflicts_with = "on")]
    multi_label: Option<PathBuf>,
    /// Write the results as JSON: one record, or with --on an object with a record for each set.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

/// What `--json` writes about a set.
#[derive(Serialize)]
struct Record {
    /// With single labels, also for ReaL.
    #[serde(flatten)]
    evaluation: Evaluation,
    /// By the set's protocol. For ReaL: the percentage of images whose prediction is among their correct labels, over the images that have any.
    accuracy: f64,
    /// With single labels; none for ReaL.
    top5_accuracy: Option<f64>,
    /// For ReaL, the number of images that have a correct label.
    labelled_images: Option<usize>,
    /// With `--multi-label`.
    multi_label_accuracy: Option<f64>,
    /// With single labels, also for ReaL.
    classes: Vec<NamedScore>,
}

/// The score of a class, with its name.
#[derive(Serialize)]
struct NamedScore {
    name: String,
    #[serde(flatten)]
    score: ClassScore,
}

/// Evaluates a run's checkpoint on test sets.
pub fn eval(args: &EvalArgs) -> Result<(), Error> {
    let run = args.source.open()?;
    let size: Vec<String> = args.size.iter().map(|size| format!("data.eval_size={size}")).collect();
    let own = Config::load(&run.config(), &[])?;
    check_size(args, &own)?;
    let sets = sets(args, &own)?;
    let checkpoint = args.averaged.of(args.source.checkpoint(&run)?)?;
    let Prepared { config, split, device, threads } = prepare_run(&run, &size, &args.common)?;
    let Parts { train, test, .. } = Parts::of(&config, split);
    let labels =
        args.multi_label.as_deref().map(|path| read_right_labels(path, test.len(), test.classes)).transpose()?;
    let restored = Restored::new(&config, &checkpoint, &train, &device)?;
    let search_path = args.common.search_path(Some(&run));
    let (config, test, workers) = (&config, &test, threads);
    let measurement = Measurement { config, search_path: &search_path, test, workers, mask_classes: args.mask_classes };
    let mut records = BTreeMap::new();
    for measured in measurement.of(restored.network(), &sets)? {
        let by_file = labels.as_deref().and_then(|labels| multi_label_accuracy(&measured.tally.predictions, labels));
        measured.remarks.iter().for_each(|remark| note(&format!("note: {remark}")));
        describe(&measured, by_file, args.mask_classes);
        if args.per_class {
            let names = test.names.names();
            let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).max("name".len());
            say(&format!("{:>6}  {:width$} {:>8} {:>8} {:>10}", "class", "name", "images", "correct", "accuracy"));
            let scores = measured.tally.classes.iter().zip(names).enumerate();
            scores.for_each(|(class, (score, name))| say(&format!("{class:>6}  {name:width$} {}", line(score))));
        }
        records.insert(measured.set.name(), record(measured, by_file, &test.names));
    }
    match &args.json {
        Some(path) if args.on.is_empty() => write_json(path, &records["test"]),
        Some(path) => write_json(path, &records),
        None => Ok(()),
    }
}

/// Refuses a size that the run's images cannot have, by the name of the option and not by that of the key which it sets.
fn check_size(args: &EvalArgs, config: &Config) -> Result<(), Error> {
    let Some(size) = args.size.filter(|size| Some(*size) != config.data.size) else { return Ok(()) };
    let reason = match (config.data.size, &config.model) {
        (None, _) => {
            "is for runs with data.size, as those on folders of images; this run's images have a size of their own"
        }
        (Some(_), ModelConfig::Resnet(_)) => return Ok(()),
        _ => "is for ResNets, which accept images of another size than that of training; this run's model does not",
    };
    Err(Problem::value("--size", size, format!("{reason}; leave it out")).into())
}

/// The requested sets, each once.
fn sets(args: &EvalArgs, config: &Config) -> Result<Vec<TestSet>, Error> {
    let words = args.on.iter().map(String::as_str);
    let named = words.filter_map(|word| TestSet::parse(word, config.data.dataset)).flatten();
    let mut sets = if args.on.is_empty() { vec![TestSet::Test] } else { Vec::new() };
    named.for_each(|set| {
        if !sets.contains(&set) {
            sets.push(set);
        }
    });
    if args.mask_classes && !sets.contains(&TestSet::R) {
        return Err(Problem::value("--mask-classes", true, "applies to ImageNet-R only; add --on r").into());
    }
    Ok(sets)
}

/// Prints the result on a set.
fn describe(measured: &Measured, by_file: Option<f64>, masked: bool) {
    let evaluation = measured.tally.evaluation();
    let Evaluation { images, loss, calibration_error, .. } = evaluation;
    if let Some((accuracy, kept)) = measured.real {
        return say(&format!(
            "real accuracy {accuracy:.2} %, {}; without a label: {}",
            count(kept, "image"),
            images - kept
        ));
    }
    let name = match measured.set {
        TestSet::StandIn(stand_in) => stand_in.to_string(),
        TestSet::R if masked => "r, among its classes only:".to_owned(),
        set => set.name().to_owned(),
    };
    let part = |name: &str, value: Option<f64>| value.map_or_else(String::new, |v| format!(", {name} {v:.2} %"));
    say(&format!(
        "{name} accuracy {:.2} %{}{}, calibration error {calibration_error:.4}, loss {loss:.4}, {}",
        evaluation.accuracy(),
        part("top-5", evaluation.top5()),
        part("with several labels", by_file),
        count(images, "image"),
    ));
}

fn record(measured: Measured, by_file: Option<f64>, names: &Classes) -> Record {
    let evaluation = measured.tally.evaluation();
    Record {
        evaluation,
        accuracy: measured.accuracy(),
        top5_accuracy: if measured.real.is_some() { None } else { evaluation.top5() },
        labelled_images: measured.real.map(|(_, images)| images),
        multi_label_accuracy: by_file,
        classes: measured
            .tally
            .classes
            .into_iter()
            .zip(names.names())
            .map(|(score, name)| NamedScore { name: name.clone(), score })
            .collect(),
    }
}

fn line(score: &ClassScore) -> String {
    let accuracy = score.accuracy().map_or_else(|| "-".into(), |percent| format!("{percent:.2} %"));
    format!("{:>8} {:>8} {accuracy:>10}", score.images, score.correct)
}
