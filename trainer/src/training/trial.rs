//! A few updates of a training, made to see what the whole will take.

use super::Training;
use crate::error::Error;
use crate::network::{HostBatch, upload};
use std::time::{Duration, Instant};

/// What a few updates took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Trial {
    /// The time of an update, with its batch: the median of those made, without the first if there are others.
    pub update: Duration,
    /// The time of a batch of the test set: of the second, or of the only one.
    pub test_batch: Duration,
    /// The floating-point operations of an update.
    pub flops: u64,
    /// The number of updates of an epoch.
    pub updates_per_epoch: usize,
    /// The number of batches of the test set.
    pub test_batches: usize,
}

impl Trial {
    /// The time that this many updates and evaluations take.
    pub fn expected(&self, updates: usize, evaluations: usize) -> Duration {
        let seconds = self.update.as_secs_f64() * updates as f64;
        let testing = self.test_batch.as_secs_f64() * (evaluations * self.test_batches) as f64;
        Duration::try_from_secs_f64(seconds + testing).unwrap_or(Duration::MAX)
    }
}

impl Training<'_> {
    /// Makes up to this number of updates of one epoch, and the predictions of up to two batches of test images, and gives the training up.
    ///
    /// # Errors
    /// If the data or the device fails. Updates that are not finite are what they are.
    pub fn trial(mut self, updates: usize) -> Result<Trial, Error> {
        let (mut times, mut flops) = (Vec::new(), 0);
        let mut batches = self.loader.epoch_from(0, 0)?;
        while times.len() < updates.max(1) {
            let began = Instant::now();
            let Some(batch) = batches.next() else { break };
            let done = self.session.update(0, &HostBatch { device: &self.device, batch: &batch? });
            flops = done.flops;
            match self.session.read(done) {
                Err(Error::NotFinite { .. }) | Ok(_) => {}
                Err(error) => return Err(error),
            }
            times.push(began.elapsed());
        }
        let mut test_batch = Duration::ZERO;
        for batch in self.test_loader.epoch(0)?.take(2) {
            let began = Instant::now();
            let inputs = upload(&self.device, &batch?).inputs;
            self.session.network().logits(&inputs).tensor().to_vec::<f32>()?;
            test_batch = began.elapsed();
        }
        // The first one makes buffers and kernels.
        let steady = if times.len() > 1 { &mut times[1..] } else { &mut times[..] };
        steady.sort_unstable();
        let update = steady.get(steady.len() / 2).copied().unwrap_or_default();
        let (updates_per_epoch, test_batches) = (self.loader.batches(), self.test_loader.batches());
        Ok(Trial { update, test_batch, flops, updates_per_epoch, test_batches })
    }

    /// The first images of the first epoch, as the model will see them, with their labels.
    ///
    /// # Errors
    /// If they cannot be made.
    pub fn first_batch(&self) -> Result<crate::data::Batch, Error> {
        let batch = self.loader.epoch_from(0, 0)?.next().expect("a training set has images");
        Ok(batch?)
    }

    /// The number of vectors that the optimiser keeps beside θ.
    pub fn optimizer_vectors(&self) -> usize {
        self.session.optimizer_vectors()
    }

    /// Its model.
    pub fn model(&self) -> &dyn lethe_nn::Model {
        self.session.network().model
    }
}
