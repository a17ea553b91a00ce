//! Measuring a model on a data set: every image once, running statistics, nothing dropped.

use crate::data::{Batch, Loader};
use crate::error::Error;
use lethe_autograd::Var;
use lethe_nn::loss::{Likelihood, TaskLoss};
use lethe_nn::{Forward, Model, Pass, State, Theta};
use lethe_tensor::{Device, Tensor};
use serde::{Deserialize, Serialize};

/// Accuracy and loss over a whole data set.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Images.
    pub images: usize,
    /// Images whose largest logit is at their label.
    pub correct: usize,
    /// The mean loss, without smoothing.
    pub loss: f64,
}

impl Evaluation {
    /// Correct images in percent.
    pub fn accuracy(&self) -> f64 {
        100.0 * self.correct as f64 / self.images as f64
    }
}

/// A host batch on the device: images (n, c, h, w), labels (n).
pub fn upload(device: &Device, batch: &Batch) -> lethe_optim::Batch {
    let n = batch.labels.len();
    let s = batch.shape;
    lethe_optim::Batch {
        inputs: Tensor::from_slice(device, &batch.images, &[n, s.channels, s.height, s.width]),
        labels: Tensor::from_slice(device, &batch.labels, &[n]),
    }
}

/// Measures θ on all that a loader gives. The loss has the task's likelihood, without smoothing.
///
/// # Errors
/// If a batch cannot be made, the device fails, or the loss is no number: so are the parameters, and an accuracy would say nothing.
pub fn evaluate(
    model: &dyn Model,
    theta: &Theta,
    state: &State,
    loader: &Loader,
    likelihood: Likelihood,
) -> Result<Evaluation, Error> {
    let device = theta.values().device().clone();
    let plain = TaskLoss { likelihood, smoothing: 0.0 };
    let mut total = Evaluation { images: 0, correct: 0, loss: 0.0 };
    for batch in loader.epoch(0)? {
        let batch = upload(&device, &batch?);
        let (correct, loss) = device.scope(|| {
            let params = theta.constants();
            let logits = model.forward(&Forward::new(&params, state, Pass::evaluate()), &Var::constant(&batch.inputs));
            let hits = logits.tensor().argmax(-1, false).eq(&batch.labels);
            (hits.force().clone(), plain.rows(&logits, &batch.labels).tensor().clone())
        });
        total.images += batch.len();
        total.correct += correct.to_vec::<u32>()?.iter().filter(|hit| **hit == 1).count();
        total.loss += loss.to_vec::<f32>()?.iter().map(|l| f64::from(*l)).sum::<f64>();
    }
    total.loss /= total.images as f64;
    if total.loss.is_finite() { Ok(total) } else { Err(Error::TestNotFinite { loss: total.loss }) }
}
