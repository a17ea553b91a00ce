//! Reads back what a run has logged.

use super::error::RunError;
use super::files::{METRICS, SUMMARY, TIMING};
use super::folder::RunFolder;
use crate::evaluation::Evaluation;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::{fs, io};

/// What a run has logged so far, in the order of its training.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct History {
    /// Its updates.
    pub updates: Vec<Update>,
    /// The number of updates that were skipped since they were not finite.
    pub skipped: usize,
    /// Its epochs.
    pub epochs: Vec<Epoch>,
    /// Its evaluations.
    pub tests: Vec<Test>,
    /// The time of its epochs.
    pub times: Vec<Time>,
}

/// An update.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct Update {
    /// Its number, counted from 0.
    pub update: u64,
    /// Its epoch, counted from 0.
    pub epoch: usize,
    /// The mean task loss on its batch before it.
    pub loss: f64,
    /// The same at the perturbed parameters.
    pub perturbed_loss: f64,
    /// The accuracy on its batch before it, in percent.
    pub accuracy: f64,
    /// The learning rate.
    pub lr: f64,
    /// The radius of its perturbation.
    pub rho: f64,
    /// The norm of its gradient.
    pub grad_norm: f64,
}

/// The means of an epoch over its images; `None` if all its updates were skipped.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct Epoch {
    /// Its number, counted from 0.
    pub epoch: usize,
    /// The mean loss.
    pub train_loss: Option<f64>,
    /// The mean accuracy in percent.
    pub train_accuracy: Option<f64>,
}

/// An evaluation on the test set.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct Test {
    /// The epoch after which it was made, counted from 0.
    pub epoch: usize,
    /// In percent.
    pub test_accuracy: f64,
    /// The mean cross-entropy.
    pub test_loss: f64,
    /// The accuracy of the moving average in percent, if there is one.
    pub ema_accuracy: Option<f64>,
    /// Its mean cross-entropy.
    pub ema_loss: Option<f64>,
}

/// The time of an epoch's updates in the process that completed it.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
pub struct Time {
    /// Its number, counted from 0.
    pub epoch: usize,
    /// In seconds.
    pub seconds: f64,
    /// The images that were trained on in this time, per second.
    pub images_per_second: f64,
}

/// The result of a finished run.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Finished {
    /// The number of the model's parameters.
    pub parameters: usize,
    /// The number of updates.
    pub updates: u64,
    /// After how many epochs `train.stop_after` ended the run, if it did.
    #[serde(default)]
    pub stopped_after: Option<usize>,
    /// The last evaluation on the test set.
    pub test: Evaluation,
    /// The device that it was trained on last.
    pub device: String,
}

impl History {
    /// Adds a line of `metrics.jsonl`. Each kind of line has a key that no other has.
    fn add(&mut self, record: Value) -> serde_json::Result<()> {
        if record.get("skipped").is_some() {
            self.skipped += 1;
        } else if record.get("train_loss").is_some() {
            self.epochs.push(serde_json::from_value(record)?);
        } else if record.get("test_loss").is_some() {
            self.tests.push(serde_json::from_value(record)?);
        } else {
            self.updates.push(serde_json::from_value(record)?);
        }
        Ok(())
    }

    /// The evaluation with the highest accuracy, the first of equal ones.
    pub fn best(&self) -> Option<Test> {
        let better = |best: Test, test: &Test| if test.test_accuracy > best.test_accuracy { *test } else { best };
        self.tests.first().map(|first| self.tests.iter().fold(*first, better))
    }
}

impl RunFolder {
    /// What the run has logged so far. A run that is being trained may be read too: a last line without its end is left out.
    ///
    /// # Errors
    /// If a log cannot be read, or has a line that is not a record.
    pub fn history(&self) -> Result<History, RunError> {
        let mut history = History { times: self.lines(TIMING)?, ..History::default() };
        for (line, record) in self.lines::<Value>(METRICS)?.into_iter().enumerate() {
            history.add(record).map_err(|_| RunError::BrokenLog { path: self.file(METRICS), line: line + 1 })?;
        }
        Ok(history)
    }

    /// Whether nothing has been logged, or the log was moved away.
    pub fn is_log_empty(&self) -> bool {
        fs::metadata(self.file(METRICS)).map_or(true, |of| of.len() == 0)
    }

    /// The result of the run, if it is finished.
    ///
    /// # Errors
    /// If its file cannot be read, or holds something else.
    pub fn finished(&self) -> Result<Option<Finished>, RunError> {
        let path = self.file(SUMMARY);
        let failed = |source| RunError::Read { path: path.clone(), source };
        match fs::read(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            bytes => serde_json::from_slice(&bytes.map_err(failed)?).map(Some).map_err(|e| failed(e.into())),
        }
    }

    fn lines<T: DeserializeOwned>(&self, name: &str) -> Result<Vec<T>, RunError> {
        let path = self.file(name);
        let text = match fs::read_to_string(&path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            text => text.map_err(|source| RunError::Read { path: path.clone(), source })?,
        };
        let whole = text.split_inclusive('\n').filter(|line| line.ends_with('\n'));
        let record = |(line, text)| {
            serde_json::from_str(text).map_err(|_| RunError::BrokenLog { path: path.clone(), line: line + 1 })
        };
        whole.enumerate().map(record).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::config;
    use super::*;
    use crate::run::Existing;

    #[test]
    fn every_kind_of_line_is_read_and_a_torn_last_one_is_left_out() {
        let folder = tempfile::tempdir().unwrap();
        let run = RunFolder::create(folder.path(), Existing::Refuse, &config()).unwrap();
        assert_eq!(run.history().unwrap(), History::default());
        let update = r#"{"update":0,"epoch":0,"loss":2.0,"perturbed_loss":2.5,"accuracy":10.0,"lr":0.1,"rho":0.0,"grad_norm":3}"#;
        let lines = [
            update,
            r#"{"update":1,"epoch":0,"skipped":"loss","value":"NaN"}"#,
            r#"{"epoch":0,"train_loss":2.0,"train_accuracy":10.0}"#,
            r#"{"epoch":0,"test_accuracy":50.0,"test_loss":1.5}"#,
            r#"{"epoch":1,"train_loss":null,"train_accuracy":null}"#,
            r#"{"epoch":1,"test_accuracy":50.0,"test_loss":1.0}"#,
        ];
        fs::write(folder.path().join(METRICS), format!("{}\n{{\"upd", lines.join("\n"))).unwrap();
        let history = run.history().unwrap();
        assert_eq!((history.updates.len(), history.skipped, history.tests.len()), (1, 1, 2));
        assert_eq!(history.epochs.iter().map(|e| e.train_loss).collect::<Vec<_>>(), [Some(2.0), None]);
        assert_eq!(history.best().map(|best| best.epoch), Some(0), "the first of equal ones");
        fs::write(folder.path().join(METRICS), "{\"epoch\":0}\n").unwrap();
        assert!(run.history().unwrap_err().to_string().contains("metrics.jsonl, line 1: expected a record"));
        assert_eq!(run.finished().unwrap(), None);
    }
}
