//! What a network says of images without labels.

use crate::data::{Batch, Loader};
use crate::error::Error;
use crate::network::{Network, upload};
use lethe_nn::loss::Likelihood;

/// The classes of an image from the most to the least likely, each with its likelihood; equal ones in the order of their numbers.
pub type Prediction = Vec<(usize, f32)>;

/// Predicts the classes of all images of a loader, in order, and gives `told` each batch with its predictions as soon as they are known.
///
/// # Errors
/// If a batch cannot be made, the device fails, or a likelihood is NaN: then the network has diverged.
pub fn predict(
    network: Network<'_>,
    loader: &Loader,
    likelihood: Likelihood,
    mut told: impl FnMut(&Batch, Vec<Prediction>),
) -> Result<(), Error> {
    for host in loader.epoch(0)? {
        let host = host?;
        let batch = upload(network.device(), &host);
        let likelihoods = network.device().scope(|| {
            let logits = network.logits(&batch.inputs).tensor().clone();
            match likelihood {
                Likelihood::Softmax => logits.softmax(-1),
                Likelihood::Sigmoid => logits.sigmoid(),
            }
        });
        let likelihoods = likelihoods.to_vec::<f32>()?;
        if likelihoods.iter().any(|p| p.is_nan()) {
            return Err(Error::OutputsNotFinite);
        }
        told(&host, likelihoods.chunks_exact(loader.data().classes).map(ranked).collect());
    }
    Ok(())
}

fn ranked(likelihoods: &[f32]) -> Prediction {
    let mut ranked: Prediction = likelihoods.iter().copied().enumerate().collect();
    ranked.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    ranked
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_likely_class_comes_first_and_equal_ones_stay_in_order() {
        assert_eq!(ranked(&[0.25, 0.0, 0.5, 0.25]), [(2, 0.5), (0, 0.25), (3, 0.25), (1, 0.0)]);
    }
}
