//! The loop of a training: updates, checkpoints, evaluations, and what is logged of them.

use super::logs::Logs;
use super::session::Pending;
use super::{Session, Summary, Training};
use crate::config::{LrSchedule, Measure};
use crate::error::Error;
use crate::evaluation::Evaluation;
use crate::network::HostBatch;
use crate::progress::{EpochFigures, Progress as Display};
use crate::run::{Checkpoint, RunFolder, Test};
use crate::stop::Signal;
use crate::words::count;
use std::time::{Duration, Instant};

/// The notes of the best checkpoint: by which measure it is the best, and what it measured.
const BEST_MEASURE: &str = "best_measure";
const BEST_VALUE: &str = "best_value";

/// A training and the folder it is written to.
struct Running<'a, 'r> {
    training: Training<'a>,
    run: &'r RunFolder,
    logs: Logs,
    progress: Display,
    /// The number of updates that were skipped since the last one that was not.
    skipped: u64,
    /// When the last checkpoint was written, or this process began.
    saved: Instant,
    /// What the best checkpoint measured.
    best: Option<f64>,
}

impl Training<'_> {
    /// Trains to the end and writes the run folder, whose logs are first truncated to the current update.
    ///
    /// # Errors
    /// If the data, the device or the folder fails, the loss is not finite, or a signal asks to stop.
    pub fn run(self, run: &RunFolder) -> Result<Summary, Error> {
        let mut running = Running::begin(self, run)?;
        let end = running.finish();
        let written = running.logs.ended(&end);
        // What ended the training is more important than that its journal cannot say so.
        end.and_then(|summary| Ok(written.map(|()| summary)?))
    }
}

impl<'a, 'r> Running<'a, 'r> {
    /// Truncates the logs of the folder to the current update, and opens them.
    fn begin(training: Training<'a>, run: &'r RunFolder) -> Result<Running<'a, 'r>, Error> {
        let session = &training.session;
        run.forget_after(session.epochs(), session.updates())?;
        let epochs = training.config.train.epochs;
        if session.epochs() < epochs {
            run.forget_summary()?;
        }
        run.note_data(&training.fingerprint, training.folder.as_deref())?;
        run.note_classes(&training.classes)?;
        let logs = Logs::of(run, training.config, &training.device, session.updates())?;
        let per_epoch = training.loader.images();
        let done = session.epochs() * per_epoch + session.updates_in_epoch() * training.loader.batch();
        let progress = Display::new(training.show, done, epochs, per_epoch);
        let best = best(&training, run)?;
        let mut running = Running { training, run, logs, progress, skipped: 0, saved: Instant::now(), best };
        running.lower_lr();
        Ok(running)
    }

    /// Trains to the end.
    fn finish(&mut self) -> Result<Summary, Error> {
        let mut last = self.catch_up()?;
        let epochs = self.training.config.train.epochs;
        for epoch in self.training.epochs()..epochs {
            if self.is_patience_over() {
                break;
            }
            last = self.epoch(epoch)?;
        }
        if epochs == 0 {
            self.save(true)?;
        }
        self.progress.finish();
        let Training { session, test_loader, device, .. } = &self.training;
        // Without an epoch left, an interrupted run can lack only its summary.
        let test = last.map_or_else(|| session.evaluate(test_loader), Ok)?;
        let summary = Summary {
            parameters: session.parameters(),
            updates: session.updates(),
            stopped_after: Some(session.epochs()).filter(|done| *done < epochs),
            test,
            test_accuracy: test.accuracy(),
            device: device.to_string(),
        };
        self.run.summarise(&summary)?;
        Ok(summary)
    }

    /// Makes the measurements of a run that was stopped between an epoch's checkpoint and them.
    fn catch_up(&mut self) -> Result<Option<Evaluation>, Error> {
        let Some(epoch) = self.training.epochs().checked_sub(1) else { return Ok(None) };
        // Within the next epoch they were made before its first update.
        if self.training.session.updates_in_epoch() > 0 {
            return Ok(None);
        }
        let measured = match self.run.is_evaluated(epoch)? {
            true => None,
            // There is a checkpoint of this update, which need not be written again.
            false => self.evaluate(epoch, Some(checkpoint(&self.training.session)?))?,
        };
        self.observe(epoch)?;
        self.logs.write_epochs(self.run)?;
        Ok(measured)
    }

