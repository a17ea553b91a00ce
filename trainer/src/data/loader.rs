//! Makes batches on worker threads, ahead of the model that consumes them.
//!
//! What a batch holds depends on (seed, epoch, place in the epoch) alone. Worker w of W makes the batches w, w + W, w + 2W, …
//! and hands them over through a channel of its own with a few places; the consumer reads the channels in turn. So the order
//! is right without sorting, no worker waits for another, and none runs far ahead.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use lethe_tensor::random::{Draw, Philox};

use super::augment::Augment;
use super::dataset::{Dataset, ImageShape};
use crate::config::{AugmentConfig, DataConfig};

/// Batches that each worker may have ready.
const AHEAD: usize = 2;
/// What the streams of random numbers are for.
const ORDER: u32 = 0;
const CHANGES: u32 = 1;

/// Images and labels as a model takes them.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The pixels, (value / max_value − mean) / std, in the order NCHW.
    pub images: Vec<f32>,
    /// The class of each image.
    pub labels: Vec<u32>,
    /// The size of every image.
    pub shape: ImageShape,
}

/// How pixels become numbers: scaled to 0..1, less `mean`, divided by `std`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Preparation {
    /// Subtracted after scaling.
    pub mean: f64,
    /// Divides after that.
    pub std: f64,
}

/// A source of batches, epoch after epoch.
#[derive(Clone, Debug)]
pub struct Loader {
    data: Arc<Dataset>,
    values: [f32; 256],
    batch: usize,
    workers: usize,
    training: Option<Training>,
}

#[derive(Clone, Debug)]
struct Training {
    seed: u64,
    augment: AugmentConfig,
}

/// A batch that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum LoaderError {
    /// The system gives no thread.
    #[error("cannot start a loader thread: {0}; fewer --threads may help")]
    Spawn(std::io::Error),
    /// A worker failed: a fault of this program.
    #[error("a loader thread failed at batch {batch} of {dataset}: {message}")]
    Worker {
        /// The batch's place in its epoch.
        batch: usize,
        /// The data set.
        dataset: String,
        /// The worker's last words.
        message: String,
    },
}

impl Preparation {
    /// As the config says.
    pub fn of(config: &DataConfig) -> Preparation {
        Preparation { mean: config.mean, std: config.std }
    }

    /// The number that each pixel value becomes.
    fn table(self, max_value: u8) -> [f32; 256] {
        std::array::from_fn(|value| ((value as f64 / f64::from(max_value) - self.mean) / self.std) as f32)
    }
}

impl Loader {
    /// A loader for training: a new order every epoch, images changed as `augment` says, every batch full (the last one
    /// goes on with the first images of the same epoch).
    ///
    /// # Panics
    /// If the data set is empty or `batch` or `workers` is 0.
    #[track_caller]
    pub fn training(
        data: Arc<Dataset>,
        prepare: Preparation,
        batch: usize,
        workers: usize,
        seed: u64,
        augment: AugmentConfig,
    ) -> Loader {
        let training = Some(Training { seed, augment });
        Loader { training, ..Loader::evaluation(data, prepare, batch, workers) }
    }

    /// A loader for evaluation: the order of the data set, images as they are, the last batch as short as it comes.
    ///
    /// # Panics
    /// If the data set is empty or `batch` or `workers` is 0.
    #[track_caller]
    pub fn evaluation(data: Arc<Dataset>, prepare: Preparation, batch: usize, workers: usize) -> Loader {
        assert!(!data.is_empty(), "{} holds no images to load", data.name);
        assert!(batch > 0 && workers > 0, "a loader needs a batch and a worker, got {batch} and {workers}");
        let values = prepare.table(data.max_value);
        Loader { data, values, batch, workers, training: None }
    }

    /// The data set.
    pub fn data(&self) -> &Dataset {
        &self.data
    }

    /// Images of a batch.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// The number of batches of an epoch.
    pub fn batches(&self) -> usize {
        self.data.len().div_ceil(self.batch)
    }

