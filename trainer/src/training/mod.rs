//! The training loop: updates, evaluations and checkpoints, what is logged, and who observes it.

mod observer;
mod parts;
mod restored;
mod session;
mod state;

use crate::classes::Classes;
use crate::config::{Config, DataFacts};
use crate::data::{DataSplit, Loader, Preparation};
use crate::error::Error;
use crate::evaluation::Evaluation;
use crate::network::HostBatch;
use crate::progress::{EpochFigures, Progress as Display};
use crate::run::{Checkpoint, Log, RunFolder};
use crate::weights::Transfer;
use lethe_tensor::Device;
use serde::Serialize;
use std::path::PathBuf;

pub use observer::{Ascent, Observed, Observer, Observers, Progress};
pub use parts::Parts;
pub use restored::Restored;
pub use session::{Pending, Session, StepRecord};

/// A line of `metrics.jsonl` for an evaluation.
#[derive(Serialize)]
struct TestRecord {
    epoch: usize,
    test_accuracy: f64,
    test_loss: f64,
}

/// A line of `metrics.jsonl` for an epoch: means over its images of the loss and accuracy before each update.
#[derive(Serialize)]
struct EpochRecord {
    epoch: usize,
    train_loss: f64,
    train_accuracy: f64,
}

/// A line of `timing.jsonl`: the time of the epoch's updates, without evaluations and without the time in which the process was stopped.
#[derive(Serialize)]
struct TimeRecord {
    epoch: usize,
    seconds: f64,
    images_per_second: f64,
}

/// `summary.json`.
#[derive(Serialize)]
pub struct Summary {
    /// The number of the model's parameters.
    pub parameters: usize,
    /// The number of updates made.
    pub updates: u64,
    /// The last test loss.
    pub test: Evaluation,
    /// The last test accuracy, in percent.
    pub test_accuracy: f64,
    /// The device it was computed on.
    pub device: String,
}

/// The facts about the data that the config is checked against.
pub fn facts(split: &DataSplit) -> DataFacts {
    DataFacts { images: split.train.shape, classes: split.train.classes, train: split.train.len() }
}

/// A training before its first update, or at the update of a checkpoint.
pub struct Training<'a> {
    config: &'a Config,
    device: Device,
    session: Session<'a>,
    loader: Loader,
    test_loader: Loader,
    observers: Vec<Box<dyn Observer>>,
    /// The checksums that identify the images.
    fingerprint: String,
    /// The folder that the images were read from.
    folder: Option<PathBuf>,
    classes: Classes,
    quiet: bool,
}