    /// The rest of an epoch, its checkpoint, and its measurements.
    fn epoch(&mut self, epoch: usize) -> Result<Option<Evaluation>, Error> {
        let first = self.training.session.updates_in_epoch();
        self.progress.begin_epoch(std::mem::take(&mut self.training.begun));
        self.updates(epoch, first)?;
        let EpochFigures { loss: train_loss, accuracy: train_accuracy, seconds } = self.progress.end_epoch();
        let loader = &self.training.loader;
        let images = loader.images() - first * loader.batch();
        self.logs.epoch(epoch, train_loss, train_accuracy)?;
        self.logs.time(epoch, images, seconds)?;
        // The checkpoint comes first: a failure in the measurements must not lose the epoch.
        let train = &self.training.config.train;
        let (is_due, asked) = (train.is_due(train.checkpoint_every, epoch), self.training.stop.asked());
        let saved = if is_due || asked.is_some() { Some(self.save(is_due)?) } else { None };
        // A signal that came after that finds no checkpoint: it takes effect at the next update.
        asked.map_or(Ok(()), |signal| Err(self.stopped(signal)))?;
        let measured = self.evaluate(epoch, saved).and_then(|test| self.observe(epoch).map(|()| test));
        // The end of a run has a checkpoint.
        if measured.is_ok() && !is_due && self.is_patience_over() {
            self.save(true)?;
        }
        self.logs.write_epochs(self.run)?;
        // Nor, if no checkpoint was due, the epochs since the last one.
        if measured.is_err() && !is_due {
            self.save(false)?;
        }
        measured
    }

    /// The updates of an epoch from number `first` on. The results of an update are read while the next one is running.
    fn updates(&mut self, epoch: usize, first: usize) -> Result<(), Error> {
        let mut pending: Option<Pending> = None;
        for host in self.training.loader.epoch_from(epoch, first)? {
            let Training { session, device, .. } = &mut self.training;
            let next = session.update(epoch, &HostBatch { device, batch: &host? });
            if let Some(done) = pending.replace(next) {
                self.report(done)?;
            }
            if self.must_save_within() {
                pending.take().map_or(Ok(()), |done| self.report(done))?;
                self.save(false)?;
                self.training.stop.asked().map_or(Ok(()), |signal| Err(self.stopped(signal)))?;
            }
        }
        pending.map_or(Ok(()), |done| self.report(done))
    }

    /// Waits for the results of an update, and logs and shows them.
    fn report(&mut self, done: Pending) -> Result<(), Error> {
        let (epoch, images) = (done.epoch, done.images);
        let record = match self.training.session.read(done) {
            Err(Error::NotFinite { update, what, value }) if self.training.session.skips() => {
                return self.skip(update, epoch, what, value, images);
            }
            record => record?,
        };
        self.skipped = 0;
        self.progress.step(record.loss, record.accuracy, images);
        Ok(self.logs.update(&record)?)
    }

    /// Logs an update that moved nothing, or ends the run if there are too many of them in a row.
    fn skip(&mut self, update: u64, epoch: usize, what: &'static str, value: f32, images: usize) -> Result<(), Error> {
        self.skipped += 1;
        let message = format!("update {update} is skipped: its {what} is {value}");
        self.logs.skipped(update, epoch, what, value, &message)?;
        if self.skipped > self.training.config.train.max_skipped {
            return Err(Error::TooManySkipped { skipped: self.skipped - 1, update, what, value });
        }
        self.progress.skipped(&message, images);
        Ok(())
    }

    /// Whether a checkpoint is due within an epoch: because it was asked for, or after some number of updates or some time.
    fn must_save_within(&self) -> bool {
        let (session, train) = (&self.training.session, &self.training.config.train);
        let minutes = Duration::from_secs_f64(60.0 * train.checkpoint_minutes);
        let is_due = self.training.stop.asked().is_some()
            || (train.checkpoint_updates > 0 && session.updates().is_multiple_of(train.checkpoint_updates))
            || (!minutes.is_zero() && self.saved.elapsed() >= minutes);
        is_due && session.updates_in_epoch() > 0
    }

    /// The end of the training by a signal, at an update that has a checkpoint.
    fn stopped(&self, signal: Signal) -> Error {
        self.progress.finish();
        let updates = count(self.training.session.updates(), "update");
        let how = format!("{updates} are saved, `lethe resume {}` continues", self.run.path().display());
        Error::Stopped { signal, how }
    }

    /// Evaluates on the test set, if that is due after this epoch. `saved` is the checkpoint of the current update, if it was written.
    fn evaluate(&mut self, epoch: usize, saved: Option<Checkpoint>) -> Result<Option<Evaluation>, Error> {
        let Training { config, session, test_loader, .. } = &self.training;
        if !config.train.is_due(config.train.eval_every, epoch) {
            return Ok(None);
        }
        let e = session.evaluate(test_loader)?;
        let average = session.evaluate_average(test_loader)?;
        // Before the log says that the evaluation was made: a run that is killed in between makes it again.
        self.keep_if_best(&e, saved)?;
        self.logs.test(epoch, &e, average.as_ref())?;
        self.lower_lr();
        self.progress.test(e.accuracy(), average.map(|average| average.accuracy()));
        Ok(Some(e))
    }