    /// The number of images of an epoch, those counted that the last batch of a training epoch repeats.
    pub fn images(&self) -> usize {
        if self.training.is_some() { self.batches() * self.batch } else { self.data.len() }
    }

    /// Starts the workers on an epoch's batches.
    ///
    /// # Errors
    /// If the system gives no thread.
    pub fn epoch(&self, epoch: usize) -> Result<Epoch, LoaderError> {
        let work = Arc::new(Work { loader: self.clone(), epoch, order: self.order(epoch) });
        let mut started = Epoch { receivers: Vec::new(), threads: Vec::new(), next: 0, batches: self.batches() };
        for worker in 0..self.workers.min(self.batches()) {
            let (sender, receiver) = sync_channel(AHEAD);
            let (work, step) = (work.clone(), self.workers);
            let thread = std::thread::Builder::new().name(format!("loader {worker}"));
            let thread = thread.spawn(move || work.run(worker, step, &sender)).map_err(LoaderError::Spawn)?;
            started.receivers.push(receiver);
            started.threads.push(thread);
        }
        Ok(started)
    }

    /// The images of an epoch, in order.
    fn order(&self, epoch: usize) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.data.len() as u32).collect();
        if let Some(training) = &self.training {
            Philox::new(Draw::new(training.seed, [ORDER, epoch as u32, 0])).shuffle(&mut order);
        }
        order
    }
}

/// What the workers of an epoch share.
struct Work {
    loader: Loader,
    epoch: usize,
    order: Vec<u32>,
}

impl Work {
    /// Makes every `step`-th batch from `first` on, until all are made or nobody wants them any more.
    fn run(&self, first: usize, step: usize, sender: &SyncSender<Result<Batch, LoaderError>>) {
        for batch in (first..self.loader.batches()).step_by(step) {
            let made = catch_unwind(AssertUnwindSafe(|| self.make(batch))).map_err(|panic| LoaderError::Worker {
                batch,
                dataset: self.loader.data.name.clone(),
                message: message_of(&*panic),
            });
            let failed = made.is_err();
            if sender.send(made).is_err() || failed {
                return;
            }
        }
    }

    fn make(&self, batch: usize) -> Batch {
        let Loader { data, values, batch: size, .. } = &self.loader;
        let end = if self.loader.training.is_some() { (batch + 1) * size } else { data.len().min((batch + 1) * size) };
        let places = batch * size..end;
        let mut images = Vec::with_capacity(places.len() * data.shape.len());
        let mut labels = Vec::with_capacity(places.len());
        for place in places {
            let index = self.order[place % self.order.len()] as usize;
            let image = data.image(index);
            match self.change(place) {
                Some(change) => images.extend(change.apply(image, data.shape).map(|v| values[usize::from(v)])),
                None => images.extend(image.iter().map(|v| values[usize::from(*v)])),
            }
            labels.push(data.labels[index]);
        }
        Batch { images, labels, shape: data.shape }
    }

    /// What happens to the image at a place of the epoch.
    fn change(&self, place: usize) -> Option<Augment> {
        let training = self.loader.training.as_ref().filter(|t| t.augment != AugmentConfig::default())?;
        let mut random = Philox::new(Draw::new(training.seed, [CHANGES, self.epoch as u32, place as u32]));
        Some(Augment::draw(&training.augment, &mut random))
    }
}

fn message_of(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

/// The batches of one epoch, in order. Dropped early, it stops its workers.
#[derive(Debug)]
pub struct Epoch {
    receivers: Vec<Receiver<Result<Batch, LoaderError>>>,
    threads: Vec<JoinHandle<()>>,
    next: usize,
    batches: usize,
}

impl Iterator for Epoch {
    type Item = Result<Batch, LoaderError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.batches {
            return None;
        }
        let receiver = &self.receivers[self.next % self.receivers.len()];
        // A worker hangs up early only after it has sent an error, and after an error nothing follows.
        let received = receiver.recv().ok();
        self.next = if matches!(received, Some(Ok(_))) { self.next + 1 } else { self.batches };
        received
    }
}

