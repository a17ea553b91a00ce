//! The network of a checkpoint, for evaluation and analysis.

use super::observer::{Progress, TrainedPerturbation};
use super::state::{UPDATES, lr_decays, vector};
use crate::classes::Classes;
use crate::config::Config;
use crate::data::Dataset;
use crate::error::Error;
use crate::experiment;
use crate::network::Network;
use crate::run::Checkpoint;
use crate::shape::ImageShape;
use lethe_nn::{Model, State, Theta};
use lethe_tensor::Device;

/// A network from a checkpoint.
pub struct Restored {
    model: Box<dyn Model>,
    theta: Theta,
    state: State,
    ascent: TrainedPerturbation,
    progress: Progress,
}

impl Restored {
    /// Restores the network of a resolved config for these training images.
    ///
    /// # Errors
    /// If the checkpoint does not match the config's model, or the model has other classes than the images.
    pub fn new(config: &Config, checkpoint: &Checkpoint, train: &Dataset, device: &Device) -> Result<Restored, Error> {
        let updates_per_epoch = train.len().div_ceil(config.train.batch);
        Restored::of(config, checkpoint, train.shape, &train.names, updates_per_epoch, device)
    }

    /// The same for images of this size and these classes, in a training with this number of updates per epoch. The network does not depend on it.
    ///
    /// # Errors
    /// As [`Restored::new`].
    pub fn of(
        config: &Config,
        checkpoint: &Checkpoint,
        images: ImageShape,
        classes: &Classes,
        updates_per_epoch: usize,
        device: &Device,
    ) -> Result<Restored, Error> {
        checkpoint.expect_classes(classes)?;
        checkpoint.expect_model(&config.model)?;
        let model = experiment::model(config, images, classes.len());
        let (layout, state_layout) = (model.blueprint().layout(), model.blueprint().state_layout());
        let theta = Theta::new(vector("", checkpoint, layout, device)?, layout);
        let state = State::new(vector("", checkpoint, state_layout, device)?, state_layout);
        let updates: u64 = checkpoint.number(UPDATES)?;
        let (lr, rho) = experiment::schedules(config, updates_per_epoch, lr_decays(checkpoint)?);
        let last = updates.saturating_sub(1);
        let rho = rho.at(last, lr.at(last));
        let ascent = TrainedPerturbation { step: experiment::step(config, classes.len(), device), rho };
        let progress = Progress { epochs: updates as usize / updates_per_epoch, updates };
        Ok(Restored { model, theta, state, ascent, progress })
    }

    /// The network.
    pub fn network(&self) -> Network<'_> {
        Network { model: &*self.model, theta: &self.theta, state: &self.state }
    }

    /// The perturbation of its last update.
    pub fn ascent(&self) -> &TrainedPerturbation {
        &self.ascent
    }

    /// The number of epochs and updates of its training.
    pub fn progress(&self) -> Progress {
        self.progress
    }
}
