//! `lethe eval`.

use super::{Common, Prepared, Source, note, prepare, say, write_json};
use crate::classes::Classes;
use crate::config::{Config, Problem};
use crate::data::{Places, TestSet, read_right_labels};
use crate::error::Error;
use crate::evaluation::{ClassScore, Evaluation, Measured, Measurement, multi_label_accuracy};
use crate::training::{Parts, Restored};
use crate::words::count;
use clap::Args;
use clap::builder::PossibleValuesParser;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Which run, and what else to say of it.
#[derive(Args)]
pub struct EvalArgs {
    #[command(flatten)]
    source: Source,
    /// The sets to measure, by commas: `test` (or `v1`), ImageNet's `real`, `v2`, `r` and `sketch`, `stand-ins` for robustness sets (the test images altered: six,
    /// or one by its name), or `all` that the data set has.
    #[arg(long, value_name = "SETS", value_delimiter = ',', value_parser = PossibleValuesParser::new(TestSet::words()))]
    on: Vec<String>,
    /// Let only the 200 classes of ImageNet-R be answers to its images, as its own protocol has it; the paper answers from all 1000.
    #[arg(long)]
    mask_classes: bool,
    /// Measure at this size of images in place of the run's: of ResNets on folders of images. The paper's code tests them at 288.
    #[arg(long, value_name = "PIXELS")]
    size: Option<usize>,
    /// Print a line for each class.
    #[arg(long)]
    per_class: bool,
    /// Measure also against several right labels an image, as ReaL has them: a JSON file with a list of classes for each test image, in order; images
    /// with an empty list are left out.
    #[arg(long, value_name = "FILE", conflicts_with = "on")]
    multi_label: Option<PathBuf>,
    /// Write all of it as JSON: a record, with --on a record for each set by its name.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

/// What `--json` writes of a set.
#[derive(Serialize)]
struct Record {
    /// By single labels, under ReaL too.
    #[serde(flatten)]
    evaluation: Evaluation,
    /// By the set's protocol: under ReaL, of the images that have a right label, the share whose prediction is among theirs.
    accuracy: f64,
    /// Of single labels: nothing under ReaL.
    top5_accuracy: Option<f64>,
    /// Under ReaL, the images that have a right label.
    labelled_images: Option<usize>,
    /// With `--multi-label`.
    multi_label_accuracy: Option<f64>,
    /// By single labels, under ReaL too.
    classes: Vec<NamedScore>,
}

/// A class's score, with its name.
#[derive(Serialize)]
struct NamedScore {
    name: String,
    #[serde(flatten)]
    score: ClassScore,
}

/// Measures test sets with a run's checkpoint.
pub fn eval(args: &EvalArgs) -> Result<(), Error> {
    let run = args.source.open()?;
    let size: Vec<String> = args.size.iter().map(|size| format!("data.eval_size={size}")).collect();
    let sets = sets(args, &Config::load(&run.config(), &[])?)?;
    let checkpoint = args.source.checkpoint(&run)?;
    let Prepared { config, split, device, threads } = prepare(&run.config(), &size, &args.common)?;
    let Parts { train, test, .. } = Parts::of(&config, split);
    let labels =
        args.multi_label.as_deref().map(|path| read_right_labels(path, test.len(), test.classes)).transpose()?;
    let restored = Restored::new(&config, &checkpoint, &train, &device)?;
    let places = Places::of_process(args.common.data_dir.clone());
    let (config, test, workers) = (&config, &test, threads);
    let measurement = Measurement { config, places: &places, test, workers, mask_classes: args.mask_classes };
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

/// The sets that are asked for, each once.
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
        return Err(Problem::value("--mask-classes", true, "concerns ImageNet-R alone; add --on r").into());
    }
    Ok(sets)
}

/// Prints the line of a set.
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
        TestSet::R if masked => "r, answers among its classes only:".to_owned(),
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
