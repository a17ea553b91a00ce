//! What a sweep has found so far: a table of its points, with means and intervals over seeds, as text, CSV, Markdown and a picture.

use super::picture;
use super::plan::{Plan, SweepRun};
use crate::error::Error;
use crate::files;
use crate::reproduce::{Measures, Row, Summary, Table, cell, mean};
use crate::run::RunFolder;
use crate::words::count;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// The name of the accuracy on the test set, in percent.
pub const ACCURACY: &str = "test accuracy";
/// The beginning of the names of files.
const NAME: &str = "sweep";
/// The mark of the best point.
const BEST: &str = "best";

/// The measures of the finished runs of every point.
pub struct Results<'a> {
    plan: &'a Plan,
    /// By point.
    measured: Vec<Vec<Measures>>,
}

impl Results<'_> {
    /// Reads the finished runs of a folder.
    ///
    /// # Errors
    /// If a result cannot be read.
    pub fn read<'a>(plan: &'a Plan, folder: &Path) -> Result<Results<'a>, Error> {
        let mut results = Results { plan, measured: vec![vec![]; plan.points.len()] };
        plan.runs().iter().try_for_each(|run| results.add(run, folder))?;
        Ok(results)
    }

    /// Adds the results of a run, if it is finished.
    ///
    /// # Errors
    /// If they cannot be read.
    pub fn add(&mut self, run: &SweepRun, folder: &Path) -> Result<(), Error> {
        // A run that has not begun has no folder.
        let Ok(opened) = RunFolder::open(&folder.join(&run.name)) else { return Ok(()) };
        if let Some(finished) = opened.finished()? {
            let values = [(ACCURACY, finished.test.accuracy()), (Measures::LOSS, finished.test.loss)];
            let values = values.map(|(name, value)| (name.to_owned(), value)).to_vec();
            let of_point = &mut self.measured[run.point];
            // In the order of the seeds, whichever run ends first.
            let at = of_point.partition_point(|measures| measures.seed < run.seed);
            of_point.insert(at, Measures { seed: run.seed, values });
        }
        Ok(())
    }

    /// The point with the highest mean accuracy of those with the most finished runs; of equal ones that with the lower loss, then the first.
    pub fn best(&self) -> Option<usize> {
        let most = self.measured.iter().map(Vec::len).max().filter(|most| *most > 0)?;
        let of = |point: usize, name: &str| {
            mean(&self.measured[point].iter().filter_map(|m| m.get(name)).collect::<Vec<f64>>())
        };
        let better = |best: usize, point: usize| {
            let [(best_accuracy, best_loss), (accuracy, loss)] =
                [best, point].map(|point| (of(point, ACCURACY), of(point, Measures::LOSS)));
            if accuracy > best_accuracy || (accuracy == best_accuracy && loss < best_loss) { point } else { best }
        };
        (0..self.measured.len()).filter(|point| self.measured[*point].len() == most).reduce(better)
    }

    /// The summary of a measure over the finished runs of a point.
    pub fn summary(&self, point: usize, measure: &str) -> Option<Summary> {
        Summary::of(&self.values(point, measure))
    }

    /// The values of a measure by the finished runs of a point.
    pub fn values(&self, point: usize, measure: &str) -> Vec<f64> {
        self.measured[point].iter().filter_map(|m| m.get(measure)).collect()
    }

    /// The headings of the columns that name a point.
    fn heads(&self) -> Vec<&str> {
        if self.plan.axes.is_empty() {
            vec!["point"]
        } else {
            self.plan.axes.iter().map(|axis| axis.key.as_str()).collect()
        }
    }

    /// The cells that name a point.
    fn names(&self, point: usize) -> Vec<String> {
        let (of, _) = &self.plan.points[point];
        if self.plan.axes.is_empty() {
            return vec![of.name.clone()];
        }
        self.plan.axes.iter().map(|axis| of.word(&axis.key)).collect()
    }

    /// How many runs of a point are finished, if they are not all.
    fn runs(&self, point: usize) -> String {
        match (self.measured[point].len(), self.plan.seeds.len()) {
            (done, all) if done == all => all.to_string(),
            (done, all) => format!("{done} of {all}"),
        }
    }

    /// The table as rows of cells, for a terminal.
    pub fn cells(&self) -> Vec<Vec<String>> {
        let heads = self.heads().into_iter().chain(["runs", "test accuracy, %", Measures::LOSS, ""]);
        let best = self.best();
        let row = |point: usize| {
            let value = |name| self.summary(point, name).map_or("–".to_owned(), |s| cell(name, s));
            let mark = if best == Some(point) { BEST } else { "" };
            let more = [self.runs(point), value(ACCURACY), value(Measures::LOSS), mark.to_owned()];
            self.names(point).into_iter().chain(more).collect()
        };
        std::iter::once(heads.map(str::to_owned).collect()).chain((0..self.measured.len()).map(row)).collect()
    }

    /// The table as JSON.
    pub fn json(&self) -> Value {
        let best = self.best();
        let point = |point: usize| {
            let (of, _) = &self.plan.points[point];
            let set: serde_json::Map<String, Value> =
                of.values.iter().map(|(key, value)| (key.clone(), json!(value))).collect();
            let of_measure = |name| {
                // JSON has no NaN: the interval of a single run is null.
                self.summary(point, name).map(|s| json!({ "mean": s.mean, "half_width_95": s.half_width() }))
            };
            json!({
                "point": of.name, "set": set, "runs": self.measured[point].len(), "test_accuracy": of_measure(ACCURACY),
                "test_loss": of_measure(Measures::LOSS), "best": best == Some(point)
            })
        };
        json!({ "points": (0..self.measured.len()).map(point).collect::<Vec<Value>>() })
    }

    /// The table with the runs of every point, in which the names of the best one may be emphasised.
    fn table(&self, is_for_people: bool) -> Table<'_> {
        let best = self.best();
        let row = |point: usize| {
            let mut names = self.names(point);
            if is_for_people {
                names.push(self.runs(point));
                if best == Some(point) {
                    names.iter_mut().for_each(|name| *name = format!("**{name}**"));
                }
            }
            Row { names, measured: self.measured[point].clone(), paper: vec![] }
        };
        let mut heads = self.heads();
        heads.extend(is_for_people.then_some("runs"));
        Table { heads, rows: (0..self.measured.len()).map(row).collect() }
    }

    /// Writes `sweep.csv`, `sweep.md` and, if a key varies, `sweep.svg` and `sweep.png`.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<Vec<PathBuf>, Error> {
        let request = &self.plan.request;
        let seeds = count(self.plan.seeds.len(), "seed");
        let fixed =
            if self.plan.fixed.is_empty() { String::new() } else { format!(", with {}", self.plan.fixed.join(", ")) };
        let drawn = request.draws.map_or_else(String::new, |d| format!(", drawn by seed {}", d.seed));
        let points = count(self.plan.points.len(), "point");
        let pictures = picture::save(self.plan, self, folder, NAME)?;
        let shown = if pictures.is_empty() {
            String::new()
        } else {
            format!("\n![Test accuracy by what varies]({NAME}.svg)\n")
        };
        let text = format!(
            "# Sweep of {}: {points}{drawn}, {seeds}{fixed}\n\nMeans over the seeds ± half the width of the 95 % confidence interval (Student's t); \
             accuracies in percent. Bold: the point with the highest mean accuracy of those with the most finished runs.\n\n{}{shown}",
            request.file.display(),
            self.table(true).markdown()
        );
        let mut written = vec![
            files::write(&folder.join(format!("{NAME}.csv")), self.table(false).csv().as_bytes())?,
            files::write(&folder.join(format!("{NAME}.md")), text.as_bytes())?,
        ];
        written.extend(pictures);
        Ok(written)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::plan::tests::plan;
    use super::*;

    /// Results with these accuracies by point and seed.
    pub fn results<'a>(plan: &'a Plan, accuracies: &[&[f64]]) -> Results<'a> {
        let measures = |(seed, accuracy): (usize, &f64)| Measures {
            seed: seed as u64,
            values: vec![(ACCURACY.into(), *accuracy), (Measures::LOSS.into(), 1.0 - accuracy / 100.0)],
        };
        let of = |all: &&[f64]| all.iter().enumerate().map(measures).collect();
        Results { plan, measured: accuracies.iter().map(of).collect() }
    }

    #[test]
    fn the_best_point_is_one_of_those_with_the_most_runs() {
        let plan = plan(&["perturb.rho=0.1,0.2,0.3"], 2);
        let best = |accuracies: &[&[f64]]| results(&plan, accuracies).best();
        assert_eq!(best(&[&[], &[], &[]]), None);
        assert_eq!(best(&[&[90.0], &[80.0, 82.0], &[81.0, 83.0]]), Some(2));
        assert_eq!(best(&[&[90.0], &[91.0], &[91.0]]), Some(1));
    }

    #[test]
    fn tables_have_means_intervals_and_a_mark() {
        let plan = plan(&["perturb.rho=0.1,0.2", "optim.schedule=cosine"], 2);
        let results = results(&plan, &[&[90.0, 92.0], &[95.0]]);
        let cells = results.cells();
        assert_eq!(cells[0], ["perturb.rho", "runs", "test accuracy, %", "test loss", ""]);
        assert_eq!(cells[1], ["0.1", "2", "91.00 ± 12.71", "0.0900 ± 0.1271", "best"]);
        assert_eq!(cells[2], ["0.2", "1 of 2", "95.00", "0.0500", ""]);
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(results.write(folder.path()).unwrap().len(), 4);
        let text = std::fs::read_to_string(folder.path().join("sweep.md")).unwrap();
        assert!(text.starts_with("# Sweep of x.toml: 2 points, 2 seeds, with optim.schedule=\"cosine\"\n"), "{text}");
        assert!(text.contains("highest mean accuracy of those with the most finished runs.\n\n| "), "{text}");
        assert!(
            text.contains("| **0.1** | **2** | 91.00 ± 12.71 | 0.0900 ± 0.1271 |\n| 0.2 | 1 of 2 | 95.00 |"),
            "{text}"
        );
        let csv = std::fs::read_to_string(folder.path().join("sweep.csv")).unwrap();
        assert!(csv.starts_with("perturb.rho,seed,measure,value\n0.1,0,test accuracy,90\n"), "{csv}");
        assert!(
            csv.contains("\n0.2,mean,test accuracy,95\n0.2,sd,test accuracy,\n0.2,half-width-95,test accuracy,\n"),
            "{csv}"
        );
        assert_eq!(results.json()["points"][0]["test_accuracy"]["mean"], 91.0);
        assert_eq!(results.json()["points"][1]["test_loss"]["half_width_95"], Value::Null);
    }
}
