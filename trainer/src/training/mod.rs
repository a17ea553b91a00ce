//! The training loop: batch after batch, update after update, and what is written on the way.

mod parts;
mod restored;
mod session;
mod state;

use crate::analysis::forgetting::ForgettingProbe;
use crate::classes::Classes;
use crate::config::{Config, DataFacts};
use crate::data::{DataSplit, Loader, Preparation};
use crate::error::Error;
use crate::evaluation::{Evaluation, HostBatch};
use crate::progress::{EpochFigures, Progress};
use crate::run::{Checkpoint, Log, RunFolder};
use crate::weights::Transfer;
use lethe_tensor::Device;
use serde::Serialize;

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

/// A line of `metrics.jsonl` for an epoch: means over its images of what its updates began from.
#[derive(Serialize)]
struct EpochRecord {
    epoch: usize,
    train_loss: f64,
    train_accuracy: f64,
}

/// A line of `timing.jsonl`: of the epoch's updates, without evaluations, and without the time in which the process was stopped.
#[derive(Serialize)]
struct TimeRecord {
    epoch: usize,
    seconds: f64,
    images_per_second: f64,
}

/// `summary.json`.
#[derive(Serialize)]
pub struct Summary {
    /// Parameters of the model.
    pub parameters: usize,
    /// Updates made.
    pub updates: u64,
    /// The last measurement of the test set.
    pub test: Evaluation,
    /// Its accuracy, in percent.
    pub test_accuracy: f64,
    /// Where it was computed.
    pub device: String,
}

/// What the config must fit.
pub fn facts(split: &DataSplit) -> DataFacts {
    DataFacts { images: split.train.shape, classes: split.train.classes, train: split.train.len() }
}

/// A training before its first update, or at the update where it was left.
pub struct Training<'a> {
    config: &'a Config,
    device: Device,
    session: Session<'a>,
    loader: Loader,
    test_loader: Loader,
    /// With what follows the names of their records.
    probes: Vec<(ForgettingProbe, &'static str)>,
    /// Of its images.
    fingerprint: String,
    classes: Classes,
    quiet: bool,
}

impl<'a> Training<'a> {
    /// What a resolved config describes, with all the memory that parameters need.
    ///
    /// # Errors
    /// If there is not so much, what it starts from cannot be loaded, or the analysis asks for more than the data holds.
    pub fn new(config: &'a Config, split: DataSplit, device: &Device, workers: usize) -> Result<Training<'a>, Error> {
        Training::at(config, split, device, workers, None)
    }

    /// The same at a checkpoint of a run. What the run once started from is not needed any more.
    ///
    /// The rates of an update are those that this config has for its number: where the epochs or the schedule were changed, they are from here on what they
    /// would be in a run of the new config from its beginning.
    ///
    /// # Errors
    /// As [`Training::new`], and if the checkpoint does not fit the config, or the run began with other images.
    pub fn resumed(
        config: &'a Config,
        split: DataSplit,
        device: &Device,
        workers: usize,
        run: &RunFolder,
        checkpoint: &Checkpoint,
    ) -> Result<Training<'a>, Error> {
        Training::at(config, split, device, workers, Some((run, checkpoint)))
    }

