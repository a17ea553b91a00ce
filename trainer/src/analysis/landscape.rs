//! The loss along the directions of perturbations: L(θ + t d) for d of unit length, with the loss as in evaluation.

use super::collect::perturbed;
use crate::data::Loader;
use crate::error::Error;
use crate::experiment::Step;
use crate::network::{Network, upload};
use crate::training::TrainedPerturbation;
use lethe_nn::loss::{Likelihood, TaskLoss};
use lethe_optim::Batch;
use lethe_tensor::Tensor;
use serde::{Deserialize, Serialize};

/// The loss along a line through θ.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slice {
    /// The name of the perturbation that gives the direction.
    pub name: String,
    /// The distances t from θ.
    pub distance: Vec<f64>,
    /// The mean loss at each distance.
    pub loss: Vec<f64>,
}

/// The direction of a perturbation.
pub struct UnitDirection {
    /// The direction, of unit length, in θ's layout.
    pub unit: Tensor,
    /// The length of the perturbation per unit of ρ: 1, unless ASAM scales after normalisation.
    pub length: f64,
}

/// The direction in which a step perturbs θ on a slice of images; `None` if the perturbation is zero.
///
/// # Errors
/// If the device fails.
pub fn direction(network: Network<'_>, step: Step, images: &Batch) -> Result<Option<UnitDirection>, Error> {
    let moved = network.device().scope(|| {
        let moved = perturbed(network, &TrainedPerturbation { step, rho: 1.0 }, images, 0, 0);
        moved.values().sub(network.theta.values()).force().clone()
    });
    let length = f64::from(moved.norm().item::<f32>()?);
    Ok((length > 0.0).then(|| UnitDirection { unit: moved.mul_scalar(1.0 / length).force().clone(), length }))
}

/// The loss at `points` distances from −reach to reach along a direction of unit length.
///
/// # Errors
/// If a batch cannot be made, the device fails, or a loss is not finite.
pub fn slice(
    name: &str,
    network: Network<'_>,
    (loader, likelihood): (&Loader, Likelihood),
    direction: &Tensor,
    reach: f64,
    points: usize,
) -> Result<Slice, Error> {
    let step = 2.0 * reach / (points.max(2) - 1) as f64;
    let distance: Vec<f64> = (0..points).map(|i| -reach + step * i as f64).collect();
    let at = |t: &f64| {
        let theta = network.theta.step_along(direction, &direction.scalar_like(*t));
        let loss = mean_loss(Network { theta: &theta, ..network }, loader, likelihood)?;
        if loss.is_finite() { Ok(loss) } else { Err(Error::SliceNotFinite { distance: *t, loss }) }
    };
    let loss = distance.iter().map(at).collect::<Result<_, Error>>()?;
    Ok(Slice { name: name.to_owned(), distance, loss })
}

/// The task loss as in evaluation, without smoothing.
fn mean_loss(network: Network<'_>, loader: &Loader, likelihood: Likelihood) -> Result<f64, Error> {
    let plain = TaskLoss { likelihood, smoothing: 0.0 };
    let mut sum = 0.0;
    for batch in loader.epoch(0)? {
        let Batch { inputs, targets } = upload(network.device(), &batch?);
        let losses = network.device().scope(|| plain.rows(&network.logits(&inputs), &targets).tensor().clone());
        sum += losses.to_vec::<f32>()?.into_iter().map(f64::from).sum::<f64>();
    }
    Ok(sum / loader.images() as f64)
}
