//! `lethe check`.

use super::options::{Common, number};
use super::output::say;
use super::prepared::{Prepared, prepare};
use crate::analysis::observer::observers;
use crate::config::Config;
use crate::data::Preparation;
use crate::error::Error;
use crate::experiment;
use crate::files;
use crate::groups::{Groups, Treatment};
use crate::report::{png, sheet};
use crate::training::{Training, Trial};
use crate::words::{count, human};
use clap::Args;
use lethe_autograd::Param;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// The number of images in a row of a sheet.
const COLUMNS: usize = 8;

/// What is checked, and how.
#[derive(Args)]
pub struct CheckArgs {
    /// The config file; `-` for standard input.
    #[arg(value_name = "CONFIG.toml")]
    config: PathBuf,
    /// Change a key of the config: section.key=value; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// The number of updates that are made and forgotten, to see how long they take.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = number())]
    updates: usize,
    /// Write a picture of the first images of training, augmented as the model will see them, to this PNG file.
    #[arg(long, value_name = "FILE")]
    sheet: Option<PathBuf>,
    #[command(flatten)]
    common: Common,
}

/// Checks a config, its data and its model against each other, and says what a training would take. Nothing is kept.
pub fn run(args: &CheckArgs) -> Result<(), Error> {
    let Prepared { config, split, device, threads } = prepare(&args.config, &args.set, &args.common)?;
    let (train, test) = (count(split.train.len(), "training image"), count(split.test.len(), "test image"));
    let shape = split.train.shape;
    say(&format!("data: {train} and {test} of {}×{}×{}", shape.channels, shape.height, shape.width));
    say(&format!("classes: {}", split.train.names.names().join(", ")));
    let training = Training::new(&config, split, &device, threads, &observers)?;
    layers(&config, &training);
    memory(&config, &training);
    if let Some(path) = &args.sheet {
        let picture = sheet(&training.first_batch()?, Preparation::of(&config.data), COLUMNS);
        files::write(path, &png(&picture))?;
    }
    let trial = training.trial(args.updates)?;
    time(&config, &trial, &device.to_string());
    Ok(())
}

/// The parameters of each layer, and what is done with them. The name of a layer is that of its parameters up to the last dot.
fn layers(config: &Config, training: &Training<'_>) {
    let groups = Groups::of(config);
    let layout = training.model().blueprint().layout();
    let mut layers: Vec<(&str, Vec<&Param>)> = Vec::new();
    for (_, param) in layout.owned() {
        let layer = param.name.rsplit_once('.').map_or("", |(layer, _)| layer);
        match layers.last_mut() {
            Some((last, params)) if *last == layer => params.push(param),
            _ => layers.push((layer, vec![param])),
        }
    }
    let width = layers.iter().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    for (name, params) in &layers {
        let all: usize = params.iter().map(|param| param.numel()).sum();
        let treatments: Vec<Treatment> = params.iter().map(|param| groups.treatment(&param.name)).collect();
        // What is done with all parameters of a layer is said once, behind them.
        let (common, apart) = match treatments.iter().all(|treatment| *treatment == treatments[0]) {
            true => (treatments[0].to_string(), vec![String::new(); params.len()]),
            false => (String::new(), treatments.iter().map(Treatment::to_string).collect()),
        };
        let noted = |words: &str| if words.is_empty() { String::new() } else { format!(" ({words})") };
        let own = |(param, words): (&&Param, &String)| {
            let own = param.name.rsplit('.').next().unwrap_or_default();
            format!("{own} {:?}{}", param.shape, noted(words))
        };
        let shapes: Vec<String> = params.iter().zip(&apart).map(own).collect();
        let common = if common.is_empty() { common } else { format!(": {common}") };
        say(&format!("{name:width$}  {all:>10}  {}{common}", shapes.join(", ")));
    }
    let trained: usize = layout.owned().filter(|(_, p)| !p.tags.frozen).map(|(_, p)| p.numel()).sum();
    let apart = if trained < layout.count() { format!(", {trained} of them trained") } else { String::new() };
    let state = training.model().blueprint().state_layout().count();
    let also = if state > 0 { format!(", and {state} numbers of running statistics") } else { String::new() };
    say(&format!("parameters: {}{apart}{also}", layout.count()));
}

/// The memory of the vectors that training keeps; that of activations depends on the batch and is not counted.
fn memory(config: &Config, training: &Training<'_>) {
    let bytes = 4 * training.model().blueprint().layout().len();
    let mut parts = BTreeMap::from([("parameters", 1), ("gradient", 1)]);
    parts.insert("optimiser", training.optimizer_vectors());
    let perturbed = config.perturb.ascent().map(|ascent| if ascent.gsam_xi > 0.0 { 2 } else { 1 });
    parts.extend(perturbed.map(|vectors| ("perturbation", vectors)));
    parts.extend(config.shrink.as_ref().map(|_| ("initial parameters", 1)));
    parts.extend(config.train.ema.map(|_| ("moving average", 1)));
    let size = |vectors: usize| format!("{:.1} MB", (vectors * bytes) as f64 / 1e6);
    let all: usize = parts.values().sum();
    let parts: Vec<String> = parts.iter().map(|(part, vectors)| format!("{part} {}", size(*vectors))).collect();
    say(&format!("memory of vectors: {} ({}); activations are not counted", size(all), parts.join(", ")));
}

fn time(config: &Config, trial: &Trial, device: &str) {
    let train = &config.train;
    let updates = train.epochs * trial.updates_per_epoch;
    let evaluations = (0..train.epochs).filter(|epoch| train.is_due(train.eval_every, *epoch)).count();
    let rate = trial.flops as f64 / trial.update.as_secs_f64().max(1e-9) / 1e9;
    say(&format!(
        "an update: {:.3} GFLOP in {:.1} ms, {rate:.1} GFLOP/s on {device}",
        trial.flops as f64 / 1e9,
        trial.update.as_secs_f64() * 1e3
    ));
    let per_epoch = count(trial.updates_per_epoch, "update");
    let (epochs, evaluations_text) = (count(train.epochs, "epoch"), count(evaluations, "evaluation"));
    let expected = human(trial.expected(updates, evaluations) + Duration::from_millis(500));
    say(&format!("training: {epochs} of {per_epoch}, {evaluations_text}: about {expected}"));
    let (lr, rho) = experiment::schedules(config, trial.updates_per_epoch, 0);
    let warmed = lr.warmup.min(updates.saturating_sub(1) as u64);
    if config.perturb.ascent().is_some() {
        say(&format!("after the warm-up: learning rate {}, radius {}", lr.at(warmed), rho.at(warmed, lr.at(warmed))));
    }
}
