//! Figure 3: the accuracy of SAM with OBF as a function of γ (λ = 1/C) and of λ (γ = 1).

use super::experiment::Experiment;
use super::measures::{Measures, Wanted};
use super::scale::Scale;
use super::statistics::Summary;
use super::study::Study;
use super::table::cell;
use crate::error::Error;
use crate::paper::{Direction, Family, Method, Row, Task, rows};
use crate::plot::{self, Area, Backend, Drawn, Picture};
use plotters::prelude::*;
use std::fmt::Write;
use std::path::PathBuf;

/// The values of γ.
const GAMMAS: [f64; 5] = [0.0, 0.25, 0.5, 0.75, 1.0];
/// The values of λ; 0 is a fixed α = γ.
const LAMBDAS: [f64; 6] = [0.0, 0.01, 0.1, 1.0 / 3.0, 0.5, 0.9];
/// The values of λ at scale `digits`, where 1/C is 0.1.
const FEW_LAMBDAS: [f64; 4] = [0.0, 0.1, 1.0 / 3.0, 0.9];
/// The values of λ at the paper's scale, with its own 1/C.
const PAPER_LAMBDAS: [f64; 7] = [0.0, 1e-3, 0.01, 0.1, 1.0 / 3.0, 0.5, 0.9];

/// Accuracies as a function of a parameter.
struct Sweep {
    parameter: &'static str,
    points: Vec<(f64, Vec<f64>)>,
}

/// Trains the models, and writes the figure and its numbers.
pub(super) fn make(study: &Study<'_>) -> Result<Vec<PathBuf>, Error> {
    let lambdas: &[f64] = match study.scale {
        Scale::Digits => &FEW_LAMBDAS,
        Scale::Fashion => &LAMBDAS,
        Scale::Paper => &PAPER_LAMBDAS,
    };
    let rows = GAMMAS.iter().map(|gamma| obf(None, *gamma)).chain(lambdas.iter().map(|lambda| obf(Some(*lambda), 1.0)));
    let configs: Vec<_> = rows.map(|row| (study.scale.run_name(&row), study.scale.draft(&row))).collect();
    let measured = study.measured(&configs, &Wanted::accuracy())?;
    let accuracies = measured.iter().map(|all| all.iter().map(Measures::test).collect());
    let mut points: Vec<_> = GAMMAS.iter().chain(lambdas).copied().zip(accuracies).collect();
    let lambdas = points.split_off(GAMMAS.len());
    let sweeps = [Sweep { parameter: "γ", points }, Sweep { parameter: "λ", points: lambdas }];
    let text = study.title(Experiment::Figure3, "Mean test accuracy ± half the width of the 95 % confidence interval.");
    let mut files = plot::save(&study.out, "figure-3", [1000, 420], &Sweeps(&sweeps))?;
    files.push(study.write("figure-3.csv", csv(&sweeps).as_bytes())?);
    files.push(study.write("figure-3.md", (text + &markdown(&sweeps)).as_bytes())?);
    Ok(files)
}

/// The row of ViT-S/32 with another λ and γ.
fn obf(lambda: Option<f64>, gamma: f64) -> Row {
    let row = rows().into_iter().find(|r| r.task == Task::ImageNet && r.method.words() == ["sam", "obf"]);
    let row = row.expect("ViT-S/32 with SAM and OBF is in the table");
    let Method::Perturbed { reach, .. } = row.method else { unreachable!("SAM perturbs") };
    Row { method: Method::Perturbed { family: Family::Sam, direction: Direction::Obf { lambda, gamma }, reach }, ..row }
}

struct Sweeps<'a>(&'a [Sweep]);

impl Picture for Sweeps<'_> {
    fn draw<B: Backend>(&self, area: &Area<B>) -> Drawn<B> {
        let all = self.0.iter().flat_map(|s| &s.points).flat_map(|(_, a)| a);
        let (low, high) = all.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), a| (l.min(*a), h.max(*a)));
        let room = 0.1 * (high - low).max(0.5);
        let parts = area.split_evenly((1, self.0.len()));
        self.0.iter().zip(&parts).try_for_each(|(sweep, part)| sweep.draw(part, [low - room, high + room]))
    }
}

impl Sweep {
    /// Every run is a dot; their means are a line.
    fn draw<B: Backend>(&self, area: &Area<B>, [low, high]: [f64; 2]) -> Drawn<B> {
        let color = RGBColor(27, 128, 62);
        let mut chart = ChartBuilder::on(area)
            .margin(12)
            .x_label_area_size(42)
            .y_label_area_size(60)
            .build_cartesian_2d(-0.03..1.03, low..high)?;
        plot::axes(&mut chart, self.parameter, "test accuracy, %")?;
        let dots = self.points.iter().flat_map(|(x, all)| all.iter().map(move |y| (*x, *y)));
        chart.draw_series(dots.map(|at| Circle::new(at, 4, color.mix(0.45).filled())))?;
        let means = self.points.iter().filter_map(|(x, all)| Some((*x, Summary::of(all)?.mean)));
        chart.draw_series(LineSeries::new(means, color.stroke_width(2)))?;
        Ok(())
    }
}

fn csv(sweeps: &[Sweep]) -> String {
    let mut text = String::from("parameter,value,seed,accuracy\n");
    for sweep in sweeps {
        for (value, all) in &sweep.points {
            for (seed, accuracy) in all.iter().enumerate() {
                let _ = writeln!(text, "{},{value},{seed},{accuracy}", sweep.parameter);
            }
        }
    }
    text
}

fn markdown(sweeps: &[Sweep]) -> String {
    let mut text = String::from("| parameter | value | accuracy, % |\n| --- | --- | --- |\n");
    for sweep in sweeps {
        for (value, s) in sweep.points.iter().filter_map(|(v, all)| Some((v, Summary::of(all)?))) {
            let _ = writeln!(text, "| {} | {value:.3} | {} |", sweep.parameter, cell(Measures::TEST, s));
        }
    }
    text
}
