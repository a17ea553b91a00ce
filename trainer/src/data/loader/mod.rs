//! Makes batches on worker threads, ahead of the model that consumes them.
//!
//! The contents of a batch depend only on (seed, epoch, position in the epoch). Batches are made in pieces of a few images. Worker w of W makes the
//! pieces w, w + W, w + 2W, … and sends them through a bounded channel of its own; the consumer reads the channels in turn and joins the pieces. So
//! the order is correct without sorting, no worker waits for another, none runs far ahead, and all of them work on the batch that is needed next.

mod epoch;
#[cfg(test)]
mod tests;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{SyncSender, sync_channel};

use super::augment::{Mixing, Mixture, Purpose, Streams, mixed};
use super::balance::balanced;
use super::dataset::Dataset;
use super::error::DataError;
use super::pipeline::{Pipeline, Preparation, Scratch};
use crate::config::{AugmentConfig, Sampling};
use crate::shape::ImageShape;
use crate::words::of_panic;

pub use epoch::Epoch;

/// The largest number of images of a piece.
const PIECE: usize = 64;
/// The number of pieces that each worker may have ready.
const AHEAD: usize = 2;

/// Images and labels on the host, prepared for a model.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// The pixels, (value / max_value − mean) / std, in the order NCHW.
    pub images: Vec<f32>,
    /// The class of each image.
    pub labels: Vec<u32>,
    /// The size of every image.
    pub shape: ImageShape,
    /// What the images were mixed with, if they were.
    pub mixture: Option<Mixture>,
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
    sampling: Sampling,
    mixing: Option<Mixing>,
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
        let mixing = Mixing::of(&augment);
        let pipeline = Pipeline::new(&data, prepare, Some(augment));
        Loader { training: Some(seed), mixing, pipeline, ..Loader::evaluation(data, prepare, batch, workers) }
    }

    /// The same with these images in an epoch.
    #[must_use]
    pub fn sampling(self, sampling: Sampling) -> Loader {
        Loader { sampling, ..self }
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
        Loader { data, pipeline, batch, workers, training: None, sampling: Sampling::Once, mixing: None }
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
            let streams = Streams { seed, epoch: epoch as u32, position: 0 };
            if self.sampling == Sampling::Balanced {
                order = balanced(&self.data.labels, self.data.classes, streams.of(Purpose::Balance));
            }
            streams.of(Purpose::Order).shuffle(&mut order);
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
        let Loader { data, pipeline, batch: size, training, mixing, .. } = &self.loader;
        let start = batch * size + part * PIECE;
        let end = self.loader.images().min((batch + 1) * size).min(start + PIECE);
        let mut images = Vec::with_capacity((end - start) * pipeline.shape.len());
        let mut labels = Vec::with_capacity(end - start);
        // The augmentation of an image depends on its position in the epoch.
        let streams = |position: usize| Streams {
            seed: training.unwrap_or_default(),
            epoch: self.epoch as u32,
            position: position as u32,
        };
        for position in start..end {
            let index = self.order[position % self.order.len()] as usize;
            pipeline.append(data, index, streams(position), scratch, &mut images)?;
            labels.push(data.labels[index]);
        }
        let shape = pipeline.shape;
        let mixture = mixing.map(|mixing| mixed(&mut images, &labels, shape, (mixing, data.classes), streams(start)));
        Ok(Batch { images, labels, shape, mixture })
    }
}
