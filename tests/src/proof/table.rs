//! Writes and reads the proof as a table in Markdown.

use super::Caught;
use lethe_autograd::agreement::Agreement;
use lethe_autograd::gradcheck::Report;
use std::fmt::Write;

/// A row: the results for one operation.
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// First and second derivatives.
    pub derivatives: [Report; 2],
    /// The mutants of its rule; `None` if it has no rule of its own.
    pub mutants: Option<Caught>,
    /// Values and gradients for each type and device, in the order of the columns.
    pub devices: Vec<[Agreement; 2]>,
}

/// The table. `columns` name the types and devices.
pub fn markdown(rows: &[Row], columns: &[String]) -> String {
    let mut text = String::from("| operation | first derivative | second | mutants |");
    columns.iter().for_each(|c| _ = write!(text, " {c} |"));
    text += "\n| --- | --- | --- | --- |";
    columns.iter().for_each(|_| text += " --- |");
    text.push('\n');
    for row in rows {
        let [first, second] = row.derivatives.map(|r| format!("{:.0e} ({})", r.error, r.compared));
        let mutants = match &row.mutants {
            Some(m) => format!("{} of {}", m.caught, m.caught + m.survived.len()),
            None => "composed".into(),
        };
        let _ = write!(text, "| `{}` | {first} | {second} | {mutants} |", row.name);
        for [values, gradients] in &row.devices {
            let _ = write!(text, " {:.1} / {:.1} |", values.roundings, gradients.roundings);
        }
        text.push('\n');
    }
    text
}

/// The figures in a row of the table.
pub struct Figures {
    /// The operation's name.
    pub name: String,
    /// The error of first and second derivatives, and how many were compared.
    pub derivatives: [(f64, usize); 2],
    /// The mutants of its rule; `None` if it has no rule of its own.
    pub mutants: Option<usize>,
    /// The errors of values and gradients in roundings, by column heading.
    pub devices: Vec<(String, [f64; 2])>,
}

/// The rows of a table in a text; `None` if a row is malformed.
pub fn read(text: &str) -> Option<Vec<Figures>> {
    let cells = |line: &str| -> Vec<String> { line.split('|').map(|cell| cell.trim().to_string()).collect() };
    let heads = cells(text.lines().find(|line| line.starts_with("| operation |"))?);
    let rows = text.lines().filter(|line| line.starts_with("| `"));
    rows.map(|line| row(&heads, &cells(line))).collect()
}

fn row(heads: &[String], cells: &[String]) -> Option<Figures> {
    let [_, name, first, second, mutants, ..] = cells else { return None };
    let derivative = |cell: &str| {
        let (error, compared) = cell.strip_suffix(')')?.split_once(" (")?;
        Some((error.parse().ok()?, compared.parse().ok()?))
    };
    let mutants = match &mutants[..] {
        "composed" => None,
        counts => Some(counts.split_once(" of ")?.1.parse().ok()?),
    };
    let device = |(head, cell): (&String, &String)| {
        let (values, gradients) = cell.split_once(" / ")?;
        Some((head.clone(), [values.parse().ok()?, gradients.parse().ok()?]))
    };
    let ends = heads.len().min(cells.len()) - 1;
    Some(Figures {
        name: name.trim_matches('`').into(),
        derivatives: [derivative(first)?, derivative(second)?],
        mutants,
        devices: heads[5..ends].iter().zip(&cells[5..ends]).map(device).collect::<Option<_>>()?,
    })
}
