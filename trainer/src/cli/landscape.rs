//! `lethe analyze landscape`: the loss along the directions of perturbations, as numbers and as a picture. The geometry is the run's, and for a run
//! with OBF also λ, γ and the likelihood; other runs take their defaults.

use super::options::{Averaged, Common, Source, not_negative, number, whole};
use super::output::{note, say};
use super::prepared::{Prepared, prepare_analysis};
use crate::analysis::landscape::{Slice, UnitDirection, direction, slice};
use crate::data::{Loader, Preparation};
use crate::error::Error;
use crate::experiment;
use crate::network::upload;
use crate::plot::{self, Area, Backend, Drawn, Picture};
use crate::training::Progress;
use crate::training::{Parts, Restored};
use clap::Args;
use lethe_optim::{Extragradient, Perturbation};
use plotters::prelude::*;
use serde::Serialize;
use std::sync::Arc;

/// Which sections through the loss to compute.
#[derive(Args)]
pub struct LandscapeArgs {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    averaged: Averaged,
    /// The largest distance from θ; by default twice the length of the run's perturbations, or 0.1 without a perturbation.
    #[arg(long, value_name = "DISTANCE", value_parser = distance)]
    reach: Option<f64>,
    /// Number of points along each direction.
    #[arg(long, value_name = "N", default_value_t = 41, value_parser = whole::<u16>(2..=10_001))]
    points: u16,
    /// Compute the loss over the first N training images, or over all if there are fewer.
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = number())]
    samples: usize,
    /// Change a key of the run's perturb, analysis or loss section, such as perturb.gamma=0; may be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    #[command(flatten)]
    common: Common,
}

/// `analysis/landscape.json`.
#[derive(Serialize)]
struct LandscapeRecord {
    #[serde(flatten)]
    progress: Progress,
    samples: usize,
    slices: Vec<Slice>,
}

/// A finite number above 0.
fn distance(text: &str) -> Result<f64, String> {
    not_negative(text).ok().filter(|x| *x > 0.0).ok_or_else(|| "expected a finite number above 0".into())
}

/// Computes, draws and writes the landscape.
pub fn landscape(args: &LandscapeArgs) -> Result<(), Error> {
    let run = args.source.open()?;
    let checkpoint = args.averaged.of(args.source.checkpoint(&run)?)?;
    let Prepared { config, split, device, threads } = prepare_analysis(&run, &args.set, &args.common)?;
    let mut train = Parts::of(&config, split).train;
    let classes = train.classes;
    let restored = Restored::new(&config, &checkpoint, &train, &device)?;
    Arc::make_mut(&mut train).truncate(args.samples);
    let step = experiment::step(&config, classes, &device);
    // The curves are of the loss without the weights of classes, and so is its steepest direction.
    let plain = Extragradient { loss: step.loss.loss.into(), surrogate_gap: None, ..step.clone() };
    let m = config.perturb.ascent().map_or(config.train.batch / config.train.accumulate, |a| a.m).min(train.len());
    let loader = |batch: usize| Loader::evaluation(train.clone(), Preparation::of(&config.data), batch, threads);
    let all = loader(config.train.eval_batch);
    let (network, likelihood) = (restored.network(), experiment::task_loss(&config).likelihood);
    let first = loader(m).epoch(0)?.next().expect("a run has a training image")?;
    let first = upload(&device, &first);
    let obf = match step.perturbation {
        Perturbation::Ascend(_) => step.perturbation,
        _ => Perturbation::obf(1.0 / classes as f64, 1.0, likelihood),
    };
    let mut directions = vec![];
    for (name, perturbation) in [("steepest", Perturbation::Steepest), ("obf", obf), ("random", Perturbation::Random)] {
        match direction(network, Extragradient { perturbation, ..plain.clone() }, &first)? {
            Some(direction) => directions.push((name, direction)),
            None => note(&format!("{name}: no direction, since its gradient is 0 or not finite")),
        }
    }
    let longest = directions.iter().map(|(_, d)| d.length).fold(0.0, f64::max);
    let reach = config.perturb.ascent().map_or(0.1, |a| 2.0 * a.rho * longest).max(1e-6);
    let (reach, points) = (args.reach.unwrap_or(reach), args.points.into());
    let along = |(name, d): &(&str, UnitDirection)| slice(name, network, (&all, likelihood), &d.unit, reach, points);
    let slices = directions.iter().map(along).collect::<Result<Vec<_>, Error>>()?;
    let record = LandscapeRecord { progress: restored.progress(), samples: all.images(), slices };
    let name = args.source.record_name("landscape", record.progress);
    let path = run.record(&name, &record)?;
    let folder = path.parent().expect("a record lies in a folder").to_owned();
    let mut files = plot::save(&folder, &name, [760, 480], &Slices(&record.slices))?;
    files.push(path);
    record.slices.iter().for_each(describe);
    files.iter().for_each(|file| say(&format!("written to {}", file.display())));
    Ok(())
}

fn describe(slice: &Slice) {
    let ends = [0, slice.loss.len() / 2, slice.loss.len() - 1].map(|i| (slice.distance[i], slice.loss[i]));
    let [(a, la), (b, lb), (c, lc)] = ends;
    say(&format!("{:10} loss {la:.5} at {a:+.3}, {lb:.5} at {b:+.3}, {lc:.5} at {c:+.3}", slice.name));
}

struct Slices<'a>(&'a [Slice]);

impl Picture for Slices<'_> {
    fn draw<B: Backend>(&self, area: &Area<B>) -> Drawn<B> {
        let losses = self.0.iter().flat_map(|s| &s.loss).filter(|l| l.is_finite());
        let (low, high) = losses.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), v| (l.min(*v), h.max(*v)));
        let reach = self.0.iter().flat_map(|s| &s.distance).fold(1e-9f64, |r, t| r.max(t.abs()));
        let (low, high) = if low < high { (low, high) } else { (0.0, 1.0) };
        let room = 0.05 * (high - low);
        let entries: Vec<(&str, RGBColor)> = self.0.iter().map(|slice| (&slice.name[..], color(&slice.name))).collect();
        let area = plot::legend(area, &entries)?;
        let mut chart = ChartBuilder::on(&area)
            .margin(14)
            .x_label_area_size(42)
            .y_label_area_size(66)
            .build_cartesian_2d(-reach..reach, low - room..high + room)?;
        plot::axes(&mut chart, "distance along the unit direction", "mean training loss")?;
        for slice in self.0 {
            let points = slice.distance.iter().copied().zip(slice.loss.iter().copied());
            chart.draw_series(LineSeries::new(points, color(&slice.name).stroke_width(3)))?;
        }
        Ok(())
    }
}

fn color(name: &str) -> RGBColor {
    match name {
        "steepest" => RGBColor(32, 92, 178),
        "obf" => RGBColor(27, 128, 62),
        _ => RGBColor(120, 120, 120),
    }
}
