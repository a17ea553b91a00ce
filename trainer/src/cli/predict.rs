//! `lethe predict`.

use super::options::{Averaged, Common, Source, number};
use super::output::{note, say};
use super::prepared::device;
use crate::classes::Classes;
use crate::config::{Config, DataFacts};
use crate::data::{Loader, Preparation, load, pictures};
use crate::error::Error;
use crate::evaluation::{Prediction, predict};
use crate::experiment;
use crate::run::{Checkpoint, RunFolder};
use crate::shape::ImageShape;
use crate::training::Restored;
use clap::Args;
use serde::Serialize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Which run is asked about which images, and how its answers are printed.
#[derive(Args)]
pub struct PredictArgs {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    averaged: Averaged,
    /// Image files, and folders of images at any depth.
    #[arg(value_name = "IMAGE|FOLDER", required = true)]
    images: Vec<PathBuf>,
    /// The number of classes that are named for each image, the most likely first.
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = number())]
    top: usize,
    /// Print a line of JSON for each image.
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Print a table in CSV with a row for each image and class that is named.
    #[arg(long)]
    csv: bool,
    #[command(flatten)]
    common: Common,
}

/// A line of `--json`.
#[derive(Serialize)]
struct Answer<'a> {
    file: String,
    predictions: Vec<Named<'a>>,
}

#[derive(Serialize)]
struct Named<'a> {
    class: usize,
    name: &'a str,
    likelihood: f32,
}

/// Prints what a run's model says of images.
pub fn run(args: &PredictArgs) -> Result<(), Error> {
    let run = args.source.open()?;
    let checkpoint = args.averaged.of(args.source.checkpoint(&run)?)?;
    let config = Config::load_trained(&run.config(), &[])?;
    let (images, classes) = model_input(&run, &checkpoint, &config, args)?;
    // A config is checked against the number of training images, which does not matter here: enough of them.
    let train = config.data.train_limit.unwrap_or(0).max(100 + 2 * config.train.batch);
    let facts = DataFacts { images, classes: classes.len(), train, labels: Vec::new() };
    let config = config.resolve(&facts).map_err(|p| p.in_file(&run.config()))?;
    let (set, files) = pictures(&args.images, &config.data, images, &classes)?;
    set.remarks.iter().for_each(|remark| note(&format!("note: {remark}")));
    let (device, workers) = device(&args.common, &config)?;
    let restored = Restored::of(&config, &checkpoint, images, &classes, 1, &device)?;
    let loader =
        Loader::evaluation(Arc::new(set), Preparation::of_test(&config.data), config.train.eval_batch, workers);
    if args.csv {
        say("file,rank,class,name,likelihood");
    }
    let mut files = files.into_iter();
    predict(restored.network(), &loader, experiment::task_loss(&config).likelihood, |_, batch| {
        batch.into_iter().zip(files.by_ref()).for_each(|(prediction, file)| print(args, &file, &classes, prediction));
    })
}

/// The size of the images that the model takes, and its classes: as the checkpoint notes them, or else as the run's data has them.
fn model_input(
    run: &RunFolder,
    checkpoint: &Checkpoint,
    config: &Config,
    args: &PredictArgs,
) -> Result<(ImageShape, Classes), Error> {
    match (checkpoint.images()?, checkpoint.classes()?) {
        (Some(images), Some(classes)) => Ok((images, classes)),
        _ => {
            let train = load(&config.data, &args.common.search_path(Some(run)))?.train;
            run.expect_classes(&train.names)?;
            Ok((train.shape, train.names))
        }
    }
}

fn print(args: &PredictArgs, file: &Path, classes: &Classes, prediction: Prediction) {
    let names = classes.names();
    let best = prediction.into_iter().take(args.top);
    let file = file.display().to_string();
    if args.json {
        let named = |(class, likelihood): (usize, f32)| Named { class, name: &names[class], likelihood };
        let answer = Answer { file, predictions: best.map(named).collect() };
        say(&serde_json::to_string(&answer).expect("an answer can be written as JSON"));
    } else if args.csv {
        for (rank, (class, likelihood)) in (1..).zip(best) {
            say(&format!("{},{rank},{class},{},{likelihood}", quoted(&file), quoted(&names[class])));
        }
    } else {
        let best: Vec<String> = best.map(|(class, p)| format!("{} {:.1} %", names[class], 100.0 * p)).collect();
        say(&format!("{file}: {}", best.join(", ")));
    }
}

/// A field of a CSV file: in quotes if it has a character that would end it (RFC 4180).
fn quoted(text: &str) -> String {
    let is_plain = !text.contains([',', '"', '\n', '\r']);
    if is_plain { text.to_owned() } else { format!("\"{}\"", text.replace('"', "\"\"")) }
}