impl Drop for Epoch {
    fn drop(&mut self) {
        // Without receivers the next hand-over of every worker fails, which ends it.
        self.receivers.clear();
        for thread in self.threads.drain(..) {
            // Workers catch their panics; there is nothing to learn from how they end.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::AugmentConfig;

    const SHAPE: ImageShape = ImageShape { channels: 1, height: 2, width: 2 };
    const PLAIN: Preparation = Preparation { mean: 0.0, std: 1.0 };

    /// Image i is filled with the value i and has the label i.
    fn data(count: usize) -> Arc<Dataset> {
        let images = (0..count).flat_map(|i| [i as u8; 4]).collect();
        let labels = (0..count as u32).collect();
        Arc::new(Dataset { name: "test".into(), images, shape: SHAPE, max_value: 255, labels, classes: count })
    }

    fn training(count: usize, batch: usize, workers: usize, seed: u64) -> Loader {
        let augment = AugmentConfig { crop_padding: 1, flip: true };
        Loader::training(data(count), PLAIN, batch, workers, seed, augment)
    }

    fn collect(loader: &Loader, epoch: usize) -> Vec<Batch> {
        loader.epoch(epoch).unwrap().collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn batches_do_not_depend_on_the_number_of_workers() {
        for (count, batch) in [(1, 1), (7, 3), (50, 4), (64, 64), (100, 7)] {
            let expected = collect(&training(count, batch, 1, 3), 5);
            for workers in [2, 3, 16] {
                assert_eq!(collect(&training(count, batch, workers, 3), 5), expected, "{count} by {batch}, {workers}");
            }
        }
    }

    #[test]
    fn a_training_epoch_holds_every_image_and_wraps_round() {
        let loader = training(10, 4, 2, 1);
        let batches = collect(&loader, 0);
        assert_eq!((loader.batches(), loader.images()), (3, 12));
        assert!(batches.iter().all(|b| b.labels.len() == 4 && b.images.len() == 16));
        let labels: Vec<u32> = batches.into_iter().flat_map(|b| b.labels).collect();
        assert_eq!(labels[10..], labels[..2]);
        let mut sorted = labels[..10].to_vec();
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..10));
    }

    #[test]
    fn seed_and_epoch_decide_order_and_changes() {
        let labels = |seed, epoch| collect(&training(50, 50, 1, seed), epoch)[0].labels.clone();
        assert_eq!(labels(1, 1), labels(1, 1));
        assert!(labels(1, 1) != labels(1, 2) && labels(1, 1) != labels(2, 1));
    }

    #[test]
    fn an_evaluation_takes_all_in_order_and_the_last_batch_short() {
        let loader = Loader::evaluation(data(10), Preparation { mean: 0.5, std: 0.25 }, 4, 2);
        let batches = collect(&loader, 0);
        assert_eq!((loader.batches(), loader.images()), (3, 10));
        assert_eq!(batches.iter().map(|b| b.labels.len()).collect::<Vec<_>>(), [4, 4, 2]);
        assert!(batches.iter().flat_map(|b| b.labels.iter().copied()).eq(0..10));
        assert_eq!(batches[1].images[..4], [((4.0 / 255.0 - 0.5) / 0.25) as f32; 4]);
    }

    #[test]
    fn a_failing_worker_is_an_error_and_ends_the_epoch() {
        let mut broken = (*data(10)).clone();
        broken.images.truncate(20);
        for workers in [1, 3] {
            let loader = Loader::evaluation(Arc::new(broken.clone()), PLAIN, 2, workers);
            let results: Vec<_> = loader.epoch(0).unwrap().collect();
            assert_eq!(results.len(), 3, "two good batches, then the error");
            let message = results[2].as_ref().unwrap_err().to_string();
            assert!(message.contains("batch 2 of test"), "{message}");
        }
    }

    #[test]
    fn an_epoch_can_be_dropped_early() {
        let mut epoch = training(250, 1, 3, 0).epoch(0).unwrap();
        assert!(epoch.next().is_some());
        drop(epoch);
    }
}
