//! Tables 1, B.1 and B.2: a row a method, over seeds, with the paper's figures beside.

use super::measures::Wanted;
use super::table::{Row as Line, Table};
use super::{Experiment, Measures, Study, comparisons};
use crate::error::Error;
use crate::paper::{Anchor, Direction, FIXED_ALPHA, Family, Method, Row, TABLE_1, TABLE_B1, Task, rows};
use std::path::PathBuf;

/// A method of a table: how it is called, the row that is trained, and what the paper reports of it.
struct Entry {
    names: Vec<String>,
    row: Row,
    paper: Vec<(String, String)>,
}

/// What a table of sharpness must say.
const NOTE: &str = "Means, ± half the width of their 95 % interval; the paper's ± is the standard deviation over its seeds, and narrower than an interval of its \
                    few seeds would be. Sharpness is that of the loss that was trained: with label smoothing, of the smoothed one.";

/// Plain training, SAM and GSAM.
pub(super) fn table_1(study: &Study<'_>) -> Result<Vec<PathBuf>, Error> {
    make(study, Experiment::Table1, vec!["model", "method", "perturbation"], anchored(study, &TABLE_1))
}

/// The other baselines, random SAM and ASAM, beside the rows of table 1 for the same models.
pub(super) fn table_b1(study: &Study<'_>) -> Result<Vec<PathBuf>, Error> {
    let own = |a: &&Anchor| TABLE_B1.iter().any(|b| b.architecture == a.architecture);
    let all: Vec<Anchor> = TABLE_1.iter().filter(own).chain(&TABLE_B1).copied().collect();
    make(study, Experiment::TableB1, vec!["model", "method", "perturbation"], anchored(study, &all))
}

/// SAM on the first model by every perturbation of [`FIXED_ALPHA`].
pub(super) fn table_b2(study: &Study<'_>) -> Result<Vec<PathBuf>, Error> {
    let base = rows().into_iter().find(|r| r.task == Task::ImageNet && r.method.words() == ["sam", "obf"]);
    let base = base.expect("ViT-S/32 stands first");
    let Method::Perturbed { reach, .. } = base.method else { unreachable!("SAM perturbs") };
    let entry = |(direction, accuracy): (Direction, f64)| {
        let row = match direction {
            // Its radius has a schedule of its own.
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

/// As the paper's table calls it.
fn name(direction: Direction) -> String {
    match direction {
        Direction::Obf { lambda: Some(0.0), gamma } => format!("α = {gamma}"),
        Direction::Obf { gamma, .. } => format!("γ = {gamma}, λ = 1/C"),
        Direction::Steepest => "steepest".into(),
        Direction::Random => "random".into(),
    }
}

/// Makes a table and gives the files that were written.
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
    // The rows of a model stand together.
    let place = |a: &&Anchor| study.architectures.iter().position(|mine| *mine == a.architecture);
    let mut mine: Vec<&Anchor> = anchors.iter().filter(mine).collect();
    mine.sort_by_key(place);
    mine.into_iter().map(entry).collect()
}

fn reported(a: &Anchor) -> Vec<(String, String)> {
    let sets = ["V1", "ReaL", "V2", "R", "Sketch"].into_iter().zip(a.accuracy);
    let accuracies = sets.map(|(name, measured)| (name.to_owned(), measured.text(2)));
    accuracies.chain([(Measures::SHARPNESS.to_owned(), a.sharpness.text(1))]).collect()
}
