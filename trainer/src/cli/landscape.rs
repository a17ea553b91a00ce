//! `lethe analyze landscape`: the loss along the directions of perturbations, as numbers and as a picture. The geometry is the run's, and so are λ, γ and the
//! likelihood of OBF if the run is one; else they are the defaults.

use super::{Common, Prepared, Source, note, prepare, say};
use crate::analysis::collect::Ascent;
use crate::analysis::landscape::{Slice, direction, slice};
use crate::data::{Loader, Preparation};
use crate::error::Error;
use crate::evaluation::upload;
use crate::experiment;
use crate::plot::{self, Area, Backend, Drawn, Picture};
use crate::training::{Parts, Restored};
use clap::Args;
use lethe_optim::{Extragradient, Perturbation};
use plotters::prelude::*;
use std::sync::Arc;

/// Which slices.
#[derive(Args)]
pub struct LandscapeArgs {
    #[command(flatten)]
    source: Source,
    /// How far from θ; by default twice the run's radius, or 0.1.
    #[arg(long, value_name = "DISTANCE", value_parser = distance)]
    reach: Option<f64>,
    /// Points of a slice.
    #[arg(long, value_name = "N", default_value_t = 41, value_parser = clap::value_parser!(u16).range(2..=10_001))]
    points: u16,
    /// Take the loss over the first so many training images; over all, if there are no more.
    #[arg(long, value_name = "N", default_value_t = 1024, value_parser = super::analyze::count())]
    samples: usize,
    /// Change a key of the run's config, such as perturb.gamma=0; may be given again.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    #[command(flatten)]
    common: Common,
}

/// A finite number above 0.
fn distance(text: &str) -> Result<f64, String> {
    super::analyze::not_negative(text)
        .ok()
        .filter(|x| *x > 0.0)
        .ok_or_else(|| "expected a finite number above 0".into())
}

/// Measures, draws and writes.
pub fn landscape(args: &LandscapeArgs) -> Result<(), Error> {
    let run = args.source.open()?;
    let Prepared { config, split, device, threads } = prepare(&run.config(), &args.set, &args.common)?;
    let mut train = Parts::of(&config, split).train;
    let classes = train.classes;
    let restored = Restored::new(&config, &args.source.checkpoint(&run)?, &train, &device)?;
    Arc::make_mut(&mut train).truncate(args.samples);
    let m = config.perturb.ascent().map_or(config.train.batch, |a| a.m).min(train.len());
    let loader = |batch: usize| Loader::evaluation(train.clone(), Preparation::of(&config.data), batch, threads);
    let all = loader(256);
    let (network, likelihood) = (restored.network(), experiment::task_loss(&config).likelihood);
    let reach = args.reach.unwrap_or_else(|| config.perturb.ascent().map_or(0.1, |a| 2.0 * a.rho).max(1e-6));
    let first = loader(m).epoch(0)?.next().expect("a run has a training image")?;
    let first = upload(&device, &first);
    let step = experiment::step(&config, classes);
    let obf = match step.perturbation {
        Perturbation::Obf(_) => step.perturbation,
        _ => Perturbation::obf(1.0 / classes as f64, 1.0, likelihood),
    };
    let mut slices = vec![];
    for (name, perturbation) in [("steepest", Perturbation::Steepest), ("obf", obf), ("random", Perturbation::Random)] {
        let step = Extragradient { perturbation, surrogate_gap: None, ..step };
        match direction(network, Ascent { step, rho: 1.0 }, &first)? {
            Some(d) => slices.push(slice(name, network, (&all, likelihood), &d, reach, args.points.into())?),
            None => note(&format!("{name}: there is no direction: its gradient is 0, or no number")),
        }
    }
    let path = run.record("landscape", &slices)?;
    let folder = path.parent().expect("a record lies in a folder").to_owned();
    let mut files = plot::save(&folder, "landscape", [760, 480], &Slices(&slices))?;
    files.push(path);
    slices.iter().for_each(describe);
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
        let mut chart = ChartBuilder::on(area)
            .margin(14)
            .x_label_area_size(42)
            .y_label_area_size(66)
            .build_cartesian_2d(-reach..reach, low - room..high + room)?;
        plot::axes(&mut chart, "distance along the unit direction", "mean training loss")?;
        for slice in self.0 {
            let color = match &slice.name[..] {
                "steepest" => RGBColor(32, 92, 178),
                "obf" => RGBColor(27, 128, 62),
                _ => RGBColor(120, 120, 120),
            };
            let points = slice.distance.iter().copied().zip(slice.loss.iter().copied());
            let line = chart.draw_series(LineSeries::new(points, color.stroke_width(3)))?;
            line.label(&slice.name).legend(move |at| plot::key(at, color));
        }
        plot::legend(&mut chart, SeriesLabelPosition::UpperMiddle)
    }
}
