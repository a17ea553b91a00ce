//! Collects the outputs of a network and of its perturbed versions (specification, section 8.2): perturbations as in training, outputs as in
//! evaluation.

use crate::config::{AnalysisConfig, Config, Problem, Protocol};
use crate::data::{Dataset, Loader, Preparation};
use crate::error::Error;
use crate::network::{Network, upload};
use crate::training::TrainedPerturbation;
use crate::words::count;
use lethe_autograd::Var;
use lethe_nn::{Forward, Theta};
use lethe_optim::{Batch, SliceIndex};
use lethe_tensor::Tensor;
use std::sync::Arc;

/// Distinguishes the slices, dropout masks and random directions of a collection from those of training: a bit that no epoch or update number
/// reaches.
const COLLECTION: u32 = 1 << 31;

/// Log-likelihoods (by softmax, whatever the loss) of all images: a vector of n × classes for each network.
pub struct Outputs {
    /// Of the unperturbed network.
    pub unperturbed: Vec<f32>,
    /// Of the perturbed networks: one, or as many as there were draws.
    pub perturbed: Vec<Vec<f32>>,
}

/// The images of a collection, and the slices that perturb.
pub struct Collector {
    protocol: Protocol,
    draws: usize,
    images: Loader,
    slices: Loader,
}

impl Collector {
    /// The collector of a resolved config: it collects the outputs of `images`; with protocol p1, slices of `train` perturb.
    ///
    /// # Errors
    /// If the config has no perturbation, or the training set has fewer slices than networks to draw.
    pub fn new(
        config: &Config,
        protocol: Protocol,
        train: &Arc<Dataset>,
        images: &Arc<Dataset>,
        workers: usize,
    ) -> Result<Collector, Problem> {
        let Some(m) = config.perturb.ascent().map(|ascent| ascent.m) else {
            let reason = "without a perturbation there is nothing to compare; choose one, such as --set \
                          perturb.kind=steepest --set perturb.rho=0.05";
            return Err(Problem::value("perturb.kind", "\"none\"", reason));
        };
        let AnalysisConfig { draws, .. } = config.analysis;
        let prepare = Preparation::of(&config.data);
        let slices = match protocol {
            Protocol::P1 => {
                let augment = config.data.augment.clone();
                Loader::training(train.clone(), prepare, m, workers, config.train.seed, augment)
                    .sampling(config.data.sampling)
            }
            Protocol::P2 => Loader::evaluation(Arc::new(filled(images, m)), prepare, m, workers),
        };
        if protocol == Protocol::P1 && draws > slices.batches() {
            let reason = format!("the training set has only {} of perturb.m = {m}", count(slices.batches(), "slice"));
            return Err(Problem::value("analysis.draws", draws, reason));
        }
        let batch = config.train.eval_batch;
        Ok(Collector { protocol, draws, images: Loader::evaluation(images.clone(), prepare, batch, workers), slices })
    }

    /// The images whose outputs are collected.
    pub fn images(&self) -> &Dataset {
        self.images.data()
    }

    /// The slice size.
    pub fn slice(&self) -> usize {
        self.slices.batch()
    }

    /// Collects after this number of epochs; the same epoch gives the same slices.
    ///
    /// # Errors
    /// If a batch cannot be made, the device fails, or an output is not finite.
    pub fn collect(&self, network: Network<'_>, ascent: &TrainedPerturbation, epochs: usize) -> Result<Outputs, Error> {
        let unperturbed = log_likelihoods(network, &self.images)?;
        let key = COLLECTION | epochs as u32;
        let perturbed = match self.protocol {
            Protocol::P1 => {
                let slices = self.slices.epoch(key as usize)?.take(self.draws).enumerate();
                let network_of = |(j, slice): (usize, Result<_, _>)| {
                    let theta = perturbed(network, ascent, &upload(network.device(), &slice?), key, j);
                    log_likelihoods(Network { theta: &theta, ..network }, &self.images)
                };
                slices.map(network_of).collect::<Result<_, Error>>()?
            }
            Protocol::P2 => vec![self.slice_by_slice(network, ascent, key)?],
        };
        Ok(Outputs { unperturbed, perturbed })
    }

    /// Protocol P2: every slice is evaluated by the network that it perturbs.
    fn slice_by_slice(&self, network: Network<'_>, ascent: &TrainedPerturbation, key: u32) -> Result<Vec<f32>, Error> {
        let mut outputs = Vec::new();
        for (j, slice) in self.slices.epoch(0)?.enumerate() {
            let slice = upload(network.device(), &slice?);
            let theta = perturbed(network, ascent, &slice, key, j);
            outputs.extend(log_softmax(Network { theta: &theta, ..network }, &slice.inputs)?);
        }
        // The images that fill the last slice were evaluated before.
        outputs.truncate(self.images().len() * self.images().classes);
        Ok(outputs)
    }
}

/// The images, followed by the first ones again until all slices have m images, since a perturbation belongs to m images.
fn filled(images: &Dataset, m: usize) -> Dataset {
    let indices: Vec<usize> = (0..images.len().next_multiple_of(m)).map(|i| i % images.len()).collect();
    images.select(&images.name, &indices)
}

/// θ + ε of a slice, as in training: with the slice's batch statistics; running statistics are not updated.
pub(super) fn perturbed(
    network: Network<'_>,
    ascent: &TrainedPerturbation,
    slice: &Batch,
    key: u32,
    j: usize,
) -> Theta {
    let Network { model, theta, state } = network;
    let (index, forward) =
        (SliceIndex { update: key.into(), slice: j }, |f: &Forward<'_>, x: &Var| model.forward(f, x));
    network.device().scope(|| ascent.step.perturbed(theta, state, slice, ascent.rho, index, &forward))
}

/// Log-likelihoods of all images of a loader, n × classes.
fn log_likelihoods(network: Network<'_>, loader: &Loader) -> Result<Vec<f32>, Error> {
    let mut outputs = Vec::with_capacity(loader.images() * loader.data().classes);
    for batch in loader.epoch(0)? {
        outputs.extend(log_softmax(network, &upload(network.device(), &batch?).inputs)?);
    }
    Ok(outputs)
}

fn log_softmax(network: Network<'_>, inputs: &Tensor) -> Result<Vec<f32>, Error> {
    let values = network.device().scope(|| network.logits(inputs).tensor().log_softmax(-1).force().clone());
    let values = values.to_vec::<f32>()?;
    if values.iter().any(|v| v.is_nan()) {
        return Err(Error::OutputsNotFinite);
    }
    // A likelihood that rounding makes larger than 1 would be above every threshold.
    Ok(values.into_iter().map(|v| v.min(0.0)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::digits;

    #[test]
    fn slices_are_filled_with_the_first_images() {
        let images = digits().test.select("five", &[0, 1, 2, 3, 4]);
        let labels = |m| filled(&images, m).labels;
        assert_eq!(labels(5), images.labels);
        assert_eq!(labels(2), [&images.labels[..], &images.labels[..1]].concat());
        assert_eq!(labels(12), [&images.labels[..], &images.labels, &images.labels[..2]].concat());
    }
}
