//! Evaluates a model on a data set: every image once, with running statistics and without dropout.

mod calibration;
mod multi_label;
mod prediction;
mod sets;
mod tally;

use crate::data::Loader;
use crate::error::Error;
use crate::network::{Network, upload};
use lethe_autograd::Var;
use lethe_nn::loss::{Likelihood, TaskLoss};
use lethe_tensor::Tensor;

pub use calibration::{BINS, Bin, Calibration};
pub use multi_label::multi_label_accuracy;
pub use prediction::{Prediction, predict};
pub use sets::{Measured, Measurement};
pub use tally::{ClassScore, Evaluation, Tally};

/// Added to the logits of excluded classes: large, and finite because shaders need that.
const MASKED: f32 = -1e30;

/// Evaluates a network on all images of a loader. The loss is plain cross-entropy, whatever loss was trained (specification, section 1.3), so that
/// losses are comparable; `likelihood` is used for the calibration.
///
/// # Errors
/// If a batch cannot be made, the device fails, or the loss is not finite: then the parameters are not either, and an accuracy would be meaningless.
pub fn evaluate(network: Network<'_>, loader: &Loader, likelihood: Likelihood) -> Result<Tally, Error> {
    evaluate_among(network, loader, likelihood, None)
}

/// The same among the classes of `among` only, if given: the logits of all others are practically −∞, also in the loss.
///
/// # Errors
/// As [`evaluate`].
pub fn evaluate_among(
    network: Network<'_>,
    loader: &Loader,
    likelihood: Likelihood,
    among: Option<&[u32]>,
) -> Result<Tally, Error> {
    let plain = TaskLoss { likelihood: Likelihood::Softmax, smoothing: 0.0 };
    let classes = loader.data().classes;
    let mask = among.map(|among| {
        let values: Vec<f32> = (0..classes as u32).map(|c| if among.contains(&c) { 0.0 } else { MASKED }).collect();
        Tensor::from_slice(network.device(), &values, &[1, classes])
    });
    let mut tally = Tally::new(classes, likelihood);
    for host in loader.epoch(0)? {
        let host = host?;
        let batch = upload(network.device(), &host);
        let (logits, loss) = network.device().scope(|| {
            let logits = network.logits(&batch.inputs);
            let logits = mask.as_ref().map_or_else(|| logits.clone(), |mask| logits.add(&Var::constant(mask)));
            (logits.tensor().clone(), plain.rows(&logits, &batch.targets).tensor().clone())
        });
        let (logits, loss) = (logits.to_vec::<f32>()?, loss.to_vec::<f32>()?);
        let rows = logits.chunks_exact(classes).zip(&host.labels).zip(loss);
        rows.for_each(|((logits, label), loss)| tally.add(logits, *label, loss));
    }
    let loss = tally.evaluation().loss;
    if loss.is_finite() { Ok(tally) } else { Err(Error::TestNotFinite { loss }) }
}
