//! Which of the paper's orderings appear again: differences between methods, seed by seed. Runs of one seed share their start and the order of their
//! images, so that much of what seeds differ in cancels.

use super::table::{Row, Table, cell};
use super::{Measures, Summary};
use std::fmt::Write;

/// Methods that are compared, each by its method and perturbation: the first less the second.
const PAIRS: [[[&str; 2]; 2]; 12] = [
    [["sam", "steepest"], ["base", "none"]],
    [["sam", "obf"], ["base", "none"]],
    [["gsam", "steepest"], ["base", "none"]],
    [["gsam", "obf"], ["base", "none"]],
    [["asam", "steepest"], ["base", "none"]],
    [["asam", "obf"], ["base", "none"]],
    [["sam", "obf"], ["sam", "steepest"]],
    [["gsam", "obf"], ["gsam", "steepest"]],
    [["asam", "obf"], ["asam", "steepest"]],
    [["sam", "random"], ["base", "none"]],
    [["label-smoothing", "none"], ["base", "none"]],
    [["shrink-perturb", "none"], ["base", "none"]],
];

/// The pairs that a table has both rows of, as Markdown: differences of all measures with their 95 % intervals, and the paper's of V1.
pub(super) fn markdown(table: &Table) -> String {
    let measures = table.measures();
    let mut text = format!("| model | difference | {} | paper: V1 |\n", measures.join(" | "));
    let _ = writeln!(text, "|{}", " --- |".repeat(measures.len() + 3));
    let mut models: Vec<&str> = vec![];
    for row in &table.rows {
        if !models.contains(&&row.names[0][..]) {
            models.push(&row.names[0]);
        }
    }
    for model in models {
        for [first, second] in PAIRS {
            let of = |method: [&str; 2]| table.rows.iter().find(|row| row.names == [model, method[0], method[1]]);
            let (Some(a), Some(b)) = (of(first), of(second)) else { continue };
            let cells = measures.iter().map(|name| difference(a, b, name).map_or("–".into(), |s| signed(name, s)));
            let cells: Vec<String> = cells.collect();
            let paper =
                a.paper_mean("V1").zip(b.paper_mean("V1")).map_or("–".into(), |(a, b)| format!("{:+.2}", a - b));
            let _ =
                writeln!(text, "| {model} | {} − {} | {} | {paper} |", name(first), name(second), cells.join(" | "));
        }
    }
    text
}

/// A method and its perturbation, if it has one.
fn name([method, perturbation]: [&str; 2]) -> String {
    if perturbation == "none" { method.into() } else { format!("{method}-{perturbation}") }
}

/// Over the seeds that both have.
fn difference(a: &Row, b: &Row, measure: &str) -> Option<Summary> {
    let of = |row: &Row, seed| row.measured.iter().find(|m| m.seed == seed)?.get(measure);
    let one = |m: &Measures| Some(m.get(measure)? - of(b, m.seed)?);
    Summary::of(&a.measured.iter().filter_map(one).collect::<Vec<f64>>())
}

/// A cell with a sign before it.
fn signed(measure: &str, s: Summary) -> String {
    let text = cell(measure, s);
    if text.starts_with('-') { text } else { format!("+{text}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differences_are_taken_seed_by_seed() {
        let row = |method: [&str; 2], tests: [f64; 2], paper: &str| Row {
            names: vec!["vit".into(), method[0].into(), method[1].into()],
            measured: (0..2).zip(tests).map(|(seed, v)| Measures { seed, values: vec![("test".into(), v)] }).collect(),
            paper: vec![("V1".into(), paper.into())],
        };
        let mut rows = vec![
            row(["base", "none"], [80.0, 90.0], "69.29 ± 0.26"),
            row(["sam", "obf"], [81.0, 91.2], "74.49 ± 0.04"),
        ];
        // Each model is compared once, whatever stands between its rows.
        rows.insert(
            1,
            Row { names: ["resnet", "base", "none"].map(str::to_owned).into(), ..row(["", ""], [0.0; 2], "") },
        );
        let expected = "| model | difference | test | paper: V1 |\n| --- | --- | --- | --- |\n\
                        | vit | sam-obf − base | +1.10 ± 1.27 | +5.20 |\n";
        assert_eq!(markdown(&Table { heads: vec![], rows }), expected);
    }
}
