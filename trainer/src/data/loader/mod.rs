//! Makes batches on worker threads, ahead of the model that consumes them.
//!
//! The contents of a batch depend only on (seed, epoch, position in the epoch). Batches are made in pieces of a few images. Worker w of W makes the
//! pieces w, w + W, w + 2W, … and sends them through a bounded channel of its own; the consumer reads the channels in turn and joins the pieces. So
//! the order is correct without sorting, no worker waits for another, none runs far ahead, and all of them work on the batch that is needed next.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;

use lethe_tensor::random::{Draw, Philox};

use super::dataset::Dataset;
use super::error::DataError;
use super::pipeline::{Pipeline, Preparation, Scratch};
use crate::config::AugmentConfig;
use crate::shape::ImageShape;
use crate::words::of_panic;

/// The largest number of images of a piece.
const PIECE: usize = 64;
/// The number of pieces that each worker may have ready.
const AHEAD: usize = 2;
/// The purposes of the streams of random numbers.
const ORDER: u32 = 0;
const CHANGES: u32 = 1;

/// Images and labels on the host, prepared for a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The pixels, (value / max_value − mean) / std, in the order NCHW.
    pub images: Vec<f32>,
    /// The class of each image.
    pub labels: Vec<u32>,
    /// The size of every image.
    pub shape: ImageShape,
}

/// A source of batches, epoch after epoch.
#[derive(Clone, Debug)]
pub struct Loader {
    data: Arc<Dataset>,
    pipeline: Pipeline,
    batch: usize,
    workers: usize,
    /// The seed of a training.
    training: Option<u64>,
}

/// A batch that could not be made.
#[derive(Debug, thiserror::Error)]
pub enum LoaderError {
    /// The system cannot start a thread.
    #[error("cannot start a loader thread: {0}; fewer --threads may help")]
    Spawn(std::io::Error),
    /// An image cannot be read.
    #[error(transparent)]
    Data(#[from] DataError),
    /// A worker panicked: a bug of this program.
    #[error("a loader thread failed at batch {batch} of {dataset}: {message}")]
    Worker {
        /// The batch's number in its epoch.
        batch: usize,
        /// The data set.
        dataset: String,
        /// The panic's message.
        message: String,
    },
}

impl Loader {
    /// A loader for training: a new order every epoch, images augmented as `augment` says, every batch full (the last one
    /// is filled with the first images of the same epoch).
    ///
    /// # Panics
    /// If the data set is empty, `batch` or `workers` is 0, or images in files have no size.
    #[track_caller]
    pub fn training(
        data: Arc<Dataset>,
        prepare: Preparation,
        batch: usize,
        workers: usize,
        seed: u64,
        augment: AugmentConfig,
    ) -> Loader {
        let pipeline = Pipeline::new(&data, prepare, Some(augment));
        Loader { training: Some(seed), pipeline, ..Loader::evaluation(data, prepare, batch, workers) }
    }

    /// A loader for evaluation: in the order of the data set, without augmentation, and with a smaller last batch.
    ///
    /// # Panics
    /// If the data set is empty, `batch` or `workers` is 0, or images in files have no size.
    #[track_caller]
    pub fn evaluation(data: Arc<Dataset>, prepare: Preparation, batch: usize, workers: usize) -> Loader {
        assert!(!data.is_empty(), "{} holds no images to load", data.name);
        assert!(batch > 0 && workers > 0, "a loader needs a batch and a worker, got {batch} and {workers}");
        let pipeline = Pipeline::new(&data, prepare, None);
        Loader { data, pipeline, batch, workers, training: None }
    }

    /// The data set.
    pub fn data(&self) -> &Dataset {
        &self.data
    }

    /// The batch size.
    pub fn batch(&self) -> usize {
        self.batch
    }

    /// The number of batches per epoch.
    pub fn batches(&self) -> usize {
        self.data.len().div_ceil(self.batch)
    }

