//! `lethe analyze`: measurements of a run that cost more than an evaluation.

use super::landscape::{LandscapeArgs, landscape};
use super::options::{Averaged, Common, Source, natural, not_negative, number};
use super::output::say;
use super::prepared::{Prepared, prepare_analysis};
use crate::analysis::forgetting::{ForgettingProbe, ForgettingRecord, Side};
use crate::analysis::sharpness::{Dominant, Landscape, Stopping};
use crate::config::LossKind;
use crate::data::{Loader, Preparation};
use crate::error::Error;
use crate::experiment;
use crate::training::{Parts, Progress, Restored};
use crate::words::count;
use clap::{Args, Subcommand};
use lethe_nn::loss::TaskLoss;
use serde::Serialize;
use std::sync::Arc;

/// What to measure.
#[derive(Subcommand)]
pub enum Analysis {
    /// The dominant eigenvalue of the training loss's Hessian; written to analysis/sharpness.json.
    Sharpness(SharpnessArgs),
    /// What the run's perturbation makes the network forget; written to analysis/forgetting.json.
    Forgetting(ForgettingArgs),
    /// The loss along the directions of perturbations; written to analysis/landscape.json, .svg and .png.
    Landscape(LandscapeArgs),
}

/// How to compute the eigenvalue.
#[derive(Args)]
pub struct SharpnessArgs {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    averaged: Averaged,
    /// Compute the loss over the first N training images, or over all if there are fewer.
    #[arg(long, value_name = "N", default_value_t = 8192, value_parser = number())]
    samples: usize,
    /// Batch size of the computation; affects memory and speed only.
    #[arg(long, value_name = "N", default_value_t = 64, value_parser = number())]
    batch: usize,
    /// Stop after at most this number of iterations.
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = number())]
    iterations: usize,
    /// Stop when the relative change of the estimate is below this.
    #[arg(long, value_name = "SHARE", default_value_t = 1e-4, value_parser = not_negative)]
    tolerance: f64,
    /// The seed of the initial vector.
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = natural::<u64>())]
    seed: u64,
    /// Compute the loss without the run's label smoothing; by default it is the loss that was trained.
    #[arg(long)]
    without_smoothing: bool,
    #[command(flatten)]
    common: Common,
}

/// How to collect outputs of perturbed networks.
#[derive(Args)]
pub struct ForgettingArgs {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    averaged: Averaged,
    /// p1: each of --draws training slices perturbs the network once, and each perturbed network is evaluated on all images; p2: each slice of the
    /// evaluated images perturbs the network that is evaluated on it; both: one after the other, the second written to analysis/forgetting-p2.json.
    /// By default the run's.
    #[arg(long, value_name = "PROTOCOL", value_parser = ["p1", "p2", "both"])]
    protocol: Option<String>,
    /// Number of perturbed networks of protocol p1; by default the run's.
    #[arg(long, value_name = "R", value_parser = number())]
    draws: Option<usize>,
    /// Change a key of the run's perturb, analysis or loss section, such as perturb.kind=obf; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    #[command(flatten)]
    common: Common,
}

/// `analysis/sharpness.json`.
#[derive(Serialize)]
struct SharpnessRecord {
    #[serde(flatten)]
    progress: Progress,
    loss: LossKind,
    label_smoothing: f64,
    samples: usize,
    batch: usize,
    seed: u64,
    #[serde(flatten)]
    stopping: Stopping,
    #[serde(flatten)]
    found: Dominant,
}

/// Measures, prints and writes.
pub fn analyze(analysis: &Analysis) -> Result<(), Error> {
    match analysis {
        Analysis::Sharpness(args) => sharpness(args),
        Analysis::Forgetting(args) => forgetting(args),
        Analysis::Landscape(args) => landscape(args),
    }
}

fn sharpness(args: &SharpnessArgs) -> Result<(), Error> {
    let run = args.source.open()?;
    let checkpoint = args.averaged.of(args.source.checkpoint(&run)?)?;
    let Prepared { config, split, device, threads } = prepare_analysis(&run, &[], &args.common)?;
    let mut train = Parts::of(&config, split).train;
    let restored = Restored::new(&config, &checkpoint, &train, &device)?;
    Arc::make_mut(&mut train).truncate(args.samples);
    let samples = train.len();
    let loader = Loader::evaluation(train, Preparation::of_curvature(&config.data), args.batch, threads);
    let task = experiment::task_loss(&config);
    let loss = TaskLoss { smoothing: if args.without_smoothing { 0.0 } else { task.smoothing }, ..task };
    let stopping = Stopping { most_iterations: args.iterations, tolerance: args.tolerance };
    let landscape = Landscape { network: restored.network(), loss, loader: &loader };
    let found = landscape.dominant_eigenvalue(stopping, args.seed)?;
    let record = SharpnessRecord {
        progress: restored.progress(),
        loss: config.loss.kind,
        label_smoothing: loss.smoothing,
        samples,
        batch: args.batch,
        seed: args.seed,
        stopping,
        found,
    };
    describe_sharpness(&record);
    let name = args.source.record_name("sharpness", record.progress);
    say(&format!("written to {}", run.record(&name, &record)?.display()));
    Ok(())
}

