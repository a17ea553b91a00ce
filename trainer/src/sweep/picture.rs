//! The picture of a sweep. One key, or two of a grid: the mean accuracy as a function of the first, with intervals, by a curve for every value of the
//! second. Otherwise: a panel for every key, with a dot for every point.

use super::axis::Axis;
use super::plan::Plan;
use super::results::{ACCURACY, Results};
use super::scale::Scale;
use crate::error::Error;
use crate::plot::{self, Area, Backend, Drawn, Picture};
use crate::reproduce::Summary;
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Value;

const COLORS: [RGBColor; 6] = [
    RGBColor(32, 92, 178),
    RGBColor(221, 120, 20),
    RGBColor(27, 128, 62),
    RGBColor(160, 50, 120),
    RGBColor(110, 110, 110),
    RGBColor(170, 40, 40),
];
/// The number of panels side by side.
const ROW: usize = 3;
/// The smallest span of accuracies, in percentage points.
const SPAN: f64 = 0.5;
/// The share of the span that is free on either side, into which intervals reach.
const ROOM: f64 = 0.35;

/// The distance of curves beside each other, as a share of the axis.
const DODGE: f64 = 0.012;

/// Values by place on an axis.
struct Curve {
    name: Option<String>,
    points: Vec<(f64, Vec<f64>)>,
}

/// A chart.
struct Panel {
    key: String,
    scale: Scale,
    curves: Vec<Curve>,
    /// Whether the points of a curve are joined, and have intervals.
    joined: bool,
}

struct Panels {
    panels: Vec<Panel>,
    columns: usize,
    accuracies: [f64; 2],
}

/// An axis with its ticks at given places.
struct Places {
    all: RangedCoordf64,
    ticks: Vec<f64>,
}

impl Ranged for Places {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn range(&self) -> Range<f64> {
        self.all.range()
    }

    fn map(&self, place: &f64, limit: (i32, i32)) -> i32 {
        self.all.map(place, limit)
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        if hint.weight().allow_light_points() { vec![] } else { self.ticks.clone() }
    }
}

/// Draws what has been found, if a key varies and a run is finished, as SVG and PNG.
///
/// # Errors
/// If a file cannot be written.
pub fn save(plan: &Plan, results: &Results<'_>, folder: &Path, name: &str) -> Result<Vec<PathBuf>, Error> {
    let all: Vec<f64> = (0..plan.points.len()).flat_map(|point| results.values(point, ACCURACY)).collect();
    if plan.axes.is_empty() || all.is_empty() {
        return Ok(vec![]);
    }
    let low = all.iter().copied().fold(f64::INFINITY, f64::min);
    let high = all.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let room = ROOM * (high - low).max(SPAN);
    // No accuracy is beyond these, but dots at the edge have their size.
    let accuracies = [(low - room).max(-1.0), (high + room).min(101.0)];
    let panels = panels(plan, results);
    let columns = panels.len().min(ROW);
    let rows = panels.len().div_ceil(columns);
    let [width, height] = if panels.len() == 1 { [680, 440] } else { [400, 360] };
    let size = [width * columns as u32, height * rows as u32];
    plot::save(folder, name, size, &Panels { panels, columns, accuracies })
}

fn panels(plan: &Plan, results: &Results<'_>) -> Vec<Panel> {
    let scales: Vec<Scale> = plan.axes.iter().map(|axis| Scale::of(axis, plan)).collect();
    let is_grid = plan.request.draws.is_none();
    match &plan.axes[..] {
        [_] => {
            scales.into_iter().zip(&plan.axes).map(|(scale, axis)| single(axis, scale, plan, results, true)).collect()
        }
        [first, second] if is_grid => {
            // The longer one of numbers lies along the axis; curves are told apart by colours.
            let rank = |scale: &Scale| (scale.is_numeric(), scale.values().len());
            let is_turned = rank(&scales[1]) > rank(&scales[0]);
            let (along, by) = if is_turned { (second, first) } else { (first, second) };
            let mut scales = scales;
            let (x, other) = (scales.swap_remove(usize::from(is_turned)), scales.remove(0));
            if other.values().len() > COLORS.len() {
                return [(along, x), (by, other)].map(|(axis, scale)| single(axis, scale, plan, results, false)).into();
            }
            let curve = |value: &Value| {
                let name = format!("{} = {}", by.key, super::point::word(value));
                Curve { name: Some(name), points: points(&along.key, &x, plan, results, Some((&by.key, value))) }
            };
            let curves = other.values().iter().map(curve).collect();
            vec![Panel { key: along.key.clone(), scale: x, curves, joined: true }]
        }
        axes => scales.into_iter().zip(axes).map(|(scale, axis)| single(axis, scale, plan, results, false)).collect(),
    }
}

/// The panel of one key.
fn single(axis: &Axis, scale: Scale, plan: &Plan, results: &Results<'_>, joined: bool) -> Panel {
    let curves = vec![Curve { name: None, points: points(&axis.key, &scale, plan, results, None) }];
    Panel { key: axis.key.clone(), scale, curves, joined }
}