    /// The number of images per epoch, including those that the last batch of a training epoch repeats.
    pub fn images(&self) -> usize {
        if self.training.is_some() { self.batches() * self.batch } else { self.data.len() }
    }

    /// Starts the workers on an epoch's batches.
    ///
    /// # Errors
    /// If the system cannot start a thread.
    pub fn epoch(&self, epoch: usize) -> Result<Epoch, LoaderError> {
        self.epoch_from(epoch, 0)
    }

    /// The same from batch `first` of the epoch on; the earlier ones are not made. Each batch is what it is in the whole epoch.
    ///
    /// # Errors
    /// If the system cannot start a thread.
    ///
    /// # Panics
    /// If the epoch has fewer batches.
    #[track_caller]
    pub fn epoch_from(&self, epoch: usize, first: usize) -> Result<Epoch, LoaderError> {
        assert!(first <= self.batches(), "batch {first} of an epoch of {}", self.batches());
        let work = Arc::new(Work { loader: self.clone(), epoch, order: self.order(epoch) });
        let (pieces, of_batch) = (work.pieces(), self.batch.div_ceil(PIECE));
        let begin = pieces.min(first * of_batch);
        let mut started = Epoch { receivers: Vec::new(), threads: Vec::new(), begin, next: begin, pieces, of_batch };
        for worker in 0..self.workers.min(pieces - begin) {
            let (sender, receiver) = sync_channel(AHEAD);
            let (work, step) = (work.clone(), self.workers);
            let thread = std::thread::Builder::new().name(format!("loader {worker}"));
            let thread = thread.spawn(move || work.run(begin + worker, step, &sender)).map_err(LoaderError::Spawn)?;
            started.receivers.push(receiver);
            started.threads.push(thread);
        }
        Ok(started)
    }

