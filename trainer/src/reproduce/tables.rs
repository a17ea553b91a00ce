//! Tables 1, B.1 and B.2: one row per method, over seeds, with the paper's results beside it.

use super::comparisons;
use super::experiment::Experiment;
use super::measures::{Measures, Wanted};
use super::study::Study;
use super::table::{Row as Line, Table};
use crate::error::Error;
use crate::paper::{Anchor, Direction, FIXED_ALPHA, Family, Method, Row, TABLE_1, TABLE_B1, Task, rows};
use std::path::PathBuf;

/// A row of a table: its names, the row of the hyper-parameter table that is trained, and the paper's results.
struct Entry {
    names: Vec<String>,
    row: Row,
    paper: Vec<(String, String)>,
}

/// The note above tables.
const NOTE: &str = "Means ± half the width of the 95 % confidence interval; the paper's ± is the standard deviation \
                    over its seeds, which is narrower than a confidence interval of so few seeds would be. Sharpness \
                    is that of the loss that was trained; with label smoothing, of the smoothed loss.";

/// Table 1: no perturbation, SAM and GSAM.
pub(super) fn table_1(study: &Study<'_>) -> Result<Vec<PathBuf>, Error> {
    make(study, Experiment::Table1, vec!["model", "method", "perturbation"], anchored(study, &TABLE_1))
}

/// Table B.1: the other baselines, SAM with random perturbations and ASAM, together with the rows of table 1 for the same models.
pub(super) fn table_b1(study: &Study<'_>) -> Result<Vec<PathBuf>, Error> {
    let own = |a: &&Anchor| TABLE_B1.iter().any(|b| b.architecture == a.architecture);
    let all: Vec<Anchor> = TABLE_1.iter().filter(own).chain(&TABLE_B1).copied().collect();
    make(study, Experiment::TableB1, vec!["model", "method", "perturbation"], anchored(study, &all))
}

/// Table B.2: SAM on the first model with every perturbation of [`FIXED_ALPHA`].
pub(super) fn table_b2(study: &Study<'_>) -> Result<Vec<PathBuf>, Error> {
    let base = rows().into_iter().find(|r| r.task == Task::ImageNet && r.method.words() == ["sam", "obf"]);
    let base = base.expect("ViT-S/32 stands first");
    let Method::Perturbed { reach, .. } = base.method else { unreachable!("SAM perturbs") };
    let entry = |(direction, accuracy): (Direction, f64)| {
        let row = match direction {
            // Its radius has its own schedule.
            Direction::Steepest => rows().into_iter().find(|r| {
                r.architecture == base.architecture && r.task == base.task && r.method.words() == ["sam", "steepest"]
            }),
            _ => Some(Row { method: Method::Perturbed { family: Family::Sam, direction, reach }, ..base }),
        };
        let row = row.expect("the table has SAM by steepest ascent");
        Entry { names: vec![name(direction)], row, paper: vec![("V1".into(), format!("{accuracy:.2}"))] }
    };
    make(study, Experiment::TableB2, vec!["perturbation"], FIXED_ALPHA.map(entry).into())
}

/// The name in the paper's table.
fn name(direction: Direction) -> String {
    match direction {
        Direction::Obf { lambda: Some(0.0), gamma } => format!("α = {gamma}"),
        Direction::Obf { gamma, .. } => format!("γ = {gamma}, λ = 1/C"),
        Direction::Steepest => "steepest".into(),
        Direction::Random => "random".into(),
    }
}

/// Makes a table and returns the files written.
fn make(
    study: &Study<'_>,
    experiment: Experiment,
    heads: Vec<&'static str>,
    entries: Vec<Entry>,
) -> Result<Vec<PathBuf>, Error> {
    let config = |e: &Entry| (study.scale.run_name(&e.row), study.scale.draft(&e.row));
    let configs: Vec<_> = entries.iter().map(config).collect();
    let measured = study.measured(&configs, &Wanted::all(study.scale))?;
    let line = |(Entry { names, paper, .. }, measured)| Line { names, measured, paper };
    let rows = entries.into_iter().zip(measured).map(line).collect();
    let table = Table { heads, rows };
    let below = if experiment == Experiment::TableB2 {
        String::new()
    } else {
        comparisons::markdown(&table, &comparisons::methods(), &["V1"])
    };
    table.write(study, experiment, NOTE, &below)
}

/// The rows of a table of the paper for the models of this study.
fn anchored(study: &Study<'_>, anchors: &[Anchor]) -> Vec<Entry> {
    let mine = |a: &&Anchor| study.architectures.contains(&a.architecture);
    let entry = |a: &Anchor| {
        let of = |r: &Row| r.architecture == a.architecture && r.task == Task::ImageNet && r.method.words() == a.method;
        let row = rows().into_iter().find(of).expect("a reported method has a row");
        let names = [study.scale.model_name(a.architecture), a.method[0].into(), a.method[1].into()];
        Entry { names: names.into(), row, paper: reported(a) }
    };
    // The rows of a model are adjacent.
    let rank = |a: &&Anchor| study.architectures.iter().position(|mine| *mine == a.architecture);
    let mut mine: Vec<&Anchor> = anchors.iter().filter(mine).collect();
    mine.sort_by_key(rank);
    mine.into_iter().map(entry).collect()
}

fn reported(a: &Anchor) -> Vec<(String, String)> {
    let sets = ["V1", "ReaL", "V2", "R", "Sketch"].into_iter().zip(a.accuracy);
    let accuracies = sets.map(|(name, measured)| (name.to_owned(), measured.text(2)));
    accuracies.chain([(Measures::SHARPNESS.to_owned(), a.sharpness.text(1))]).collect()
}
