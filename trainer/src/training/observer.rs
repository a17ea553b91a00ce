//! Observers of a training run: they measure the network between epochs, and the training itself knows nothing of what they measure.

use super::parts::Parts;
use crate::config::{Config, Problem};
use crate::error::Error;
use crate::experiment::Step;
use crate::network::Network;
use crate::run::RunFolder;
use serde::{Deserialize, Serialize};

/// Looks at the network in training after each epoch.
pub trait Observer {
    /// Looks at the network after `epoch` (counted from 0), and may write records into the run's folder. A run that is resumed may ask for an epoch
    /// again.
    ///
    /// # Errors
    /// If a measurement fails, or its record cannot be written.
    fn after_epoch(&self, epoch: usize, seen: Observed<'_>, run: &RunFolder) -> Result<(), Error>;
}

/// Makes the observers of a training, given its resolved config, its images and the number of workers.
pub type Observers<'a> = &'a dyn Fn(&Config, &Parts, usize) -> Result<Vec<Box<dyn Observer>>, Problem>;

/// A network in training, as observers see it.
#[derive(Clone)]
pub struct Observed<'a> {
    /// The network.
    pub network: Network<'a>,
    /// The perturbation of its last update.
    pub ascent: TrainedPerturbation,
    /// How far the training has come.
    pub progress: Progress,
}

/// A perturbation as in training.
#[derive(Clone, Debug)]
pub struct TrainedPerturbation {
    /// The step.
    pub step: Step,
    /// Its radius ρ.
    pub rho: f64,
}

/// The progress of a training.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The number of epochs done.
    pub epochs: usize,
    /// The number of updates made.
    pub updates: u64,
}
