//! What a run's model says of the test images: which classes it confuses, how sure it is, and where it is most wrong.

use super::picture::{picture, png};
use crate::data::{Batch, Loader, Preparation};
use crate::error::Error;
use crate::evaluation::{Calibration, Prediction, predict};
use crate::network::Network;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lethe_nn::loss::Likelihood;
use serde::Serialize;

/// The number of images that are shown.
const SHOWN: usize = 24;

/// The predictions for all test images.
#[derive(Clone, Debug, Serialize)]
pub struct Judged {
    /// The names of the classes.
    pub classes: Vec<String>,
    /// Row y, column c: the number of images of class y that are predicted as c.
    pub confusion: Vec<Vec<usize>>,
    /// Bins of equal width of the likelihood of the predicted class: (images, mean likelihood, share that is correct), without empty ones.
    pub reliability: Vec<(usize, f64, f64)>,
    /// The expected calibration error.
    pub calibration_error: f64,
    /// The images whose right class seems least likely to the model, of those that it gets wrong.
    pub most_wrong: Vec<Wrong>,
}

/// An image whose class is not the predicted one.
#[derive(Clone, Debug, Serialize)]
pub struct Wrong {
    /// Its place in the test set, counted from 0.
    pub index: usize,
    /// Its class.
    pub label: usize,
    /// The predicted one.
    pub predicted: usize,
    /// The likelihood of its class.
    pub right: f32,
    /// That of the predicted one.
    pub wrong: f32,
    /// A PNG file as a `data:` address.
    pub image: String,
}

/// Predicts all images of a loader.
///
/// # Errors
/// As [`predict`].
pub fn judge(
    network: Network<'_>,
    loader: &Loader,
    preparation: Preparation,
    likelihood: Likelihood,
) -> Result<Judged, Error> {
    let names = loader.data().names.names().to_vec();
    let (mut calibration, mut most_wrong) = (Calibration::default(), Vec::new());
    let mut confusion = vec![vec![0; names.len()]; names.len()];
    let mut index = 0;
    predict(network, loader, likelihood, |batch, predictions| {
        for (place, (prediction, label)) in predictions.into_iter().zip(&batch.labels).enumerate() {
            let label = *label as usize;
            let (predicted, p) = prediction[0];
            confusion[label][predicted] += 1;
            calibration.add(f64::from(p), predicted == label);
            if predicted != label {
                keep_if_among(
                    &mut most_wrong,
                    || wrong(index, label, &prediction, batch, place, preparation),
                    &prediction,
                    label,
                );
            }
            index += 1;
        }
    })?;
    let filled = calibration.bins().iter().filter(|bin| bin.images > 0);
    let reliability = filled.map(|bin| {
        let images = bin.images as f64;
        (bin.images, bin.confidence / images, bin.correct as f64 / images)
    });
    let reliability = reliability.collect();
    Ok(Judged { classes: names, confusion, reliability, calibration_error: calibration.error(), most_wrong })
}

/// Keeps an image if it is among the most wrong ones; they are sorted by the likelihood of the right class, the first of equal ones first.
fn keep_if_among(kept: &mut Vec<Wrong>, image: impl Fn() -> Wrong, prediction: &Prediction, label: usize) {
    let right = likelihood_of(prediction, label);
    let place = kept.partition_point(|wrong| wrong.right <= right);
    if place < SHOWN {
        kept.insert(place, image());
        kept.truncate(SHOWN);
    }
}

fn likelihood_of(prediction: &Prediction, class: usize) -> f32 {
    prediction.iter().find(|(c, _)| *c == class).map_or(0.0, |(_, p)| *p)
}

fn wrong(
    index: usize,
    label: usize,
    prediction: &Prediction,
    batch: &Batch,
    place: usize,
    preparation: Preparation,
) -> Wrong {
    let (predicted, wrong) = prediction[0];
    let pixels = &batch.images[place * batch.shape.len()..][..batch.shape.len()];
    let image = format!("data:image/png;base64,{}", STANDARD.encode(png(&picture(pixels, batch.shape, preparation))));
    Wrong { index, label, predicted, right: likelihood_of(prediction, label), wrong, image }
}
