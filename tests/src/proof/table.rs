//! The proof as a table in Markdown.

use super::Caught;
use lethe_autograd::agreement::Agreement;
use lethe_autograd::gradcheck::Report;
use std::fmt::Write;

/// A row: what is known of one operation.
pub struct Row {
    /// Its name.
    pub name: &'static str,
    /// First and second derivatives.
    pub derivatives: [Report; 2],
    /// The mutants of its rule; `None` if it has none of its own.
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