    /// What the evaluations so far measured, by the measure of the best checkpoint or else by their loss.
    fn measured(&self) -> (Measure, Vec<f64>) {
        let measure = self.training.config.train.best.unwrap_or(Measure::TestLoss);
        let value = |test: &Test| match measure {
            Measure::TestAccuracy => test.test_accuracy,
            Measure::TestLoss => test.test_loss,
        };
        (measure, self.logs.tests().iter().map(value).collect())
    }

    /// Whether so many evaluations in a row were no better than the best before that the run ends early.
    fn is_patience_over(&self) -> bool {
        let (patience, (measure, values)) = (self.training.config.train.stop_after, self.measured());
        patience > 0 && measure.since_best(&values) >= patience
    }

    /// Lowers the learning rate of a plateau schedule if the evaluations so far ask for it.
    fn lower_lr(&mut self) {
        let optim = &self.training.config.optim.common;
        if optim.schedule == LrSchedule::Plateau {
            let (measure, values) = self.measured();
            self.training.session.lower_lr(measure.plateaus(&values, optim.patience));
        }
    }

    /// Tells the observers of this epoch.
    fn observe(&self, epoch: usize) -> Result<(), Error> {
        let Training { observers, session, .. } = &self.training;
        observers.iter().try_for_each(|observer| observer.after_epoch(epoch, session.observed(), self.run))
    }

    /// Replaces the run's checkpoint, and also keeps it if it is one of those that the config may ask to keep; returns it.
    ///
    /// # Errors
    /// If the device or the disk fails, or the model has a number that is not finite.
    fn save(&mut self, is_kept: bool) -> Result<Checkpoint, Error> {
        let mut checkpoint = checkpoint(&self.training.session)?;
        if self.training.session.updates_in_epoch() > 0 {
            self.progress.sums().note(&mut checkpoint);
        }
        self.logs.sync()?;
        if is_kept {
            self.run.keep(&checkpoint, self.training.epochs(), self.training.config.train.keep_checkpoints)?;
        }
        self.run.save(&checkpoint)?;
        self.saved = Instant::now();
        Ok(checkpoint)
    }

    /// Saves the model as the best one if its evaluation is better than those before.
    fn keep_if_best(&mut self, e: &Evaluation, saved: Option<Checkpoint>) -> Result<(), Error> {
        let Some(measure) = self.training.config.train.best else { return Ok(()) };
        let value = match measure {
            Measure::TestAccuracy => e.accuracy(),
            Measure::TestLoss => e.loss,
        };
        if self.best.is_some_and(|best| !measure.is_better(value, best)) {
            return Ok(());
        }
        // A run is never resumed from before its best checkpoint, so that no better one is made anew and lost.
        let mut checkpoint = saved.map_or_else(|| self.save(false), Ok)?;
        checkpoint.notes.insert(BEST_MEASURE.to_owned(), measure.word().to_owned());
        checkpoint.notes.insert(BEST_VALUE.to_owned(), value.to_string());
        self.run.save_best(&checkpoint)?;
        self.best = Some(value);
        Ok(())
    }
}

/// What the run's best checkpoint measured. One that was chosen by another measure, or made after the current update, is removed.
fn best(training: &Training<'_>, run: &RunFolder) -> Result<Option<f64>, Error> {
    let Some(checkpoint) = run.best()? else { return Ok(None) };
    let measure = training.config.train.best.map(Measure::word);
    let is_earlier = checkpoint.number::<u64>(Checkpoint::UPDATES)? <= training.session.updates();
    if is_earlier && checkpoint.notes.get(BEST_MEASURE).map(String::as_str) == measure {
        return Ok(Some(checkpoint.number(BEST_VALUE)?));
    }
    run.forget_best()?;
    Ok(None)
}

/// The current state of a training as a checkpoint.
///
/// # Errors
/// If the device fails, or the model has a number that is not finite.
fn checkpoint(session: &Session<'_>) -> Result<Checkpoint, Error> {
    let checkpoint = session.checkpoint()?;
    // A checkpoint of a diverged model would replace a usable one.
    let broken = checkpoint.tensors.iter().find(|t| t.data.iter().any(|v| !v.is_finite()));
    match broken {
        None => Ok(checkpoint),
        Some(broken) => {
            Err(Error::Diverged { tensor: broken.name.clone(), update: session.updates().saturating_sub(1) })
        }
    }
}
