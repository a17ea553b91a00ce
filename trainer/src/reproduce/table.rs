//! A table of results: rows of runs by name, columns of measures, as Markdown and as CSV.

use super::experiment::Experiment;
use super::measures::Measures;
use super::statistics::Summary;
use super::study::Study;
use crate::error::Error;
use std::fmt::Write;
use std::path::PathBuf;

/// A row: the runs of one method.
pub struct Row {
    /// The cells that name it: model, method and perturbation.
    pub names: Vec<String>,
    /// The measures of each seed.
    pub measured: Vec<Measures>,
    /// The paper's results by measure, as text.
    pub paper: Vec<(String, String)>,
}

/// A table with its rows.
pub struct Table<'a> {
    /// The headings of the naming columns.
    pub heads: Vec<&'a str>,
    /// The rows.
    pub rows: Vec<Row>,
}

impl Table<'_> {
    /// The measures, in the order of the first row that has any.
    pub fn measures(&self) -> Vec<&str> {
        self.rows.iter().find_map(|r| r.measured.first()).map_or(vec![], |m| m.names().collect())
    }

    /// The columns of the paper's results, in the order of the first row that has any.
    fn paper(&self) -> Vec<&str> {
        self.rows.iter().find(|r| !r.paper.is_empty()).map_or(vec![], |r| r.paper.iter().map(|(n, _)| &n[..]).collect())
    }

    /// Writes the table of an experiment as CSV, and as Markdown with a note above it and further text below.
    pub fn write(
        &self,
        study: &Study<'_>,
        experiment: Experiment,
        note: &str,
        below: &str,
    ) -> Result<Vec<PathBuf>, Error> {
        let below = if below.is_empty() { String::new() } else { format!("\n{below}") };
        let text = study.title(experiment, note) + &self.markdown() + &below;
        Ok(vec![
            study.write(&format!("{experiment}.csv"), self.csv().as_bytes())?,
            study.write(&format!("{experiment}.md"), text.as_bytes())?,
        ])
    }

    /// Means over the seeds with half the width of their 95 % confidence interval, and the paper's results (mean and standard deviation) beside them.
    pub fn markdown(&self) -> String {
        let (measures, paper) = (self.measures(), self.paper());
        let heads = self.heads.iter().map(|h| (*h).to_owned());
        let heads =
            heads.chain(measures.iter().map(|m| (*m).to_owned())).chain(paper.iter().map(|p| format!("paper: {p}")));
        let heads: Vec<String> = heads.collect();
        let mut text = format!("| {} |\n|{}\n", heads.join(" | "), " --- |".repeat(heads.len()));
        for row in &self.rows {
            let mut cells = row.names.clone();
            cells.extend(measures.iter().map(|name| row.summary(name).map_or("–".into(), |s| cell(name, s))));
            let of =
                |name: &str| row.paper.iter().find(|(n, _)| n == name).map_or("–".into(), |(_, text)| text.clone());
            cells.extend(paper.iter().map(|name| of(name)));
            let _ = writeln!(text, "| {} |", cells.join(" | "));
        }
        text
    }

    /// One line for each row, seed and measure; after the seeds, the mean, the standard deviation and half the width of the interval.
    pub fn csv(&self) -> String {
        let mut text = format!("{},seed,measure,value\n", self.heads.join(","));
        for row in &self.rows {
            let names = row.names.iter().map(|name| csv_field(name)).collect::<Vec<_>>().join(",");
            for name in self.measures() {
                for (m, value) in row.measured.iter().filter_map(|m| Some((m, m.get(name)?))) {
                    let _ = writeln!(text, "{names},{},{name},{value}", m.seed);
                }
                if let Some(s) = row.summary(name) {
                    for (what, value) in [("mean", s.mean), ("sd", s.sd), ("half-width-95", s.half_width())] {
                        // Of a single run there is neither a deviation nor an interval.
                        let value = if value.is_nan() { String::new() } else { value.to_string() };
                        let _ = writeln!(text, "{names},{what},{name},{value}");
                    }
                }
            }
        }
        text
    }
}

impl Row {
    /// The paper's mean of a measure.
    pub fn paper_mean(&self, measure: &str) -> Option<f64> {
        let (_, text) = self.paper.iter().find(|(name, _)| name == measure)?;
        text.split(' ').next()?.parse().ok()
    }

    /// The summary over the seeds.
    pub fn summary(&self, measure: &str) -> Option<Summary> {
        Summary::of(&self.measured.iter().filter_map(|m| m.get(measure)).collect::<Vec<f64>>())
    }
}

/// A text as a field of CSV, quoted if it contains a comma or quotes.
pub(super) fn csv_field(text: &str) -> String {
    if text.contains([',', '"']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text.to_owned() }
}

/// Percentages have two decimals, losses four, curvatures three significant digits of the mean or of the half width, whichever is larger.
pub fn cell(measure: &str, s: Summary) -> String {
    let decimals = match measure {
        Measures::SHARPNESS => (2 - exponent(s.mean.abs().max(s.half_width()))).clamp(0, 9) as usize,
        Measures::LOSS => 4,
        _ => 2,
    };
    let number = |v: f64| format!("{v:.decimals$}");
    if s.n > 1 { format!("{} ± {}", number(s.mean), number(s.half_width())) } else { number(s.mean) }
}

/// The power of ten of a positive number's first digit; 0 of 0.
fn exponent(v: f64) -> i32 {
    if v > 0.0 { v.log10().floor() as i32 } else { 0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_with_commas_are_quoted() {
        assert_eq!(["a", "γ = 1, λ = 1/C", "a \"b\""].map(csv_field), ["a", "\"γ = 1, λ = 1/C\"", "\"a \"\"b\"\"\""]);
    }

    #[test]
    fn curvatures_have_three_digits_whatever_their_size() {
        let of = |values: &[f64]| cell(Measures::SHARPNESS, Summary::of(values).unwrap());
        assert_eq!([of(&[0.01234]), of(&[-2.5]), of(&[1959.9]), of(&[0.0])], ["0.0123", "-2.50", "1960", "0.00"]);
        assert_eq!([of(&[165.0, 166.0]), of(&[-0.1, 0.1])], ["166 ± 6", "0.00 ± 1.27"]);
    }

    #[test]
    fn tables_show_means_with_intervals_and_the_paper() {
        let measured = |seed, value| Measures { seed, values: vec![("test".into(), value)] };
        let row = Row {
            names: vec!["vit".into(), "sam".into()],
            measured: vec![measured(0, 90.0), measured(1, 92.0)],
            paper: vec![("V1".into(), "72.77 ± 0.06".into())],
        };
        let table = Table { heads: vec!["model", "method"], rows: vec![row] };
        let expected = "| model | method | test | paper: V1 |\n| --- | --- | --- | --- |\n| vit | sam | 91.00 ± 12.71 | 72.77 ± 0.06 |\n";
        assert_eq!(table.markdown(), expected);
        let csv = table.csv();
        assert!(
            csv.starts_with(
                "model,method,seed,measure,value\nvit,sam,0,test,90\nvit,sam,1,test,92\nvit,sam,mean,test,91\n"
            ),
            "{csv}"
        );
    }
}