    fn at(
        config: &'a Config,
        split: DataSplit,
        device: &Device,
        workers: usize,
        resumed: Option<(&RunFolder, &Checkpoint)>,
    ) -> Result<Training<'a>, Error> {
        let fingerprint = split.fingerprint();
        if let Some((run, _)) = resumed {
            run.expect_classes(&split.train.names)?;
            run.expect_data(&fingerprint)?;
        }
        let Parts { train, test, analysed } = Parts::of(config, split);
        let (images, classes) = (train.shape, train.names.clone());
        let prepare = Preparation::of(&config.data);
        let batch = config.train.batch;
        let augment = config.data.augment.clone();
        let probes = (config.analysis.every > 0).then(|| ForgettingProbe::each(config, &train, &analysed, workers));
        let probes = probes.transpose()?.unwrap_or_default();
        let loader = Loader::training(train, prepare, batch, workers, config.train.seed, augment);
        let test_loader =
            Loader::evaluation(test, Preparation::of_test(&config.data), config.train.eval_batch, workers);
        let session = match resumed {
            None => Session::new(config, images, &classes, device, loader.batches()),
            Some((_, checkpoint)) => Session::resumed(config, images, &classes, device, loader.batches(), checkpoint),
        }?;
        let device = device.clone();
        Ok(Training { config, device, session, loader, test_loader, probes, fingerprint, classes, quiet: false })
    }

    /// Has every update look for the first operation that makes a NaN or an infinity: slow.
    pub fn detect_anomaly(&mut self) {
        self.session.detect_anomaly();
    }

    /// Shows no progress.
    pub fn quiet(&mut self) {
        self.quiet = true;
    }

    /// What was loaded to start from, if anything.
    pub fn origin(&self) -> Option<&Transfer> {
        self.session.origin()
    }

    /// Epochs gone through.
    pub fn epochs(&self) -> usize {
        self.session.epochs()
    }

    /// Trains to the end and writes the run's folder, whose logs go back to where the training is first.
    ///
    /// # Errors
    /// If data, device or folder fail, or the loss is no number any more.
    pub fn run(mut self, run: &RunFolder) -> Result<Summary, Error> {
        run.forget_after(self.epochs())?;
        if self.epochs() < self.config.train.epochs {
            run.forget_summary()?;
        }
        run.note_data(&self.fingerprint)?;
        run.note_classes(&self.classes)?;
        let (mut metrics, mut timing) = (run.metrics()?, run.timing()?);
        let train = &self.config.train;
        let show = if self.quiet { Progress::hidden } else { Progress::new };
        let mut progress = show(self.epochs(), train.epochs, self.loader.images());
        // Whoever was stopped between a checkpoint and what is measured at it finds that missing.
        let mut last = None;
        if let Some(epoch) = self.epochs().checked_sub(1) {
            if !run.is_evaluated(epoch)? {
                last = self.evaluate(epoch, &mut metrics, &mut progress)?;
            }
            self.analyse(epoch, run)?;
        }
        for epoch in self.epochs()..train.epochs {
            progress.begin_epoch();
            self.epoch(epoch, &mut progress, &mut metrics)?;
            let EpochFigures { loss: train_loss, accuracy: train_accuracy, seconds } = progress.end_epoch();
            metrics.record(&EpochRecord { epoch, train_loss, train_accuracy })?;
            let images_per_second = self.loader.images() as f64 / seconds;
            timing.record(&TimeRecord { epoch, seconds, images_per_second })?;
            // First of all: what goes wrong in the measurements must not cost the epoch.
            let is_saved = train.is_due(train.checkpoint_every, epoch);
            if is_saved {
                self.save(run)?;
            }
            let measured = self.evaluate(epoch, &mut metrics, &mut progress);
            let measured = measured.and_then(|test| self.analyse(epoch, run).map(|()| test));
            // Nor, where none was due, those since the last checkpoint.
            if measured.is_err() && !is_saved {
                run.save(&self.checkpoint()?)?;
            }
            last = measured?;
        }
        if train.epochs == 0 {
            self.save(run)?;
        }
        progress.finish();
        // Without an epoch left, all that an interrupted run may lack is its summary.
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

    /// Measures the test set, if that is due after this epoch.
    fn evaluate(&self, epoch: usize, metrics: &mut Log, progress: &mut Progress) -> Result<Option<Evaluation>, Error> {
        if !self.config.train.is_due(self.config.train.eval_every, epoch) {
            return Ok(None);
        }
        let e = self.session.evaluate(&self.test_loader)?;
        metrics.record(&TestRecord { epoch, test_accuracy: e.accuracy(), test_loss: e.loss })?;
        progress.test(e.accuracy());
        Ok(Some(e))
    }

    /// Makes the analyses that are due after this epoch and not there yet.
    fn analyse(&self, epoch: usize, run: &RunFolder) -> Result<(), Error> {
        let session = &self.session;
        for (probe, suffix) in self.probes.iter().filter(|_| self.config.analysis.is_due(epoch)) {
            if !run.has_epoch_record(epoch + 1, suffix) {
                let record = probe.measure(session.network(), session.ascent(), session.progress())?;
                run.record_epoch(record.progress.epochs, suffix, &record)?;
            }
        }
        Ok(())
    }

    /// Replaces the run's checkpoint, and keeps a copy of it if the config asks for that.
    ///
    /// # Errors
    /// If the device or the disk fails, or the model holds what is no finite number.
    fn save(&self, run: &RunFolder) -> Result<(), Error> {
        let checkpoint = self.checkpoint()?;
        if self.config.train.keep_checkpoints {
            run.keep(&checkpoint, self.epochs())?;
        }
        Ok(run.save(&checkpoint)?)
    }

    /// The training as it is now.
    ///
    /// # Errors
    /// If the device fails, or the model holds what is no finite number.
    fn checkpoint(&self) -> Result<Checkpoint, Error> {
        let checkpoint = self.session.checkpoint()?;
        // One that holds no numbers would take the place of one that does.
        let broken = checkpoint.tensors.iter().find(|t| t.data.iter().any(|v| !v.is_finite()));
        if let Some(broken) = broken {
            return Err(Error::Diverged {
                tensor: broken.name.clone(),
                update: self.session.updates().saturating_sub(1),
            });
        }
        Ok(checkpoint)
    }

    /// The updates of one epoch. The numbers of an update are read when the next one is under way.
    fn epoch(&mut self, epoch: usize, progress: &mut Progress, metrics: &mut Log) -> Result<(), Error> {
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