fn describe_sharpness(r: &SharpnessRecord) {
    let Progress { epochs, updates } = r.progress;
    let ended = if r.found.converged { "converged" } else { "not converged" };
    let iterations = r.found.estimates.len();
    say(&format!("{:24} {}, {}", "after", count(epochs, "epoch"), count(updates, "update")));
    let loss = if r.loss == LossKind::Ce { "CE" } else { "BCE" };
    say(&format!("{:24} {loss}, label smoothing {}", "loss", r.label_smoothing));
    say(&format!("{:24} {}", "over", count(r.samples, "training image")));
    say(&format!("{:24} {iterations}, {ended} to {:e}", "iterations", r.stopping.tolerance));
    say(&format!("{:24} {:.6}", "dominant eigenvalue", r.found.eigenvalue));
}

fn forgetting(args: &ForgettingArgs) -> Result<(), Error> {
    let run = args.source.open()?;
    // Collections during training are not wanted here.
    let mut set = [args.set.clone(), vec!["analysis.every=0".to_owned()]].concat();
    set.extend(args.protocol.as_ref().map(|protocol| format!("analysis.protocol={protocol}")));
    set.extend(args.draws.map(|draws| format!("analysis.draws={draws}")));
    let checkpoint = args.averaged.of(args.source.checkpoint(&run)?)?;
    let Prepared { config, split, device, threads } = prepare_analysis(&run, &set, &args.common)?;
    let Parts { train, analysed, .. } = Parts::of(&config, split);
    let probes = ForgettingProbe::each(&config, &train, &analysed, threads)?;
    let restored = Restored::new(&config, &checkpoint, &train, &device)?;
    for (probe, suffix) in probes {
        let record = probe.measure(restored.network(), restored.ascent(), restored.progress())?;
        describe_forgetting(&record);
        let name = args.source.record_name("forgetting", record.progress) + suffix;
        say(&format!("written to {}", run.record(&name, &record)?.display()));
    }
    Ok(())
}

fn describe_forgetting(r: &ForgettingRecord) {
    let Progress { epochs, updates } = r.progress;
    let (images, classes, draws, slice) = (r.images, r.classes, r.draws, r.slice);
    let (epochs, updates) = (count(epochs, "epoch"), count(updates, "update"));
    say(&format!("after {epochs}, {updates}: {}, {}", count(images, "image"), count(classes, "class")));
    let kind = r.perturb["kind"].as_str().unwrap_or_default();
    say(&format!("protocol {:?}: {draws} × {kind}, slices of {slice}, radius {}\n", r.protocol, r.rho));
    say(&format!("{:32} {:>12} {:>12}", "", "unperturbed", "perturbed"));
    let row = |name: &str, of: &dyn Fn(&Side) -> f64| {
        say(&format!("{name:32} {:>12.4} {:>12.4}", of(&r.unperturbed), of(&r.perturbed)));
    };
    let largest = |values: &[f64]| values.iter().copied().fold(0.0, f64::max);
    row("accuracy, %", &|s| s.accuracy);
    row("likelihood of the label", &|s| s.label_likelihood);
    row("entropy of an output, nats", &|s| s.output_entropy);
    row("max I(X;T|Y), nats", &|s| largest(&s.curves.sample_given_label));
    row("max I(T;Y), nats", &|s| largest(&s.curves.label));
    row("I(X;Ŷ|Y) without bins, nats", &|s| s.companion.sample_given_label);
    row("I(Ŷ;Y) without bins, nats", &|s| s.companion.label);
    let Some(f) = &r.adjusted else {
        return say("\nthe unperturbed outputs carry no information beyond the label, so nothing can be forgotten");
    };
    let label = |value: Option<f64>| value.map_or_else(|| "-".into(), |v| format!("{v:.4}"));
    say(&format!("\n{:>10} {:>10} {:>12} {:>12}", "s", "r(s)", "F_XY", "F_Y"));
    for k in (0..f.s.len()).step_by(10) {
        let target = label(f.label.as_ref().map(|l| l[k]));
        say(&format!("{:>10.2} {:>10.4} {:>12.4} {target:>12}", f.s[k], f.r[k], f.sample_given_label[k]));
    }
    say(&format!("{:>21} {:>12.4} {:>12}", "mean over s", f.mean_sample_given_label(), label(f.mean_label())));
}
