//! Tables 1, B.1 and B.2: a row a method, over seeds, with the paper's figures beside.

use super::measures::Wanted;
use super::table::{Row as Line, Table};
use super::{Environment, Experiment, Measures, Planned, Scale};
use crate::error::Error;
use crate::paper::{Anchor, Direction, FIXED_ALPHA, Family, Measured, Method, Row, TABLE_1, TABLE_B1, Task, rows};
use std::path::PathBuf;

/// A method of a table: how it is called, the row that is trained, and what the paper reports of it.
struct Entry {
    names: Vec<String>,
    row: Row,
    paper: Vec<(String, String)>,
}

/// Makes a table and gives the files that were written.
pub(super) fn make(
    experiment: Experiment,
    scale: Scale,
    seeds: u64,
    env: &Environment,
    say: &mut dyn FnMut(&str),
) -> Result<Vec<PathBuf>, Error> {
    let (heads, entries) = match experiment {
        Experiment::Table1 => (vec!["model", "method", "perturbation"], anchored(scale, &TABLE_1)),
        Experiment::TableB1 => {
            let all: Vec<Anchor> = TABLE_1.iter().chain(&TABLE_B1).copied().collect();
            let models: Vec<_> = TABLE_B1.iter().map(|a| a.architecture).collect();
            let all: Vec<Anchor> = all.into_iter().filter(|a| models.contains(&a.architecture)).collect();
            (vec!["model", "method", "perturbation"], anchored(scale, &all))
        }
        _ => (vec!["perturbation"], fixed_alpha()),
    };
    let mut lines = vec![];
    for entry in entries {
        let name = scale.run_name(&entry.row);
        let mut measured = vec![];
        for seed in 0..seeds {
            let planned = Planned::new(&name, &scale.draft(&entry.row), seed);
            let run = planned.ensure(env, say)?;
            measured.push(Measures::of(&planned, &run, &Wanted::all(scale), env)?);
        }
        lines.push(Line { names: entry.names, measured, paper: entry.paper });
    }
    let table = Table { heads, rows: lines };
    let title = format!(
        "# {experiment} at scale {scale}, {seeds} seeds\n\nMeans, ± half the width of their 95 % interval.\n\n"
    );
    Ok(vec![
        env.write(&format!("{experiment}.csv"), table.csv().as_bytes())?,
        env.write(&format!("{experiment}.md"), (title + &table.markdown()).as_bytes())?,
    ])
}

/// The rows of a table of the paper that belong to this scale.
fn anchored(scale: Scale, anchors: &[Anchor]) -> Vec<Entry> {
    let mine = |a: &&Anchor| scale.architectures().contains(&a.architecture);
    let entry = |a: &Anchor| {
        let row = rows()
            .into_iter()
            .find(|r| r.architecture == a.architecture && r.task == Task::ImageNet && r.method.words() == a.method);
        let names = [scale.model_name(a.architecture), a.method[0].into(), a.method[1].into()];
        Entry { names: names.into(), row: row.expect("a reported method has a row"), paper: reported(a) }
    };
    anchors.iter().filter(mine).map(entry).collect()
}

fn reported(a: &Anchor) -> Vec<(String, String)> {
    let text = |Measured(mean, sd): Measured, digits: usize| {
        if mean.is_nan() { "–".into() } else { format!("{mean:.digits$} ± {sd:.digits$}") }
    };
    let sets = ["V1", "ReaL", "V2", "R", "Sketch"].into_iter().zip(a.accuracy).map(|(n, m)| (n.to_owned(), text(m, 2)));
    sets.chain([(Measures::SHARPNESS.to_owned(), text(a.sharpness, 1))]).collect()
}

/// Table B.2: SAM by steepest ascent, by OBF with α fixed (λ = 0, γ = α), and by OBF as it is.
fn fixed_alpha() -> Vec<Entry> {
    let of = |words: [&str; 2]| {
        let found = rows().into_iter().find(|r| r.task == Task::ImageNet && r.method.words() == words);
        found.expect("ViT-S/32 stands first")
    };
    let obf = of(["sam", "obf"]);
    let Method::Perturbed { reach, .. } = obf.method else { unreachable!("SAM perturbs") };
    let fixed = |gamma: f64| {
        let direction = Direction::Obf { lambda: Some(0.0), gamma };
        Row { method: Method::Perturbed { family: Family::Sam, direction, reach }, ..obf }
    };
    let entry = |(name, accuracy): (&str, f64)| {
        let row = match name.strip_prefix("α = ") {
            Some(alpha) => fixed(alpha.parse().expect("a number")),
            None if name == "steepest" => of(["sam", "steepest"]),
            None => obf,
        };
        Entry { names: vec![name.to_owned()], row, paper: vec![("V1".into(), accuracy.to_string())] }
    };
    FIXED_ALPHA.map(entry).into()
}
