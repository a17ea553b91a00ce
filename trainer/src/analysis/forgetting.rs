//! What a perturbation makes a network forget: the record of one collection, with everything that figure 2 of the paper needs.

use super::collect::Collector;
use super::companion::{Companion, companion, mean_likelihoods};
use super::information::{Curves, MAX_CLASSES, curves, exponents};
use super::threshold::{Adjustment, Forgetting, adjusted_thresholds};
use crate::config::{Config, Problem, Protocol, Split};
use crate::data::Dataset;
use crate::error::Error;
use crate::network::Network;
use crate::training::{Progress, TrainedPerturbation};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The record of one collection.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ForgettingRecord {
    /// The progress of the training.
    #[serde(flatten)]
    pub progress: Progress,
    /// The protocol.
    pub protocol: Protocol,
    /// The number of perturbed networks per image.
    pub draws: usize,
    /// The slice size m.
    pub slice: usize,
    /// The radius ρ.
    pub rho: f64,
    /// The perturbation: the section of the config.
    pub perturb: serde_json::Value,
    /// Which images were evaluated.
    pub split: Split,
    /// The number of images.
    pub images: usize,
    /// The number of classes.
    pub classes: usize,
    /// The exponents r of the thresholds 10^r.
    pub r: Vec<f64>,
    /// The unperturbed network's outputs.
    pub unperturbed: Side,
    /// The perturbed networks' outputs.
    pub perturbed: Side,
    /// The forgetting by adjusted threshold; `None` if the unperturbed outputs carry no information I(X;T|Y).
    pub adjusted: Option<Forgetting>,
}

/// Statistics of the outputs of one network, or of several together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Side {
    /// Binned information at each exponent.
    #[serde(flatten)]
    pub curves: Curves,
    /// Information without bins.
    pub companion: Companion,
    /// The accuracy in percent, a mean over the networks.
    pub accuracy: f64,
    /// The mean likelihood of the label.
    pub label_likelihood: f64,
    /// The mean entropy of a network's likelihoods, in nats.
    pub output_entropy: f64,
}

/// Measures what perturbations make a network forget, repeatedly during training or once.
pub struct ForgettingProbe {
    collector: Collector,
    protocol: Protocol,
    draws: usize,
    split: Split,
    perturb: serde_json::Value,
}

impl ForgettingProbe {
    /// For a resolved config, its training images, and the images whose outputs are collected.
    fn new(
        config: &Config,
        protocol: Protocol,
        train: &Arc<Dataset>,
        images: &Arc<Dataset>,
        workers: usize,
    ) -> Result<ForgettingProbe, Problem> {
        if images.classes > MAX_CLASSES {
            let reason =
                format!("binned information supports at most {MAX_CLASSES}; train on fewer with data.only_classes");
            return Err(Problem::value("classes", images.classes, reason));
        }
        Ok(ForgettingProbe {
            collector: Collector::new(config, protocol, train, images, workers)?,
            protocol,
            draws: if protocol == Protocol::P1 { config.analysis.draws } else { 1 },
            split: config.analysis.split,
            perturb: serde_json::to_value(&config.perturb).expect("a section of the config can be written as JSON"),
        })
    }

    /// For a resolved config, its training images, and the images whose outputs are collected: one for each protocol of the config, with the suffix
    /// of its records' names.
    ///
    /// # Errors
    /// As [`Collector::new`], and if there are more classes than a code has bits.
    pub fn each(
        config: &Config,
        train: &Arc<Dataset>,
        images: &Arc<Dataset>,
        workers: usize,
    ) -> Result<Vec<(ForgettingProbe, &'static str)>, Problem> {
        let probe = |(protocol, suffix): &(Protocol, &'static str)| {
            Ok((ForgettingProbe::new(config, *protocol, train, images, workers)?, *suffix))
        };
        config.analysis.protocol.each().iter().map(probe).collect()
    }

    /// The record of the current network.
    ///
    /// # Errors
    /// As [`Collector::collect`].
    pub fn measure(
        &self,
        network: Network<'_>,
        ascent: &TrainedPerturbation,
        progress: Progress,
    ) -> Result<ForgettingRecord, Error> {
        let outputs = self.collector.collect(network, ascent, progress.epochs)?;
        let images = self.collector.images();
        let side = |networks: &[Vec<f32>]| Side::of(networks, images.classes, &images.labels);
        let (unperturbed, perturbed) = (side(&[outputs.unperturbed]), side(&outputs.perturbed));
        let r = exponents();
        let adjusted = adjusted(&r, &unperturbed.curves, &perturbed.curves);
        Ok(ForgettingRecord {
            progress,
            protocol: self.protocol,
            draws: self.draws,
            slice: self.collector.slice(),
            rho: ascent.rho,
            perturb: self.perturb.clone(),
            split: self.split,
            images: images.len(),
            classes: images.classes,
            r,
            unperturbed,
            perturbed,
            adjusted,
        })
    }
}

impl Side {
    fn of(networks: &[Vec<f32>], classes: usize, labels: &[u32]) -> Side {
        let rows = || networks.iter().flat_map(|values| values.chunks_exact(classes).zip(labels));
        let mean = |of: &dyn Fn(&[f32], usize) -> f64| {
            rows().map(|(row, y)| of(row, *y as usize)).sum::<f64>() / (networks.len() * labels.len()) as f64
        };
        let first = |row: &[f32]| (1..classes).fold(0, |best, c| if row[c] > row[best] { c } else { best });
        let entropy = |row: &[f32]| -row.iter().map(|l| f64::from(*l)).map(|l| l.exp() * l.max(f64::MIN)).sum::<f64>();
        Side {
            curves: curves(networks, classes, labels),
            companion: companion(&mean_likelihoods(networks), classes, labels),
            accuracy: 100.0 * mean(&|row, y| f64::from(u8::from(first(row) == y))),
            label_likelihood: mean(&|row, y| f64::from(row[y]).exp()),
            output_entropy: mean(&|row, _| entropy(row)),
        }
    }
}

fn adjusted(r: &[f64], unperturbed: &Curves, perturbed: &Curves) -> Option<Forgetting> {
    let adjustment = Adjustment::new(r, &unperturbed.sample_given_label)?;
    let s = adjusted_thresholds();
    let label = |s: &f64| adjustment.label_forgetting(&unperturbed.label, &perturbed.label, *s);
    Some(Forgetting {
        r: s.iter().map(|s| adjustment.exponent(*s)).collect(),
        sample_given_label: s.iter().map(|s| adjustment.forgetting(&perturbed.sample_given_label, *s)).collect(),
        label: s.iter().map(label).collect(),
        s,
    })
}