impl<'a> Training<'a> {
    /// The training that a resolved config describes, with its observers. All memory for its vectors is allocated.
    ///
    /// # Errors
    /// If there is not enough memory, the initial weights cannot be loaded, or an observer cannot be made.
    pub fn new(
        config: &'a Config,
        split: DataSplit,
        device: &Device,
        workers: usize,
        observers: Observers<'_>,
    ) -> Result<Training<'a>, Error> {
        Training::at(config, split, device, workers, observers, None)
    }

    /// The same at a checkpoint of a run. The weights that the run started from are not needed any more.
    ///
    /// Learning rate and radius of an update are those that this config gives for its number: after a change of the epochs or the schedule, they are what they would
    /// be in a run with the new config from the beginning.
    ///
    /// # Errors
    /// As [`Training::new`], and if the checkpoint does not match the config, or the run began with other images.
    pub fn resumed(
        config: &'a Config,
        split: DataSplit,
        device: &Device,
        workers: usize,
        observers: Observers<'_>,
        run: &RunFolder,
        checkpoint: &Checkpoint,
    ) -> Result<Training<'a>, Error> {
        Training::at(config, split, device, workers, observers, Some((run, checkpoint)))
    }

    fn at(
        config: &'a Config,
        split: DataSplit,
        device: &Device,
        workers: usize,
        observers: Observers<'_>,
        resumed: Option<(&RunFolder, &Checkpoint)>,
    ) -> Result<Training<'a>, Error> {
        let fingerprint = split.fingerprint();
        if let Some((run, _)) = resumed {
            run.expect_classes(&split.train.names)?;
            run.expect_data(&fingerprint)?;
        }
        let folder = split.folder.clone();
        let parts = Parts::of(config, split);
        let observers = observers(config, &parts, workers)?;
        let Parts { train, test, .. } = parts;
        let (images, classes) = (train.shape, train.names.clone());
        let prepare = Preparation::of(&config.data);
        let batch = config.train.batch;
        let augment = config.data.augment.clone();
        let loader = Loader::training(train, prepare, batch, workers, config.train.seed, augment);
        let test_loader =
            Loader::evaluation(test, Preparation::of_test(&config.data), config.train.eval_batch, workers);
        let session = match resumed {
            None => Session::new(config, images, &classes, device, loader.batches()),
            Some((_, checkpoint)) => Session::resumed(config, images, &classes, device, loader.batches(), checkpoint),
        }?;
        let device = device.clone();
        let quiet = false;
        Ok(Training { config, device, session, loader, test_loader, observers, fingerprint, folder, classes, quiet })
    }

    /// Makes every update search for the first operation that produces a NaN or an infinity. Slow.
    pub fn detect_anomaly(&mut self) {
        self.session.detect_anomaly();
    }

    /// Disables the progress display.
    pub fn quiet(&mut self) {
        self.quiet = true;
    }

    /// What was loaded as initial weights, if anything.
    pub fn origin(&self) -> Option<&Transfer> {
        self.session.origin()
    }

    /// The number of epochs done.
    pub fn epochs(&self) -> usize {
        self.session.epochs()
    }

    /// Trains to the end and writes the run folder, whose logs are first truncated to the current epoch.
    ///
    /// # Errors
    /// If the data, the device or the folder fails, or the loss is not finite.
    pub fn run(mut self, run: &RunFolder) -> Result<Summary, Error> {
        run.forget_after(self.epochs())?;
        if self.epochs() < self.config.train.epochs {
            run.forget_summary()?;
        }
        run.note_data(&self.fingerprint, self.folder.as_deref())?;
        run.note_classes(&self.classes)?;
        let (mut metrics, mut timing) = (run.metrics()?, run.timing()?);
        let train = &self.config.train;
        let show = if self.quiet { Display::hidden } else { Display::new };
        let mut progress = show(self.epochs(), train.epochs, self.loader.images());
        // A run that was stopped between a checkpoint and its measurements makes them now.
        let mut last = None;
        if let Some(epoch) = self.epochs().checked_sub(1) {
            if !run.is_evaluated(epoch)? {
                last = self.evaluate(epoch, &mut metrics, &mut progress)?;
            }
            self.observe(epoch, run)?;
        }
        for epoch in self.epochs()..train.epochs {
            progress.begin_epoch();
            self.epoch(epoch, &mut progress, &mut metrics)?;
            let EpochFigures { loss: train_loss, accuracy: train_accuracy, seconds } = progress.end_epoch();
            metrics.record(&EpochRecord { epoch, train_loss, train_accuracy })?;
            let images_per_second = self.loader.images() as f64 / seconds;
            timing.record(&TimeRecord { epoch, seconds, images_per_second })?;
            // The checkpoint comes first: a failure in the measurements must not lose the epoch.
            let is_saved = train.is_due(train.checkpoint_every, epoch);
            if is_saved {
                self.save(run)?;
            }
            let measured = self.evaluate(epoch, &mut metrics, &mut progress);
            let measured = measured.and_then(|test| self.observe(epoch, run).map(|()| test));
            // Nor, if no checkpoint was due, the epochs since the last one.
            if measured.is_err() && !is_saved {
                run.save(&self.checkpoint()?)?;
            }
            last = measured?;
        }
        if train.epochs == 0 {
            self.save(run)?;
        }
        progress.finish();
        // Without an epoch left, an interrupted run can lack only its summary.
        let test = last.map_or_else(|| self.session.evaluate(&self.test_loader), Ok)?;
        let summary = Summary {
            parameters: self.session.parameters(),
            updates: self.session.updates(),
            test,
            test_accuracy: test.accuracy(),
            device: self.device.to_string(),
        };
        run.summarise(&summary)?;
        Ok(summary)
    }

    /// Evaluates on the test set, if that is due after this epoch.
    fn evaluate(&self, epoch: usize, metrics: &mut Log, progress: &mut Display) -> Result<Option<Evaluation>, Error> {
        if !self.config.train.is_due(self.config.train.eval_every, epoch) {
            return Ok(None);
        }
        let e = self.session.evaluate(&self.test_loader)?;
        metrics.record(&TestRecord { epoch, test_accuracy: e.accuracy(), test_loss: e.loss })?;
        progress.test(e.accuracy());
        Ok(Some(e))
    }

    /// Tells the observers of this epoch.
    fn observe(&self, epoch: usize, run: &RunFolder) -> Result<(), Error> {
        self.observers.iter().try_for_each(|observer| observer.after_epoch(epoch, self.session.observed(), run))
    }

    /// Replaces the run's checkpoint, and also keeps it if the config asks for that.
    ///
    /// # Errors
    /// If the device or the disk fails, or the model has a number that is not finite.
    fn save(&self, run: &RunFolder) -> Result<(), Error> {
        let checkpoint = self.checkpoint()?;
        if self.config.train.keep_checkpoints {
            run.keep(&checkpoint, self.epochs())?;
        }
        Ok(run.save(&checkpoint)?)
    }

    /// The current state of the training as a checkpoint.
    ///
    /// # Errors
    /// If the device fails, or the model has a number that is not finite.
    fn checkpoint(&self) -> Result<Checkpoint, Error> {
        let checkpoint = self.session.checkpoint()?;
        // A checkpoint of a diverged model would replace a usable one.
        let broken = checkpoint.tensors.iter().find(|t| t.data.iter().any(|v| !v.is_finite()));
        if let Some(broken) = broken {
            return Err(Error::Diverged {
                tensor: broken.name.clone(),
                update: self.session.updates().saturating_sub(1),
            });
        }
        Ok(checkpoint)
    }

    /// The updates of one epoch. The results of an update are read while the next one is running.
    fn epoch(&mut self, epoch: usize, progress: &mut Display, metrics: &mut Log) -> Result<(), Error> {
        let mut report = |session: &Session<'_>, done: Pending| {
            let images = done.images;
            let record = session.read(done)?;
            progress.step(record.loss, record.accuracy, images);
            Ok::<(), Error>(metrics.record(&record)?)
        };
        let mut pending: Option<Pending> = None;
        for host in self.loader.epoch(epoch)? {
            let next = self.session.update(epoch, &HostBatch { device: &self.device, batch: &host? });
            pending.replace(next).map_or(Ok(()), |done| report(&self.session, done))?;
        }
        pending.map_or(Ok(()), |done| report(&self.session, done))
    }
}
