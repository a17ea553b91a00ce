//! Slices of the loss along the directions in which perturbations go: L(θ + t d), d of unit length, the loss as in evaluation.

use super::collect::Ascent;
use crate::data::Loader;
use crate::error::Error;
use crate::evaluation::{Network, evaluate};
use lethe_autograd::Var;
use lethe_nn::Forward;
use lethe_nn::loss::Likelihood;
use lethe_optim::{Batch, Place};
use lethe_tensor::Tensor;
use serde::{Deserialize, Serialize};

/// The loss along a line through θ.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Slice {
    /// The perturbation that gave the direction.
    pub name: String,
    /// Distances t from θ.
    pub distance: Vec<f64>,
    /// The mean loss there.
    pub loss: Vec<f64>,
}

/// The unit direction in which a step perturbs θ on a slice of images, a vector of θ's layout; nothing where it does not move.
///
/// # Errors
/// If the device fails.
pub fn direction(network: Network<'_>, ascent: Ascent, images: &Batch) -> Result<Option<Tensor>, Error> {
    let Network { model, theta, state } = network;
    let forward = |f: &Forward<'_>, x: &Var| model.forward(f, x);
    let moved = network.device().scope(|| {
        let place = Place { update: 0, slice: 0 };
        let moved = ascent.step.perturbed(theta, state, images, ascent.rho, place, &forward);
        moved.values().sub(theta.values()).force().clone()
    });
    let length = moved.sum_squares(&[], false).sqrt().item::<f32>()?;
    Ok((length > 0.0).then(|| moved.mul_scalar(1.0 / f64::from(length)).force().clone()))
}

/// The loss at `points` distances from −reach to reach along a direction of unit length.
///
/// # Errors
/// If a batch cannot be made, the device fails, or a loss is no number.
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
        match evaluate(Network { theta: &theta, ..network }, loader, likelihood) {
            Err(Error::TestNotFinite { loss }) => Err(Error::SliceNotFinite { distance: *t, loss }),
            tally => Ok(tally?.evaluation().loss),
        }
    };
    let loss = distance.iter().map(at).collect::<Result<_, Error>>()?;
    Ok(Slice { name: name.to_owned(), distance, loss })
}
