//! What a training logs: the metrics and times of its updates, epochs and evaluations, and its journal.

use super::Summary;
use super::session::StepRecord;
use crate::config::Config;
use crate::error::Error;
use crate::evaluation::Evaluation;
use crate::run::{Board, Epoch, History, Journal, Log, RunError, RunFolder, Test, Update};
use crate::words::stopped_early;
use lethe_tensor::Device;
use serde::Serialize;

/// A line of `metrics.jsonl` for an evaluation.
#[derive(Serialize)]
struct TestRecord {
    epoch: usize,
    test_accuracy: f64,
    test_loss: f64,
    /// The same of the moving average, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    ema_accuracy: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ema_loss: Option<f64>,
}

/// A line of `metrics.jsonl` for an epoch: means over its images of the loss and accuracy before each update.
#[derive(Serialize)]
struct EpochRecord {
    epoch: usize,
    train_loss: f64,
    train_accuracy: f64,
}

/// A line of `metrics.jsonl` for an update that was skipped.
#[derive(Serialize)]
struct SkippedRecord {
    update: u64,
    epoch: usize,
    /// What was not finite, and what it was: JSON has no number for it.
    skipped: &'static str,
    value: String,
}

/// A line of `timing.jsonl`: the time of the epoch's updates in the process that completed it, without evaluations and without the time in which the
/// process was stopped.
#[derive(Serialize)]
struct TimeRecord {
    epoch: usize,
    /// The images that this process trained on in the epoch: fewer than the epoch has if it was resumed within it.
    images: usize,
    seconds: f64,
    images_per_second: f64,
}

/// The open logs of a run.
pub struct Logs {
    metrics: Log,
    timing: Log,
    journal: Journal,
    /// For TensorBoard, if the config asks for it.
    board: Option<Board>,
    /// What the table of epochs is made of: the last update of each epoch, the epochs and the evaluations.
    history: History,
    epochs: usize,
}

impl Logs {
    /// Opens the logs of a run that is trained on from this update.
    ///
    /// # Errors
    /// If one cannot be read or written.
    pub fn of(run: &RunFolder, config: &Config, device: &Device, update: u64) -> Result<Logs, RunError> {
        let mut history = run.history()?;
        history.updates.dedup_by(|next, kept| {
            let is_same_epoch = next.epoch == kept.epoch;
            if is_same_epoch {
                *kept = *next;
            }
            is_same_epoch
        });
        let board = config.train.tensorboard.then(|| run.board(update)).transpose()?;
        let (metrics, timing, journal) = (run.metrics()?, run.timing()?, run.journal(device, update)?);
        Ok(Logs { metrics, timing, journal, board, history, epochs: config.train.epochs })
    }

    /// Logs an update.
    ///
    /// # Errors
    /// As of all logs: if a file cannot be written.
    pub fn update(&mut self, record: &StepRecord) -> Result<(), RunError> {
        let &StepRecord { update, epoch, loss, perturbed_loss, accuracy, lr, rho, grad_norm } = record;
        let [loss, perturbed_loss, grad_norm] = [loss, perturbed_loss, grad_norm].map(f64::from);
        self.history.updates.pop_if(|last| last.epoch == epoch);
        self.history.updates.push(Update { update, epoch, loss, perturbed_loss, accuracy, lr, rho, grad_norm });
        if let Some(board) = &mut self.board {
            board.write(
                update + 1,
                &[
                    ("loss/train", loss),
                    ("loss/perturbed", perturbed_loss),
                    ("accuracy/train", accuracy),
                    ("update/learning_rate", lr),
                    ("update/radius", rho),
                    ("update/gradient_norm", grad_norm),
                ],
            )?;
        }
        self.metrics.record(record)
    }

    /// Logs an update that was skipped.
    pub fn skipped(
        &mut self,
        update: u64,
        epoch: usize,
        what: &'static str,
        value: f32,
        message: &str,
    ) -> Result<(), RunError> {
        self.metrics.record(&SkippedRecord { update, epoch, skipped: what, value: value.to_string() })?;
        self.journal.write(message)
    }

    /// Logs the means of an epoch.
    pub fn epoch(&mut self, epoch: usize, train_loss: f64, train_accuracy: f64) -> Result<(), RunError> {
        self.metrics.record(&EpochRecord { epoch, train_loss, train_accuracy })?;
        let number = |x: f64| Some(x).filter(|x| x.is_finite());
        let means = (number(train_loss), number(train_accuracy));
        self.history.epochs.push(Epoch { epoch, train_loss: means.0, train_accuracy: means.1 });
        let of = format!("epoch {}/{}", epoch + 1, self.epochs);
        self.journal.write(&format!("{of}: training loss {train_loss:.4}, accuracy {train_accuracy:.2} %"))
    }

    /// Logs the time of an epoch.
    pub fn time(&mut self, epoch: usize, images: usize, seconds: f64) -> Result<(), RunError> {
        self.timing.record(&TimeRecord { epoch, images, seconds, images_per_second: images as f64 / seconds })
    }

    /// Logs an evaluation, and that of the moving average.
    pub fn test(&mut self, epoch: usize, e: &Evaluation, average: Option<&Evaluation>) -> Result<(), RunError> {
        let (ema_accuracy, ema_loss) = (average.map(Evaluation::accuracy), average.map(|a| a.loss));
        let (test_accuracy, test_loss) = (e.accuracy(), e.loss);
        self.metrics.record(&TestRecord { epoch, test_accuracy, test_loss, ema_accuracy, ema_loss })?;
        self.history.tests.push(Test { epoch, test_accuracy, test_loss, ema_accuracy, ema_loss });
        if let (Some(board), Some(last)) = (&mut self.board, self.history.updates.last()) {
            let mut numbers = vec![("loss/test", test_loss), ("accuracy/test", test_accuracy)];
            numbers.extend(ema_loss.map(|loss| ("loss/test_ema", loss)));
            numbers.extend(ema_accuracy.map(|accuracy| ("accuracy/test_ema", accuracy)));
            board.write(last.update + 1, &numbers)?;
        }
        let of = format!("epoch {}/{}", epoch + 1, self.epochs);
        let average = ema_accuracy.map_or_else(String::new, |accuracy| format!(", of the average {accuracy:.2} %"));
        self.journal.write(&format!("{of}: test loss {test_loss:.4}, accuracy {test_accuracy:.2} %{average}"))
    }

    /// The evaluations of the run so far.
    pub fn tests(&self) -> &[Test] {
        &self.history.tests
    }

    /// Writes the table of epochs.
    pub fn write_epochs(&self, run: &RunFolder) -> Result<(), RunError> {
        run.write_epochs(&self.history)
    }

    /// Waits until the metrics are on the disk.
    pub fn sync(&self) -> Result<(), RunError> {
        self.metrics.sync()
    }

    /// Logs how the process ended.
    pub fn ended(&mut self, end: &Result<Summary, Error>) -> Result<(), RunError> {
        self.journal.write(&match end {
            Ok(Summary { test_accuracy, stopped_after, .. }) => {
                let how = stopped_after.map_or_else(|| "finished".to_owned(), |done| stopped_early(done, self.epochs));
                format!("{how}: test accuracy {test_accuracy:.2} %")
            }
            Err(error) => format!("ended: {error}"),
        })
    }
}