    /// The indices of an epoch's images, in order.
    fn order(&self, epoch: usize) -> Vec<u32> {
        let mut order: Vec<u32> = (0..self.data.len() as u32).collect();
        if let Some(seed) = self.training {
            Philox::new(Draw::new(seed, [ORDER, epoch as u32, 0])).shuffle(&mut order);
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
    /// The number of pieces per epoch: every batch begins with a new one.
    fn pieces(&self) -> usize {
        let Loader { batch, .. } = self.loader;
        let images = self.loader.images();
        images / batch * batch.div_ceil(PIECE) + (images % batch).div_ceil(PIECE)
    }

    /// Makes every `step`-th piece from `first` on, until all are made or the consumer is dropped.
    fn run(&self, first: usize, step: usize, sender: &SyncSender<Result<Batch, LoaderError>>) {
        let mut scratch = Scratch::default();
        for piece in (first..self.pieces()).step_by(step) {
            let of_batch = self.loader.batch.div_ceil(PIECE);
            let (batch, part) = (piece / of_batch, piece % of_batch);
            let made = catch_unwind(AssertUnwindSafe(|| self.make(batch, part, &mut scratch)));
            let made = made.unwrap_or_else(|panic| {
                let dataset = self.loader.data.name.clone();
                Err(LoaderError::Worker { batch, dataset, message: of_panic(&*panic) })
            });
            let failed = made.is_err();
            if sender.send(made).is_err() || failed {
                return;
            }
        }
    }

    fn make(&self, batch: usize, part: usize, scratch: &mut Scratch) -> Result<Batch, LoaderError> {
        let Loader { data, pipeline, batch: size, training, .. } = &self.loader;
        let start = batch * size + part * PIECE;
        let end = self.loader.images().min((batch + 1) * size).min(start + PIECE);
        let mut images = Vec::with_capacity((end - start) * pipeline.shape.len());
        let mut labels = Vec::with_capacity(end - start);
        for position in start..end {
            let index = self.order[position % self.order.len()] as usize;
            // The augmentation of an image depends on its position in the epoch.
            let draw = Draw::new(training.unwrap_or_default(), [CHANGES, self.epoch as u32, position as u32]);
            pipeline.append(data, index, Philox::new(draw), scratch, &mut images)?;
            labels.push(data.labels[index]);
        }
        Ok(Batch { images, labels, shape: pipeline.shape })
    }
}

/// The batches of one epoch, in order. Dropping it early stops the workers.
#[derive(Debug)]
pub struct Epoch {
    receivers: Vec<Receiver<Result<Batch, LoaderError>>>,
    threads: Vec<JoinHandle<()>>,
    /// The first piece, the next one, their number in a whole epoch, and the number per full batch.
    begin: usize,
    next: usize,
    pieces: usize,
    of_batch: usize,
}

impl Epoch {
    /// The next piece: a worker closes its channel early only after it has sent an error, and nothing is read after an error.
    fn piece(&mut self) -> Option<Result<Batch, LoaderError>> {
        let received = self.receivers[(self.next - self.begin) % self.receivers.len()].recv().ok();
        self.next = if matches!(received, Some(Ok(_))) { self.next + 1 } else { self.pieces };
        received
    }
}

impl Iterator for Epoch {
    type Item = Result<Batch, LoaderError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next == self.pieces {
            return None;
        }
        let end = self.pieces.min(self.next + self.of_batch);
        let mut whole = match self.piece()? {
            Ok(first) => first,
            error => return Some(error),
        };
        while self.next < end {
            match self.piece()? {
                Ok(piece) => {
                    whole.images.extend(piece.images);
                    whole.labels.extend(piece.labels);
                }
                error => return Some(error),
            }
        }
        Some(Ok(whole))
    }
}

impl Drop for Epoch {
    fn drop(&mut self) {
        // Without receivers the next send of every worker fails, which ends it.
        self.receivers.clear();
        for thread in self.threads.drain(..) {
            // Workers catch their panics, so joining cannot fail.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::resize::Filter;
    use super::*;
    use crate::classes::Classes;
    use crate::config::AugmentConfig;

    const SHAPE: ImageShape = ImageShape { channels: 1, height: 2, width: 2 };
    const PLAIN: Preparation =
        Preparation { mean: [0.0; 3], std: [1.0; 3], size: None, filter: Filter::Bicubic, upright: false };

    /// Image i is filled with the value i and has the label i.
    fn data(count: usize) -> Arc<Dataset> {
        let images = (0..count).flat_map(|i| [i as u8; 4]).collect();
        let labels = (0..count as u32).collect();
        Arc::new(Dataset::in_memory("test".into(), images, SHAPE, 255, labels, count))
    }

    fn training(count: usize, batch: usize, workers: usize, seed: u64) -> Loader {
        let augment = AugmentConfig { crop_padding: 1, flip: true, ..AugmentConfig::default() };
        Loader::training(data(count), PLAIN, batch, workers, seed, augment)
    }

    fn collect(loader: &Loader, epoch: usize) -> Vec<Batch> {
        loader.epoch(epoch).unwrap().collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn batches_do_not_depend_on_the_number_of_workers() {
        for (count, batch) in [(1, 1), (7, 3), (50, 4), (64, 64), (100, 7), (250, 150)] {
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

    /// Updates of an epoch of ImageNet in batches of 4096, and of CIFAR in batches of 512: specification, section 4.4.
    #[test]
    fn epochs_have_the_updates_of_the_paper() {
        let batches = |images: usize, batch| {
            let shape = ImageShape { channels: 1, height: 1, width: 1 };
            let data = Dataset::in_memory("flat".into(), vec![0; images], shape, 255, vec![0; images], 1);
            Loader::training(Arc::new(data), PLAIN, batch, 1, 0, AugmentConfig::default()).batches()
        };
        assert_eq!([batches(1_281_167, 4096), batches(50_000, 512)], [313, 98]);
    }

    #[test]
    fn seed_and_epoch_decide_order_and_changes() {
        let labels = |seed, epoch| collect(&training(50, 50, 1, seed), epoch)[0].labels.clone();
        assert_eq!(labels(1, 1), labels(1, 1));
        assert!(labels(1, 1) != labels(1, 2) && labels(1, 1) != labels(2, 1));
    }

    #[test]
    fn an_evaluation_takes_all_in_order_and_the_last_batch_short() {
        let loader = Loader::evaluation(data(10), Preparation { mean: [0.5; 3], std: [0.25; 3], ..PLAIN }, 4, 2);
        let batches = collect(&loader, 0);
        assert_eq!((loader.batches(), loader.images()), (3, 10));
        assert_eq!(batches.iter().map(|b| b.labels.len()).collect::<Vec<_>>(), [4, 4, 2]);
        assert!(batches.iter().flat_map(|b| b.labels.iter().copied()).eq(0..10));
        assert_eq!(batches[1].images[..4], [((4.0 / 255.0 - 0.5) / 0.25) as f32; 4]);
    }

    #[test]
    fn a_failing_worker_is_an_error_and_ends_the_epoch() {
        let broken = Dataset { labels: (0..10).collect(), ..(*data(5)).clone() };
        for workers in [1, 3] {
            let loader = Loader::evaluation(Arc::new(broken.clone()), PLAIN, 2, workers);
            let results: Vec<_> = loader.epoch(0).unwrap().collect();
            assert_eq!(results.len(), 3, "two good batches, then the error");
            let message = results[2].as_ref().unwrap_err().to_string();
            assert!(message.contains("batch 2 of test"), "{message}");
        }
    }

    #[test]
    fn a_batch_of_many_pieces_is_whole() {
        for loader in [training(250, 150, 3, 1), Loader::evaluation(data(250), PLAIN, 150, 3)] {
            let batches = collect(&loader, 0);
            let sizes: Vec<_> = batches.iter().map(|b| (b.labels.len(), b.images.len())).collect();
            let last = loader.images() - 150;
            assert_eq!(sizes, [(150, 600), (last, 4 * last)]);
            let mut seen: Vec<u32> = batches.into_iter().flat_map(|b| b.labels).take(250).collect();
            seen.sort_unstable();
            assert!(seen.into_iter().eq(0..250));
        }
    }

    #[test]
    fn a_file_that_is_no_image_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("broken.jpg");
        std::fs::write(&path, b"\xff\xd8\xff\xe0 not much of an image").unwrap();
        let prepare = Preparation { size: Some(8), ..PLAIN };
        for file in [path, folder.path().join("none.jpg")] {
            let name = file.display().to_string();
            let data = Dataset::in_files("files".into(), vec![file], vec![0], Classes::numbered(2)).resized(Some(8));
            let results: Vec<_> = Loader::evaluation(Arc::new(data), prepare, 1, 1).epoch(0).unwrap().collect();
            let message = results[0].as_ref().unwrap_err().to_string();
            assert!(results.len() == 1 && message.contains(&name) && !message.contains("panic"), "{message}");
        }
    }

    #[test]
    fn an_epoch_that_begins_late_has_the_batches_that_are_left() {
        for (count, batch) in [(250, 30), (300, 100), (5, 8), (64, 1)] {
            for workers in [1, 2, 3, 7] {
                for loader in
                    [training(count, batch, workers, 3), Loader::evaluation(data(count), PLAIN, batch, workers)]
                {
                    let whole = collect(&loader, 2);
                    for first in [0, 1, whole.len() / 2, whole.len() - 1, whole.len()] {
                        let late = loader.epoch_from(2, first).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
                        assert!(late == whole[first..], "{count} images in batches of {batch} from {first}, {workers}");
                    }
                }
            }
        }
    }

    #[test]
    fn an_epoch_can_be_dropped_early() {
        let mut epoch = training(250, 1, 3, 0).epoch(0).unwrap();
        assert!(epoch.next().is_some());
        drop(epoch);
    }
}
