//! Tunes the radii of the reduced scales: every perturbation at several radii, evaluated on images that no table uses. The best ones are in
//! [`super::scale`]; the paper's own scale has the paper's radii.

use super::experiment::Experiment;
use super::measures::{Measures, Wanted};
use super::scale::Scale;
use super::study::Study;
use super::table::{Row as Line, Table};
use crate::config::Problem;
use crate::error::Error;
use crate::paper::{Draft, Family, Method, Row, Task, rows};
use std::fmt::Write;
use std::path::PathBuf;

/// Means that differ by no more than this number of percentage points count as equal.
const EQUAL: f64 = 1e-9;
/// The column of the measured accuracy.
const HELD_OUT: &str = "held-out accuracy";

/// Trains with every radius, and writes the accuracies and the best radii.
pub(super) fn make(study: &Study<'_>) -> Result<Vec<PathBuf>, Error> {
    if study.scale == Scale::Paper {
        let reason = "the paper's radii are in configs/paper; only the reduced scales are tuned";
        return Err(Problem::value("--scale", "paper", reason).into());
    }
    let tuned: Vec<Row> = rows().into_iter().filter(|row| is_tuned(study, row)).collect();
    let tried: Vec<(&Row, f64)> =
        tuned.iter().flat_map(|row| study.scale.radii_tried(row).iter().map(move |rho| (row, *rho))).collect();
    let configs: Vec<_> = tried.iter().map(|(row, rho)| config(study.scale, row, *rho)).collect();
    let measured = study.measured(&configs, &Wanted::accuracy())?;
    let lines = tried.iter().zip(measured).map(|((row, rho), measured)| line(study.scale, row, *rho, measured));
    let table = Table { heads: vec!["model", "method", "perturbation", "radius"], rows: lines.collect() };
    let note = "Accuracy on images that are neither trained on nor used in the tables: means ± half the width of the 95 % confidence interval.";
    let best = best(study.scale, &tuned, &table);
    table.write(study, Experiment::Radii, note, &best)
}

/// Whether a row has a radius of its own: GSAM uses SAM's.
fn is_tuned(study: &Study<'_>, row: &Row) -> bool {
    let own = matches!(row.method, Method::Perturbed { family: Family::Sam | Family::Asam { .. }, .. });
    own && row.task == Task::ImageNet && study.architectures.contains(&row.architecture)
}

/// The run of a row with a radius.
fn config(scale: Scale, row: &Row, rho: f64) -> (String, Draft) {
    (format!("radius-{}-{}-{rho}", scale.model_name(row.architecture), row.method), scale.tuning(row, rho))
}

/// The table row for these runs.
fn line(scale: Scale, row: &Row, rho: f64, measured: Vec<Measures>) -> Line {
    let held_out = |m: Measures| Measures { seed: m.seed, values: vec![(HELD_OUT.into(), m.test())] };
    let [method, perturbation] = row.method.words();
    let names = vec![scale.model_name(row.architecture), method.into(), perturbation.into(), rho.to_string()];
    Line { names, measured: measured.into_iter().map(held_out).collect(), paper: vec![] }
}

/// The radius with the best mean for each row; the smaller one of equals.
fn best(scale: Scale, tuned: &[Row], table: &Table) -> String {
    let mut text = String::from("| model | method | best radius | of |\n| --- | --- | --- | --- |\n");
    let mut means = table.rows.iter().map(|line| line.summary(HELD_OUT).map_or(f64::NAN, |s| s.mean));
    for row in tuned {
        let radii = scale.radii_tried(row);
        let of_row = radii.iter().zip(means.by_ref());
        let best = of_row.reduce(|best, other| if other.1 > best.1 + EQUAL { other } else { best });
        let all: Vec<String> = radii.iter().map(f64::to_string).collect();
        let (model, best) = (scale.model_name(row.architecture), best.map_or(f64::NAN, |(rho, _)| *rho));
        let _ = writeln!(text, "| {model} | {} | {best} | {} |", row.method, all.join(", "));
    }
    text
}
