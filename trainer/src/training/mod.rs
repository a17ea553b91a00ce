//! Trainings: what a config describes, made ready; the loop over its updates; and who observes it.

mod logs;
mod observer;
mod parts;
mod restored;
mod running;
mod session;
mod state;
mod trial;

use crate::classes::Classes;
use crate::config::{Config, DataFacts};
use crate::data::{DataSplit, Loader, Preparation};
use crate::error::Error;
use crate::evaluation::Evaluation;
use crate::network::{HostBatch, upload};
use crate::progress::{EpochSums, Show};
use crate::run::{Checkpoint, RunFolder};
use crate::stop::StopRequests;
use crate::weights::Transfer;
use lethe_tensor::Device;
use serde::Serialize;
use std::path::PathBuf;

pub use observer::{Observed, Observer, Observers, Progress, TrainedPerturbation};
pub use parts::Parts;
pub use restored::Restored;
pub use session::{Pending, Session, StepRecord};
pub use trial::Trial;

/// `summary.json`.
#[derive(Serialize)]
pub struct Summary {
    /// The number of the model's parameters.
    pub parameters: usize,
    /// The number of updates made.
    pub updates: u64,
    /// After how many epochs `train.stop_after` ended the run, if it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stopped_after: Option<usize>,
    /// The last test loss.
    pub test: Evaluation,
    /// The last test accuracy, in percent.
    pub test_accuracy: f64,
    /// The device it was computed on.
    pub device: String,
}

/// The facts about the data that the config is checked against.
pub fn facts(split: &DataSplit) -> DataFacts {
    let DataSplit { train, .. } = split;
    DataFacts { images: train.shape, classes: train.classes, train: train.len(), labels: train.labels.clone() }
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
    /// The sums of the epoch that the checkpoint was written in.
    begun: EpochSums,
    stop: StopRequests,
    show: Show,
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
    /// Learning rate and radius of an update are those that this config gives for its number: after a change of the epochs or the schedule, they are
    /// what they would be in a run with the new config from the beginning.
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
        let loader =
            Loader::training(train, prepare, batch, workers, config.train.seed, augment).sampling(config.data.sampling);
        let test_loader =
            Loader::evaluation(test, Preparation::of_test(&config.data), config.train.eval_batch, workers);
        let session = match resumed {
            None => Session::new(config, images, &classes, device, loader.batches()),
            Some((_, checkpoint)) => Session::resumed(config, images, &classes, device, loader.batches(), checkpoint),
        }?;
        let begun = match resumed {
            Some((_, checkpoint)) if session.updates_in_epoch() > 0 => EpochSums::noted(checkpoint)?,
            _ => EpochSums::default(),
        };
        let (device, stop) = (device.clone(), StopRequests::default());
        Ok(Training {
            config,
            device,
            session,
            loader,
            test_loader,
            observers,
            fingerprint,
            folder,
            classes,
            begun,
            stop,
            show: Show::Text,
        })
    }

    /// Makes the next update and the predictions of a first batch of test images, and gives the training up.
    ///
    /// # Errors
    /// If the data or the device fails.
    ///
    /// # Panics
    /// If the device cannot hold a tensor of it, or is limited otherwise.
    pub fn first_update(mut self) -> Result<(), Error> {
        let (epoch, first) = (self.epochs(), self.session.updates_in_epoch());
        if let Some(batch) = self.loader.epoch_from(epoch, first)?.next() {
            let done = self.session.update(epoch, &HostBatch { device: &self.device, batch: &batch? });
            match self.session.read(done) {
                // The training itself reports this.
                Err(Error::NotFinite { .. }) | Ok(_) => {}
                Err(error) => return Err(error),
            }
        }
        if let Some(batch) = self.test_loader.epoch(0)?.next() {
            let inputs = upload(&self.device, &batch?).inputs;
            self.session.network().logits(&inputs).tensor().to_vec::<f32>()?;
        }
        Ok(())
    }

    /// Makes every update search for the first operation that produces a NaN or an infinity. Slow.
    pub fn detect_anomaly(&mut self) {
        self.session.detect_anomaly();
    }

    /// Ends the training after its current update, with a checkpoint, when that is asked.
    pub fn stop_when_asked(&mut self, requests: &StopRequests) {
        self.stop = requests.clone();
    }

    /// Shows the progress in this way instead of as text.
    pub fn show(&mut self, show: Show) {
        self.show = show;
    }

    /// What was loaded as initial weights, if anything.
    pub fn origin(&self) -> Option<&Transfer> {
        self.session.origin()
    }

    /// The number of epochs done.
    pub fn epochs(&self) -> usize {
        self.session.epochs()
    }

    /// The number of epochs that the config asks for.
    pub(crate) fn planned_epochs(&self) -> usize {
        self.config.train.epochs
    }

    /// The number of updates made in the epoch after those, and the number that an epoch has.
    pub fn updates_in_epoch(&self) -> (usize, usize) {
        (self.session.updates_in_epoch(), self.loader.batches())
    }
}