/// The accuracies of the points that have a value of another key, or of all, from left to right.
fn points(
    key: &str,
    scale: &Scale,
    plan: &Plan,
    results: &Results<'_>,
    among: Option<(&str, &Value)>,
) -> Vec<(f64, Vec<f64>)> {
    let mut points = Vec::new();
    for (i, (point, _)) in plan.points.iter().enumerate() {
        let value = |key: &str| point.values.iter().find(|(own, _)| own == key).map(|(_, value)| value);
        let is_among = among.is_none_or(|(other, wanted)| value(other) == Some(wanted));
        let accuracies = results.values(i, ACCURACY);
        if let (Some(value), true, false) = (value(key), is_among, accuracies.is_empty()) {
            points.push((scale.place(value), accuracies));
        }
    }
    points.sort_by(|a, b| a.0.total_cmp(&b.0));
    points
}

impl Picture for Panels {
    fn draw<B: Backend>(&self, area: &Area<B>) -> Drawn<B> {
        let parts = area.split_evenly((self.panels.len().div_ceil(self.columns), self.columns));
        self.panels.iter().zip(&parts).try_for_each(|(panel, part)| panel.draw(part, self.accuracies))
    }
}

impl Panel {
    fn draw<B: Backend>(&self, area: &Area<B>, [low, high]: [f64; 2]) -> Drawn<B> {
        let (left, right) = self.scale.span();
        let named = self.curves.iter().zip(COLORS);
        let entries: Vec<(&str, RGBColor)> =
            named.filter_map(|(curve, color)| Some((curve.name.as_deref()?, color))).collect();
        let below = if entries.is_empty() { area.clone() } else { plot::legend(area, &entries)? };
        let mut chart = ChartBuilder::on(&below)
            .margin(12)
            .x_label_area_size(42)
            .y_label_area_size(60)
            .build_cartesian_2d(Places { all: (left..right).into(), ticks: self.scale.ticks() }, low..high)?;
        plot::axes_labelled(&mut chart, &self.key, "test accuracy, %", &|place| self.scale.label(*place))?;
        let cap = 0.008 * (right - left);
        for (i, (curve, color)) in self.curves.iter().zip(COLORS).enumerate() {
            // Beside each other, so that no interval hides another one.
            let aside = DODGE * (right - left) * (i as f64 - (self.curves.len() - 1) as f64 / 2.0);
            let dots = curve.points.iter().flat_map(|(x, all)| all.iter().map(move |y| (*x + aside, *y)));
            let faint = if self.joined { 0.4 } else { 0.7 };
            chart.draw_series(dots.map(|at| Circle::new(at, 3, color.mix(faint).filled())))?;
            if !self.joined {
                continue;
            }
            let means = || curve.points.iter().filter_map(|(x, all)| Some((*x + aside, Summary::of(all)?)));
            // Intervals of few seeds may be far wider than what is shown.
            let bars = means().filter(|(_, s)| s.half_width().is_finite()).flat_map(|(x, s)| {
                let (bottom, top) = ((s.mean - s.half_width()).max(low), (s.mean + s.half_width()).min(high));
                let ends = [(bottom, bottom > low), (top, top < high)].into_iter().filter(|(_, is_shown)| *is_shown);
                let caps = ends.map(move |(y, _)| vec![(x - cap, y), (x + cap, y)]);
                std::iter::once(vec![(x, bottom), (x, top)]).chain(caps)
            });
            chart.draw_series(bars.map(|line| PathElement::new(line, color.mix(0.8).stroke_width(1))))?;
            let line = LineSeries::new(means().map(|(x, s)| (x, s.mean)), color.stroke_width(2));
            chart.draw_series(line)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::tests::plan;
    use super::super::results::tests::results;
    use super::*;

    fn svg(set: &[&str], accuracies: &[&[f64]]) -> String {
        let plan = plan(set, 2);
        let folder = tempfile::tempdir().unwrap();
        save(&plan, &results(&plan, accuracies), folder.path(), "sweep").unwrap();
        std::fs::read_to_string(folder.path().join("sweep.svg")).unwrap_or_default()
    }

    #[test]
    fn one_key_is_a_curve_and_two_are_several() {
        let one = svg(&["perturb.rho=0.05,0.1,0.2"], &[&[90.0, 91.0], &[92.0, 92.5], &[88.0]]);
        for text in ["perturb.rho", "test accuracy, %", "0.05", "0.2"] {
            assert!(one.contains(text), "{text}: {one}");
        }
        assert_eq!(one.matches("<circle").count(), 5);
        let two =
            svg(&["optim.schedule=linear,constant", "perturb.rho=0.05,0.1"], &[&[90.0], &[91.0], &[92.0], &[93.0]]);
        assert!(two.contains("optim.schedule = constant") && two.contains("0.05"), "{two}");
        let three = ["optim.schedule=linear,constant", "perturb.rho=0.05,0.1", "optim.momentum=0.5,0.9"];
        let three = svg(&three, &[&[90.0][..]; 8]);
        assert!(["optim.schedule", "perturb.rho", "optim.momentum"].iter().all(|key| three.contains(key)), "{three}");
    }

    #[test]
    fn nothing_is_drawn_of_nothing() {
        assert_eq!(svg(&["perturb.rho=0.05,0.1"], &[&[], &[]]), "");
        assert_eq!(svg(&[], &[&[90.0]]), "");
    }
}
