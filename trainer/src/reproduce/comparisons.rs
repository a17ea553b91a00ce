//! Whether the paper's orderings are reproduced: differences between methods, seed by seed. Runs with the same seed share their initial weights and
//! the order of their images, so that much of the variation between seeds cancels.

use super::measures::Measures;
use super::statistics::Summary;
use super::table::{Row, Table, cell};
use std::fmt::Write;

/// The note above a table of differences.
const PAIRED: &str = "Differences between runs with the same seed: means over seeds ± half the width of the 95 % confidence interval.\n\n";

/// The methods that are compared, each by its method and perturbation: the first minus the second.
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

/// Two rows of a model that are compared, by the names after the model's.
pub(super) struct Pair {
    /// The label of their difference.
    pub label: String,
    /// The two rows: the first minus the second.
    pub rows: [[&'static str; 2]; 2],
}

/// The pairs of the tables of methods.
pub(super) fn methods() -> Vec<Pair> {
    PAIRS.iter().map(|rows| Pair { label: rows.map(name).join(" − "), rows: *rows }).collect()
}

/// The pairs of which a table has both rows, as Markdown: differences of all measures with their 95 % confidence intervals, and the paper's where it
/// reports them.
pub(super) fn markdown(table: &Table, pairs: &[Pair], reported: &[&str]) -> String {
    let measures = table.measures();
    let heads: String =
        measures.iter().map(|m| format!(" {m} |")).chain(reported.iter().map(|r| format!(" paper: {r} |"))).collect();
    let mut text = format!("{PAIRED}| model | difference |{heads}\n");
    let _ = writeln!(text, "|{}", " --- |".repeat(measures.len() + reported.len() + 2));
    let mut models: Vec<&str> = vec![];
    for row in &table.rows {
        if !models.contains(&&row.names[0][..]) {
            models.push(&row.names[0]);
        }
    }
    for model in models {
        for Pair { label, rows: [first, second] } in pairs {
            let of = |names: &[&str; 2]| table.rows.iter().find(|row| row.names == [model, names[0], names[1]]);
            let (Some(a), Some(b)) = (of(first), of(second)) else { continue };
            let measured = measures.iter().map(|name| difference(a, b, name).map_or("–".into(), |s| signed(name, s)));
            // Rows that differ only in what the paper's sources disagree on share its results.
            let paper = |name: &&str| a.paper_mean(name).zip(b.paper_mean(name)).filter(|_| a.paper != b.paper);
            let paper = reported.iter().map(|name| paper(name).map_or("–".into(), |(a, b)| format!("{:+.2}", a - b)));
            let cells: Vec<String> = measured.chain(paper).collect();
            let _ = writeln!(text, "| {model} | {label} | {} |", cells.join(" | "));
        }
    }
    text
}

/// The name of a method with its perturbation, if it has one.
fn name([method, perturbation]: [&str; 2]) -> String {
    if perturbation == "none" { method.into() } else { format!("{method}-{perturbation}") }
}

/// The difference over the seeds that both rows have.
fn difference(a: &Row, b: &Row, measure: &str) -> Option<Summary> {
    let of = |row: &Row, seed| row.measured.iter().find(|m| m.seed == seed)?.get(measure);
    let one = |m: &Measures| Some(m.get(measure)? - of(b, m.seed)?);
    Summary::of(&a.measured.iter().filter_map(one).collect::<Vec<f64>>())
}

/// A cell with an explicit sign.
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
        // Each model is compared once, even if its rows are not adjacent.
        rows.insert(
            1,
            Row { names: ["resnet", "base", "none"].map(str::to_owned).into(), ..row(["", ""], [0.0; 2], "") },
        );
        let expected = "| model | difference | test | paper: V1 |\n| --- | --- | --- | --- |\n\
                        | vit | sam-obf − base | +1.10 ± 1.27 | +5.20 |\n";
        let expected = format!("{PAIRED}{expected}");
        assert_eq!(markdown(&Table { heads: vec![], rows }, &methods(), &["V1"]), expected);
    }
}
